"""The model of a command, and what a reader of its explanations must know about it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.cli import _classes
from pellucid.errors import BadInput, PellucidError

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Loaded:
    """A model with its preprocessing and its classes."""

    model: "nn.Module"
    transform: Any
    names: tuple[str, ...]
    outputs: int  # classes, or 0 where the output is not [n, classes]
    warning: str  # what is random in it

    def named(self, said: tuple[str, ...]) -> "Loaded":
        """With the class names of the data, where it has none of its own and they are as many as its classes."""
        return replace(self, names=said) if not self.names and len(said) == self.outputs else self

    def target(self, word: str) -> str | int:
        """The class that is explained: label and predicted as they are, another by number or name."""
        return word if word in ("label", "predicted") else _classes.number(word, self.names, self.outputs)


@dataclass(frozen=True)
class Wanted:
    """What the command line says of the model."""

    model: str
    network: str | None = None
    weights: str | None = None
    classes: int | None = None
    names: Path | None = None
    size: int | None = None
    device: str | None = None
    seed: int = 0


def load(wanted: Wanted) -> Loaded:
    """The model as it was asked for."""
    import torch

    from pellucid.networks import load_model, transform_of
    from pellucid.networks._load import card_of

    torch.manual_seed(wanted.seed)  # random weights, where there are no others
    weights = "default" if wanted.weights is None else None if _is_none(wanted.weights) else wanted.weights
    model = load_model(wanted.model, network=wanted.network, weights=weights, num_classes=wanted.classes)
    card = card_of(model)
    assert card is not None  # load_model attaches one
    if wanted.size:
        card = replace(card, size=(wanted.size, wanted.size))
        model.pellucid_card = card  # type: ignore[assignment]
    _move(model, wanted.device)
    output = _probed(model, torch.zeros(1, len(card.mean), *card.size), wanted.model)
    outputs = output.shape[1] if output.ndim == 2 else 0
    names = _classes.names_of(model, outputs, wanted.names)
    return Loaded(model, transform_of(model), names, outputs, _random(wanted))


def _random(wanted: Wanted) -> str:
    """The sentence about weights that were never trained, or nothing."""
    untrained = wanted.weights is not None and _is_none(wanted.weights)
    if wanted.network is not None or (wanted.weights is not None and not untrained):
        return ""
    source = wanted.model.partition(":")[0]
    if source == "pellucid" or untrained:
        return f"{wanted.model} has random weights, so there is nothing learnt to explain; give --weights FILE."
    if wanted.classes is not None and source in ("timm", "torchvision", "hf"):
        return f"--classes {wanted.classes} may have given {wanted.model} a new classifier with random weights."
    return ""


def _is_none(weights: str) -> bool:
    return weights.lower() == "none"


def _move(model: "nn.Module", device: str | None) -> None:
    try:
        if device:
            model.to(device)
    except (RuntimeError, AssertionError) as cause:
        reason = str(cause).splitlines()[0]
        raise BadInput(f"the device {device} cannot be used here ({reason}); try cpu, cuda or mps.") from None


def answer(model: "nn.Module", images: "Tensor") -> "Tensor":
    """The output for a batch."""
    import torch

    from pellucid.subject import Subject

    with torch.no_grad():
        return Subject(model)(images.to(next(model.parameters()))).float().cpu()


def _probed(model: "nn.Module", images: "Tensor", name: str) -> "Tensor":
    """What it answers to nothing, or the sentence about images that it does not take."""
    try:
        return answer(model, images)
    except PellucidError:
        raise
    except Exception as cause:
        reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".")
        height, width = images.shape[2:]
        raise BadInput(f"{name} does not take images of {height}×{width} ({reason}); give another --size.") from None
