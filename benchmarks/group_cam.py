"""Group-CAM of 32 groups: a forward, the head's way back, and a forward a group and for the blur. Target: 1.15."""

import torch

import pellucid as pl
from benchmarks._masked import TARGET, head, image, in_rows, masked_rows, network, stem
from benchmarks._timing import Row, race

STAGE = 3


def run() -> Row:
    net, x = network(), image()

    def ours() -> None:
        pl.explain(net, x, f"group-cam:layer=layer{STAGE}", target=TARGET)

    masks = masked_rows(net, ours)

    def floor() -> None:
        with torch.no_grad():
            activation = stem(net, STAGE, x)
        leaf = activation.requires_grad_()
        torch.autograd.grad(head(net, STAGE, leaf)[:, TARGET].sum(), leaf)
        in_rows(net, x, masks)

    return race(
        f"Group-CAM of layer{STAGE}, {masks - 1} of 32 groups, ResNet-18, 64 px, one image",
        {"floor": floor, "ours": ours},
        floor=f"{masks + 1} forwards and the head's way back",
        target="≤ 1.15",
    )
