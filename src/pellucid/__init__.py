"""Pellucid: vision models that explain themselves.

    import pellucid as pl
    e = pl.explain(model, images, "grad-cam", ask="contrast")
    e.overlay(0)

Everything here is imported when it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid import data as data
    from pellucid import explainers as explainers
    from pellucid import influences as influences
    from pellucid import metrics as metrics
    from pellucid import networks as networks
    from pellucid import objectives as objectives
    from pellucid import questions as questions
    from pellucid import studies as studies
    from pellucid import text as text
    from pellucid.contracts import check as check
    from pellucid.engine import agreement as agreement
    from pellucid.engine import audit as audit
    from pellucid.engine import evaluate as evaluate
    from pellucid.engine import influence as influence
    from pellucid.engine import measure as measure
    from pellucid.engine import sanity_sheet as sanity_sheet
    from pellucid.errors import PellucidError as PellucidError
    from pellucid.explanation import Explanation as Explanation
    from pellucid.explanation import explain as explain
    from pellucid.networks import load_model as load_model
    from pellucid.networks import save_model as save_model
    from pellucid.networks import transform_of as transform_of
    from pellucid.registry import catalog as catalog
    from pellucid.results import Results as Results
    from pellucid.studies import study as study
    from pellucid.subject import Subject as Subject
    from pellucid.training import Fit as Fit
    from pellucid.training import fit as fit

from pellucid._version import __version__ as __version__

_HOME = {  # where each public name lives; a module is its own home
    "Explanation": "explanation",
    "Fit": "training",
    "Results": "results",
    "PellucidError": "errors",
    "Subject": "subject",
    "agreement": "engine",
    "audit": "engine",
    "catalog": "registry",
    "check": "contracts",
    "data": "",
    "evaluate": "engine",
    "explain": "explanation",
    "explainers": "",
    "fit": "training",
    "influence": "engine",
    "influences": "",
    "load_model": "networks",
    "measure": "engine",
    "metrics": "",
    "networks": "",
    "objectives": "",
    "questions": "",
    "sanity_sheet": "engine",
    "save_model": "networks",
    "studies": "",
    "study": "studies",
    "text": "",
    "transform_of": "networks",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pellucid' has no attribute {name!r}")
    home = _HOME[name]
    return getattr(import_module(f"pellucid.{home}"), name) if home else import_module(f"pellucid.{name}")


def __dir__() -> list[str]:
    return sorted([*_HOME, "__version__"])
