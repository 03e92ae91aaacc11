"""Images from files and folders, as eight-bit RGB whatever they were."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.errors import BadFile, listed

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Found:
    """A file, the name that its results take, and whether it was given by name."""

    path: Path
    name: str
    given: bool


def find(paths: Sequence[Path], out: Path) -> list[Found]:
    """Every file that was given, and every file of every folder but hidden ones and our own results."""
    found: dict[Path, tuple[str, bool]] = {}
    for path in paths:
        if path.is_dir():
            inside = [p for p in sorted(path.rglob("*")) if p.is_file() and not _ours(p, path, out)]
            if not inside:
                raise BadFile(f"the folder {path} holds no files; give images, or a folder of images.")
            for file in inside:
                found.setdefault(file, ("-".join(file.relative_to(path).with_suffix("").parts), False))
        elif path.is_file():
            found[path] = (path.stem, True)
        else:
            raise BadFile(f"{path} is not there; give images, or folders of images.")
    names: set[str] = set()
    made = []
    for path, (name, given) in found.items():
        free = next(n for n in (name, *(f"{name}-{i}" for i in range(2, len(found) + 2))) if n not in names)
        names.add(free)
        made.append(Found(path, free, given))
    for file in made:
        if file.given:
            read(file.path)  # found out before the model is loaded
    return made


def _ours(path: Path, folder: Path, out: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return hidden or out.resolve() in path.resolve().parents


def read(path: Path) -> "Image":
    """Upright RGB: transparency on white, sixteen bits scaled to eight."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith(("I", "F")):
                return _scaled(image)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            return image.convert("RGB")
    except MemoryError:
        raise
    except Exception as cause:  # decoders fail in every way there is
        reason = "it is no image" if "cannot identify" in str(cause) else str(cause) or type(cause).__name__
        raise BadFile(f"{path} cannot be read as an image ({reason}); leave it out, or put it right.") from None


def _scaled(image: "Image") -> "Image":
    """Of more than eight bits: 0 to 65535, 0 to 1, or 0 to the largest value."""
    import numpy as np
    from PIL import Image

    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    most = 1.0 if 0 < values.max() <= 1 else 65535.0 if image.mode.startswith("I;16") else max(values.max(), 255.0)
    return Image.fromarray((values / most * 255).clip(0, 255).round().astype(np.uint8)).convert("RGB")


def skipped(files: Sequence[object]) -> str:
    """The sentence about files of a folder that are no images."""
    noun = "1 file that is no image" if len(files) == 1 else f"{len(files)} files that are no images"
    return f"skipped {noun}: {listed(files, 5)}."
