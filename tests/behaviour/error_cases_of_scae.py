"""What `test_errors.py` does to stacked capsules to hear what they say."""

import torch

from pellucid.networks import SCAE

OF_SCAE = {
    "as published, as many objects as parts": lambda _: SCAE(objects=10, protocol="published"),
    "colours for stacked capsules": lambda _: SCAE(**SCAE.quick).build()(torch.zeros(2, 3, 28, 28)),
    "a picture too small for stacked capsules": lambda _: SCAE(**SCAE.quick).build()(torch.zeros(2, 1, 20, 28)),
}
