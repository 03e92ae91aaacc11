"""What `test_errors.py` does to seeds that are trained as one to hear what they say."""

from unittest.mock import patch

import pellucid as pl
from pellucid.training._ensemble import Ensemble

DATA = "scenes:classes=3,size=16,length=16"
NET = "pellucid:tiny-cnn:classes=3,width=4"


def fit(objective="ce", recipe="plain:batch=8", together="ensemble", seeds=(0, 1), **options):
    return pl.fit(NET, DATA, objective, recipe, epochs=1, seeds=list(seeds), together=together, device="cpu", **options)


def left(folder):
    """One that was killed, and then others are asked for."""
    step = Ensemble._step

    def killed(self, images, labels):
        if self.at.step:
            raise SystemExit
        step(self, images, labels)

    try:
        with patch.object(Ensemble, "_step", killed):
            fit(out=folder, save_every=0)
    except SystemExit:
        fit(out=folder, seeds=(0, 1, 2))


OF_ENSEMBLE = {
    "a way to train seeds that there is not": lambda folder: fit(together="both"),
    "seeds that stop at epochs of their own": lambda folder: fit(recipe="plain:held_out=0.5,patience=1"),
    "an ensemble of an objective that differentiates": lambda folder: fit("cgc"),
    "an ensemble that was left": left,
    "an ensemble without a loss": lambda folder: fit(recipe="plain:batch=8,lr=1e30,schedule=constant"),
}
