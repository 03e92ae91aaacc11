"""Pictures that a command drew before, made small enough for a page."""

import io
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from pellucid.errors import BadFile

LARGEST = 16_000  # pixels of a side that a WebP may have


def picture(path: Path) -> tuple[bytes, tuple[int, int]]:
    """As WebP, and its size."""
    try:
        with Image.open(path) as file:
            image = file.convert("RGB")
    except (OSError, UnidentifiedImageError, ValueError) as cause:
        raise BadFile(f"{path} cannot be read as a picture ({cause}); run the command that drew it again.") from None
    if max(image.size) > LARGEST:
        image.thumbnail((LARGEST, LARGEST))
    content = io.BytesIO()
    image.save(content, "WEBP", quality=82, method=4)
    return content.getvalue(), image.size
