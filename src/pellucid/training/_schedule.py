"""The learning rate as a factor of the first one, by the share of the steps that are done.

    cosine-7-16   cos(7π/16 · t)         LICO's: ends at 0.195, never at zero
    cosine        (1 + cos πt) / 2
    step          γ to the number of milestones passed
    one-cycle     up for a third, then down, both as cosines
    constant      1

>>> [round(factor("cosine-7-16", t), 5) for t in (0.0, 0.5, 1.0)]
[1.0, 0.77301, 0.19509]
"""

from math import cos, pi

RISE = 0.3  # of one cycle
LEAST = 0.04  # where one cycle begins


def factor(schedule: str, t: float, epoch: float = 0.0, milestones: tuple[int, ...] = (), gamma: float = 0.1) -> float:
    """t from 0 to 1."""
    if schedule == "cosine-7-16":
        return cos(7 * pi * t / 16)
    if schedule == "cosine":
        return (1 + cos(pi * t)) / 2
    if schedule == "step":
        return gamma ** sum(epoch >= m for m in milestones)
    if schedule == "one-cycle":
        rising = t < RISE
        part = t / RISE if rising else (t - RISE) / (1 - RISE)
        return LEAST + (1 - LEAST) * (1 - cos(pi * part)) / 2 if rising else (1 + cos(pi * part)) / 2
    return 1.0


def warm(step: int, warmup: int) -> float:
    """From a first small step to the full rate.

    >>> warm(0, 4), warm(3, 4), warm(9, 4), warm(0, 0)
    (0.25, 1.0, 1.0, 1.0)
    """
    return min(1.0, (step + 1) / warmup) if warmup else 1.0
