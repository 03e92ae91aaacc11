"""Errata of LICO's reproduction: a divergence the other way round.

    published   KL(salience ‖ area): an object that the map leaves out costs little
    sound       KL(area ‖ salience), as the report has it

    areas ½, ½, salience 1, 0:  ln 2 = 0.69 as published, 6.2 as the report says

>>> print(next(ErrMosuDirection().claims()))
mosu (grad-cam): as published ≈ sound
"""

from pellucid.studies._errata import OfMeasure
from pellucid.studies._training import SEVERAL
from pellucid.studies._worlds import SMALL, TINY


class ErrMosuDirection(OfMeasure, name="err-mosu-direction"):
    """What MOSU owes to the direction of its divergence"""

    of, where = "relico", "code; tables 4, 5"
    title = "What MOSU owes to the direction of its divergence"
    defect = "The divergence is that of the area from the salience."
    claim = "LICO's maps are shared out more evenly among objects."
    metrics = {"mosu": ("mosu:reverse=true", "mosu")}
    differs = ("metrics.0.reverse",)
    margin = 0.01
    worlds = {scale: at.but(maps=SEVERAL[scale]) for scale, at in (("tiny", TINY), ("small", SMALL))}
