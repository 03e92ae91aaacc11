"""What capsules say of a picture: where parts are, how they are painted, and how likely objects make them.

    pose      A = [[s_x, h s_y], [0, s_y]] · R(2πθ) | t      s = sigmoid + 0.01,   h and t = tanh(5 ·)
    picture   x_p ~ Σ_m w_mp N(t̂_mp, σ²),                    t̂_m the template of part m, where its pose puts it
    parts     A_m ~ Σ_k w_km N(V_km, σ²_km),                 V_km the first two rows of O_k · P_km
              w_km = a_k / Σ_i a_i · a_km / Σ_j a_kj         which part of which object, with a sum of 1

>>> affine(torch.zeros(6))                                   # nothing is turned, and halved as sigmoid(0) is
tensor([[0.5100, 0.0000, 0.0000],
        [0.0000, 0.5100, 0.0000]])
>>> ink, weight = painted(torch.tensor([[1.0]]), torch.tensor([[[[0.4, 0.0]]]]))      # a part, and what is behind it
>>> ink.flatten().tolist(), weight.flatten().tolist()        # 0.4 / 0.5 is the part's, where it has ink
([0.4..., 0.0, 0.0, 0.0], [0.8..., 0.0, 0.2..., 1.0])
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

BEHIND = 0.1  # the weight of the black ground, where a part of full presence has its ink, at most 1
TINY = 1e-6
CITE = """
@inproceedings{kosiorek2019stacked,
  title     = {Stacked Capsule Autoencoders},
  author    = {Kosiorek, Adam and Sabour, Sara and Teh, Yee Whye and Hinton, Geoffrey E.},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {32},
  year      = {2019},
}"""
Mixture = tuple[Float[Tensor, "n m h w"], Float[Tensor, "n m h w"]]


def affine(pose: Float[Tensor, "*s 6"]) -> Float[Tensor, "*s 2 3"]:
    """Scales, angle, shear and place, any numbers, as the matrix that they mean."""
    (sx, sy), angle = (pose[..., :2].sigmoid() + 0.01).unbind(-1), 2 * math.pi * pose[..., 2]
    shear, across, down = (5 * pose[..., 3:]).tanh().unbind(-1)
    cos, sin = angle.cos(), angle.sin()
    first = torch.stack([sx * cos + shear * sy * sin, shear * sy * cos - sx * sin, across], -1)
    return torch.stack([first, torch.stack([sy * sin, sy * cos, down], -1)], -2)


def inverse(matrix: Float[Tensor, "*s 2 3"]) -> Float[Tensor, "*s 2 3"]:
    """The way back: from a place in the picture to a place in the template."""
    (a, b), (c, d) = (row.unbind(-1) for row in matrix[..., :2].unbind(-2))
    turned = torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2) / (a * d - b * c)[..., None, None]
    return torch.cat([turned, -(turned @ matrix[..., 2:])], -1)


def warp(
    templates: Float[Tensor, "m t t"], matrix: Float[Tensor, "n m 2 3"], size: tuple[int, int]
) -> Float[Tensor, "n m h w"]:
    """The templates on a canvas of this size: its pixels read the templates where the matrix sends them; outside is 0.

    Both have their corners at ±1, in the middle of nothing: coordinates are of pixels' edges, not of their centres.
    """
    n, m = matrix.shape[:2]
    grid = affine_grid(matrix.flatten(0, 1), [n * m, 1, *size], align_corners=False)
    many = templates.expand(n, -1, -1, -1).flatten(0, 1)[:, None]
    return grid_sample(many, grid, align_corners=False).view(n, m, *size)


def painted(presence: Float[Tensor, "n m"], ink: Float[Tensor, "n m h w"]) -> tuple[Tensor, Tensor]:
    """Means and weights of the mixture at every pixel: by presence and ink; the last component is the black ground."""
    pull = presence[:, :, None, None] * ink
    total = pull.sum(1, keepdim=True) + BEHIND
    behind = torch.zeros_like(total)
    return torch.cat([ink, behind], 1), torch.cat([pull, behind + BEHIND], 1) / total


def softly_painted(presence: Float[Tensor, "n m"], ink: Float[Tensor, "n m h w"]) -> tuple[Tensor, Tensor]:
    """As published: a softmax of presence times ink, so that parts which are nowhere near have their say, too."""
    return ink, (presence[:, :, None, None] * ink).softmax(1)


def image_likelihood(
    images: Float[Tensor, "n h w"],
    means: Float[Tensor, "n m h w"],
    weights: Float[Tensor, "n m h w"],
    spread: Float[Tensor, " n"],
) -> Float[Tensor, " n"]:
    """Log-likelihood, summed over the pixels."""
    sigma = spread[:, None, None, None]
    normal = (-0.5 * ((images[:, None] - means) / sigma) ** 2).exp() / (sigma * math.sqrt(2 * math.pi))
    return ((weights * normal).sum(1) + TINY).log().sum((1, 2))


def shares(presence: Float[Tensor, "n k"], parts: Float[Tensor, "n k m"]) -> Float[Tensor, "n k m"]:
    """The weights of the mixture of objects and their parts."""
    return presence[..., None] / presence.sum(1)[:, None, None] * parts / parts.sum(2, keepdim=True)


def shares_on_the_wrong_axis(presence: Float[Tensor, "n k"], parts: Float[Tensor, "n k k"]) -> Float[Tensor, "n k k"]:
    """As published: object k's sum divides what all objects say of part k; only for as many objects as parts."""
    return presence[..., None] / presence.sum(1)[:, None, None] * parts / parts.sum(2)[:, None]


def part_likelihood(
    poses: Float[Tensor, "n m 6"],
    votes: Float[Tensor, "n k m 6"],
    variance: Float[Tensor, "n k m"],
    weights: Float[Tensor, "n k m"],
) -> tuple[Float[Tensor, "n m"], Float[Tensor, "n k m"]]:
    """Log-likelihood of every part, and which share of it is whose: over the objects these have a sum of 1."""
    far = (poses[:, None] - votes).square().sum(-1) / variance
    joint = (weights + 1e-12).log() - 0.5 * far - 3 * (2 * math.pi * variance).log()
    return joint.logsumexp(1), joint.softmax(1)
