"""HiResCAM (Draelos & Carin, 2020).

    L = Σ_k A_k · ∂score/∂A_k        cell by cell, no averaging

What CGC's code calls Grad-CAM. Faithful where a convolution is followed by one linear layer.

>>> hires_cam(torch.tensor([[[[1.0, 2.0]], [[0.0, 1.0]]]]), torch.tensor([[[[1.0, 0.0]], [[-2.0, 3.0]]]])).tolist()
[[[1.0, 3.0]]]
"""

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.explainers._base import LayerExplainer


def hires_cam(activation: Float[Tensor, "n k h w"], gradient: Float[Tensor, "n k h w"]) -> Float[Tensor, "n h w"]:
    """Activation times gradient, summed over the channels."""
    return torch.einsum("nkhw,nkhw->nhw", gradient, activation)


class HiResCAM(LayerExplainer, name="hires-cam", paper="arXiv:2011.08891"):
    """Which features speak for the answer, at their own place?"""

    linear = True
    cite = """
@article{draelos2020hirescam,
  title   = {Use {HiResCAM} instead of Grad-{CAM} for Faithful Explanations of Convolutional Neural Networks},
  author  = {Draelos, Rachel Lea and Carin, Lawrence},
  journal = {arXiv:2011.08891},
  year    = {2020},
}"""

    def spread(self, activation: Tensor, gradient: Tensor) -> Tensor:
        return hires_cam(activation, gradient)
