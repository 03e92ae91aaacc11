"""Overall: insertion less deletion, as Group-CAM and LICO sum up.

    insertion − deletion

>>> Overall(protocol="rise").parts()
(Insertion(protocol='rise'), Deletion(protocol='rise'))
"""

from torch import Tensor

from pellucid.metrics._base import Case, Curved
from pellucid.metrics._exchange import Dialect, Filling, Scored
from pellucid.metrics.deletion import Deletion
from pellucid.metrics.insertion import Insertion


class Overall(Curved, name="overall", paper="arXiv:2103.13859"):
    """How much sooner does the class appear than it vanishes?"""

    classes = True
    cite = """
@article{zhang2021groupcam,
  title   = {Group-{CAM}: Group Score-Weighted Visual Explanations for Deep Convolutional Networks},
  author  = {Zhang, Qinglong and Rao, Lu and Yang, Yubin},
  journal = {arXiv:2103.13859},
  year    = {2021},
}"""

    protocol: Dialect = "sound"
    scored: Scored | None = None
    into: Filling | None = None

    @property
    def needs(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.parts()[0].needs

    def parts(self) -> tuple[Insertion, Deletion]:
        """The two, computed once if they are asked for too."""
        return Insertion(self.protocol, self.scored), Deletion(self.protocol, self.scored, self.into)

    def score(self, case: Case) -> Tensor:
        insertion, deletion = self.parts()
        return insertion.score(case) - deletion.score(case)

    def trace(self, case: Case) -> Tensor:
        """[n, s]: insertion's less deletion's, after the same steps."""
        insertion, deletion = (part.trace(case) for part in self.parts())
        return insertion - deletion

    @property
    def card(self) -> dict[str, str]:
        return self.parts()[1].card | {"metric": str(self), "better": "higher"}
