"""Towers without a transformer: a text is the mean of its words' vectors."""

import re
from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.text._base import Tower, masked_mean

LIMIT = 77  # words: enough for any name


class WordTower(Tower):
    """A table that grows: `learn` gives the vectors of words that are not in it yet."""

    words = True
    limit = LIMIT
    table: Tensor  # [1 + known, d]; row 0 is the pad

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = self.out = width
        self.known: dict[str, int] = {}
        self.register_buffer("table", torch.zeros(1, width), persistent=False)

    def learn(self, words: Sequence[str]) -> Mapping[str, Tensor]:
        """The vector [d] of every one of these words."""
        raise NotImplementedError

    def tokens(self, text: str) -> list[int]:
        parts = words_of(text)
        self._meet(parts)
        return [self.known[word] for word in parts]

    def embed(self, ids: Int[Tensor, "*n"]) -> Float[Tensor, "*n width"]:
        return self.table[ids.to(self.table.device)]

    def read(self, embeddings: Float[Tensor, "u l width"], lengths: Int[Tensor, "u"]) -> Float[Tensor, "u l out"]:
        return embeddings

    def pool(self, outputs: Float[Tensor, "u l out"], lengths: Int[Tensor, "u"]) -> Float[Tensor, "u out"]:
        return masked_mean(outputs, lengths)

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Float[Tensor, "n out"]:
        self._meet(word for text in texts for word in words_of(text))  # one way through the file for all
        return super().texts(texts)

    def _meet(self, words: Iterable[str]) -> None:
        new = [word for word in dict.fromkeys(words) if word not in self.known]
        if not new:
            return
        found = self.learn(new)
        self.known |= {word: len(self.table) + i for i, word in enumerate(new)}
        self.table = torch.cat([self.table, torch.stack([found[word] for word in new]).to(self.table)])


def words_of(text: str) -> list[str]:
    """The words of a class name: underscores, slashes and punctuation are blanks.

    >>> words_of("traffic_light"), words_of("T-shirt/top"), words_of("great white shark, man-eater")
    (['traffic', 'light'], ['T-shirt', 'top'], ['great', 'white', 'shark', 'man-eater'])
    """
    return [word for word in re.split(r"[\s_/,;.:()\"]+", text) if word]
