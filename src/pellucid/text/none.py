"""None: nothing is read. An objective with a text side is left with its other terms.

    text = the empty vector

>>> NONE().load().texts(["a cat", "a dog"]).shape
torch.Size([2, 0])
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pellucid.text._base import Encoder, Tower
from pellucid.text._spoken import WordTower


class NONE(Encoder, name="none"):
    """What is left without any language?"""

    speaks = False

    def build(self) -> Tower:
        return Silence(0)


class Silence(WordTower):
    """A text is no number at all."""

    def learn(self, words: Sequence[str]) -> Mapping[str, Tensor]:
        return {word: torch.zeros(0) for word in words}
