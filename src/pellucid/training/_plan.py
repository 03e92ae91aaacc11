"""A run in writing: all that decides what comes out of it. Two runs with one plan are one run."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pellucid._version import __version__
from pellucid.errors import BadFile, BadInput
from pellucid.files import write_atomically

FILE = "fit.json"


@dataclass(frozen=True)
class Plan:
    """Text forms, and the seed."""

    model: str
    data: str
    objective: str
    recipe: str
    seed: int
    validation: str | None = None
    classes: tuple[str, ...] = ()

    def written(self) -> dict[str, Any]:
        return asdict(self) | {"version": __version__}

    def differs(self, other: Mapping[str, Any]) -> str | None:
        """The first part in which a written plan is another."""
        mine = json.loads(json.dumps(asdict(self)))
        return next((key for key, value in mine.items() if key in other and other[key] != value), None)

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]


def claim(folder: Path, plan: Plan) -> dict[str, Any]:
    """What is known of a folder that this plan may use; refuses a folder of another."""
    known = read(folder)
    other = plan.differs(known.get("plan", {})) if known else None
    if other:
        raise BadInput(
            f"{folder} holds a run with {other} {known['plan'][other]!r}, and this one has "
            f"{json.loads(json.dumps(asdict(plan)))[other]!r}; give another out=, or delete the folder."
        )
    return known


def read(folder: Path) -> dict[str, Any]:
    """fit.json of a folder; empty where there is none."""
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as cause:
        raise BadFile(f"{path} cannot be read ({cause}); delete the folder and train again.") from None


def write(folder: Path, plan: Plan, **more: Any) -> None:
    write_atomically(folder / FILE, json.dumps({"plan": plan.written(), **more}, indent=2, ensure_ascii=False).encode())
