"""The byte-pair tokenizer of CLIP, from its published file of merges alone.

Lower case, white space as single blanks, words by kind of character, bytes as letters of their own, and then merges in
the order of the file: of all neighbours in a word, the pair that stands first is joined, until none is in the list.

>>> merged(("c", "a", "t</w>"), {("a", "t</w>"): 0, ("c", "at</w>"): 1})
('cat</w>',)
"""

import gzip
import re
import unicodedata
from functools import cache
from itertools import pairwise
from pathlib import Path

from pellucid.errors import BadFile

MERGES = slice(1, 48895)  # the first line is a remark, and the tail was never used
CONTRACTIONS = re.compile(r"'(?:s|t|re|ve|m|ll|d)")
Pair = tuple[str, str]


class Bpe:
    """Ids of texts; the start is the last id but one, the end the last."""

    def __init__(self, file: str | Path) -> None:
        merges = _merges(Path(file))
        letters = list(_letters().values())
        pieces = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges)]
        self.numbers = {piece: i for i, piece in enumerate(pieces)}
        self.ranks = {pair: i for i, pair in enumerate(merges)}
        self.start, self.stop = len(pieces), len(pieces) + 1

    def ids(self, text: str) -> list[int]:
        """Without start and stop."""
        clean = " ".join(unicodedata.normalize("NFC", text).lower().split())
        return [number for word in words(clean) for number in self._word(word)]

    def _word(self, word: str) -> list[int]:
        letters = [_letters()[byte] for byte in word.encode()]
        return [self.numbers[piece] for piece in merged((*letters[:-1], f"{letters[-1]}</w>"), self.ranks)]


def merged(pieces: tuple[str, ...], ranks: dict[Pair, int]) -> tuple[str, ...]:
    """The pieces of one word, joined while any two neighbours are in the list."""
    while len(pieces) > 1:
        best = min(pairwise(pieces), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        pieces = _joined(pieces, best)
    return pieces


def _joined(pieces: tuple[str, ...], pair: Pair) -> tuple[str, ...]:
    """Every occurrence of a pair as one piece, from the left."""
    done: list[str] = []
    at = 0
    while at < len(pieces):
        here = pieces[at : at + 2] == pair
        done.append("".join(pair) if here else pieces[at])
        at += 2 if here else 1
    return tuple(done)


def words(text: str) -> list[str]:
    """Runs of letters, single digits, runs of anything else; an English contraction is a word of its own.

    >>> words("it's 42 cats!?")
    ['it', "'s", '4', '2', 'cats', '!?']
    """
    found: list[str] = []
    at = 0
    while at < len(text):
        kind, end = _kind(text[at]), at + 1
        contraction = CONTRACTIONS.match(text, at)
        if contraction:
            end = contraction.end()
        while not contraction and kind != "N" and end < len(text) and _kind(text[end]) == kind:
            end += 1
        if kind != " ":
            found.append(text[at:end])
        at = end
    return found


def _kind(character: str) -> str:
    """Letter, number, blank or other."""
    if character.isspace():
        return " "
    major = unicodedata.category(character)[0]
    return major if major in "LN" else "other"


@cache
def _letters() -> dict[int, str]:
    """A visible letter for every byte: printable ones stand for themselves, the rest follow behind Latin-1."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}


def _merges(file: Path) -> list[Pair]:
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            pairs = [tuple(line.split()) for line in lines.read().split("\n")[MERGES]]
    except (OSError, EOFError, UnicodeDecodeError) as cause:
        raise BadFile(f"{file} cannot be read as gzipped merges ({cause}); give CLIP's file of merges.") from None
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]
