"""XGrad-CAM (Fu et al., 2020).

    L = Σ_k w_k A_k,   w_k = Σ_ij A_k g_k / N_k        norm=l1    N_k = Σ_ij |A_k|
                                                      norm=sum   N_k = Σ_ij A_k

Behind a ReLU both are the paper's. Where activations have both signs the plain sum may cross zero, and the weights with
it; the L1 norm (Eriksson et al., 2024) does not. A channel that is zero everywhere has no weight.

>>> A, G = torch.tensor([[[[1.0, 3.0]], [[-1.0, 3.0]]]]), torch.tensor([[[[2.0, 0.0]], [[1.0, 1.0]]]])
>>> xgrad_cam(A, G, "l1").tolist(), xgrad_cam(A, G, "sum").tolist()      # weights ½ and ½; ½ and 1
([[[0.0, 3.0]]], [[[-0.5, 4.5]]])
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.explainers._base import LayerExplainer

Norm = Literal["l1", "sum"]


def xgrad_cam(
    activation: Float[Tensor, "n k h w"], gradient: Float[Tensor, "n k h w"], norm: Norm
) -> Float[Tensor, "n h w"]:
    """Activations weighted by the gradient at their own places."""
    size = (activation.abs() if norm == "l1" else activation).sum((2, 3))
    weight = torch.einsum("nkhw,nkhw->nk", activation, gradient) / size.where(size != 0, 1.0)
    return torch.einsum("nk,nkhw->nhw", weight, activation)


class XGradCAM(LayerExplainer, name="xgrad-cam", paper="arXiv:2008.02312"):
    """Which features speak for the answer, weighted where they are active?"""

    linear = True
    cite = """
@inproceedings{fu2020axiom,
  title     = {Axiom-based Grad-{CAM}: Towards Accurate Visualization and Explanation of {CNN}s},
  author    = {Fu, Ruigang and Hu, Qingyong and Dong, Xiaohu and Guo, Yulan and Gao, Yinghui and Li, Biao},
  booktitle = {British Machine Vision Conference},
  year      = {2020},
}"""

    norm: Norm = "l1"

    def spread(self, activation: Tensor, gradient: Tensor) -> Tensor:
        return xgrad_cam(activation, gradient, self.norm)
