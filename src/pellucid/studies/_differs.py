"""What differs between two cells, knob by knob, down to what they build on.

>>> from pellucid.studies._cells import Train
>>> one, other = (Train("pellucid:tiny-cnn", "scenes", f"lico:alpha={alpha}") for alpha in (1, 2))
>>> differing(one, other)
{'objective.alpha': (1.0, 2.0)}
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pellucid.studies._cells import Cell

FAMILIES: Mapping[str, str] = {  # what a text form among a cell's fields is of, by the field's name
    "network": "networks", "model": "networks", "data": "datasets", "corpus": "datasets", "asked": "datasets",
    "objective": "objectives", "recipe": "recipes", "explainer": "explainers", "explainers": "explainers",
    "metric": "metrics", "metrics": "metrics", "ask": "questions", "influence": "influences",
}  # fmt: skip


def differing(one: Cell, other: Cell) -> dict[str, tuple[Any, Any]]:
    """Every knob that two cells do not have in common, with both values."""
    a, b = resolved(one), resolved(other)
    return {key: (a.get(key), b.get(key)) for key in sorted(a.keys() | b.keys()) if a.get(key) != b.get(key)}


def resolved(thing: Any, name: str = "", field: str = "") -> dict[str, Any]:
    """Every knob of a cell and of what it builds on, by its path.

    >>> from pellucid.studies._cells import Measure
    >>> found = resolved(Measure("pellucid:tiny-cnn", "scenes", ("grad-cam:relu=false",)))
    >>> found["explainers.0"], found["explainers.0.relu"]
    ('grad-cam', False)
    """
    from pellucid.data._base import Wrapped
    from pellucid.registry import Named

    if isinstance(thing, tuple):
        return {key: value for i, one in enumerate(thing) for key, value in resolved(one, f"{name}.{i}", field).items()}
    if isinstance(thing, str) and field in FAMILIES and thing:
        made = _made(field, thing)
        return {name: made} if isinstance(made, str) else resolved(made, name, field)
    if isinstance(thing, Wrapped):
        own = {f"{name}.{thing.name}.{one.name}": getattr(thing, one.name) for one in fields(thing) if one.name != "of"}  # pyright: ignore
        return resolved(thing.of, name, field) | {f"{name}.{thing.name}": "around it"} | own
    if isinstance(thing, Named) or (is_dataclass(thing) and not isinstance(thing, type)):
        kind = thing.name if isinstance(thing, Named) else type(thing).__name__
        found: dict[str, Any] = {name: kind} if name else {"": kind}
        cell = isinstance(thing, Cell)  # whose fields hold text forms
        for one in fields(thing):  # pyright: ignore[reportArgumentType]
            path = ".".join(filter(None, (name, one.name)))
            found |= resolved(getattr(thing, one.name), path, one.name if cell else "")
        return found
    return {name: thing}


def _made(field: str, text: str) -> Any:
    """A member of its text form; of a sum of objectives its members; of another package's network the text itself."""
    from pellucid.data import Dataset
    from pellucid.explainers import Explainer
    from pellucid.influences import Influence
    from pellucid.metrics import Metric
    from pellucid.networks._base import Network
    from pellucid.objectives import Objective
    from pellucid.objectives._base import members
    from pellucid.questions import Question
    from pellucid.training.recipes import Recipe

    family = FAMILIES[field]
    if family == "objectives":
        parts = tuple(members(Objective.make(text)))
        return parts[0] if len(parts) == 1 else parts
    if family == "networks":
        source, _, own = text.partition(":")
        return Network.make(own) if source == "pellucid" else text
    of: Any = {"datasets": Dataset, "explainers": Explainer, "metrics": Metric, "questions": Question,
               "recipes": Recipe, "influences": Influence}[family]  # fmt: skip
    return of.make(text)
