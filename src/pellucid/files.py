"""Files, written whole or not at all."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pellucid.errors import BadFile, PellucidError


def write_atomically(path: str | Path, content: bytes) -> Path:
    """The content at the path."""
    with writing(path) as file:
        file.write(content)
    return Path(path)


@contextmanager
def writing(path: str | Path) -> Generator[IO[bytes]]:
    """A file to write in pieces: a temporary one beside the path, which takes its place when all went well."""
    path = Path(path)
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except PellucidError:
        raise  # of what was being written
    except OSError as cause:
        raise BadFile(f"{path} cannot be written ({cause.strerror}); choose another folder or make room.") from None
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)


def writable(folder: str | Path) -> Path:
    """The folder, made where it is missing; found out before the work rather than after it."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
    except OSError as cause:
        raise BadFile(f"nothing can be written in {folder} ({cause.strerror}); choose another folder.") from None
    return folder


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
