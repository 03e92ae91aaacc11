"""Grad-CAM++ (Chattopadhay et al., 2018).

    L = Σ_k w_k A_k,   w_k = Σ_ij α_k(i, j) · ReLU(g_k(i, j)),   α_k = g² / (2 g² + S_k g³) = 1 / (2 + S_k g),

with g = ∂score/∂A_k(i, j) and S_k = Σ_ab A_k(a, b): equation 19 of the paper for exp(score), whose derivatives are
powers of g. No ε is needed, because only cells with g > 0 count and S ≥ 0 behind a ReLU; where activations have both
signs the denominator may cross zero, and the weights lose their meaning. Not linear: twice the score is another map.

>>> A = torch.tensor([[[[1.0, 2.0]]]])
>>> G = torch.tensor([[[[2.0, -1.0]]]])
>>> grad_cam_pp(A, G).tolist()                 # w = 2 / (2 + 3 · 2) = 1/4
[[[0.25, 0.5]]]
"""

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.explainers._base import LayerExplainer


def grad_cam_pp(activation: Float[Tensor, "n k h w"], gradient: Float[Tensor, "n k h w"]) -> Float[Tensor, "n h w"]:
    """Activations weighted by the positive gradients of their channel, each by how alone it is."""
    below = 2 + activation.sum((2, 3), keepdim=True) * gradient
    alone = torch.where(below != 0, 1 / below.where(below != 0, 1.0), 0.0)
    return torch.einsum("nk,nkhw->nhw", (alone * gradient.relu()).sum((2, 3)), activation)


class GradCAMPP(LayerExplainer, name="grad-cam-pp", paper="arXiv:1710.11063"):
    """Which features speak for the answer, every instance of them alike?"""

    cite = """
@inproceedings{chattopadhay2018gradcampp,
  title     = {Grad-{CAM}++: Generalized Gradient-Based Visual Explanations for Deep Convolutional Networks},
  author    = {Chattopadhay, Aditya and Sarkar, Anirban and Howlader, Prantik and Balasubramanian, Vineeth N},
  booktitle = {Winter Conference on Applications of Computer Vision},
  year      = {2018},
}"""

    def spread(self, activation: Tensor, gradient: Tensor) -> Tensor:
        return grad_cam_pp(activation, gradient)
