"""Prompt: what makes the picture resemble this text?

    value ⟨r, f(x̃)⟩,   w = r = g(text) / ‖g(text)‖

f is an image encoder and g the text encoder that was trained with it. The direction is the text's alone, of length one;
what the picture has in that direction may be long or short, so that values compare within one image encoder only. Of a
model of two towers (CLIPModel, SiglipModel, AlignModel) the text side is its own, with the tokenizer beside its
weights; with any other image encoder it is `encoder`, `clip` where none is said.

>>> f = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
>>> r = direction_of(torch.tensor([0.0, 5.0]))
>>> r.tolist(), (f @ r).tolist()
([0.0, 1.0], [4.0, 1.0])

Trap: image encoders and text encoders that were not trained together fit by chance at best, even where their widths do.
"""

from functools import lru_cache
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.errors import BadQuestion
from pellucid.questions._base import Embed, Question, Score
from pellucid.questions.towards import Towards
from pellucid.registry import catalog
from pellucid.text import Encoder, Tower, own_tower


def direction_of(vector: Float[Tensor, "d"]) -> Float[Tensor, "d"]:
    """The text's vector at length one."""
    return nn.functional.normalize(vector.float(), dim=0)


class Prompt(Question, name="prompt"):
    """What makes it resemble this text?"""

    scale = "similarity"
    targeted = False
    linear = True
    quick = {"text": "a dog", "encoder": "random-words:width=5"}

    text: str
    encoder: Encoder | None = None

    def bind(self, output: Tensor, target: Tensor | None, embed: Embed) -> Score:
        vector = self._vector(_model_of(embed))
        if output.ndim != 2 or output.shape[1] != len(vector):
            raise BadQuestion(
                f"the text encoder {self.encoder or 'of this model'} gives vectors of {len(vector)} numbers, but the "
                f"model's output has shape {tuple(output.shape)}; ask an image encoder, with the encoder= that was "
                f"trained beside it."
            )
        return Towards(direction_of(vector)).bind(output, target, embed)

    def _vector(self, model: nn.Module | None) -> Tensor:
        """[d]"""
        if self.encoder is not None:
            return _read(self.encoder, self.text)
        own = None if model is None else own_tower(model)
        return (
            _read(cast(Encoder, catalog("encoders")["clip"]()), self.text) if own is None else own.texts([self.text])[0]
        )


def _model_of(embed: Any) -> nn.Module | None:
    """The model behind a subject's `embed`; None behind a plain function."""
    return getattr(getattr(embed, "__self__", None), "model", None)


@lru_cache(maxsize=256)
def _read(encoder: Encoder, text: str) -> Tensor:
    return _tower(encoder).texts([text])[0]


@lru_cache(maxsize=1)
def _tower(encoder: Encoder) -> Tower:
    return encoder.load()
