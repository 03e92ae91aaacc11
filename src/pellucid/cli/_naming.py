"""What encoders are called in tables, on sheets and in the names of files, where several are compared."""

import re
from collections.abc import Sequence
from pathlib import Path

from pellucid.networks._load import MODEL


def short_names(models: Sequence[str]) -> list[str]:
    """Of folders the last part, of files the name without its ending, where that is enough to tell them apart.

    >>> short_names(["timm:resnet18", "pellucid:tiny-cnn"])
    ['timm:resnet18', 'pellucid:tiny-cnn']
    """
    short = [_short(model) for model in models]
    return short if len(set(short)) == len(short) else list(models)


def _short(model: str) -> str:
    path = Path(model)
    if not path.exists():
        return model
    return path.name if path.is_dir() else path.resolve().parent.name if path.name == MODEL else path.stem


def file_name(text: str) -> str:
    """One that a file can have.

    >>> file_name("dknn:k=5"), file_name("runs/a/digits.pt")
    ('dknn-k-5', 'runs-a-digits.pt')
    """
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
