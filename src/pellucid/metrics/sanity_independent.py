"""Sanity, independent (Adebayo et al., 2018): does the map change when the model forgets one layer?

    S = mean over l of sim(|M(θ)|, |M(θ_l)|),   θ_l: layer l alone re-initialised

Lower is better: a layer that the model needs should be seen in the map. It is the harder check: all other layers are as
they were, and a layer that is nearly idle may be forgotten at no loss. Compare explainers of one model by it, not
models. The similarities, the layers and the class are those of `sanity-cascading`, and so is the first layer's number.

>>> torch.tensor([[0.5, 0.25]]).nanmean(1).tolist()  # two layers
[0.375]
"""

import torch

from pellucid.metrics._randomised import Sanity


class SanityIndependent(Sanity, name="sanity-independent"):
    """Does the map change when the model forgets one layer, each in its turn?"""

    mode = "independent"
