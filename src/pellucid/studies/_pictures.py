"""The pictures of a study's page: some samples, and their maps as the first seed's cells measured them.

    for one in cell.drawn():                  # what can be drawn of a cell: a network, and by what it is explained
        one.maps(Seen.of(model, data, rows))

A grid is of one data set: a line a sample, a column an arm and what is asked of it. Maps are divided by their strongest
value, so that one scale holds for a grid. What was drawn is not drawn again.

study.json        "pictures": by grid the key, the data, what columns are, and of every sample its title and captions
pictures/KEY      the samples and the maps; KEY is made of the cells and the samples
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pellucid.errors import PellucidError

if TYPE_CHECKING:
    from pellucid.studies._cells import Cell, Lab, Reading

GRIDS, SAMPLES, COLUMNS, ARMS, ASKED = 2, 6, 12, 6, 3  # at most
WHY = ["one of the first of its class"]


# --- what can be drawn ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """What can be drawn of a cell: maps of a network by an explainer. Abstract; equal ones are drawn once."""

    called: ClassVar[tuple[str, str]] = ("Networks", "Explainers")  # what arms are, and what is asked of them
    pairs: ClassVar[bool] = False  # whether two samples of a class belong together, of all that there are
    scale: ClassVar[str] = "Every map is divided by its strongest value."

    data: str
    of: Any  # a training, or the text form of a network
    by: str  # what the explainer is called
    arm: str = field(default="", compare=False, kw_only=True)  # where the reading has none

    @property
    def each(self) -> int:
        """How many maps a sample has, where that is known before."""
        return 1

    def maps(self, seen: "Seen") -> "Shown":
        """Of some samples."""
        raise NotImplementedError


@dataclass(frozen=True)
class Asked(Drawn):
    """By the explainer of a measurement, asked as it measures."""

    ask: str | None = None
    target: str = "label"

    def maps(self, seen: "Seen") -> "Shown":
        from pellucid.explanation import explain

        e = explain(seen.model, seen.images, self.by, self.ask, target=seen.targets(self.target))
        return Shown(e.maps[:, None], bool(e.signed), captions=[[said] for said in seen.answers])


@dataclass(frozen=True, eq=False)
class Shown:
    """[n, k, h, w]: of n samples k things that were asked, what these are called, and the words under each map."""

    maps: Any
    signed: bool
    asks: Sequence[str] = ("",)
    captions: Sequence[Sequence[str]] = ()
    whole: bool = False  # whether all samples have one scale, else each its own

    @cached_property
    def scaled(self) -> Any:
        """Shares of the strongest value, but for the few that lie beyond the end of any scale."""
        from pellucid.report.sheets import scale_of

        maps = self.maps.detach().double().cpu().numpy()
        groups = maps[None] if self.whole else maps
        limits = [scale_of(list(one), self.signed).limit or 1.0 for one in groups]
        return maps / np.array(limits).reshape(-1, 1, 1, 1)

    def caption(self, i: int, k: int) -> str:
        """Under map k of sample i."""
        return self.captions[i][k] if self.captions else ""


@dataclass(eq=False)
class Seen:
    """Some samples of a data set as a network takes them."""

    model: Any
    source: Any
    rows: Sequence[int]

    @classmethod
    def of(cls, model: Any, data: str, rows: Sequence[int]) -> "Seen":
        from pellucid.engine._evaluate import seen_by

        return cls(model, seen_by(model, data, None, None), rows)

    @cached_property
    def part(self) -> Any:
        """The samples, in the order of their rows."""
        import torch

        from pellucid.engine._source import SPAN, Range

        there = {}
        for some in self.source.ranges({row // SPAN for row in self.rows}):
            there |= dict(enumerate(zip(some.images, some.labels, some.records, strict=True), some.start))
        images, labels, records = zip(*(there[row] for row in self.rows), strict=True)
        return Range(self.rows[0], torch.stack(images), torch.stack(labels), records)

    @property
    def images(self) -> Any:
        return self.part.images

    def targets(self, wanted: str) -> Any:
        """The classes that a measurement explains."""
        return self._case(wanted).target

    @cached_property
    def chances(self) -> Any:
        """[n, classes]; none of what is no classifier."""
        output = self._case("label").output
        return output.softmax(1) if output.ndim == 2 else None

    @property
    def answers(self) -> list[str]:
        """What the network says the samples are."""
        if self.chances is None:
            return [""] * len(self.rows)
        return [self.says(i, int(c)) for i, c in enumerate(self.chances.argmax(1))]

    def says(self, i: int, number: int) -> str:
        """A class, and how likely it is of sample i."""
        name = self._names[number] if number < len(self._names) else f"class {number}"
        return f"{name}, {100 * float(self.chances[i, number]):.0f}\u00a0%"  # on one line

    @cached_property
    def _names(self) -> list[str]:
        from pellucid.engine._kept import class_names

        return class_names(self.model, self.source)

    def _case(self, target: str) -> Any:
        from pellucid.engine._evaluate import Options, case_of

        return case_of(self.model, self.part, None, Options(target, None, 0, None, None, None))[0]

    @cached_property
    def pictures(self) -> list[Any]:
        """uint8 [h, w, 3] each."""
        from pellucid.engine._kept import numbers_of
        from pellucid.show.overlay import displayable

        numbers = numbers_of(self.model, self.source, True)
        return [(displayable(one, *numbers) * 255).round().byte().permute(1, 2, 0).numpy() for one in self.images]

    @cached_property
    def outlines(self) -> list[Any]:
        """Where the labelled object is, by its mask or its boxes; None where nobody knows."""
        from pellucid.maths.masks import inside_boxes

        size, found = tuple(self.images.shape[-2:]), []
        for one in self.part.records:
            inside = one.mask if bool(one.mask.any()) else inside_boxes(one.boxes_for(), size)
            found.append(inside.numpy() if bool(inside.any()) and tuple(inside.shape) == size else None)
        return found


# --- which ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    """One network under one explainer, as the page calls them."""

    arm: str
    ask: str
    drawn: Drawn
    cell: "Cell"


def columns_of(readings: "Sequence[Reading]") -> dict[str, list[Column]]:
    """By data set; what is drawn already, and what shows no network, is left out."""
    found: dict[str, list[Column]] = {}
    for reading in readings:
        for one in reading.cell.drawn():
            if one.by.rpartition("@")[2].partition(":")[0] == "random-map":
                continue
            words = (reading.setting, reading.names.get(one.by, one.by))
            made = Column(reading.arm or one.arm, " · ".join(dict.fromkeys(filter(None, words))), one, reading.cell)
            mine = found.setdefault(one.data, [])
            if not any(c.drawn == one or (c.arm, c.ask) == (made.arm, made.ask) for c in mine):
                mine.append(made)
    return found


def chosen(columns: Sequence[Column]) -> list[Column]:
    """As many as a page can hold, those of one explainer beside each other."""
    arms = list(dict.fromkeys(one.arm for one in columns))[:ARMS]
    wide = len(arms) * max(one.drawn.each for one in columns)
    asks = list(dict.fromkeys(one.ask for one in columns if one.arm in arms))[: min(ASKED, max(1, COLUMNS // wide))]
    kept = [one for one in columns if one.arm in arms and one.ask in asks]
    return sorted(kept, key=lambda one: (asks.index(one.ask), arms.index(one.arm)))


def rows_of(column: Column, data: Any, lab: "Lab") -> list[int]:
    """Of every class one sample that the cell has a number of, or two of all samples; then what comes first."""
    some = range(len(data)) if column.drawn.pairs else _measured(column.cell, lab)
    each = 1 + column.drawn.pairs
    by: dict[int, list[int]] = {}
    for row, label in zip(some, data.labels(some).tolist() if some else (), strict=True):
        by.setdefault(label, []).append(row)
    first = [row for rows in list(by.values())[: SAMPLES // each] for row in rows[:each]]
    return [*first, *(row for row in some if row not in first)][:SAMPLES]


def _measured(cell: Any, lab: "Lab") -> list[int]:
    """The samples of which a cell has a number."""
    rows = cell.frame(lab).dropna(subset=["value"])
    rows = rows[rows["explainer"] != "none"] if "explainer" in rows else rows
    return sorted(rows["sample"].unique().tolist())


# --- grids ------------------------------------------------------------------------------------------------------------


def keep(readings: "Sequence[Reading]", lab: "Lab", folder: Path, before: Mapping[str, Any]) -> dict[str, Any]:
    """What study.json says of the pictures of a seed; drawn where they are not there. before: what it said before."""
    try:
        grids = list(grids_of(readings, lab))
        return {"pictures": [one.kept(lab, folder, grids, before) for one in grids], "no pictures": ""}
    except PellucidError as error:
        return {"pictures": [], "no pictures": str(error)}


def grids_of(readings: "Sequence[Reading]", lab: "Lab") -> "Iterator[GridOf]":
    """The first data sets of pictures that have maps; series and streams have none."""
    from itertools import islice

    from pellucid.data import Dataset

    every = ((Dataset.make(data), chosen(some)) for data, some in columns_of(readings).items())
    drawable = ((data, some) for data, some in every if data.kind == "images" and not data.streamed)
    grids = (GridOf(str(data), some, rows) for data, some in drawable if (rows := rows_of(some[0], data, lab)))
    yield from islice(grids, GRIDS)


@dataclass(eq=False)
class GridOf:
    """Some samples of a data set, and what is drawn of them."""

    data: str
    columns: list[Column]
    rows: list[int]

    @cached_property
    def key(self) -> str:
        """Another training has other maps, and so another key."""
        from pellucid.engine._kept import key_of

        said = [f"{one.arm} · {one.ask} · {one.cell.key}" for one in self.columns]
        return key_of(said, dict.fromkeys(self.rows, WHY), self.data)

    def kept(self, lab: "Lab", folder: Path, grids: "Sequence[GridOf]", before: Mapping[str, Any]) -> dict[str, Any]:
        """What is said of it. Its files are there afterwards, and those of the other grids stay."""
        from pellucid.results.kept import there, write_pictures

        known = [one for one in before.get("pictures") or () if one.get("key") == self.key]
        if known and there(folder, self.key):
            return known[0]
        made = self.draw(lab)
        write_pictures(folder, self.key, made.pictures, [other.key for other in grids])
        return {"key": self.key, "data": self.data, **made.words}

    def draw(self, lab: "Lab") -> "Sheet":
        """Every network is loaded once."""
        first, found = None, dict[Column, Shown]()
        for of in dict.fromkeys(one.drawn.of for one in self.columns):
            seen = Seen.of(lab.model(of), self.data, self.rows)
            found |= {one: one.drawn.maps(seen) for one in self.columns if one.drawn.of == of}
            first = first or seen
        assert first is not None
        return Sheet(first, [(one, found[one]) for one in self.columns])


@dataclass(eq=False)
class Sheet:
    """Columns with their maps, of samples as the first network takes them."""

    seen: Seen
    columns: list[tuple[Column, Shown]]

    @cached_property
    def shown(self) -> list[tuple[Column, Shown, int]]:
        """Which map of which column, in their order: what is asked first, then all arms."""
        most = max(1, COLUMNS // len(self.columns))
        asks = dict.fromkeys(column.ask for column, _ in self.columns)
        return [
            (column, maps, k)
            for ask in asks for k in range(most) for column, maps in self.columns
            if column.ask == ask and k < len(maps.asks)
        ]  # fmt: skip

    @cached_property
    def alone(self) -> str:
        """The explainer of all maps, where they are told apart by something else."""
        asks = list({column.ask for column, _, _ in self.shown})
        return asks[0] if len(asks) == 1 and all(maps.asks[k] for _, maps, k in self.shown) else ""

    @property
    def pictures(self) -> Any:
        """As pages read them."""
        from pellucid.results.kept import Pictures, Sample

        entries = [
            {"explainer": column.arm, "ask": self._asked(column, maps.asks[k]), "signed": maps.signed}
            for column, maps, k in self.shown
        ]
        size = tuple(self.seen.images.shape[-2:])
        every = np.stack([_sized(maps.scaled[:, k], size) for _, maps, k in self.shown], 1)
        seen = zip(
            self.seen.rows, self.seen.part.labels.tolist(), self.seen.pictures, every, self.seen.outlines, strict=True
        )
        return Pictures(entries, [
            Sample(row, label, label, -1, math.nan, WHY, picture, maps, outline)
            for row, label, picture, maps, outline in seen
        ])  # fmt: skip

    def _asked(self, column: Column, ask: str) -> str:
        return " · ".join(filter(None, ("" if self.alone else column.ask, ask)))

    @property
    def words(self) -> dict[str, Any]:
        """What study.json says of them."""
        drawn = self.columns[0][0].drawn
        arms, asked = drawn.called
        shown = [
            {"number": row, "title": f"picture {row}: {self.seen.source.data.said(label)}", "lines": [],
             "captions": [maps.caption(i, k) for _, maps, k in self.shown]}
            for i, (row, label) in enumerate(zip(self.seen.rows, self.seen.part.labels.tolist(), strict=True))
        ]  # fmt: skip
        return {"arms": arms, "asked": asked, "by": self.alone, "scale": drawn.scale, "shown": shown}


def _sized(maps: Any, size: tuple[int, ...]) -> Any:
    """[n, h, w] at the size of the first network's pictures."""
    import torch

    from pellucid.maths.maps import resize

    return resize(torch.from_numpy(maps), (size[0], size[1])).numpy()
