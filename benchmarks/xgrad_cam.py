"""XGrad-CAM: a forward, and the head's backward. Target: 1.10 forwards."""

import pytorch_grad_cam
from torchcam import methods as torchcam

from benchmarks._cams import race_of
from benchmarks._timing import Row


def run() -> Row:
    return race_of("XGrad-CAM", "xgrad-cam", pytorch_grad_cam.XGradCAM, torchcam.XGradCAM)
