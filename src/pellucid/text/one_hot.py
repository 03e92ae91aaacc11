"""One-hot: a name is a number, and nothing else. The plainest target that a class can have.

    v(k-th name) = e_k

Names have nothing in common, not even the words that they share: what a network gains with such a reader it would gain
from labels alone. Learned contexts stand beside the class as they do beside words.

>>> tower = OneHot(width=3).build()
>>> tower.texts(["red ring", "blue ring"]).tolist()
[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.knobs import Between
from pellucid.text._base import Encoder, Tower
from pellucid.text._spoken import WordTower


class OneHot(Encoder, name="one-hot"):
    """What would be left if a name were a number?"""

    quick = {"width": 8}

    width: Annotated[int, Between(1)] = 512

    def build(self) -> Tower:
        return NumberTower(self.width)


class NumberTower(WordTower):
    """Every name is one word, and has an axis of its own."""

    def tokens(self, text: str) -> list[int]:
        name = text.strip()
        self._meet([name] if name else [])
        return [self.known[name]] if name else []

    def learn(self, words: Sequence[str]) -> Mapping[str, Tensor]:
        first, axes = len(self.known), torch.eye(self.width)
        if first + len(words) > self.width:
            raise BadInput(
                f"one-hot has {self.width} axes, and {first + len(words)} names want one each; set width= to more."
            )
        return {word: axes[first + i] for i, word in enumerate(words)}

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Tensor:
        self._meet(text.strip() for text in texts if text.strip())
        return Tower.texts(self, texts)
