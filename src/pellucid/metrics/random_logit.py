"""Random logit (Sixt et al., 2020): does the map change when another class is asked about?

    S = sim(M_t, M_{t'}),   t' = (t + d) mod C,   d drawn once from 1 … C − 1

Lower is better: 1 means that the map does not depend on the class. Maps are compared with their signs, because a map
that turns round with the class has answered. The similarity is SSIM (of maps stretched to [0, 1]), Spearman's, or the
cosine. The draw d is shared by all images, so that an image has the same other class alone and in its batch; the other
class may be a near relative of the first or not, and one draw says little of one image. A map that is the same
everywhere has no similarity: NaN. quantus draws a class an image, and takes the SSIM of the maps as one long line of
pixels in windows of seven, which loses what is above and below.

>>> cosine(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[-1.0, 0.0]]])).tolist()  # of a question and its opposite
[-1.0]
"""

import torch
from torch import Tensor

from pellucid.errors import BadQuestion
from pellucid.maths.similarity import cosine, spearman, ssim
from pellucid.metrics._base import Case, Metric
from pellucid.metrics._randomised import By


class RandomLogit(Metric, name="random-logit", paper="arXiv:1912.09818"):
    """Does the map change when another class is asked about?"""

    scores = "explainer"
    better = "lower"
    good = "gradient"
    cite = """
@inproceedings{sixt2020explanations,
  title     = {When Explanations Lie: Why Many Modified {BP} Attributions Fail},
  author    = {Sixt, Leon and Granz, Maximilian and Landgraf, Tim},
  booktitle = {International Conference on Machine Learning},
  year      = {2020},
}"""

    by: By = "ssim"
    seed: int | None = None

    def score(self, case: Case) -> Tensor:
        alike = {"ssim": ssim, "spearman": spearman, "cosine": cosine}[self.by]
        return alike(case.map, self._other(case))

    def _other(self, case: Case) -> Tensor:
        """[n, h, w]: the maps of the other class."""
        seed = case.subject.seed if self.seed is None else self.seed
        target = self.other(case)
        return case.once_here(("other class", seed), lambda: case.again(case.images, target=target)).view_as(case.map)

    def other(self, case: Case) -> Tensor:
        """[n]: the other classes."""
        asked, shape = case.question, tuple(case.output.shape)
        if asked is None or not asked.targeted or len(shape) != 2 or shape[1] < 2:
            raise BadQuestion(
                f"random-logit asks about another class, and {asked} of an output of shape {shape} knows none; "
                f"ask logit, probability or contrast of a model of several classes."
            )
        offset = torch.randint(1, shape[1], (), generator=case.generator(self.seed))
        return (case.target + int(offset)) % shape[1]

    @property
    def card(self) -> dict[str, str]:
        return super().card | {
            "similarity": f"{self.by} of the signed maps",
            "other class": "t + d mod C, one d for all",
        }
