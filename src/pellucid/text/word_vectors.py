"""Word vectors (Mikolov et al., 2013; Pennington et al., 2014): a class is the mean of its words' vectors.

    text = mean of v(word) over its words

The words have no contexts and know no grammar: "hot dog" is half heat and half dog. The file is GloVe's text
("word v1 … vd" a line), word2vec's text (the same behind a line "words d") or word2vec's binary, gzipped or not: its
content tells. It is read from the front to the back as a stream, and only the words asked for are kept. A word
that is not in the file is looked for in lower case, then by its parts around a hyphen.

>>> mean_of(["cat"], {"cat": torch.tensor([1.0, 3.0])}).tolist()
[1.0, 3.0]
>>> mean_of(["hot", "dog"], {"hot": torch.tensor([1.0]), "dog": torch.tensor([0.0])}).tolist()
[0.5]

`texts` looks up all its words in one way through the file; `tokens` takes one for every text that has new words.
"""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from io import BufferedIOBase
from pathlib import Path

import torch
from torch import Tensor

from pellucid.errors import BadFile, BadInput, listed
from pellucid.text._base import Encoder, Tower
from pellucid.text._spoken import WordTower

CHUNK = 1 << 20
Entry = tuple[bytes, bytes]  # a word, and its numbers as they stand in the file


def mean_of(words: Sequence[str], vectors: Mapping[str, Tensor]) -> Tensor:
    """[d]"""
    return torch.stack([vectors[word] for word in words]).mean(0)


class WordVectors(Encoder, name="word-vectors", paper="arXiv:1301.3781"):
    """What does a dictionary of word vectors make of it, without any sentence?"""

    quick = {"file": "vectors.txt"}
    cite = """
@inproceedings{pennington2014glove,
  title     = {{GloVe}: Global Vectors for Word Representation},
  author    = {Pennington, Jeffrey and Socher, Richard and Manning, Christopher D.},
  booktitle = {Conference on Empirical Methods in Natural Language Processing},
  year      = {2014},
}
@article{mikolov2013efficient,
  title   = {Efficient Estimation of Word Representations in Vector Space},
  author  = {Mikolov, Tomas and Chen, Kai and Corrado, Greg and Dean, Jeffrey},
  journal = {arXiv preprint arXiv:1301.3781},
  year    = {2013},
}"""

    file: str

    def build(self) -> Tower:
        return FileTower(Path(self.file).expanduser())


class FileTower(WordTower):
    """Its words are in a file."""

    def __init__(self, file: Path) -> None:
        self.layout, width = layout_of(file)
        super().__init__(width)
        self.file = file

    def learn(self, words: Sequence[str]) -> Mapping[str, Tensor]:
        ways = {word: ways_of(word) for word in words}
        vectors = self._found({part for all_ in ways.values() for way in all_ for part in way}, set(words))
        found: dict[str, Tensor] = {}
        for word, all_ in ways.items():
            way = next((way for way in all_ if all(part in vectors for part in way)), None)
            if way:
                found[word] = mean_of(way, vectors)
        missing = [word for word in words if word not in found]
        if missing:
            raise BadInput(
                f"the word vectors of {self.file.name} have no word {listed(missing, 5)}; name the classes by other "
                f"words, or give a larger file."
            )
        return found

    def _found(self, wanted: set[str], enough: set[str]) -> dict[str, Tensor]:
        """The vectors of those words that the file has; no further than until the words themselves are there."""
        spelled = {word.encode(): word for word in wanted}
        vectors: dict[str, Tensor] = {}
        for name, numbers in entries_of(self.file, self.layout, self.width):
            word = spelled.get(name)
            if word is None or word in vectors:
                continue
            vectors[word] = numbers_of(numbers, self.width, self.layout, self.file)
            if enough <= vectors.keys():
                break
        return vectors


def ways_of(word: str) -> list[list[str]]:
    """The spellings to look for, the best first.

    >>> ways_of("T-shirt")
    [['T-shirt'], ['t-shirt'], ['T', 'shirt'], ['t', 'shirt']]
    """
    parts = [part for part in word.split("-") if part]
    ways = [[word], [word.lower()], parts, [part.lower() for part in parts]]
    return [way for i, way in enumerate(ways) if way and way not in ways[:i]]


# --- files -----------------------------------------------------------------------------------------------------------


def opened(file: Path) -> BufferedIOBase:
    """The bytes of a file, unpacked where it is gzipped."""
    try:
        with file.open("rb") as stream:
            packed = stream.read(2) == b"\x1f\x8b"
        return gzip.open(file) if packed else file.open("rb")
    except OSError as cause:
        raise BadFile(f"the word vectors {file} cannot be read ({cause.strerror or cause}); check file=.") from None


def layout_of(file: Path) -> tuple[str, int]:
    """Which of the three layouts a file has, and the length of its vectors."""
    with opened(file) as stream:
        try:
            head, second = stream.readline(CHUNK), stream.readline(CHUNK)
        except (OSError, EOFError):
            head = second = b""
    counts = head.split()
    if len(counts) == 2 and all(count.isdigit() for count in counts):
        width = int(counts[1])
        return ("word2vec text" if _is_text(second, width) else "word2vec binary"), width
    width = len(counts) - 1
    if width < 1 or not _is_text(head, width):
        raise BadFile(
            f"{file} holds no word vectors as GloVe or word2vec write them (a word and its numbers a line, or binary "
            f"behind a line with two counts); check file=."
        )
    return "text", width


def _is_text(line: bytes, width: int) -> bool:
    fields = line.split()
    try:
        return len(fields) > width > 0 and all(float(field) == float(field) for field in fields[-min(width, 3) :])
    except ValueError:
        return False


def entries_of(file: Path, layout: str, width: int) -> Iterator[Entry]:
    """Every word of a file and its numbers, from the front to the back."""
    with opened(file) as stream:
        try:
            yield from ENTRIES[layout](stream, width)
        except (OSError, EOFError) as cause:  # a gzipped file that was cut off
            raise BadFile(f"the word vectors {file} cannot be read to their end ({cause}); fetch them again.") from None


def lines_of(stream: BufferedIOBase, width: int) -> Iterator[Entry]:
    """A word may itself hold blanks: its numbers are the last fields of a line."""
    for line in stream:
        fields = line.rstrip().rsplit(b" ", width)
        if len(fields) == width + 1:
            yield fields[0], line[len(fields[0]) :]


def lines_behind_head(stream: BufferedIOBase, width: int) -> Iterator[Entry]:
    stream.readline()
    yield from lines_of(stream, width)


def records_of(stream: BufferedIOBase, width: int) -> Iterator[Entry]:
    """word, blank, width little-endian floats; a line break before the next word or none."""
    stream.readline()
    rest = b""
    at, size = 0, 4 * width
    while True:
        blank = rest.find(b" ", at)
        if blank < 0 or blank + 1 + size > len(rest):
            more = stream.read(max(CHUNK, size))
            if not more:
                return
            rest, at = rest[at:] + more, 0
            continue
        yield rest[at:blank].lstrip(b"\n"), rest[blank + 1 : blank + 1 + size]
        at = blank + 1 + size


ENTRIES = {"text": lines_of, "word2vec text": lines_behind_head, "word2vec binary": records_of}


def numbers_of(content: bytes, width: int, layout: str, file: Path) -> Tensor:
    """One vector [d] out of what stands behind its word."""
    if layout == "word2vec binary":
        return torch.frombuffer(bytearray(content), dtype=torch.float32)
    try:
        return torch.tensor([float(field) for field in content.split()])
    except ValueError as cause:
        raise BadFile(f"{file} holds a line that is no word vector of {width} numbers ({cause}).") from None
