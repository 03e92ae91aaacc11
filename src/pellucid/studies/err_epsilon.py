"""Errata of LICO's reproduction: a transport that has not arrived.

    published   ε = 1e-4 and at most 100 iterations, unrolled: the plan breaks most of its marginals
    sound       ε = 0.1, until the marginals hold

The costs of such a plan are below those of any transport. How much of the marginals is missed is in every step's
`ot_error`.

>>> print(next(ErrEpsilon().claims()))
accuracy: as published ≈ sound
"""

from pellucid.studies._errata import OfTraining


class ErrEpsilon(OfTraining, name="err-epsilon"):
    """What the reproduction of LICO owes to a transport that has not converged"""

    of, where = "relico", "code; tables 1 to 5"
    title = "What the reproduction of LICO owes to a transport that has not converged"
    defect = "The entropic transport has ε = 1e-4 and stops after 100 iterations, far from its marginals."
    claim = "LICO's maps are better than those of cross-entropy."
    flaw = {"epsilon": 1e-4, "by_change": True, "transport": "unrolled"}
    differs = ("objective.by_change", "objective.epsilon", "objective.transport")
