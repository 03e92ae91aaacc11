"""What stands in for training: weights by chance, and ids by hash, so that no vocabulary is needed."""

import hashlib
import re
from collections.abc import Generator
from contextlib import contextmanager

import torch

PIECE = 6  # letters: longer words become several sub-tokens, as real ones do


class HashedWords:
    """Words, cut into pieces of six letters, each an id out of [first, vocabulary) that its letters determine.

    >>> tokenizer = HashedWords(1000, first=5)
    >>> len(tokenizer.ids("a photograph!")), tokenizer.ids("A  photo") == tokenizer.ids("a photo")
    (4, True)
    """

    def __init__(self, vocabulary: int, first: int = 0) -> None:
        self.vocabulary, self.first = vocabulary, first

    def ids(self, text: str) -> list[int]:
        words = re.findall(r"\w+|[^\w\s]+", text.lower())
        return [self._id(word[at : at + PIECE], at) for word in words for at in range(0, len(word), PIECE)]

    def _id(self, piece: str, at: int) -> int:
        digest = hashlib.sha256(f"{piece} {at}".encode()).digest()
        return self.first + int.from_bytes(digest[:8], "little") % (self.vocabulary - self.first)


@contextmanager
def chance(seed: int) -> Generator[None]:
    """Libraries that draw weights draw them from the one generator of the CPU, which is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reach other devices, too
        yield
