"""WRN-28-2 (Zagoruyko & Komodakis, 2016): a residual network of 28 layers, twice as wide as its kind was.

    conv 3×3 – 3 groups of 4 pre-activation blocks, 32, 64 and 128 wide – BN – ReLU – pooling – linear

Pictures of 32 pixels end in 128 maps of 8×8, so that a particle of LICO has 64 numbers. Code for learning from few
labels often has leaky ReLUs in this place, whose maps are not ≥ 0; these are plain.

>>> from pellucid.networks._wide import parameters_of
>>> parameters_of(WRN282())
1467610
"""

from pellucid.networks._wide import Wide


class WRN282(Wide, name="wrn-28-2", paper="arXiv:1605.07146"):
    """A CIFAR network of 1.5 million weights, for limited labels."""

    width = 2
