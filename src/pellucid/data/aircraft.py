"""FGVC-Aircraft (Maji et al., 2013): 10,000 photographs of aircraft in 100 variants, 70 families, 30 manufacturers.

    data/images_variant_train.txt   1025794 707-320
    data/images_box.txt             1025794 3 144 998 431      first and last pixel, counted from 1

The lowest 20 rows of every picture are a banner that names its photographer; `banner=false` cuts them off.

>>> Aircraft(level="family").level, Aircraft().banner
('family', True)
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from pellucid.data._reading import fields, real
from pellucid.data._stored import Index, Pictures
from pellucid.errors import BadFile

BANNER = 20
TABLES = {"variant": "variants.txt", "family": "families.txt", "manufacturer": "manufacturers.txt"}


class Aircraft(Pictures, name="aircraft", paper="arXiv:1306.5151"):
    """Aircraft, told apart by small differences, with boxes."""

    home = "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft"
    licence = "none stated"
    terms = "For non-commercial research; the photographs belong to their owners."
    cite = """
@techreport{maji2013fine,
  title       = {Fine-Grained Visual Classification of Aircraft},
  author      = {Maji, Subhransu and Kannala, Juho and Rahtu, Esa and Blaschko, Matthew and Vedaldi, Andrea},
  institution = {arXiv:1306.5151},
  year        = {2013},
}"""
    inside = ("fgvc-aircraft-2013b/data", "data")
    marks = ("images", "variants.txt")

    split: Literal["train", "val", "trainval", "test"] = "trainval"
    level: Literal["variant", "family", "manufacturer"] = "variant"
    banner: bool = True

    def fetch(self, root: Path) -> None:
        from torchvision import datasets

        datasets.FGVCAircraft(root, download=True)

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(line.strip() for line in self.lines(TABLES[self.level]))

    def find(self) -> Index:
        name = f"images_{self.level}_{self.split}.txt"
        numbers = {label: i for i, label in enumerate(self.class_names)}
        files, labels = [], []
        for line in self.lines(name):
            file, _, label = line.strip().partition(" ")
            if label not in numbers:
                raise BadFile(f"{self.folder / name} has the line {line!r}, whose label is in no list; fetch it again.")
            files.append(f"images/{file}.jpg")
            labels.append(numbers[label])
        return Index(files, labels)

    @cached_property
    def _boxes(self) -> dict[str, list[float]]:
        path = self.folder / "images_box.txt"
        rows = (fields(path, line, 5) for line in self.lines(path.name)) if path.is_file() else ()
        return {file: [real(path, word) for word in words] for file, *words in rows}

    def picture(self, path: Path) -> Tensor:
        image = super().picture(path)
        return image if self.banner else image[:, :-BANNER].contiguous()

    def truth(self, i: int, size: tuple[int, int]) -> Mapping[str, Any]:
        box = self._boxes.get(Path(self.index.files[i]).stem)
        if box is None:
            return {}
        x0, y0, x1, y1 = box
        return {"boxes": torch.tensor([[max(x0 - 1, 0), max(y0 - 1, 0), x1, min(y1, size[0])]])}
