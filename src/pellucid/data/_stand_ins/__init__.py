"""Stand-ins: data sets of a few pictures, each in the files, names and number types in which it is published.

    text = written("cub", folder)      # "cub:root=…", which the reader of the real one reads; all of its 200 classes

What is in the pictures is chance. With whole=False there are only the classes that have a picture.
"""

from collections.abc import Callable
from pathlib import Path

from pellucid.data._stand_ins.arrays import cifar10, cifar100, dsprites, ecg5000, fashion_mnist, mnist, svhn
from pellucid.data._stand_ins.crowds import coco, voc
from pellucid.data._stand_ins.imagenets import imagenet, imagenet100, imagenet_s, tiny_imagenet
from pellucid.data._stand_ins.things import aircraft, cars, cub, flowers102, food101, pets

WRITERS: dict[str, Callable[[Path, bool], str]] = {
    make.__name__.replace("_", "-"): make
    for make in (
        cifar10, cifar100, svhn, mnist, fashion_mnist, imagenet, imagenet_s, imagenet100, tiny_imagenet, cub, aircraft,
        cars, flowers102, food101, pets, voc, coco, ecg5000, dsprites,
    )
}  # fmt: skip


def written(name: str, folder: Path) -> str:
    """The text form of a stand-in, written into a folder."""
    return WRITERS[name](folder, True)
