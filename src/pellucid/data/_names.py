"""Class names that a text encoder can read.

>>> readable("001.Black_footed_Albatross"), readable("air_plane"), wnid_names(["n01440764", "n02012849"])
('Black footed Albatross', 'air plane', ('tench', 'crane bird'))
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pellucid.data._reading import read_lines, reason
from pellucid.errors import BadFile

NUMBERED = re.compile(r"^\d+[._-](?=\D)")
WNID = re.compile(r"n\d{8}")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ALIKE = {  # ImageNet's classes whose first name is another's too
    "n02012849": "crane bird",
    "n03126707": "construction crane",
    "n03710637": "maillot",
    "n03710721": "maillot tank suit",
}


def read_names(path: Path) -> tuple[str, ...]:
    """A name a line; or JSON: a list of names or of objects with a "name", or names by number."""
    if path.suffix != ".json":
        return tuple(line.strip() for line in read_lines(path, "give a file of class names, one a line"))
    content = read_json(path)
    try:
        if isinstance(content, dict):
            content = [content[str(i)] for i in range(len(content))]
        names = [one["name"] if isinstance(one, dict) else one for one in content]
    except (KeyError, TypeError) as cause:
        raise BadFile(f"{path} holds no class names ({reason(cause)}); write one a line, or a JSON list.") from None
    return tuple(str(name) for name in names)


def read_json(path: Path) -> Any:
    """What a file of JSON says."""
    try:
        return json.loads("\n".join(read_lines(path, "give a file of class names")))
    except ValueError as cause:
        raise BadFile(f"{path} is no JSON ({reason(cause)}); put it right.") from None


def readable(name: str) -> str:
    """Without underscores, leading numbers and doubled spaces."""
    return " ".join(NUMBERED.sub("", name, count=1).replace("_", " ").split())


def first_of(names: str) -> str:
    """goldfish, Carassius auratus -> goldfish"""
    return names.split(",")[0].strip()


@cache
def imagenet() -> dict[str, str]:
    """The names of ImageNet's 1,000 classes by WordNet id, in label order: that of the sorted ids."""
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    described = zip(info.label_names(), info.label_descriptions(), strict=True)
    return {wnid: ALIKE.get(wnid, first_of(names)) for wnid, names in described}


def wnid_names(wnids: Iterable[str]) -> tuple[str, ...]:
    """Names of WordNet ids; one that is not ImageNet's stays as it is."""
    known = imagenet()
    return tuple(known.get(wnid, wnid) for wnid in wnids)


def folder_names(folders: Sequence[str]) -> tuple[str, ...]:
    """Names of classes from those of their folders, all different."""
    if all(WNID.fullmatch(folder) for folder in folders):
        return wnid_names(folders)
    numbered = all(NUMBERED.match(folder) for folder in folders)
    names = [readable(folder) if numbered else " ".join(folder.replace("_", " ").split()) for folder in folders]
    return distinct([name or folder for name, folder in zip(names, folders, strict=True)], folders)


def distinct(names: Sequence[str], instead: Sequence[str]) -> tuple[str, ...]:
    """Where two classes would have one name, what was written in the first place.

    >>> distinct(["crane", "crane", "owl"], ["crane, a bird", "crane, a machine", "owl, a bird"])
    ('crane, a bird', 'crane, a machine', 'owl')
    """
    count = Counter(names)
    return tuple(name if count[name] == 1 else other for name, other in zip(names, instead, strict=True))
