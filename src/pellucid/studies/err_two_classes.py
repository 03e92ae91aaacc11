"""Errata of CGC and LICO's reproduction: the map of one class, the score of another.

    published   the map is that of the label, the curve is that of the class which the network names
    sound       map and curve are of one class

Where the answer is right there is no difference; where it is wrong, pixels are taken out for the one and the other is
asked.

>>> print(next(ErrTwoClasses().claims()))
insertion (grad-cam): as published ≈ sound
"""

from pellucid.studies._errata import OfMeasure


class ErrTwoClasses(OfMeasure, name="err-two-classes"):
    """What insertion and deletion owe to scoring another class than was explained"""

    of, where = "relico", "code; tables 1 to 5"
    title = "What insertion and deletion owe to scoring another class than was explained"
    defect = "Maps are of the label, curves of the predicted class."
    claim = "LICO's maps are better than those of cross-entropy."
    metrics = {
        "insertion": ("insertion:scored=predicted", "insertion:scored=explained"),
        "deletion": ("deletion:scored=predicted", "deletion:scored=explained"),
    }
    differs = ("metrics.0.scored", "metrics.1.scored")
