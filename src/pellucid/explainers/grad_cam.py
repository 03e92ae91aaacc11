"""Grad-CAM (Selvaraju et al., 2017).

    L = Σ_k w_k A_k,   w_k = mean_ij ∂score/∂A_k(i, j)

The ReLU behind it is a knob. At a last convolution whose average feeds one linear layer, Grad-CAM · h·w, CAM,
HiResCAM · h·w and the linear approximation are one map.

>>> A = torch.tensor([[[[1.0, 2.0]], [[0.0, 1.0]]]])
>>> G = torch.tensor([[[[1.0, 0.0]], [[-2.0, 0.0]]]])
>>> grad_cam(A, G).tolist()
[[[0.5, 0.0]]]
"""

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.explainers._base import LayerExplainer


def grad_cam(activation: Float[Tensor, "n k h w"], gradient: Float[Tensor, "n k h w"]) -> Float[Tensor, "n h w"]:
    """Activations weighted by the mean gradient of their channel."""
    return torch.einsum("nk,nkhw->nhw", gradient.mean((2, 3)), activation)


class GradCAM(LayerExplainer, name="grad-cam", paper="arXiv:1610.02391"):
    """Which features speak for the answer, weighted by how much their channel does?"""

    linear = True
    cite = """
@inproceedings{selvaraju2017gradcam,
  title     = {Grad-{CAM}: Visual Explanations from Deep Networks via Gradient-Based Localization},
  author    = {Selvaraju, Ramprasaath R. and Cogswell, Michael and Das, Abhishek and Vedantam, Ramakrishna and
               Parikh, Devi and Batra, Dhruv},
  booktitle = {International Conference on Computer Vision},
  year      = {2017},
}"""

    def spread(self, activation: Tensor, gradient: Tensor) -> Tensor:
        return grad_cam(activation, gradient)
