"""The pictures behind `pellucid compare --pictures`: the same images, explained under A and under B."""

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pellucid.cli import _classes, _models
from pellucid.cli._comparison import FIRST, Comparison, Side
from pellucid.cli._images import outline
from pellucid.cli._measured import RUN, read_run, terms
from pellucid.data import Dataset, Record
from pellucid.data._batches import View
from pellucid.data.transforms import Transform
from pellucid.engine._evaluate import _model_text
from pellucid.engine._kept import key_of
from pellucid.errors import BadFile, BadInput, PellucidError, listed
from pellucid.explainers import Explainer
from pellucid.explanation import Explanation, explain
from pellucid.files import write_atomically
from pellucid.maths.maps import resize
from pellucid.questions import Question
from pellucid.report.words import is_control, name_of, number
from pellucid.results.kept import Pictures, Sample, write_pictures
from pellucid.show.colour import SATURATE
from pellucid.show.overlay import displayable, png
from pellucid.show.sheet import Column, contact_sheet
from pellucid.subject import size_of

Entry = tuple[str, str]  # explainer, ask


@dataclass(eq=False)
class Again:
    """A side with its model, loaded as it was when it was measured; of several trainings the first."""

    side: Side

    def __post_init__(self) -> None:
        path, self.frame = self.side.folders[0], self.side.runs[0].frame
        folder = path if path.is_dir() else path.parent
        self.run = run = read_run(folder)
        self.data = Dataset.make(run["dataset"])
        if self.data.streamed:
            raise BadInput(f"{self.data.name} is a stream, whose pictures have no numbers; leave out --pictures.")
        names = None if run["names"] is None else Path(run["names"])
        wanted = _models.Wanted(
            run["model"], run["network"], run["weights"], run["classes"], names, run["size"], None, run["seed"]
        )
        try:
            self.loaded = _models.load(wanted)
        except PellucidError as error:
            raise type(error)(f"{folder / RUN}: {error}") from None
        measured, now = str(self.frame["model"].iloc[0]), _model_text(self.loaded.model)
        if measured != now:
            raise BadFile(f"{folder / RUN} leads to {now}, and {measured} was measured; run pellucid evaluate again.")

    @property
    def letter(self) -> str:
        return self.side.letter

    @property
    def entries(self) -> list[Entry]:
        """Explainers with their questions."""
        made = self.frame[["explainer", "ask"]].astype(str).drop_duplicates()
        return [(e, q) for e, q in made.itertuples(index=False) if e != "none"]

    def values(self, entry: Entry, metric: str) -> dict[int, float]:
        """By sample, those that are defined."""
        f: Any = self.frame
        mine = f[(f["explainer"] == entry[0]) & (f["ask"] == entry[1]) & (f["metric"] == metric)].dropna(
            subset=["value"]
        )
        return dict(zip(mine["sample"].tolist(), mine["value"].tolist(), strict=True))

    @cached_property
    def view(self) -> View:
        named = self.run["transform"]
        return View(self.data, self.loaded.transform if named is None else Transform.make(named))

    def see(self, rows: Sequence[int]) -> None:
        """The pictures as the model takes them, and what it says of them."""
        records = [self.view.data[row] for row in rows]
        self.drawn = [self.view.drawn(record, row, 0) for record, row in zip(records, rows, strict=True)]
        seen = [self.view.seen(record, row, 0).image for record, row in zip(records, rows, strict=True)]
        self.images = torch.stack(seen)
        self.output = _models.answer(self.loaded.model, self.images)

    def maps(self, entry: Entry, rows: Sequence[int]) -> Explanation:
        """As they were when they were measured: the same classes, the same chance."""
        explainer, question = Explainer.make(entry[0]), Question.make("logit" if entry[1] == "none" else entry[1])
        f: Any = self.frame
        mine = f[(f["explainer"] == entry[0]) & (f["ask"] == entry[1])].drop_duplicates("sample").set_index("sample")
        target = torch.tensor([int(mine.loc[row, "target"]) for row in rows]) if question.targeted else None
        model, seed = self.loaded.model, self.run["seed"]
        return explain(model, self.images, explainer, question, target=target, seed=seed, batch_size=len(rows))

    def predicted(self, i: int) -> str:
        """A line of the row's title."""
        if self.output.ndim != 2:
            return ""
        p = self.output[i].softmax(0)
        names = self.loaded.names or tuple(self.data.class_names)
        names = names if len(names) == len(p) else ()
        return f"\n{self.letter}: {_classes.short(int(p.argmax()), names)} {float(p.max()):.0%}"


@dataclass(eq=False)
class SideBySide:
    """The sheet: a row an image, the columns of an explainer under A and under B."""

    comparison: Comparison
    count: int
    by: str
    seed: int

    def __post_init__(self) -> None:
        self.metric = self._metric()
        self.a, self.b = Again(self.comparison.a), Again(self.comparison.b)
        self.pairs = self._pairs()
        self.rows = self._chosen()

    def _metric(self) -> str:
        """The first that was asked for, of those that score maps."""
        of_maps = [row["metric"] for row in self.comparison.rows if row["explainer"] != "none"]
        chosen = next((m for m in self.comparison.metrics if m in of_maps), None)
        if chosen is None:
            raise BadInput(
                f"A and B have no metric of maps in common, only {listed(FIRST)}; measure both by the same explainer."
            )
        return chosen

    def _pairs(self) -> list[tuple[Entry, Entry]]:
        """What stands side by side: the same explainer, or the one that each side has; controls only where alone."""
        a, b = self.a.entries, self.b.entries
        same = [(one, one) for one in a if one in b] or list(zip(a[:1], b[:1], strict=True))
        return [pair for pair in same if not is_control(pair[0][0])] or same

    def _chosen(self) -> list[int]:
        change = self._changes()
        if not change:
            raise BadInput(f"no sample has a value of {self.metric} in A and in B; give another --metric.")
        rows = sorted(change)
        if self.by == "seed":
            return sorted(random.Random(self.seed).sample(rows, min(self.count, len(rows))))
        return sorted(rows, key=lambda row: -change[row])[: self.count]

    def _changes(self) -> dict[int, float]:
        """By sample that has a value in both, the most that any explainer's differs."""
        most: dict[int, float] = {}
        for one, two in self.pairs:
            ours, theirs = self.a.values(one, self.metric), self.b.values(two, self.metric)
            for row in ours.keys() & theirs.keys():
                most[row] = max(most.get(row, 0.0), abs(theirs[row] - ours[row]))
        return most

    @cached_property
    def columns(self) -> list[Column]:
        """An explainer under A, then under B."""
        for side in (self.a, self.b):
            side.see(self.rows)
        return [
            self._column(side, entry) for pair in self.pairs for side, entry in zip((self.a, self.b), pair, strict=True)
        ]

    def draw(self, path: Path) -> None:
        """One sheet."""
        columns = self.columns
        pictures = [shown(record) for record in self.a.drawn]
        outlines = [outline(record) for record in self.a.drawn]
        note = f"{self.note()} One colour scale an explainer; {SATURATE:.1%} of its values lie beyond the ends."
        sheet = contact_sheet(columns, pictures, self._titles(), saturate=SATURATE, note=note, outlines=outlines)
        write_atomically(path, png(sheet))

    def keep(self, folder: Path) -> dict[str, Any]:
        """Pictures and maps for the page; what compare.json says of them."""
        columns, change = self.columns, self._changes()
        size = size_of(self.a.images)
        why = ["by chance"] if self.by == "seed" else ["differs much"]
        maps = torch.stack([resize(as_maps(column.maps), size) for column in columns], 1)
        entries = [{"explainer": c.explainer, "ask": c.ask, "signed": c.signed} for c in columns]
        samples = [self._kept(i, row, maps[i], why) for i, row in enumerate(self.rows)]
        key = key_of([json.dumps(entries), *self._models()], dict.fromkeys(self.rows, why), self.metric)
        write_pictures(folder, key, Pictures(entries, samples))
        lines = [title.split("\n") for title in self._titles()]
        told = [
            {"number": row, "title": f"image {line[0]}", "lines": line[1:], "change": change.get(row),
             "captions": [column.captions[i] for column in columns]}
            for i, (row, line) in enumerate(zip(self.rows, lines, strict=True))
        ]  # fmt: skip
        licence = terms(self.a.data)
        return {"pictures": key, "shown": told, "metric": self.metric, "note": self.note(), "licence": licence}

    def _models(self) -> list[str]:
        return [str(side.frame["model"].iloc[0]) for side in (self.a, self.b)]

    def _kept(self, i: int, row: int, maps: Tensor, why: list[str]) -> Sample:
        record, size = self.a.drawn[i], tuple(maps.shape[-2:])
        mask = outline(record)
        inside = None if mask is None or tuple(mask.shape) != size else mask.cpu().numpy()
        picture = (shown(record) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        return Sample(row, record.label, -1, -1, math.nan, why, picture, maps.numpy(), inside)

    def _column(self, side: Again, entry: Entry) -> Column:
        e = side.maps(entry, self.rows)
        values = side.values(entry, self.metric)
        name = name_of(self.metric)
        captions = tuple(f"{name} {number(values[row])}" if row in values else f"no {name}" for row in self.rows)
        ask = "" if entry[1] == "none" else f" · {entry[1]}"
        return Column(entry[0], f"{side.letter}{ask}", e.maps.cpu(), bool(e.signed), captions)

    def _titles(self) -> list[str]:
        data, made = self.a.data, []
        for i, (row, record) in enumerate(zip(self.rows, self.a.drawn, strict=True)):
            label = data.said(record.label) if record.label >= 0 else "no label"
            made.append(f"{row}: {label}{self.a.predicted(i)}{self.b.predicted(i)}")
        return made

    def note(self) -> str:
        """Who A and B are, and which images these."""
        said = [f"{s.letter}: {s.side.folders[0]}, {s.frame['model'].iloc[0]}." for s in (self.a, self.b)]
        said.append(
            f"{len(self.rows)} images by chance, seed {self.seed}."
            if self.by == "seed"
            else f"The {len(self.rows)} images whose {self.metric} differs most."
        )
        if len(self.comparison.a.runs) > 1:
            said.append(f"The first of {len(self.comparison.a.runs)} trainings.")
        if not all(_alike(*pair) for pair in zip(self.a.drawn, self.b.drawn, strict=True)):
            said.append("B sees another cut of the pictures than A, whose pictures are shown.")
        return " ".join(said)


def as_maps(maps: Any) -> Tensor:
    """[n, h, w], whatever stood between."""
    return maps.float().reshape(len(maps), *maps.shape[-2:])


def shown(record: Record) -> Tensor:
    """The picture of a record in [0, 1]."""
    image = record.image
    return displayable(image if image.is_floating_point() else image.float() / 255)


def _alike(a: Record, b: Record) -> bool:
    """Whether the same part of the picture is seen, at whatever size."""
    h, w = a.geometry.source
    corners = torch.tensor([[0.0, 0.0], [w, h]], dtype=torch.float64)
    ours, theirs = (r.geometry.points(corners) / torch.tensor(r.geometry.size[::-1]) for r in (a, b))
    return bool(torch.allclose(ours, theirs, atol=0.01))
