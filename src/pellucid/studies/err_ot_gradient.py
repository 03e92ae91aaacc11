"""Errata of LICO: a transport that teaches nothing.

    published   plan and cost are computed without a gradient: β·OT is a number that is added to the loss
    sound       the plan is held, the cost has its gradient

Without it CE + MM + OT is CE + MM, to the last bit, and what table 5 reports as the gain by transport is chance.

>>> print(next(ErrOtGradient().claims()))
accuracy: as published ≈ sound
"""

from pellucid.studies._errata import OfTraining


class ErrOtGradient(OfTraining, name="err-ot-gradient", paper="arXiv:2310.09821"):
    """What LICO owes to a transport loss without gradient"""

    of, where = "lico", "code; tables 1, 5"
    title = "What LICO owes to a transport loss without gradient"
    defect = "The transport loss has no gradient."
    claim = "Transport adds to manifold matching."
    flaw = {"transport": "none"}
    differs = ("objective.transport",)
    rival = "lico-mm"
