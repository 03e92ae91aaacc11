"""Worst: the samples that one should see, on one sheet.

right answer, wrong place    right, sure of it, and little of the evidence on the object: p (1 − share inside)
wrong answer                 wrong, and sure of it; asked: why not the label, but what was said?
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL.Image import Image as Picture
from torch import Tensor, nn

from pellucid.engine._regions import OBJECT, Zoned
from pellucid.engine._source import SPAN
from pellucid.errors import PellucidError
from pellucid.explainers import Explainer
from pellucid.explanation import explain
from pellucid.questions import Question
from pellucid.results import kept
from pellucid.results.kept import Pictures
from pellucid.show.colour import SATURATE
from pellucid.show.layout import Column
from pellucid.show.overlay import displayable
from pellucid.show.sheet import contact_sheet
from pellucid.show.stacked import stacked

PLACE, ANSWER = "right answer, wrong place", "wrong answer"
WHY_NOT = "why not the label?"
HEADINGS = {
    PLACE: "Right answer, wrong place: sure, with little of the evidence on the object (why the label?)",
    ANSWER: "Wrong answer: why not the label, but what was predicted? (red for the label, blue for what was said)",
}


@dataclass(frozen=True)
class Sample:
    """One of the worst."""

    number: int
    kind: str
    label: int
    predicted: int
    probability: float  # of what is predicted
    inside: float | None  # share of the evidence on the object, the mean over sound explainers


def worst_of(answers: Any, inside: Any, most: int) -> list[Sample]:
    """At most so many of each kind, the worst first."""
    right = (answers["predicted"] == answers["label"]).to_numpy()
    sure, labelled = answers["sure"].to_numpy(), (answers["label"] >= 0).to_numpy()
    misplaced = np.where(right & ~np.isnan(inside), sure * (1 - inside), np.nan)
    mistaken = np.where(labelled & ~right, sure, np.nan)
    found: list[Sample] = []
    for kind, badness in ((PLACE, misplaced), (ANSWER, mistaken)):
        order = np.argsort(-badness, kind="stable")[: min(most, int((~np.isnan(badness)).sum()))]
        for i in order.tolist():
            row = answers.iloc[i]
            share = None if np.isnan(inside[i]) else float(inside[i])
            numbers = int(row["sample"]), kind, int(row["label"]), int(row["predicted"])
            found.append(Sample(*numbers, float(row["sure"]), share))
    return found


@dataclass(frozen=True, eq=False)
class Asked:
    """What is drawn of one kind: maps by explainer, pictures, outlines."""

    columns: list[Column]
    pictures: list[Tensor]
    outlines: list[Tensor | None]


@dataclass(frozen=True, eq=False)
class Seen:
    """What is needed to draw them."""

    model: nn.Module
    source: Zoned
    explainers: Sequence[Explainer]
    names: tuple[str, ...]
    numbers: tuple[Sequence[float] | None, Sequence[float] | None]  # mean and std of the inputs
    options: Mapping[str, Any]  # of explain
    asked: dict[str, "Asked"] = field(default_factory=dict[str, "Asked"], repr=False)  # by kind, what was computed

    def drawn(self, samples: Sequence[Sample]) -> Picture | None:
        """The sheet of all."""
        kinds = [(kind, [s for s in samples if s.kind == kind]) for kind in (PLACE, ANSWER)]
        sheets = [(HEADINGS[kind], self._sheet(kind, some)) for kind, some in kinds if some]
        made = [(heading, sheet) for heading, sheet in sheets if sheet is not None]
        return stacked(made) if made else None

    def wrong(self, samples: Sequence[Sample], most: int) -> Pictures | None:
        """Some wrong answers with their maps, for the page; none where there are none, or nobody to ask."""
        some = [s for s in samples if s.kind == ANSWER]
        asked = self._asked(ANSWER, some) if some else None
        if asked is None or not asked.columns:
            return None
        maps = torch.stack([torch.stack(list(column.maps)) for column in asked.columns], 1).float()[:most]
        made = [
            kept.Sample(
                s.number, s.label, s.label, s.predicted, s.probability, [ANSWER],
                (picture * 255).round().byte().permute(1, 2, 0).cpu().numpy(), one.numpy(),
                None if outline is None else outline.cpu().numpy(),
            )
            for s, picture, one, outline in zip(some, asked.pictures, maps, asked.outlines, strict=False)
        ]  # fmt: skip
        return Pictures([{"explainer": c.explainer, "ask": WHY_NOT, "signed": c.signed} for c in asked.columns], made)

    def _sheet(self, kind: str, samples: list[Sample]) -> Picture | None:
        asked = self._asked(kind, samples)
        if not asked.columns:
            return None  # nobody to ask
        note = f"One colour scale an explainer; {SATURATE:.1%} of it lies beyond the ends. The line is the object's."
        titles = [self._title(sample) for sample in samples]
        return contact_sheet(
            asked.columns, asked.pictures, titles, saturate=SATURATE, note=note, outlines=asked.outlines
        )

    def _asked(self, kind: str, samples: list[Sample]) -> "Asked":
        """Once for the sheet and for the page."""
        if kind not in self.asked:
            images, zones = self._found(samples)
            pictures = [displayable(image, *self.numbers) for image in images]
            outlines = [None if zone is None or not bool((zone == OBJECT).any()) else zone == OBJECT for zone in zones]
            columns = [c for explainer in self.explainers for c in self._columns(explainer, kind, images, samples)]
            self.asked[kind] = Asked(columns, pictures, outlines)
        return self.asked[kind]

    def _found(self, samples: list[Sample]) -> tuple[Tensor, list[Tensor | None]]:
        """Their images and zones, read again."""
        wanted = {sample.number // SPAN for sample in samples}
        found: dict[int, tuple[Tensor, Tensor | None]] = {}
        by_number = {sample.number: sample for sample in samples}
        for part in self.source.ranges(sorted(wanted)):
            for number in range(part.start, part.stop):
                if number in by_number:
                    label, i = by_number[number].label, number - part.start
                    masks = part.masks(torch.full((len(part.images),), label))
                    found[number] = part.images[i], None if masks is None else masks[i]
        chosen = [found[sample.number] for sample in samples]
        return torch.stack([image for image, _ in chosen]), [zone for _, zone in chosen]

    def _columns(self, explainer: Explainer, kind: str, images: Tensor, samples: list[Sample]) -> Iterator[Column]:
        """Why the label? Or, picture by picture: why not the label?"""
        labels = torch.tensor([sample.label for sample in samples])
        try:
            if kind == PLACE:
                e = explain(self.model, images, explainer, explainer.asks, target=labels, **self.options)
                yield Column(e.explainer, f"{explainer.asks}: why the label?", e.maps.cpu(), bool(e.signed))
                return
            made = [
                explain(self.model, images[i : i + 1], explainer, _why_not(sample), target=sample.label, **self.options)
                for i, sample in enumerate(samples)
            ]
        except PellucidError:
            return  # an explainer that does not answer this question
        maps = torch.cat([e.maps for e in made]).cpu()
        yield Column(made[0].explainer, f"contrast: {WHY_NOT}", maps, any(bool(e.signed) for e in made))

    def _title(self, sample: Sample) -> str:
        lines = [self._said(sample.label)]
        lines += [] if sample.kind == PLACE else [f"it says: {self._said(sample.predicted)}"]
        lines += [f"{sample.probability:.0%} sure"]
        lines += [] if sample.inside is None else [f"{sample.inside:.0%} inside"]
        return "\n".join([*lines, f"sample {sample.number}"])

    def _said(self, number: int) -> str:
        """A class in few words."""
        return self.names[number].split(",")[0] if number < len(self.names) else f"class {number}"


def _why_not(sample: Sample) -> Question:
    return Question.make(f"contrast:against={sample.predicted}")
