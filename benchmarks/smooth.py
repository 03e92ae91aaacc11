"""SmoothGrad of 16 samples: 16 forwards and input gradients, eight together. Target: 1.10 of these."""

from captum.attr import NoiseTunnel, Saliency

import pellucid as pl
from benchmarks._resnet import images, input_gradient, network
from benchmarks._timing import Row, race


def run() -> Row:
    net, x = network().requires_grad_(False), images(1)
    eight = x.repeat(8, 1, 1, 1)
    tunnel = NoiseTunnel(Saliency(net))
    return race(
        "SmoothGrad, 16 samples, ResNet-50, 224 px, one image",
        {
            "floor": lambda: [input_gradient(net, eight) for _ in range(2)],
            "ours": lambda: pl.explain(net, x, "smooth:samples=16@gradient", target=3),
            "ours, variance": lambda: pl.explain(net, x, "smooth:samples=16,moment=variance@gradient", target=3),
            "captum": lambda: tunnel.attribute(x, nt_samples=16, nt_samples_batch_size=8, target=3),
        },
        floor="16 forwards and input gradients",
        target="≤ 1.10",
    )
