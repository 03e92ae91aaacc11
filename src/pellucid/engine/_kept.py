"""Kept: after the measuring, what a page needs besides the rows; and what all of it cost.

Some samples are shown: the first ones, the wrong answers of which the model is surest, and those on which the best
explainer of each metric does worst. Of each the picture, the maps of every explainer and question, the outline of what
is explained, and the curves behind insertion, deletion and their like.
"""

import hashlib
import json
import math
import os
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pellucid.data.transforms import Transform
from pellucid.engine._source import SPAN, Foreign, Named, Range, Source
from pellucid.errors import BadFile
from pellucid.metrics import Case, Metric
from pellucid.metrics._base import Curved
from pellucid.metrics._exchange import Exchange
from pellucid.networks._load import card_of
from pellucid.results import kept
from pellucid.results.kept import Pictures, Sample
from pellucid.show.overlay import displayable
from pellucid.subject import size_of
from pellucid.subject.machine import machine

CONTROLS = ("random-map", "edges")


@dataclass
class Spent:
    """What a call cost, from its beginning until it is asked."""

    device: str
    wall: float = field(default_factory=time.perf_counter)
    cpu: float = field(default_factory=lambda: _cpu())

    def figures(self) -> dict[str, Any]:
        gpu = self.device.startswith("cuda") and torch.cuda.is_available()
        own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return {
            "wall": time.perf_counter() - self.wall, "cpu": _cpu() - self.cpu, "device": self.device,
            "peak_mib": max(own, children) / unit,
            "gpu_peak_mib": torch.cuda.max_memory_allocated() / 2**20 if gpu else None,
        }  # fmt: skip


def _cpu() -> float:
    """Seconds of all cores, those of workers that have ended too."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def card(source: Source) -> dict[str, Any]:
    """What is to be said of the data: where it is published, on what terms."""
    data = source.data if isinstance(source, Named) else None
    known = {name: str(getattr(data, name, "") or "") for name in ("licence", "terms", "home")}
    return {"name": source.name, "samples": source.count(), **known}


def about(
    folder: Path,
    model: nn.Module,
    source: Source,
    plan: Any,
    spent: Spent | None,
    pictures: str | None,
    wanted: int = 1,
) -> None:
    """report.json; what calls before cost stays, where they measured the same model on the same data. wanted: how many
    pictures were asked for."""
    same = {"model": plan.facts["model"], "data": card(source)}
    calls = _calls_before(folder, same) + ([spent.figures()] if spent is not None else [])
    kept.write_about(folder, {
        "form": kept.FORM, **same, "tasks": list(plan.tasks), "classes": class_names(model, source),
        "protocols": {metric.card_id: metric.card for metric in [*plan.of_model, *plan.metrics]},
        "asks": {str(one): (type(one).__doc__ or "").partition("\n")[0] for one in plan.metrics},
        "machine": machine(), "calls": calls, "pictures": pictures,
        "no pictures": "" if pictures else why_none(source, wanted),
    })  # fmt: skip


def why_none(source: Source, wanted: int) -> str:
    """Why no pictures are kept."""
    if not wanted:
        return "none were asked for"
    if not drawable(source):
        return "a stream cannot be read again by the numbers of its samples"
    return "the samples are no pictures: signals, volumes and streams of ids have none"


def _calls_before(folder: Path, same: Mapping[str, Any]) -> list[Any]:
    try:
        found = kept.read_about(folder) or {}
    except BadFile:
        return []  # damaged, and written over
    return list(found.get("calls", [])) if all(found.get(name) == value for name, value in same.items()) else []


def class_names(model: nn.Module, source: Source) -> list[str]:
    """As the model or the data has them."""
    known, data = card_of(model), source.data if isinstance(source, Named) else None
    if known is not None and known.classes:
        return list(known.classes)
    return list(data.class_names) if data is not None and not data.streamed else []


def numbers_of(model: nn.Module, source: Source, own: bool) -> tuple[Any, Any]:
    """Mean and std of the inputs, for showing them. own: they went through the model's own transform."""
    known = card_of(model)
    if known is not None and own:
        return known.mean, known.std
    if not isinstance(source, Named) or not isinstance(source._batches.view.transform, Transform):
        return None, None
    return source._batches.view.transform.numbers(source.data)


# --- which ------------------------------------------------------------------------------------------------------------


def chosen(frame: Any, count: int) -> dict[int, list[str]]:
    """Samples by number, and why each is shown: first ones, wrong ones, the worst of every score, in turn."""
    if not count or not len(frame):
        return {}
    lists = [[(n, "wrong, and sure of it") for n in _wrong(frame)], *_worst(frame)]
    first = [(n, "one of the first") for n in sorted(frame["sample"].unique().tolist())]
    quota = max(1, count // 4)
    turns = [one for turn in zip_longest(*lists) for one in turn if one is not None]
    found: dict[int, list[str]] = {}
    for number, why in [*first[:quota], *turns, *first[quota:]]:
        if number in found and why != "one of the first" and why not in found[number]:
            found[number].append(why)
        elif number not in found and len(found) < count:
            found[number] = [why]
        if len(found) >= count:
            break
    return dict(sorted(found.items()))


def _of_model(frame: Any, metric: str) -> Any:
    rows = frame[(frame["explainer"] == "none") & (frame["metric"] == metric)]
    return rows.set_index("sample")["value"]


def _wrong(frame: Any) -> list[int]:
    right, sure = _of_model(frame, "accuracy"), _of_model(frame, "confidence")
    wrong = right.index[(right < 0.5).to_numpy()]
    return sure.reindex(wrong).sort_values(ascending=False, kind="stable").index.tolist()


def _worst(frame: Any) -> list[list[tuple[int, str]]]:
    """For every metric of maps with a better side, the samples on which its best explainer does worst."""
    rows = frame[(frame["explainer"] != "none") & (frame["better"] != "neither")]
    lists: list[list[tuple[int, str]]] = []
    for metric in rows["metric"].unique().tolist():
        mine = rows[rows["metric"] == metric]
        higher = str(mine["better"].iloc[0]) == "higher"
        names = [e for e in mine["explainer"].unique().tolist() if str(e).split("@")[-1].split(":")[0] not in CONTROLS]
        means = {name: float(mine[mine["explainer"] == name]["value"].mean()) for name in names}
        known = {name: mean for name, mean in means.items() if mean == mean}
        if known:
            best = max(known, key=lambda name: known[name] if higher else -known[name])
            values = mine[mine["explainer"] == best].dropna(subset=["value"]).drop_duplicates("sample")
            order = values.sort_values("value", ascending=higher, kind="stable")["sample"].tolist()
            lists.append([(int(n), f"worst {str(metric).partition(':')[0]} of {best}") for n in order])
    return lists


def key_of(tasks: Sequence[str], wanted: Mapping[int, Sequence[str]], more: str = "") -> str:
    """Sixteen digits of what is drawn."""
    said = json.dumps([kept.FORM, sorted(tasks), {str(n): list(why) for n, why in wanted.items()}, more])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def drawable(source: Source) -> bool:
    """Whether samples can be read again by their numbers."""
    return source.count() is not None and not (isinstance(source, Foreign) and not source.indexed)


# --- pictures ---------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Drawing:
    """How a sample becomes a case, and its maps: as they were measured."""

    case: Any  # (Range) -> Case
    explained: Any  # (Case, asked, Range) -> Case
    asked: Sequence[Any]  # explainers with their questions
    metrics: Sequence[Metric]
    numbers: tuple[Any, Any]

    def pictures(self, source: Source, wanted: Mapping[int, Sequence[str]]) -> Pictures | None:
        """Of these samples; None where there is nothing to see, as of a signal."""
        found: dict[int, Sample] = {}
        signed = [False] * len(self.asked)
        for part in source.ranges(sorted({number // SPAN for number in wanted})):
            if part.images.ndim != 4:
                return None
            for i in range(len(part.images)):
                number = part.start + i
                if number in wanted:
                    found[number] = self._sample(_one(part, i), list(wanted[number]), signed)
        entries = [
            {"explainer": one.names[0], "ask": one.names[1], "signed": sign}
            for one, sign in zip(self.asked, signed, strict=True)
        ]
        return Pictures(entries, [found[number] for number in wanted if number in found])

    def _sample(self, part: Range, why: list[str], signed: list[bool]) -> Sample:
        case = self.case(part)
        maps: list[Tensor] = []
        curves: dict[str, list[Any]] = {str(m): [] for m in self.metrics if _drawn(m)}
        for j, asked in enumerate(self.asked):
            here = self.explained(case, asked, part)
            maps.append(here.map[0].detach().float().cpu())
            signed[j] = signed[j] or asked.explainer.signed(asked.question)
            for metric in self.metrics:
                if str(metric) in curves:
                    curves[str(metric)].append(_curve(metric, here))
        predicted, confidence = _answer(case)
        picture = displayable(part.images[0], *self.numbers)
        size = size_of(part.images)
        stack = torch.stack(maps).view(len(maps), *size) if maps else torch.empty(0, *size)
        return Sample(
            part.start, int(part.labels[0]), int(case.target[0]), predicted, confidence, why,
            (picture * 255).round().byte().permute(1, 2, 0).numpy(), stack.numpy(), _outline(case), curves,
        )  # fmt: skip


def _one(part: Range, i: int) -> Range:
    return Range(part.start + i, part.images[i : i + 1], part.labels[i : i + 1], part.records[i : i + 1])


def _drawn(metric: Metric) -> bool:
    """Curves over the share of pixels; others, where they were asked for."""
    return isinstance(metric, Exchange) or (isinstance(metric, Curved) and metric.curve)


def _curve(metric: Metric, case: Case) -> tuple[list[float], list[float]] | None:
    assert isinstance(metric, Curved)
    found = {"masks": case.masks, "boxes": case.boxes, "labels": case.labels}
    if any(found[name] is None for name in metric.needs):
        return None
    y = [float(v) for v in metric.trace(case)[0].detach().float().cpu()]
    if isinstance(metric, Exchange):
        x = [count / math.prod(case.size) for count in metric.counts(case.size)]
    else:
        x = [i / max(1, len(y) - 1) for i in range(len(y))]
    return (x, y) if len(x) == len(y) and any(math.isfinite(v) for v in y) else None


def _answer(case: Case) -> tuple[int, float]:
    """The predicted class and its probability; -1 of what is no classifier."""
    if case.output.ndim != 2:
        return -1, math.nan
    p = case.chances(case.output)[0]
    return int(p.argmax()), float(p.max())


def _outline(case: Case) -> np.ndarray | None:
    """The object, by its mask, or by its boxes where there is none."""
    if case.masks is not None and bool((case.masks[0] == 1).any()):
        return (case.masks[0] == 1).cpu().numpy()
    if case.boxes is None or not len(case.boxes[0]):
        return None
    inside = np.zeros(case.size, dtype=bool)
    for x0, y0, x1, y1 in case.boxes[0].round().int().tolist():
        inside[max(0, y0) : y1, max(0, x0) : x1] = True
    return inside if inside.any() else None
