"""Score-CAM (Wang et al., 2020): a channel counts as much as what is left of the answer where it is active.

    L = Σ_k w_k A_k,   H_k = min-max(upsample(A_k)),   s_k = value(x′ + (x − x′) · H_k)

    weights=value         w_k = s_k                          first version of the paper, and its authors' code
    weights=difference    w_k = s_k − value(x′)              the increase of confidence
    weights=softmax       w = softmax_k(s_k − value(x′))     Algorithm 1 of the second version

The baseline x′, where a mask is off, is 0 of the model's space: the mean colour of normalised images, not black. What
is summed are the channels, not their masks, as in the paper and its code. A constant channel has no mask: it is left
out, and costs no forward. One forward for each other channel, shared by all questions and classes.

Trap: inside the softmax any baseline cancels. Over probabilities it is so flat that the map is the plain mean of the
channels; over logits (`-a logit`, as pytorch-grad-cam and torchcam do) it is so steep that one channel is left.

>>> A = torch.tensor([[[[2.0, 4.0]], [[1.0, 0.0]]]])
>>> channel_masks(A[0], (1, 2)).tolist()
[[[0.0, 1.0]], [[1.0, 0.0]]]
>>> score_cam(A, torch.tensor([[0.5, 1.0]])).tolist()
[[[2.0, 2.0]]]
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pellucid.explainers._base import LayerExplainer, Score, Subject
from pellucid.explainers._baseline import Kind, Space, Spread, baselines
from pellucid.explainers._masking import values
from pellucid.maths.maps import resize, unit_range
from pellucid.subject import size_of

Weights = Literal["value", "difference", "softmax"]


def score_cam(activation: Float[Tensor, "n k h w"], weights: Float[Tensor, "n k"]) -> Float[Tensor, "n h w"]:
    """Activations, weighted by what their masks leave of the answer."""
    return torch.einsum("nk,nkhw->nhw", weights, activation)


def channel_masks(channels: Float[Tensor, "b h w"], size: tuple[int, int]) -> Float[Tensor, "b h2 w2"]:
    """Channels at the size of the image, each stretched to [0, 1]."""
    return unit_range(resize(channels, size))


def uneven(activation: Float[Tensor, "n k h w"]) -> Bool[Tensor, "n k"]:
    """Which channels differ from cell to cell, by more than rounding."""
    low, high = activation.amin((2, 3)), activation.amax((2, 3))
    return high - low > 16 * torch.finfo(activation.dtype).eps * torch.maximum(high.abs(), low.abs())


def weighed(
    left: Float[Tensor, "n k"], base: Float[Tensor, " n"], counts: Bool[Tensor, "n k"], weights: Weights
) -> Float[Tensor, "n k"]:
    """From what every mask leaves, what the baseline is worth, and which channels count."""
    if weights == "value":
        return torch.where(counts, left, 0.0)
    gain = left - base[:, None]
    if weights == "difference":
        return torch.where(counts, gain, 0.0)
    return gain.masked_fill(~counts, -torch.inf).softmax(1).nan_to_num(0.0)  # NaN where no channel counts


def blended(images: Tensor, start: Tensor, masks: Float[Tensor, "b h w"]) -> Tensor:
    """The images where the masks are one, the baseline where they are zero; signals [b, c, t] too."""
    shape = masks.unsqueeze(1) if images.ndim == 4 else masks  # a signal has height 1
    return start + (images - start) * shape.to(images)


class ScoreCAM(LayerExplainer, name="score-cam", paper="arXiv:1910.01279"):
    """How much of the answer is left where a channel is active?"""

    cost = "(1 + K) · F"
    asks = "probability"
    trainable = False
    cite = """
@inproceedings{wang2020scorecam,
  title     = {Score-{CAM}: Score-Weighted Visual Explanations for Convolutional Neural Networks},
  author    = {Wang, Haofan and Wang, Zifan and Du, Mengnan and Yang, Fan and Zhang, Zijian and Ding, Sirui and
               Mardziel, Piotr and Hu, Xia},
  booktitle = {Computer Vision and Pattern Recognition Workshops},
  year      = {2020},
}"""

    weights: Weights = "value"
    baseline: Kind | float | Tensor = 0.0
    space: Space = "model"
    sigma: Spread = 0.1
    seed: int | None = None

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        chance = self.generator(subject, self.seed)
        start = baselines(self.baseline, self.space, self.sigma, images, subject.model, 1, chance)[0]
        layers = [a.detach() for a in subject.activations(images, self.layer, self.grid)]
        base = self.bases(subject, images, start, scores)
        maps = [self.maps(subject, images, start, a, scores, base) for a in layers]
        return self.joined(maps, images, scores)

    def bases(self, subject: Subject, images: Tensor, start: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        """[n] for every score: what the baseline is worth, where the weights ask for that."""
        if self.weights == "value":
            return [torch.zeros_like(score.clean) for score in scores]
        return [found[:, 0] for found in values(subject, images, scores, 1, lambda i, _: start[i])]

    def maps(
        self,
        subject: Subject,
        images: Tensor,
        start: Tensor,
        activation: Tensor,
        scores: Sequence[Score],
        base: Sequence[Tensor],
    ) -> list[Tensor]:
        """[n, h, w] of one layer for every score."""
        counts = uneven(activation)

        def make(i: Tensor, k: Tensor) -> Tensor:
            return blended(images[i], start[i], channel_masks(activation[i, k], size_of(images)))

        left = values(subject, images, scores, activation.shape[1], make, needed=counts)
        weights = [weighed(s, b, counts, self.weights) for s, b in zip(left, base, strict=True)]
        return [score_cam(activation, w.to(activation)) for w in weights]
