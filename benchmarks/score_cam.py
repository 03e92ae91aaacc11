"""Score-CAM of one class: a forward, and one for each channel that is not constant. Target: 1.10 of these."""

from pytorch_grad_cam import ScoreCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

import pellucid as pl
from benchmarks._masked import ROWS, TARGET, image, in_rows, masked_rows, network
from benchmarks._timing import Row, race


def run() -> Row:
    net, x = network(), image()
    theirs = ScoreCAM(net, [net.layer3])
    theirs.batch_size = ROWS

    def ours() -> None:
        pl.explain(net, x, "score-cam:layer=layer3", target=TARGET)

    alive = masked_rows(net, ours)

    def floor() -> None:
        in_rows(net, x, 1)
        in_rows(net, x, alive)

    return race(
        f"Score-CAM of layer3, ResNet-18, 64 px, one image, {alive} of 256 channels",
        {
            "floor": floor,
            "ours": ours,
            "grad-cam": lambda: theirs(x, [ClassifierOutputTarget(TARGET)]),
        },
        floor=f"{alive + 1} forwards, 64 rows together",
        target="≤ 1.10",
        rounds=5,
    )
