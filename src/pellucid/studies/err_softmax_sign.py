"""Errata of LICO: neighbours and strangers exchanged.

    published   A = softmax(+D / τ): the farthest picture has the most mass, the picture itself the least
    sound       A = softmax(−D / τ)

Both sides of the divergence have the sign, so that matching the one is still to match the other, where it is far.

>>> print(next(ErrSoftmaxSign().claims()))
accuracy: as published ≈ sound
"""

from pellucid.studies._errata import OfTraining


class ErrSoftmaxSign(OfTraining, name="err-softmax-sign", paper="arXiv:2310.09821"):
    """What LICO owes to the sign of its softmax"""

    of, where = "lico", "code; tables 1 to 13"
    title = "What LICO owes to the sign of its softmax"
    defect = "The softmax of the adjacencies has +D, so that the farthest count most."
    claim = "LICO is more accurate than cross-entropy, and its maps are better."
    flaw = {"nearest": False}
    differs = ("objective.nearest",)
