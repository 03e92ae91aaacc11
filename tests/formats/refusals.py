"""What tests of bad files share: ways to spoil a file, and a refusal that names it and leaves no trace."""

import builtins
import io
import os
from pathlib import Path

import pytest

from pellucid.data import Dataset
from pellucid.errors import PellucidError

SPRITES = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"


def everything(form):
    data = Dataset.make(form)
    return data.class_names, list(data), data.lasting_faults()


def listing(folder):
    """All that is there, but the bits of dSprites, which are kept beside it on purpose."""
    return {p for p in folder.rglob("*") if p.suffix != ".bits"}


def refused(form, folder, named):
    """Reading all of it is refused, by a sentence with these words."""
    before = listing(folder)
    with pytest.raises(PellucidError) as caught:
        everything(form)
    assert named in str(caught.value)
    assert listing(folder) == before


def put(path, old, new):
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))


def deny(monkeypatch, path):
    """Permissions do not bind the user that many test machines have."""
    real = builtins.open

    def opened(file, *args, **options):
        if isinstance(file, str | os.PathLike) and os.fspath(file) == str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(file, *args, **options)

    monkeypatch.setattr(builtins, "open", opened)
    monkeypatch.setattr(io, "open", opened)


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes(b ^ 0x5A for b in content[middle : middle + 40]) + content[middle + 40 :]


CHANGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 - 100]),
    "damaged": lambda path: path.write_bytes(flipped(path.read_bytes())),
    "emptied": lambda path: path.write_bytes(b""),
    "something else": lambda path: path.write_bytes(bytes(range(128, 256)) * 3),
    "gone": Path.unlink,
}
