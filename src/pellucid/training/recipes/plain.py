"""Plain: SGD with momentum and the cosine of LICO's paper, for whatever is trained.

    η_k = η_0 · cos(7πk / 16K),   30 epochs of batches of 64, η_0 = 0.03, momentum 0.9, weight decay 1e-4

>>> Plain().lr, Plain(epochs=3).epochs
(0.03, 3)
"""

from pellucid.training.recipes._base import Recipe


class Plain(Recipe, name="plain"):
    """What is done where nothing else is said."""
