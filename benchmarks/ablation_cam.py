"""Ablation-CAM of an inner layer: a forward, and what comes behind the layer for each channel. Target: 1.10 of it."""

import torch
from pytorch_grad_cam import AblationCAM
from pytorch_grad_cam.ablation_layer import AblationLayer
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

import pellucid as pl
from benchmarks._masked import ROWS, TARGET, head, image, in_rows, network, stem
from benchmarks._timing import Row, race

STAGE, IMAGES = 3, 2


def run() -> Row:
    net, x = network(), image(IMAGES)
    with torch.no_grad():
        activation = stem(net, STAGE, x)
    alive = int(activation.flatten(2).any(2).sum())
    theirs = AblationCAM(net, [getattr(net, f"layer{STAGE}")], ablation_layer=AblationLayer(), batch_size=ROWS)

    def floor() -> None:
        in_rows(net, x, IMAGES)
        in_rows(lambda rows: head(net, STAGE, rows), activation, alive)

    def other() -> None:
        theirs.target_layers = [getattr(net, f"layer{STAGE}")]
        theirs(x, [ClassifierOutputTarget(TARGET)] * IMAGES)

    return race(
        f"Ablation-CAM of layer{STAGE}, ResNet-18, 64 px, two images, {alive} channels",
        {
            "floor": floor,
            "ours": lambda: pl.explain(net, x, f"ablation-cam:layer=layer{STAGE}", target=TARGET),
            "grad-cam": other,
        },
        floor=f"a forward, and {alive} of layer{STAGE + 1} and the head, 64 rows together",
        target="≤ 1.10",
        rounds=5,
    )
