"""LICO's step over a step of cross-entropy, with CLIP's text tower in its real size (random weights) and with MiniLM.

Target: class at the end 1.30, MiniLM 1.35, at the front, in the middle or class-specific contexts 1.75. The published
reproduction reports 4.3.
"""

import warnings

from benchmarks._cifar import batch, ce, network, step
from benchmarks._timing import Row, race
from pellucid.data.cifar100 import CIFAR100
from pellucid.objectives import Objective

FORMS = {
    "ours": "text=(clip:random=true)",
    "MiniLM": "text=minilm",
    "class at front": "text=(clip:random=true),class_at=front",
    "in the middle": "text=(clip:random=true),class_at=middle",
    "class-specific": "text=(clip:random=true),specific=true",
}


def run() -> Row:
    images, labels = batch()
    plain = network()
    contenders = {"floor": step(lambda: ce(plain, images, labels), plain)}
    for name, form in FORMS.items():
        net = network()
        with warnings.catch_warnings(action="ignore"):
            objective = Objective.make(f"lico:{form}").bind(net, CIFAR100().class_names, (32, 32))
        contenders[name] = step(lambda objective=objective: objective((images, labels))[0], net, objective)
    return race(
        "LICO step, CLIP, class at the end; ResNet-18 (CIFAR stem), batch 64, 100 classes",
        contenders,
        floor="a step of cross-entropy",
        target="≤ 1.30; MiniLM ≤ 1.35; others ≤ 1.75",
    )
