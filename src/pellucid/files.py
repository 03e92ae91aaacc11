"""Files, written whole or not at all."""

import os
import tempfile
from pathlib import Path

from pellucid.errors import BadFile


def write_atomically(path: str | Path, content: bytes) -> Path:
    """The content at the path, by a temporary file beside it and a rename."""
    path = Path(path)
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as cause:
        raise BadFile(f"{path} cannot be written ({cause.strerror}); choose another folder or make room.") from None
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
    return path


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
