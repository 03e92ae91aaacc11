"""Errata of CGC: mirrors that are recorded and not made.

    published   where a coin says mirror, the map is mirrored, and the picture every other time: of a quarter of the
                pairs one is the mirror image of the other
    sound       both are, or neither

A quarter of the pairs asks a network for maps that are their own mirror images.

>>> print(next(ErrFlip().claims()))
accuracy: as published ≈ sound
"""

from pellucid.studies._errata import OfTraining


class ErrFlip(OfTraining, name="err-flip", paper="arXiv:2110.00527"):
    """What CGC owes to its mirror"""

    of, where = "cgc-sup", "code; tables 1 to 6"
    title = "What CGC owes to its mirror"
    defect = "Of a quarter of the pairs the map is mirrored and the picture is not."
    claim = "CGC's maps lie more on the object than those of cross-entropy."
    objective, metrics = "cgc", ("ses", "ch")
    flaw = {"coin": True}
    differs = ("objective.coin",)
