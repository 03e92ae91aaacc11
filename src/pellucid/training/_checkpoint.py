"""A run's state on disk: tensors in safetensors, the rest in JSON, in a folder that is renamed when it is whole.

Nothing is pickled. The newest checkpoint is used; an older one goes when a newer one is there.
"""

import json
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor

from pellucid.errors import BadFile
from pellucid.files import writable, write_atomically

PREFIX = "step-"
BEFORE = "-before"  # an older checkpoint of the same step


@dataclass
class State:
    """Where a run is, and all that decides how it goes on."""

    tensors: dict[str, Tensor]
    about: dict[str, Any] = field(default_factory=dict)

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors of one of its parts."""
        return {
            key.removeprefix(f"{name}/"): value for key, value in self.tensors.items() if key.startswith(f"{name}/")
        }


def flat(parts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Named parts in one dict, each tensor its own memory: safetensors refuses aliases.

    >>> sorted(flat({"model": {"w": torch.zeros(1)}, "ema": {"w": torch.ones(1)}}))
    ['ema/w', 'model/w']
    """
    return {
        f"{part}/{key}": tensor.detach().cpu().clone().contiguous()
        for part, tensors in parts.items()
        for key, tensor in tensors.items()
    }


def optimiser_state(optimiser: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Its tensors by name, and what is no tensor."""
    state = optimiser.state_dict()
    tensors: dict[str, Tensor] = {}
    plain: dict[str, dict[str, Any]] = {}
    for number, entry in state["state"].items():
        for key, value in entry.items():
            if isinstance(value, Tensor):
                tensors[f"{number}.{key}"] = value
            else:
                plain.setdefault(str(number), {})[key] = value
    return tensors, plain


def restore_optimiser(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], plain: Mapping[str, Mapping[str, Any]]
) -> None:
    state: dict[int, dict[str, Any]] = {int(number): dict(entry) for number, entry in plain.items()}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def save(folder: Path, step: int, state: State) -> Path:
    """The state as the newest checkpoint of a folder."""
    from safetensors.torch import save as packed

    path, part = folder / f"{PREFIX}{step:09d}", folder / f".{PREFIX}{step:09d}.part"
    for stale in folder.glob(f".{PREFIX}*.part"):
        shutil.rmtree(stale, ignore_errors=True)
    writable(part)
    write_atomically(part / "state.safetensors", packed(state.tensors))
    write_atomically(part / "state.json", json.dumps(state.about, indent=1).encode())
    try:
        if path.exists():  # it goes when the new one is there, not before
            before = path.with_name(path.name + BEFORE)
            shutil.rmtree(before, ignore_errors=True)
            os.replace(path, before)
        os.replace(part, path)
    except OSError as cause:
        raise BadFile(f"{path} cannot be written ({cause.strerror}); choose another folder or make room.") from None
    for old in checkpoints(folder)[:-1]:
        shutil.rmtree(old, ignore_errors=True)
    return path


def checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    found = (path for path in folder.glob(f"{PREFIX}*") if path.is_dir())
    return sorted(found, key=lambda path: (path.name.removesuffix(BEFORE), not path.name.endswith(BEFORE)))


def load(path: Path) -> State:
    """What `save` wrote."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return State(load_file(path / "state.safetensors"), json.loads((path / "state.json").read_text("utf-8")))
    except (OSError, ValueError, SafetensorError) as cause:
        raise BadFile(f"the checkpoint {path} cannot be read ({cause}); delete it, and the run begins anew.") from None


@contextmanager
def fitting(path: Path) -> Generator[None]:
    """What is read from here meanwhile has to be of the run that reads it."""
    from safetensors import SafetensorError

    try:
        yield
    except (LookupError, TypeError, ValueError, RuntimeError, OSError, SafetensorError) as cause:
        reason = shorten(str(cause), 160, placeholder=" …")
        raise BadFile(f"{path} is not of this run ({reason}); give another out=, or delete the folder.") from None
