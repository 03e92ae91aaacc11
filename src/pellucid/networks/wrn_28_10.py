"""WRN-28-10 (Zagoruyko & Komodakis, 2016): a residual network of 28 layers, ten times as wide as its kind was.

    conv 3×3 – 3 groups of 4 pre-activation blocks, 160, 320 and 640 wide – BN – ReLU – pooling – linear

Pictures of 32 pixels end in 640 maps of 8×8, so that a particle of LICO has 64 numbers. Dropout, where
it is wanted, stands between the two convolutions of a block.

>>> from pellucid.networks._wide import parameters_of
>>> parameters_of(WRN2810())
36479194
"""

from pellucid.networks._wide import Wide


class WRN2810(Wide, name="wrn-28-10", paper="arXiv:1605.07146"):
    """A CIFAR network of 36 million weights: the paper's best."""

    width = 10
