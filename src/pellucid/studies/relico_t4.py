"""The reproduction of LICO, table 4: what its losses do to accuracy, and to where maps lie.

SCH:  CE > CE + MM, CE + OT, CE + MM + OT          MOSU:  CE < CE + MM + OT
SES:  CE > CE + MM + OT                            accuracy:  the same

SCH is the share of the map on the object, MOSU how unequally several objects share it. At tiny, scenes of one object
for all but MOSU, which needs two and is measured on scenes of up to three; at paper, the boxes are those of ImageNet.

>>> print(next(RelicoT4().claims()))
sch (grad-cam): ce > lico
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._training import RELICO, localised


class RelicoT4(Study, name="relico-t4"):
    """Does LICO make maps lie on the objects, when others train it?"""

    of, where = "relico", "Table 4"
    title = "Accuracy and localisation with each of LICO's losses, repeated by others"
    claim = "LICO's maps lie less on the objects, and are spread less evenly over several; accuracy is the same."
    worlds = RELICO

    def readings(self, seed: int) -> Iterator[Reading]:
        for arm in ("ce", "lico-mm", "lico-ot", "lico"):
            yield from localised(self.scale, self.world.trained(arm, seed), seed, arm)

    def claims(self) -> Iterator[Claim]:
        for arm in ("lico", "lico-mm", "lico-ot"):
            yield Claim("sch", "ce", arm, 0.01, "grad-cam", main=arm == "lico")
            yield Claim("mosu", arm, "ce", 0.01, "grad-cam", main=arm == "lico")
        yield Claim("ses", "ce", "lico", 0.005, "grad-cam", main=False)
        yield Claim("accuracy", "ce", "lico", 0.02, same=True, main=False)
