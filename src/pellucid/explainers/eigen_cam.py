"""EigenCAM (Muhammad & Yeasin, 2020).

    L = A v,   A [h·w, k] the activation, v its first right singular vector

Asks nothing: the map is the same for every class and question, and no way back is needed. The sign of v is arbitrary,
and is chosen so that L sums to more than zero; behind a ReLU L has one sign anyhow. `centre=true` takes the mean of
every channel away first, as some code does: L then sums to zero, and the side with the longer tail is called positive.

>>> A = torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])
>>> eigen_cam(A, centre=False).round(decimals=4).abs().tolist()
[[[5.0, 0.0]]]
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.explainers._base import LayerExplainer, Score, Subject
from pellucid.questions import Question


def eigen_cam(activation: Float[Tensor, "n k h w"], centre: bool) -> Float[Tensor, "n h w"]:
    """The activation along its own main direction."""
    flat = activation.flatten(2)
    A = flat - flat.mean(2, keepdim=True) if centre else flat  # A v = σ u, from the smaller of the two Gram matrices
    if A.shape[1] < A.shape[2]:
        main = torch.einsum("nkp,nk->np", A, _first(A @ A.mT))
    else:
        gram = A.mT @ A
        main = _first(gram)
        main = main * torch.einsum("np,npq,nq->n", main, gram, main).clamp_min(0).sqrt()[:, None]
    side = main.pow(3).sum(1) if centre else main.sum(1)
    return (main * torch.where(side < 0, -1.0, 1.0)[:, None]).unflatten(1, activation.shape[2:])


def _first(gram: Float[Tensor, "n m m"]) -> Float[Tensor, "n m"]:
    """The eigenvector of the largest eigenvalue."""
    return torch.linalg.eigh(gram).eigenvectors[..., -1]


class EigenCAM(LayerExplainer, name="eigen-cam", paper="arXiv:2008.00299"):
    """What stands out most in a layer, whatever is asked?"""

    cost = "F"
    asked = False
    trainable = False  # the slope of an eigenvector has no bound where two eigenvalues meet
    cite = """
@inproceedings{muhammad2020eigencam,
  title     = {Eigen-{CAM}: Class Activation Map using Principal Components},
  author    = {Muhammad, Mohammed Bany and Yeasin, Mohammed},
  booktitle = {International Joint Conference on Neural Networks},
  year      = {2020},
}"""

    centre: bool = False

    def _clips(self, question: Question) -> bool:
        return self.relu is not False  # the other side of an arbitrary sign says nothing

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        maps = [eigen_cam(a, self.centre) for a in subject.activations(images, self.layer, self.grid)]
        fused = self.fused(maps, images)
        return [self.clipped(fused, score) for score in scores]
