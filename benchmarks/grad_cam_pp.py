"""Grad-CAM++: a forward, and the head's backward. Target: 1.10 forwards."""

import pytorch_grad_cam
from torchcam import methods as torchcam

from benchmarks._cams import race_of
from benchmarks._timing import Row


def run() -> Row:
    return race_of("Grad-CAM++", "grad-cam-pp", pytorch_grad_cam.GradCAMPlusPlus, torchcam.GradCAMpp)
