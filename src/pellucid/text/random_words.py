"""Random words: a fixed random vector for every word. The control of every claim that language helps.

    v(word) ~ N(0, I),   drawn by the word's letters and the seed;   text = mean of v(word) over its words

A class gets a code as good as any other, and "cat" is as far from "kitten" as from "truck": what a network gains with
such a reader is owed to classes having targets, not to what their names mean.

>>> a, b = random_vector("cat", 400, 0), random_vector("kitten", 400, 0)
>>> bool(torch.equal(a, random_vector("cat", 400, 0))), abs(float(torch.cosine_similarity(a, b, 0))) < 0.2
(True, True)
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from torch import Tensor

from pellucid.knobs import Between
from pellucid.text._base import Encoder, Tower
from pellucid.text._spoken import WordTower


def random_vector(word: str, width: int, seed: int) -> Tensor:
    """[d]"""
    digest = hashlib.sha256(f"{seed} {word}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
    return torch.randn(width, generator=generator)


class RandomWords(Encoder, name="random-words"):
    """What would be left if names meant nothing?"""

    width: Annotated[int, Between(1)] = 512
    seed: int = 0

    def build(self) -> Tower:
        return RandomTower(self.width, self.seed)


class RandomTower(WordTower):
    """Its words are dice."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__(width)
        self.seed = seed

    def learn(self, words: Sequence[str]) -> Mapping[str, Tensor]:
        return {word: random_vector(word, self.width, self.seed) for word in words}
