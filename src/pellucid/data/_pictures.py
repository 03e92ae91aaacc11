"""Pictures from files and archives, as eight-bit RGB whatever they were.

A file is a path, or a member of a zip archive: `photos.zip/cat/1.jpg`.
"""

import io
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from pellucid.data._reading import reason
from pellucid.errors import BadFile

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112  # the tag of EXIF that says how the camera was held
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".gif")


def read(path: Path, upright: bool = True) -> "Image":
    """RGB: upright as the camera says, transparency on white, sixteen bits scaled to eight."""
    try:
        return decoded(content(path), upright)
    except (MemoryError, BadFile):
        raise
    except Exception as cause:  # decoders fail in every way there is
        raise BadFile(f"{path} cannot be read as an image ({reason(cause)}); leave it out, or put it right.") from None


def decoded(file: "str | Path | io.BytesIO", upright: bool = True) -> "Image":
    """The same of a file that may be in memory, with the decoder's own errors."""
    from PIL import Image, ImageOps

    with Image.open(file) as opened:
        turned = upright and opened.getexif().get(ORIENTATION, 1) != 1
        return coloured(ImageOps.exif_transpose(opened) if turned else opened)


def coloured(image: "Image") -> "Image":
    """RGB: transparency on white, sixteen bits scaled to eight."""
    from PIL import Image

    if image.mode == "RGB" and not image.has_transparency_data:
        image.load()
        return image
    if image.mode.startswith(("I", "F")):
        return _scaled(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def pixels(path: Path, upright: bool = True) -> UInt8[Tensor, "3 h w"]:
    """The picture of a file as a tensor."""
    return tensor_of(read(path, upright))


def tensor_of(image: "Image") -> UInt8[Tensor, "3 h w"]:
    """The pixels of an RGB picture; in memory as they were, colours last."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def numbers(path: Path) -> Int[Tensor, "h w *c"]:
    """A picture whose pixels are numbers, not colours: the indices of a palette, the levels of grey, or channels."""
    from PIL import Image

    try:
        with Image.open(content(path)) as opened:
            return torch.from_numpy(np.array(opened).astype(np.int64))
    except (MemoryError, BadFile):
        raise
    except Exception as cause:
        raise BadFile(f"{path} cannot be read as a mask ({reason(cause)}); put it right.") from None


def content(path: Path) -> "Path | io.BytesIO":
    """The file itself, or what an archive holds under that name."""
    archive = next((p for p in path.parents if p.suffix.lower() == ".zip" and p.is_file()), None)
    if archive is None:
        return path
    members = opened(archive)
    try:
        return io.BytesIO(members.read(members_of(archive)[path.relative_to(archive).as_posix()]))
    except KeyError:
        raise BadFile(f"{path} is not in {archive.name}; check the archive.") from None
    except Exception as cause:  # a truncated member
        raise BadFile(f"{path} cannot be read ({reason(cause)}); fetch {archive.name} again.") from None


def opened(archive: Path) -> ZipFile:
    """A zip archive, opened once a process: a handle that is shared with a child would be read from two places."""
    try:
        about = archive.stat()
    except OSError as cause:
        raise BadFile(f"{archive} cannot be read ({reason(cause)}); check the path.") from None
    return _opened(archive, (os.getpid(), about.st_mtime_ns, about.st_size))


def members_of(archive: Path) -> dict[str, str]:
    """The members of an archive by their paths; some have \\ or ./ in their names."""
    return _members(opened(archive))


@lru_cache(maxsize=8)
def _members(archive: ZipFile) -> dict[str, str]:
    return {name.replace("\\", "/").removeprefix("./"): name for name in archive.namelist()}


@lru_cache(maxsize=8)
def _opened(archive: Path, _state: tuple[int, ...]) -> ZipFile:
    try:
        return ZipFile(archive)
    except (BadZipFile, OSError) as cause:
        raise BadFile(f"{archive} cannot be read as a zip archive ({reason(cause)}); fetch it again.") from None


def _scaled(image: "Image") -> "Image":
    """Of more than eight bits: 0 to 65535, 0 to 1, or 0 to the largest value."""
    from PIL import Image

    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    most = 1.0 if 0 < values.max() <= 1 else 65535.0 if image.mode.startswith("I;16") else max(values.max(), 255.0)
    return Image.fromarray((values / most * 255).clip(0, 255).round().astype(np.uint8)).convert("RGB")
