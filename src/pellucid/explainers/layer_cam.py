"""LayerCAM (Jiang et al., 2021).

    L = Σ_k ReLU(g_k) · A_k        cell by cell, g_k = ∂score/∂A_k

Usable at early layers. Of several layers, `layer=[layer2,layer3,layer4]`, every map is divided by its peak, all but the
last go through tanh(gamma · m), and the largest value counts. Not linear: it hears only what speaks for the score.

>>> layer_cam(torch.tensor([[[[1.0, 2.0]], [[3.0, 1.0]]]]), torch.tensor([[[[1.0, -5.0]], [[0.5, 3.0]]]])).tolist()
[[[2.5, 3.0]]]
"""

from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.explainers._base import Between, LayerExplainer


def layer_cam(activation: Float[Tensor, "n k h w"], gradient: Float[Tensor, "n k h w"]) -> Float[Tensor, "n h w"]:
    """Activation times positive gradient, summed over the channels."""
    return torch.einsum("nkhw,nkhw->nhw", gradient.relu(), activation)


class LayerCAM(LayerExplainer, name="layer-cam", paper="doi:10.1109/TIP.2021.3089943"):
    """Which features speak for the answer at their own place, at any depth?"""

    cite = """
@article{jiang2021layercam,
  title   = {{LayerCAM}: Exploring Hierarchical Class Activation Maps for Localization},
  author  = {Jiang, Peng-Tao and Zhang, Chang-Bin and Hou, Qibin and Cheng, Ming-Ming and Wei, Yunchao},
  journal = {IEEE Transactions on Image Processing},
  year    = {2021},
}"""

    gamma: Annotated[float, Between(0)] = 2.0

    def spread(self, activation: Tensor, gradient: Tensor) -> Tensor:
        return layer_cam(activation, gradient)

    def scaled(self, maps: Tensor, last: bool) -> Tensor:
        return maps if last else (self.gamma * maps).tanh()
