"""Measuring: one metric of some maps, all metrics of all explainers over a data set, and what follows from them; which
training examples answer for it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.engine._agreement import agreement as agreement
    from pellucid.engine._audit import Audit as Audit
    from pellucid.engine._audit import audit as audit
    from pellucid.engine._evaluate import evaluate as evaluate
    from pellucid.engine._influence import influence as influence
    from pellucid.engine._measure import measure as measure
    from pellucid.engine._pieces import Top as Top
    from pellucid.engine._sanity import sanity_sheet as sanity_sheet

_HOME = {
    "Audit": "_audit",
    "Top": "_pieces",
    "agreement": "_agreement",
    "audit": "_audit",
    "evaluate": "_evaluate",
    "influence": "_influence",
    "measure": "_measure",
    "sanity_sheet": "_sanity",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
