"""Classes by number and by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.errors import BadInput, UnknownName, did_you_mean, listed

if TYPE_CHECKING:
    from torch import nn


def names_of(model: "nn.Module", outputs: int, file: Path | None) -> tuple[str, ...]:
    """The names of a model's classes, as the file or its weights say; none where nobody says."""
    from pellucid.networks._load import card_of

    if file is not None:
        from pellucid.data._names import read_names

        names = read_names(file)
        if len(names) != outputs:
            raise BadInput(
                f"{file} has {len(names)} class names, but the model has {outputs} outputs; give a name each."
            )
        return names
    card = card_of(model)
    names = card.classes if card else ()
    names = names or (_timm_names(model) if hasattr(model, "pretrained_cfg") else ())
    return names if len(names) == outputs else ()


def _timm_names(model: "nn.Module") -> tuple[str, ...]:
    from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset

    subset = infer_imagenet_subset(model)
    info = ImageNetInfo(subset) if subset else None
    return tuple(info.index_to_description(i) for i in range(info.num_classes())) if info else ()


def number(word: str, names: Sequence[str], outputs: int) -> int:
    """The class that a number or a name means."""
    if not outputs:
        raise BadInput(f"the model's output has no classes, so {word!r} is none; leave the class out.")
    if word.lstrip("-").isdigit():
        if not 0 <= int(word) < outputs:
            raise BadInput(f"class {word} is no class of this model, which has {outputs}: 0 to {outputs - 1}.")
        return int(word)
    if not names:
        raise UnknownName(f"this model has no class names to find {word!r} in; give a number, or --names FILE.")
    synonyms: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        for synonym in {name, *name.split(",")}:
            synonyms.setdefault(_plain(synonym), []).append(i)
    found = synonyms.get(_plain(word), [])
    if len(found) > 1:
        raise UnknownName(f"the classes {listed(found)} are all called {word!r}; give the number.")
    if not found:
        raise UnknownName(f"the model has no class {word!r}; {did_you_mean(_plain(word), synonyms)}")
    return found[0]


def short(target: int, names: Sequence[str]) -> str:
    """A class as it is written under a picture."""
    return names[target].split(",")[0] if target < len(names) else f"class {target}"


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())
