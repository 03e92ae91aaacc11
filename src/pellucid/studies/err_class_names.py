"""Errata of LICO's reproduction: names that belong to other classes.

    published   CIFAR-100 was saved in folders 0 … 99, which an alphabetical reader puts in another order than the
                names: 12 of 100 names are right, and the text side learns of strangers
    sound       every class has its own name

Here every name is another class's. Whoever is as good with it has not been helped by language.

>>> print(next(ErrClassNames().claims()))
accuracy: as published ≈ sound
"""

from pellucid.studies._cells import Train
from pellucid.studies._errata import PUBLISHED, OfTraining


class ErrClassNames(OfTraining, name="err-class-names"):
    """What LICO owes to the right names"""

    of, where = "relico", "code; table 3"
    title = "What LICO owes to the right names"
    defect = "The names of the classes are scrambled."
    claim = "LICO learns from what the names mean: it is more accurate than cross-entropy."
    differs = ("data.scrambled-names",)

    def arm(self, side: str, seed: int) -> Train:
        at = self.world
        return (at.but(train=f"scrambled-names@{at.train}") if side == PUBLISHED else at).trained("lico", seed)
