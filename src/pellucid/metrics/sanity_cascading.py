"""Sanity, cascading (Adebayo et al., 2018): does the map change when the model forgets, from the answer down?

    S = mean over l of sim(|M(θ)|, |M(θ_l)|),   θ_l: the last l layers re-initialised

Lower is better: a map that stays what it was while the model forgets all it knows shows the image, not the model. The
similarity is Spearman's, SSIM (of maps stretched to [0, 1]), or |cos| of the signed maps; two unrelated maps have 0 of
the first, and of the last if they are signed (uniform noise without a sign has 3/4). It refuses; it does not prove:
noise that depends on the weights passes too. What is a layer, and how it is forgotten, is in `_randomised.py`;
`layers=5` shows five of them, evenly spread, and forgets the others in between all the same.

The class is that of the intact model; the class that a model of random weights would choose means nothing. A layer at
which the map becomes constant (a clipped Grad-CAM often does) has no similarity and is left out of the mean; the curve
has it as NaN. Published code differs: Group-CAM's forgets convolutions and never the head, quantus goes by the order in
which modules are defined, counts norms as layers of their own, and compares signed maps.

>>> torch.tensor([[0.5, 0.25, torch.nan]]).nanmean(1).tolist()  # three layers, at the last of which the map vanished
[0.375]
"""

import torch

from pellucid.metrics._randomised import Sanity


class SanityCascading(Sanity, name="sanity-cascading"):
    """Does the map change when the model forgets, layer after layer from the answer down?"""

    mode = "cascading"
