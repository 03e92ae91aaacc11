"""WRN-28-8 (Zagoruyko & Komodakis, 2016): a residual network of 28 layers, eight times as wide as its kind was.

    conv 3×3 – 3 groups of 4 pre-activation blocks, 128, 256 and 512 wide – BN – ReLU – pooling – linear

Pictures of 32 pixels end in 512 maps of 8×8, so that a particle of LICO has 64 numbers. The code of LICO
takes this one for CIFAR-100.

>>> from pellucid.networks._wide import parameters_of
>>> parameters_of(WRN288())
23354842
"""

from pellucid.networks._wide import Wide


class WRN288(Wide, name="wrn-28-8", paper="arXiv:1605.07146"):
    """A CIFAR network of 23 million weights, for a hundred classes."""

    width = 8
