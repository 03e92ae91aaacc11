"""Label-free reproduction, figure 1: does masking what a map calls important move the representation?

    ‖f(x) − f(x̃)‖ at 5 … 80 % of the pixels:    Integrated Gradients, Gradient SHAP, saliency > random

a digits, b heartbeats (abnormal ones, seen by an encoder of normal ones), c pictures, of which nothing is claimed of
saliency. Shifts are in units of the mean shift of an input that is wholly replaced: by black, by the mean normal beat,
by its own blur of 21 pixels. At tiny the beats are made, and SimCLR has seen 192 little scenes four times: blurred,
they may move the representation as much in one place as in another.

>>> print(next(RelfF1().claims()))
latent-shift:percent=5 (digits): integrated-gradients > random-map
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._benches import DIGITS, benches
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._label_free import PERCENTS


class RelfF1(Study, name="relf-f1", paper="doi:10.5281/zenodo.8173656"):
    """Does the representation move most where the map is high?"""

    of, where = "relf", "Figure 1"
    title = "How far masking by a map moves the representation"
    claim = "Every explainer moves it more than chance does."
    worlds = DIGITS

    def readings(self, seed: int) -> Iterator[Reading]:
        for bench in benches(self.scale):
            for cell in bench.shifts(seed):
                yield Reading(cell, seed)

    def claims(self) -> Iterator[Claim]:
        for bench in benches(self.scale):
            for percent in PERCENTS[:-1]:
                for explainer in ("integrated-gradients", "gradient-shap", "gradient"):
                    if bench.empty != "blur" or explainer != "gradient":
                        main = percent in (10, 20)
                        quantity = f"latent-shift:percent={percent}"
                        yield Claim(quantity, explainer, "random-map", 0.01, bench.word, main=main)
