"""Ablation-CAM (Desai & Ramaswamy, 2020): a channel counts as much as is lost without it.

    L = Σ_k w_k A_k,   w_k = value − value with channel k at zero

No way back is needed. Only what comes behind the layer is run, once for each channel that is not zero anyhow, for all
questions and classes together (`subject/tail.py`); of transformers a channel is a feature, at zero in every token.
Where the layer's average feeds one linear layer nothing is run at all: without channel k the output is
y − mean(A_k) W_k, and for a logit w_k = W_tk · mean(A_k).

`relative=true` divides by the value, as the paper and pytorch-grad-cam do. Trap: a negative value then turns all signs
around, one near zero leaves noise. The picture, stretched to its own peak, is the same for every value above zero.

>>> A = torch.tensor([[[[2.0, 4.0]], [[1.0, 0.0]]]])
>>> lost = drops(torch.tensor([[5.0, 9.0]]), torch.tensor([10.0]), relative=False)
>>> lost.tolist(), ablation_cam(A, lost).tolist()
([[5.0, 1.0]], [[[11.0, 20.0]]])
"""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.explainers._base import LayerExplainer, Score, Subject
from pellucid.explainers._masking import Ask, Make, values
from pellucid.maths.grids import Kind
from pellucid.questions._base import precise
from pellucid.subject.head import linear_head
from pellucid.subject.tail import Tail


def ablation_cam(activation: Float[Tensor, "n k h w"], weights: Float[Tensor, "n k"]) -> Float[Tensor, "n h w"]:
    """Activations, weighted by what is lost without their channel."""
    return torch.einsum("nk,nkhw->nhw", weights, activation)


def drops(left: Float[Tensor, "n k"], whole: Float[Tensor, " n"], relative: bool) -> Float[Tensor, "n k"]:
    """What is lost without each channel, of the whole where that is not zero."""
    lost = whole[:, None] - left
    return lost / _unless_zero(whole)[:, None] if relative else lost


class AblationCAM(LayerExplainer, name="ablation-cam", paper="doi:10.1109/WACV45572.2020.9093360"):
    """How much of the answer is lost without a channel?"""

    cost = "F + K · t"
    trainable = False
    cite = """
@inproceedings{desai2020ablationcam,
  title     = {Ablation-{CAM}: Visual Explanations for Deep Convolutional Network via Gradient-free Localization},
  author    = {Desai, Saurabh and Ramaswamy, Harish G.},
  booktitle = {Winter Conference on Applications of Computer Vision},
  year      = {2020},
}"""

    relative: bool = False

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        paths = subject.layers(images, self.layer, self.grid)
        maps = [self.maps(subject, images, path, scores) for path in paths]
        return self.joined(maps, images, scores)

    def maps(self, subject: Subject, images: Tensor, path: str, scores: Sequence[Score]) -> list[Tensor]:
        """[n, h, w] of one layer for every score."""
        run, activation = subject.watched(images, path, self.grid)
        given, activation, output = run.leaves[0].detach(), activation.detach(), run.output.detach()
        head = linear_head(subject.model, output, activation)
        if head is None:
            kind = subject.layout(path, given, images, self.grid).kind
            lost = self.lost(subject, images, Tail(subject, images, path, given, output), given, kind, scores)
        else:
            lost = self.known(subject, images, output, activation, head, scores)
        return [ablation_cam(activation, one.to(activation)) for one in lost]

    def lost(
        self, subject: Subject, images: Tensor, tail: Tail, given: Tensor, kind: Kind, scores: Sequence[Score]
    ) -> list[Tensor]:
        """[n, k] for every score, by one tail for each channel that is not zero, and one for all of them."""
        channels = by_channel(given, kind)
        k, row_axis = channels.shape[1], int(kind == "sequence")

        def make(i: Tensor, s: Tensor) -> Tensor:
            changed = given.index_select(row_axis, i)
            rows, off = torch.arange(len(i), device=i.device), s.clamp_max(k - 1)
            view = by_channel(changed, kind)
            view[rows, off] *= (s == k).to(view).view(-1, *[1] * (view.ndim - 2))
            return changed

        alive = (channels != 0).flatten(2).any(2)
        return self.fallen(subject, images, scores, alive, make, tail)

    def known(
        self,
        subject: Subject,
        images: Tensor,
        output: Tensor,
        activation: Tensor,
        head: nn.Module,
        scores: Sequence[Score],
    ) -> list[Tensor]:
        """[n, k] for every score, where the average feeds one linear layer."""
        weight = cast(Tensor, head.weight).detach().flatten(1).to(activation)
        mean, answer = activation.mean((2, 3)), precise(output)
        k = mean.shape[1]

        def make(i: Tensor, s: Tensor) -> Tensor:
            off = s.clamp_max(k - 1)
            return answer[i] - (mean[i, off] * (s < k))[:, None] * weight.T[off]

        if all(score.question.linear for score in scores):
            lost = [(score.cotangent(output).to(weight) @ weight) * mean for score in scores]
            return [one / _unless_zero(s.clean)[:, None] if self.relative else one for one, s in zip(lost, scores)]
        return self.fallen(subject, images, scores, (activation != 0).flatten(2).any(2), make, lambda rows, _: rows)

    def fallen(
        self, subject: Subject, images: Tensor, scores: Sequence[Score], alive: Tensor, make: Make, ask: Ask
    ) -> list[Tensor]:
        """[n, k] for every score, from variants 0 to k − 1 without a channel, and variant k with all."""
        needed = torch.cat([alive, torch.ones_like(alive[:, :1])], 1)
        found = values(subject, images, scores, needed.shape[1], make, needed=needed, ask=ask)
        return [torch.where(alive, drops(left[:, :-1], left[:, -1], self.relative), 0.0) for left in found]


def by_channel(given: Tensor, kind: Kind) -> Tensor:
    """A view [n, k, …] of what a layer gives, all its tokens among them."""
    if kind in ("map", "signal"):
        return given
    return given.permute(1, 2, 0) if kind == "sequence" else given.movedim(-1, 1)


def _unless_zero(whole: Tensor) -> Tensor:
    return whole.where(whole != 0, 1.0)
