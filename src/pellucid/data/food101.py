"""Food-101 (Bossard et al., 2014): 101,000 photographs of 101 dishes; 750 a class for training, not cleaned.

    meta/train.json   {"churros": ["churros/1004234", …], …} · meta/classes.txt churros · meta/labels.txt Churros
    images/churros/1004234.jpg

>>> Food101(split="test").split
'test'
"""

import json
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pellucid.data._names import readable
from pellucid.data._reading import parsed
from pellucid.data._stored import Index, Pictures
from pellucid.errors import BadFile


class Food101(Pictures, name="food101"):
    """Dishes."""

    home = "https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101"
    licence = "none stated"
    terms = "For scientific use; the pictures are Foodspotting's, whose terms hold for anything beyond fair use."
    cite = """
@inproceedings{bossard14,
  title     = {Food-101 -- Mining Discriminative Components with Random Forests},
  author    = {Bossard, Lukas and Guillaumin, Matthieu and Van Gool, Luc},
  booktitle = {European Conference on Computer Vision},
  year      = {2014},
}"""
    inside = ("food-101",)
    marks = ("meta", "images")

    split: Literal["train", "test"] = "train"

    def fetch(self, root: Path) -> None:
        from torchvision import datasets

        datasets.Food101(root, download=True)

    @cached_property
    def _files(self) -> dict[str, list[str]]:
        path = self.folder / "meta" / f"{self.split}.json"
        found: Any = parsed(path, lambda p: json.loads(p.read_text(encoding="utf-8")), "JSON")
        if not isinstance(found, dict) or not all(isinstance(some, list) for some in found.values()):
            raise BadFile(f"{path} is not a table of lists of files by class; fetch it again.")
        return {name: found[name] for name in sorted(found)}

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        classes = self.folder / "meta" / "classes.txt"
        if classes.is_file() and (self.folder / "meta" / "labels.txt").is_file():
            said = dict(zip(self.lines("meta/classes.txt"), self.lines("meta/labels.txt"), strict=False))
            return tuple(said.get(name, readable(name)) for name in self._files)
        return tuple(readable(name) for name in self._files)

    def find(self) -> Index:
        files = [f"images/{file}.jpg" for some in self._files.values() for file in some]
        return Index(files, [label for label, some in enumerate(self._files.values()) for _ in some])
