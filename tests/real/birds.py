"""A network that knows birds, and photographs of birds with their boxes, from the folder of real data."""

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import mobilenet_v2

SIDE = 224


class _PadSame(nn.Module):
    """TensorFlow's padding of a 3×3 convolution of stride 2: one row and one column, below and to the right."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pad(x, (0, 1, 0, 1))


@cache
def network(folder: str) -> nn.Module:
    """MobileNetV2 of 965 species."""
    net = mobilenet_v2(weights=None, num_classes=965)
    return fill(net, np.load(Path(folder) / "weights" / "mobilenet_v2_inat_birds_uint8.npz"))


def fill(net: nn.Module, arrays: np.lib.npyio.NpzFile) -> nn.Module:
    """A MobileNetV2 with eight-bit weights made floats, batch norm folded into biases, and TensorFlow's padding."""
    for path, module in list(net.named_modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            q, scale = (arrays[f"{path}.weight_{part}"].astype(np.float32) for part in ("q", "scale"))
            zero = arrays[f"{path}.weight_zero"].astype(np.float32) if f"{path}.weight_zero" in arrays else 0
            weight = torch.from_numpy((q - zero) * scale.reshape(-1, *[1] * (q.ndim - 1)))
            module.weight.data = weight.view_as(module.weight)
            bias = torch.from_numpy(arrays[f"{path}.bias"])
            if isinstance(module, nn.Linear):
                module.bias.data = bias
                continue
            module.bias = nn.Parameter(bias)
            parent = net.get_submodule(path.rpartition(".")[0])
            at = int(path.rpartition(".")[2])
            parent[at + 1] = nn.Identity()  # its batch norm
            if module.stride == (2, 2):
                module.padding = (0, 0)
                parent[at] = nn.Sequential(_PadSame(), module)
    return net.eval()


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


@cache
def species(folder: str) -> dict[int, int]:
    """Classes of the photographs that the network knows, and their numbers in it."""
    known = json.loads((Path(folder) / "names" / "inat_birds_965.json").read_text())
    english = {
        _plain(m.group(1).replace("'s", "")): i for i, name in enumerate(known) if (m := re.search(r"\((.+)\)", name))
    }
    ours = json.loads((Path(folder) / "cub_200_2011_mini" / "annotations.json").read_text())["classes"]
    plain = [_plain(re.sub(r"^\d+\.", "", name)) for name in ours]
    return {i: english[name] for i, name in enumerate(plain) if name in english}


def photographs(folder: str, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images as the network sees them [n, 3, 224, 224], its labels [n], boxes as masks [n, 224, 224]."""
    root, numbers = Path(folder) / "cub_200_2011_mini", species(folder)
    rows = [r for r in json.loads((root / "annotations.json").read_text())["images"] if r["label"] in numbers]
    rows = rows[:: max(1, len(rows) // count)][:count]
    images, masks = [], torch.zeros(len(rows), SIDE, SIDE, dtype=torch.bool)
    for mask, row in zip(masks, rows, strict=True):
        picture = Image.open(root / row["file"]).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        images.append(torch.from_numpy(np.asarray(picture)).permute(2, 0, 1).float() / 127.5 - 1)
        x, y, w, h = row["bbox"]
        across, down = SIDE / row["width"], SIDE / row["height"]
        mask[round(y * down) : round((y + h) * down), round(x * across) : round((x + w) * across)] = True
    return torch.stack(images), torch.tensor([numbers[row["label"]] for row in rows]), masks
