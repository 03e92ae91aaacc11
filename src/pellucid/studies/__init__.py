"""The tables and figures of the papers, and what else is asked of them: one study a file.

`pl.study("lico-t5", out="runs/studies")` trains, measures and says whether the paper's claim holds.
"""

from pellucid.registry import lazy
from pellucid.studies._base import Study as Study
from pellucid.studies._claims import Claim as Claim
from pellucid.studies._claims import Verdict as Verdict
from pellucid.studies._study import Found as Found
from pellucid.studies._study import several as several
from pellucid.studies._study import study as study

__getattr__, __dir__ = lazy(__name__)
