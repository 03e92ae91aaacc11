"""CAM (Zhou et al., 2016): the class activation map of a network that ends in average pooling and one linear layer.

    L = Σ_k (Wᵀ w)_k A_k         w the cotangent: for a logit, the weights of the class

No way back is needed, only the forward. That the network is of this kind is checked: head(mean A) must be the output.

>>> A, W = torch.tensor([[[[1.0, 2.0]], [[0.0, 1.0]]]]), torch.tensor([[1.0, -1.0], [0.0, 2.0]])
>>> cam(A, torch.tensor([[1.0, 0.0]]) @ W).tolist()
[[[1.0, 1.0]]]
"""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import BadModel
from pellucid.explainers._base import LayerExplainer, Score, Subject
from pellucid.subject.head import linear_head


def cam(activation: Float[Tensor, "n k h w"], weights: Float[Tensor, "n k"]) -> Float[Tensor, "n h w"]:
    """Activations weighted by the classifier."""
    return torch.einsum("nk,nkhw->nhw", weights, activation)


class CAM(LayerExplainer, name="cam", paper="arXiv:1512.04150"):
    """Which features does the classifier itself weigh?"""

    cost = "F"
    linear = True
    cite = """
@inproceedings{zhou2016learning,
  title     = {Learning Deep Features for Discriminative Localization},
  author    = {Zhou, Bolei and Khosla, Aditya and Lapedriza, Agata and Oliva, Aude and Torralba, Antonio},
  booktitle = {Computer Vision and Pattern Recognition},
  year      = {2016},
}"""

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        paths = subject.layers(images, self.layer, self.grid)
        if len(paths) != 1:
            raise BadModel(
                "cam is defined at one layer, the one before the average pooling; name one, or leave layer out."
            )
        run, activation = subject.watched(images, paths[0], self.grid)
        weight = self._classifier(subject, run.output, activation)
        return [
            self.clipped(cam(activation, score.cotangent(run.output).to(weight) @ weight), score) for score in scores
        ]

    def _classifier(self, subject: Subject, output: Tensor, activation: Tensor) -> Tensor:
        """The weights [classes, k] of the linear layer that turns the average of the activation into the output."""
        head = linear_head(subject.model, output, activation)
        if head is not None:
            return cast(Tensor, head.weight).flatten(1).to(activation)
        raise BadModel(
            f"cam needs a network that ends in average pooling and one linear layer, and "
            f"{type(subject.model).__name__} does not; use grad-cam."
        )
