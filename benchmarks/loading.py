"""An epoch of photographs as inputs, one process: a folder of JPEGs, and the same from the cache of small bytes."""

import tempfile
from pathlib import Path

import torch
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from benchmarks._timing import Row, race
from pellucid.data import batches
from pellucid.data.cached import Cached
from pellucid.data.imagefolder import ImageFolder as Ours
from pellucid.data.scenes import Scenes

COUNT, MEAN, STD = 96, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def run() -> Row:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "photos"
        _write(root)
        kept = Cached(Ours(str(root)), folder=str(Path(folder) / "cache"), size=256)
        kept.build()
        theirs = v2.Compose(
            [v2.RandomResizedCrop(224), v2.RandomHorizontalFlip(), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
        )
        plain = v2.Compose([*theirs.transforms, v2.Normalize(MEAN, STD)])
        loader = torch.utils.data.DataLoader(ImageFolder(root, plain), batch_size=32, shuffle=True)
        files = sorted(root.rglob("*.jpg"))

        def decode() -> None:
            for path in files:
                Image.open(path).convert("RGB").load()

        def ours(data: object, **knobs: bool) -> None:
            for _ in batches(data, batch_size=32, train=True, **knobs):  # type: ignore[arg-type]
                pass

        return race(
            f"Loading {COUNT} JPEGs of 500 × 400, a crop of 224 px",
            {
                "floor": decode,
                "ours": lambda: ours(Ours(str(root))),
                "ours, with geometry": lambda: ours(Ours(str(root)), truth=True),
                "ours, cached": lambda: ours(kept),
                "torchvision": lambda: [None for _ in loader],
            },
            floor="decoding",
            target="≤ torchvision",
        )


def _write(root: Path) -> None:
    data = Scenes(size=400, length=COUNT, classes=4)
    for i in range(COUNT):
        path = root / str(data[i].label) / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(data[i].image.permute(1, 2, 0).numpy()).resize((500, 400)).save(path, quality=92)
