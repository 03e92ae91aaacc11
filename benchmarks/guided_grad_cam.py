"""Guided Grad-CAM: one forward, a backward to the layer and one to the input. Target: 1.10 of these."""

from captum.attr import GuidedGradCam

from benchmarks._rectified import race_of
from benchmarks._timing import Row


def run() -> Row:
    return race_of("Guided Grad-CAM", "guided-grad-cam", lambda net: GuidedGradCam(net, net.layer4))
