"""About: what a page says of a training besides its plan and its log, while everything is at hand to be asked."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from pellucid.data import Dataset
from pellucid.data._batches import Batches
from pellucid.objectives._base import members
from pellucid.registry import Named
from pellucid.subject.machine import machine

if TYPE_CHECKING:
    from pellucid.training._loop import Loop
    from pellucid.training._run import Job


def about(job: "Job", loop: "Loop") -> dict[str, Any]:
    """Whose every knob is, what the terms weigh, how much there was to learn from, on what terms, and on what it ran.
    The knobs are written as they are read: `0.005`, `cosine`."""
    objective, sources = loop.objective.objective, loop.sources
    parts = {"train": sources.train, "held_out": sources.held_out, "validation": sources.validation}
    return {
        "recipe": _knobs(job.recipe) | {"ours": list(job.recipe.ours), "data": job.recipe.data},
        "objective": [_knobs(part) for part in members(objective)],
        "terms": {term: float(weight) for term, weight in objective.weights.items()},
        "images": {name: _count(part) for name, part in parts.items() if part is not None},
        "parameters": sum(p.numel() for p in loop.inner.parameters()),
        "data": _data(sources.train.view.data),
        "machine": machine(),
        "again": job.model is None and not job.own,
    }


def _knobs(thing: Named) -> dict[str, Any]:
    """Its name and paper, its knobs, and as what they come."""
    now, usual = _written(thing), _written(type(thing)()) if _bare(type(thing)) else {}
    return {"name": thing.name, "paper": thing.paper, "knobs": now, "usual": usual}


def _bare(kind: type[Named]) -> bool:
    """Whether it can be made without a word."""
    try:
        kind()
    except Exception:
        return False
    return True


def _written(thing: Named) -> Mapping[str, str]:
    return {f.name.rstrip("_"): _said(getattr(thing, f.name)) for f in fields(cast(Any, thing))}


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == () or value == "":
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _count(batches: Batches) -> int | None:
    """None of a stream, whose end nobody knows."""
    return None if batches.view.data.streamed else len(batches._chosen)


def _data(data: Dataset) -> dict[str, str]:
    return {"name": str(data)} | {name: str(getattr(data, name, "") or "") for name in ("licence", "terms", "home")}
