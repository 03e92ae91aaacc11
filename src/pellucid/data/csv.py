"""A table of pictures: path,label and, where they are known, boxes and a mask.

    path,label,box,mask                         path,label,x0,y0,x1,y1
    a.jpg,cat,12 30 80 96; 100 4 120 40,a.png   a.jpg,cat,12,30,80,96

Paths are from the table's folder, or from root. Labels are names (sorted) or numbers; an empty one is none. Boxes are
x0 y0 x1 y1 in pixels, the last just outside, and of the label's class; lines of one path are objects of one picture,
whose label is the first line's. A mask is a picture: 255 and any other number but 0 is the object.

>>> boxes("1 2 3 4; 5 6 7 8")
[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

import torch

from pellucid.data._names import read_names
from pellucid.data._pictures import numbers
from pellucid.data._reading import reason
from pellucid.data._stored import Index, Pictures, fits
from pellucid.errors import BadFile, BadInput, did_you_mean

SIDES = ("x0", "y0", "x1", "y1")


def boxes(text: str) -> list[list[float]]:
    """The boxes of a cell."""
    some = [[float(x) for x in one.replace(",", " ").split()] for one in text.split(";") if one.strip()]
    if any(len(box) != 4 for box in some):
        raise ValueError("four numbers a box")
    return some


@dataclass
class Line:
    """What the lines of one picture say."""

    label: str
    boxes: list[list[float]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)  # of the boxes
    masks: list[tuple[str, str]] = field(default_factory=list)  # file, label
    ids: list[int] = field(default_factory=list)
    mask_ids: list[int] = field(default_factory=list)
    objects: int = 0


class CSV(Pictures, name="csv"):
    """Pictures, labels, boxes and masks in a table."""

    licence = "yours"
    upright = True

    file: str | None = None  # the table; None: root is it
    names: str | None = None  # a file of class names in label order: one a line, or a JSON list

    @cached_property
    def _table(self) -> Path:
        if self.file is None and self.root is None:
            raise BadInput("csv is read from a table; say where it is with root=FILE, or file=FILE and root=FOLDER.")
        return Path(self.file or self.root or "").expanduser()

    @cached_property
    def folder(self) -> Path:
        return self._table.parent if self.file is None or self.root is None else Path(self.root).expanduser()

    @cached_property
    def _lines(self) -> dict[str, Line]:
        found: dict[str, Line] = {}
        for number, row in _rows(self._table):
            row["label"] = _number_or_name(row["label"])
            line = found.setdefault(PurePath(row["path"].replace("\\", "/")).as_posix(), Line(row["label"]))
            try:
                cell = row.get("box") or (" ".join(row[s] for s in SIDES) if row.get(SIDES[0]) else "")
                here = boxes(cell)
            except (ValueError, KeyError):
                cell = row.get("box") or " ".join(row.get(s, "") for s in SIDES)
                raise BadFile(
                    f"{self._table}, line {number}: the box {cell!r} is not four numbers x0 y0 x1 y1; put it right."
                ) from None
            if not here and not row.get("mask") and line.label != row["label"]:
                raise BadFile(
                    f"{self._table}, line {number}: {row['path']} is {row['label']!r} here and {line.label!r} before; "
                    f"give it one label."
                )
            first = line.objects
            line.ids += range(first, first + len(here))
            line.boxes += here
            line.labels += [row["label"]] * len(here)
            if row.get("mask"):  # of the one box of its line; else it is an object of its own
                line.masks.append((row["mask"], row["label"]))
                line.mask_ids.append(first if len(here) <= 1 else first + len(here))
            line.objects = max([first - 1, *line.ids, *line.mask_ids]) + 1
        return found

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        if self.names is not None:
            return read_names(Path(self.names).expanduser())
        words = {w for line in self._lines.values() for w in (line.label, *line.labels, *(m[1] for m in line.masks))}
        if all(w.isdecimal() for w in words if w):
            most = max((int(w) for w in words if w), default=-1)
            if most > 10 * len(words) + 1000:
                raise BadFile(
                    f"{self._table} has the label {most} among {len(words)}; say the classes with names=FILE."
                )
            return tuple(map(str, range(most + 1)))
        return tuple(sorted(words - {""}))

    def find(self) -> Index:
        return Index(list(self._lines), [self._number(line.label) for line in self._lines.values()])

    def truth(self, i: int, size: tuple[int, int]) -> Mapping[str, Any]:
        line = self._lines[self.index.files[i]]
        masks = [numbers(self.folder / file) for file, _ in line.masks]
        flat = [(m if m.ndim == 2 else m[..., : 3 if m.shape[2] > 2 else 1].amax(2)) > 0 for m in masks]
        found: dict[str, Any] = {
            "boxes": torch.tensor(line.boxes).view(-1, 4),
            "classes": torch.tensor([self._number(label) for label in line.labels], dtype=torch.int64),
            "ids": torch.tensor(line.ids, dtype=torch.int64),
        }
        for mask in flat:
            fits(mask, size, self.path(i))
        if flat:
            found["masks"] = torch.stack(flat)
            found["mask_classes"] = torch.tensor([self._number(label) for _, label in line.masks])
            found["mask_ids"] = torch.tensor(line.mask_ids)
        return found

    def _number(self, label: str) -> int:
        if not label:
            return -1
        if label in self._numbers:
            return self._numbers[label]
        if label.isdecimal() and int(label) < len(self.class_names):
            return int(label)
        raise BadFile(f"{self._table} has the label {label!r}; {did_you_mean(label, self.class_names)}")

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.class_names)}


def _number_or_name(label: str) -> str:
    """2.0, as a table with gaps has it, is 2; -1 is none.

    >>> [_number_or_name(label) for label in ("2.0", "-1", "007", "cat")]
    ['2', '', '7', 'cat']
    """
    if not re.fullmatch(r"-?\d+(\.0+)?", label):
        return label
    number = int(float(label)) if "." in label else int(label)
    return str(number) if number >= 0 else ""


def _rows(table: Path) -> Sequence[tuple[int, dict[str, str]]]:
    """The lines and their numbers."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            head = [(name or "").strip() for name in reader.fieldnames or ()]
            reader.fieldnames = head
            if not any(head):
                raise BadFile(f"{table} is empty; write the columns path,label[,box] and a line a picture.")
            for needed in ("path", "label"):
                if needed not in head:
                    raise BadFile(f"{table} has the columns {', '.join(head)} and no {needed}; write path,label[,box].")
            found = [
                (reader.line_num, {k: (v or "").strip() for k, v in row.items() if isinstance(v, str)})
                for row in reader
            ]
    except FileNotFoundError:
        raise BadFile(f"{table} is not there; give a table with the columns path,label[,box].") from None
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        if isinstance(cause, BadFile):
            raise
        raise BadFile(
            f"{table} cannot be read as a table ({reason(cause)}); give the table itself, root=FILE."
        ) from None
    if blank := next((number for number, row in found if not row["path"]), None):
        raise BadFile(f"{table}, line {blank}: there is no path; put it right.")
    return found
