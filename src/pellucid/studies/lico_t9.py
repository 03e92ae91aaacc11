"""LICO, table 9: a vision transformer.

accuracy, insertion:  LICO > CE          deletion:  LICO < CE

Maps are of Grad-CAM at the last attention, from the class token to the patches. Of the training of ViT-B/16 the paper
says nothing: it is LICO's of ImageNet. At tiny, a transformer of two blocks, 8 × 8 patches of four pixels, learns
scenes: without a convolution, 480 pictures teach it little.

>>> print(next(LicoT9().claims()))
accuracy: lico > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._worlds import IMAGENET, SMALL, TINY

VIT = "pellucid:tiny-vit:width=48,depth=2,patch=4"


class LicoT9(Study, name="lico-t9", paper="arXiv:2310.09821"):
    """Does LICO help a transformer too?"""

    of, where = "lico", "Table 9"
    title = "A vision transformer"
    claim = "A transformer gains in accuracy, insertion and deletion."
    worlds = {
        "tiny": TINY.but(network=VIT),
        "small": SMALL.but(network="pellucid:tiny-vit:width=96,depth=4,patch=4"),
        "paper": IMAGENET.but(network="torchvision:vit_b_16"),
    }

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        for arm in ("ce", "lico"):
            model = at.trained(arm, seed)
            yield from at.measured(model, seed, arm, ("grad-cam-attention",), ("insertion", "deletion"))

    def claims(self) -> Iterator[Claim]:
        yield Claim("accuracy", "lico", "ce", 0.001)
        yield Claim("insertion", "lico", "ce", 0.005, "grad-cam-attention")
        yield Claim("deletion", "ce", "lico", 0.005, "grad-cam-attention")
