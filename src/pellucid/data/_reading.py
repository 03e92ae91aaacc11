"""Other people's files, and one sentence for every way in which they may be broken.

>>> whole(Path("labels.txt"), "12"), real(Path("boxes.txt"), "3.5")
(12, 3.5)
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pellucid.errors import BadFile

AGAIN = "fetch it again"


def reason(cause: BaseException) -> str:
    """What somebody else's error says, in a few words of one line.

    >>> reason(KeyError("valid")), reason(OSError(2, "No such file or directory", "a.tar")), reason(EOFError())
    ('it has no valid', 'No such file or directory', 'it ends too early')
    """
    if isinstance(cause, KeyError):
        missing = str(cause.args[0]) if cause.args else "key"
        return "it is not in the archive" if "in the archive" in missing else f"it has no {missing}"
    words = str(getattr(cause, "strerror", None) or cause).strip()
    if isinstance(cause, EOFError):
        return "it ends too early"
    if "cannot identify" in words:
        return "it is no image"
    if isinstance(cause, UnicodeDecodeError):
        return "it is no UTF-8 text"
    return (words or type(cause).__name__).splitlines()[0].rstrip(".")


def read_lines(path: Path, advice: str = "unpack the data set again") -> list[str]:
    """The lines of a text file that are not empty."""
    try:
        return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except FileNotFoundError:
        raise BadFile(f"{path} is not there; {advice}.") from None
    except (OSError, UnicodeDecodeError) as cause:
        raise BadFile(f"{path} cannot be read ({reason(cause)}); put it right.") from None


def fields(path: Path, line: str, count: int) -> list[str]:
    """The words of a line, so many of them."""
    words = line.split()
    if len(words) != count:
        raise BadFile(f"{path} has the line {line.strip()!r} where {count} words are expected; {AGAIN}.")
    return words


def whole(path: Path, text: str) -> int:
    """A whole number that a file has."""
    try:
        return int(text)
    except (ValueError, OverflowError):
        raise BadFile(f"{path} has {text!r} where a whole number is expected; {AGAIN}.") from None


def real(path: Path, text: str) -> float:
    """A number that a file has."""
    try:
        return float(text)
    except ValueError:
        raise BadFile(f"{path} has {text!r} where a number is expected; {AGAIN}.") from None


def parsed(path: Path, read: Callable[[Path], Any], what: str, advice: str = AGAIN) -> Any:
    """A file through somebody else's reader, whose errors are many."""
    if not is_there(path):
        raise BadFile(f"{path} is not there; {advice}.")
    try:
        with path.open("rb"):  # some readers hide why a file cannot be opened
            pass
        return read(path)
    except (MemoryError, BadFile):
        raise
    except Exception as cause:
        raise BadFile(f"{path} cannot be read as {what} ({reason(cause)}); {advice}.") from None


def matlab(path: Path, variable: str, what: str = "a table of MATLAB", advice: str = AGAIN) -> Any:
    """A variable of a .mat file."""
    from scipy.io import loadmat

    return parsed(path, lambda p: loadmat(p, squeeze_me=True)[variable], what, advice)


def names_in_folder(folder: Path, pictures: tuple[str, ...] | None = None) -> list[str]:
    """Sorted: the folders in a folder, or the files that end so; hidden ones left out."""
    try:
        entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
        if pictures is None:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except OSError as cause:
        raise BadFile(f"{folder} cannot be read ({reason(cause)}); let it be read.") from None
    return sorted(entry.name for entry in entries if entry.name.lower().endswith(pictures))


def is_there(path: Path) -> bool:
    """Whether a path exists, or cannot be looked at, which is found out when it is read."""
    try:
        return path.exists()
    except OSError:
        return True


def wrong_sums(folder: Path, sums: Sequence[tuple[str, str]]) -> Iterator[str]:
    """What is wrong with files whose MD5 is known."""
    for name, wanted in sums:
        path = folder / name
        if not path.is_file():
            yield f"{path} is not there; {AGAIN}."
        elif (found := parsed(path, _md5, "bytes")) != wanted:
            yield f"{path} has the MD5 {found}, not {wanted}; {AGAIN}."


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
