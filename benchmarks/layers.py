"""Five classes, from the output back to the last feature map: all at once, not one after the other.

The more linear layers lie behind, the more is saved: a loop reads their weights once a class. Behind convolutions and
attention the two are level. Target: half a loop.
"""

import torch
from torchvision.models import vgg16_bn

from benchmarks._resnet import images
from benchmarks._timing import Row, race
from pellucid.questions import Question
from pellucid.subject import Subject, as_batch, undisturbed

LAYER = "features.42"  # behind it pooling, and three linear layers


def run() -> Row:
    torch.manual_seed(0)
    net, x = vgg16_bn(weights=None).eval(), images(4)
    subject, question = Subject(net), Question.make("logit")
    with undisturbed(net, 0), subject.keeping():
        output = subject.clean(as_batch(x), (LAYER,))  # the forward, from whose output all ways back below start
        scores = [question.bind(output, torch.full((len(x),), t), subject.embed) for t in range(5)]
        return race(
            f"Gradients of 5 classes at {LAYER}, VGG-16-BN, 224 px, batch 4",
            {
                "floor": lambda: subject.look_all(x, scores[:1], LAYER),
                "ours": lambda: subject.look_all(x, scores, LAYER),
                "a loop": lambda: [subject.look_all(x, [score], LAYER) for score in scores],
            },
            floor="one class",
            target="≤ ½ a loop",
        )
