"""Sufficiency: is what the map calls important enough for the answer?

    p̃ / p,   p̃ the probability of the explained class when the most important `share` of the pixels alone is left

Higher is better; 1 is enough, and more than 1 says that the rest speaks against the class. Exactly that share of the
pixels is kept, of equal values the first, the others go `into` the empty image. A map that is the same everywhere
orders nothing, and an intact probability of zero is no measure: NaN.

Under this name there are other things. DeYoung et al. (2020) have the difference p − p̃, for text. Dasgupta et al.
(2022), and Quantus, ask how often samples with the same explanation have the same prediction: a fact about a set, in
which the score of a sample changes with the others, and which for maps needs a distance and a threshold below which
two are the same. A metric here is about one sample, so that is another one.

>>> sufficiency(torch.tensor([0.8, 0.0]), torch.tensor([0.4, 0.4])).tolist()
[0.5, nan]
"""

from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.maths.curves import exchanged
from pellucid.metrics._base import Between, Case, Metric
from pellucid.metrics._removal import Into, described, emptied, followed


def sufficiency(intact: Float[Tensor, " n"], left: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """NaN where the intact probability is zero."""
    return torch.where(intact > 0, left / intact, torch.nan)


class Sufficiency(Metric, name="sufficiency", paper="arXiv:1911.03429"):
    """Is what the map calls important enough for the answer?"""

    classes = True
    cite = """
@inproceedings{deyoung2020eraser,
  title     = {{ERASER}: A Benchmark to Evaluate Rationalized {NLP} Models},
  author    = {DeYoung, Jay and Jain, Sarthak and Rajani, Nazneen Fatema and Lehman, Eric and Xiong, Caiming and
               Socher, Richard and Wallace, Byron C.},
  booktitle = {Annual Meeting of the Association for Computational Linguistics},
  year      = {2020},
}"""

    share: Annotated[float, Between(0, 1)] = 0.1
    into: Into = "mean"

    def score(self, case: Case) -> Tensor:
        clean, read = followed(case, "probability")
        x, empty, pixels = case.images, emptied(case, self.into), case.map[0].numel()
        place = case.rank().view(case.n, *x.shape[2:])
        count = torch.tensor([round(self.share * pixels)], device=x.device)
        left = case.scan(1, lambda i, s: exchanged(empty[i], x[i], place[i], count[s]), read)[:, 0]
        flat = case.map.flatten(1)
        return torch.where(flat.amax(1) > flat.amin(1), sufficiency(clean, left), torch.nan)

    @property
    def card(self) -> dict[str, str]:
        kept = {"step": f"{self.share:g} of the pixels left", "ties": "the first pixel first"}
        return super().card | described(self.into, "probability") | kept
