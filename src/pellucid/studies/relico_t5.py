"""The reproduction of LICO, table 5: contexts of every class's own, and the class in front.

SCH:  CE > contexts of the class's own, class in front > LICO          MOSU:  LICO > the two of them
accuracy:  LICO > class in front

With a reader that only looks back, the contexts of LICO never see the class; these are two ways to let them. At tiny
the reader is MiniLM, which looks both ways: there is less to mend.

>>> print(next(RelicoT5().claims()))
sch (grad-cam): lico:specific=true > lico
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._training import RELICO, localised

ARMS = {"lico": {}, "lico:specific=true": {"specific": True}, "lico:class_at=front": {"class_at": "front"}}


class RelicoT5(Study, name="relico-t5"):
    """Do other prompts mend LICO?"""

    of, where = "relico", "Table 5"
    title = "Other prompts"
    claim = "Both improve the place of the maps a little, not beyond the baseline; the class in front costs accuracy."
    worlds = RELICO

    def readings(self, seed: int) -> Iterator[Reading]:
        for arm, knobs in ARMS.items():
            yield from localised(self.scale, self.world.trained("lico", seed, **knobs), seed, arm)
        yield from localised(self.scale, self.world.trained("ce", seed), seed, "ce")

    def claims(self) -> Iterator[Claim]:
        for arm in list(ARMS)[1:]:
            yield Claim("sch", arm, "lico", 0.01, "grad-cam")
            yield Claim("sch", "ce", arm, 0.01, "grad-cam", main=False)
            yield Claim("mosu", "lico", arm, 0.01, "grad-cam", main=False)
        yield Claim("accuracy", "lico", "lico:class_at=front", 0.005, main=False)
