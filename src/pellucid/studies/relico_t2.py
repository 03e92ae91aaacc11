"""The reproduction of LICO, table 2: insertion and deletion.

overall, insertion:  CE > CE + OT, CE + MM + OT          deletion:  CE < CE + MM + OT          (LICO said the opposite)

Maps are of Grad-CAM. At tiny, scenes of six classes and a small network take the place of ImageNet-S50 and ResNet-18,
and MiniLM that of CLIP: its contexts know the class, which CLIP's do not.

>>> print(next(RelicoT2().claims()))
overall (grad-cam): ce > lico
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._training import RELICO


class RelicoT2(Study, name="relico-t2"):
    """Does LICO make maps more faithful, when others train it?"""

    of, where = "relico", "Table 2"
    title = "Insertion and deletion with LICO, repeated by others"
    claim = "LICO does not improve insertion, deletion or both together: they are a little worse."
    worlds = RELICO

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        for arm in ("ce", "lico-mm", "lico-ot", "lico"):
            model = at.trained(arm, seed)
            metrics = ("insertion", "deletion", "overall")
            yield from at.measured(model, seed, arm, ("grad-cam",), metrics, accuracy=False)

    def claims(self) -> Iterator[Claim]:
        for arm in ("lico", "lico-ot"):
            yield Claim("overall", "ce", arm, 0.01, "grad-cam", main=arm == "lico")
            yield Claim("insertion", "ce", arm, 0.01, "grad-cam", main=arm == "lico")
        yield Claim("deletion", "lico", "ce", 0.005, "grad-cam", main=False)
