"""What the four protocols of LICO mean by it, where they differ.

    sound          what we think is right
    paper          the paper's words; what it leaves open is taken from its code, mended
    published      the authors' code: signs, gathers and gradients as they are there
    reproduction   the code of the reproduction study

Everywhere numbers are float32 and the text encoder is frozen, also where a code trained it or had float16.


A knob that is set wins.
"""

from dataclasses import dataclass
from math import exp
from typing import Literal

Protocol = Literal["sound", "paper", "published", "reproduction"]
Temperature = Literal["fixed", "clamped", "free", "divisor"]
Summary = Literal["mean", "eot", "rolls", "all"]


@dataclass(frozen=True)
class Ways:
    """One protocol's answers."""

    # manifold matching
    temperature: Temperature = "fixed"  # of the adjacencies; a divisor is trained itself, not its logarithm
    start: float | None = None  # the first scale 1/τ; none: of the first batch, by perplexity
    nearest: bool = True  # −D in the softmax; else +D, which gives the mass to the farthest
    unit: bool = True  # each sample's whole matrix has length 1
    pooled: bool = False  # images by their pooled features, texts by what the encoder says, before the mapping
    floor: float = 0.0  # of squared distances, before the root
    similarity: bool = False  # +cos where a distance belongs
    # transport
    epsilon: float = 0.1
    transport: Literal["envelope", "unrolled", "none"] = "envelope"
    by_change: bool = False  # 100 iterations at most, until the potentials change little
    eps: float = 1e-6  # of the lengths of rows
    # text
    summary: Summary = "mean"  # what of the text's outputs become tokens
    std: float = 0.02  # of the first contexts
    stop: str = ""  # behind the class
    dropout: float = 0.0  # in the mapping
    always: bool = False  # contexts are shuffled in validation too
    dynamic: bool = True
    twice: bool = False  # classes' rows are gathered by the labels, and then gathered by them again


WAYS: dict[str, Ways] = {
    "sound": Ways(),
    "paper": Ways(temperature="free", start=1.0, unit=False),
    "published": Ways(
        temperature="divisor", start=1 / 2.659, nearest=False, pooled=True, floor=1e-4, transport="none",
        by_change=True, eps=1e-12, summary="rolls", stop=".", dropout=0.5, dynamic=False, twice=True,
    ),
    "reproduction": Ways(
        temperature="clamped", start=exp(2.659), similarity=True, epsilon=1e-4, transport="unrolled", by_change=True,
        eps=1e-12, summary="all", std=1.0, always=True,
    ),
}  # fmt: skip
