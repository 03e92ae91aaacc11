"""The text side that a model brings along: CLIP's beside CLIP's image tower."""

from functools import lru_cache
from typing import Any, cast

from torch import nn

from pellucid.errors import BadQuestion
from pellucid.registry import catalog
from pellucid.text._base import Encoder, Tower
from pellucid.text._hub import tokenizer


def own_tower(model: nn.Module) -> Tower | None:
    """The text tower of a two-tower model, out of its own modules; of an image tower with a known name, loaded; None
    where a model has no text side."""
    kind = type(model).__name__
    for member in catalog("encoders").values():
        encoder = cast(type[Encoder], member)
        if kind in encoder.models:
            return encoder.around(model, tokenizer_of(model))
        name = name_of(model)
        if kind in encoder.visions and name:
            return encoder.make(encoder.name).but(model=name).load()
    return None


def name_of(model: nn.Module) -> str:
    """Where a Hugging Face model was loaded from; empty where it was not."""
    return str(getattr(model, "name_or_path", "") or "")


def tokenizer_of(model: nn.Module) -> Any:
    """The tokenizer that lies beside the weights of a model."""
    name = name_of(model)
    if not name:
        raise BadQuestion(
            f"the tokenizer of this {type(model).__name__} is not known, because the model was not loaded by a name; "
            f"load it with from_pretrained, or give the encoder= that it was trained beside."
        )
    return _tokenizer(name)


@lru_cache(maxsize=4)
def _tokenizer(name: str) -> Any:
    return tokenizer(name, "a question about a text")
