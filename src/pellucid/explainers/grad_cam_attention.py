"""Grad-CAM of the last attention, the form in which LICO and Chefer et al. give it for ViT.

    L = mean over heads of w_h a_h,   w_h = mean over the patches of g_h,
    a_h, g_h: the row of the last attention A_h, and of ∂score/∂A_h, that is read, without the tokens before the grid

Heads stand for the channels of a CNN, and the row that the class token pays to the patches for their maps. Where the
answer is read from several tokens the mean of their rows is taken; where that is all patches (average pooling) it says
how much each is looked at by the others. `grad-cam` on the same network is something else: it reads the features of the
last layer in which patches have a say.

>>> A = torch.tensor([[[[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]]])
>>> G = torch.tensor([[[[9.0, 4.0, 0.0], [9.0, 9.0, 9.0], [9.0, 9.0, 9.0]]]])
>>> grad_cam_attention(A, G, torch.tensor([1.0, 0.0, 0.0]), prefix=1).tolist()         # w = (4 + 0) / 2
[[0.5, 0.5]]
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from pellucid.explainers._base import Explainer, Score, Subject
from pellucid.questions import Question
from pellucid.subject.attention import Attended, attention_gradients, tokens_of


def grad_cam_attention(
    attention: Float[Tensor, "n heads t t"],
    gradient: Float[Tensor, "n heads t t"],
    read: Float[Tensor, " t"],
    prefix: int,
) -> Float[Tensor, "n cells"]:
    """The attention that the patches get from what is read, each head weighted by its mean gradient there."""
    a, g = (torch.einsum("nhts,t->nhs", x, read)[..., prefix:] for x in (attention, gradient))
    return torch.einsum("nh,nhs->ns", g.mean(-1), a) / a.shape[1]


class GradCAMAttention(Explainer, name="grad-cam-attention", paper="arXiv:2310.09821"):
    """Which patches does the last attention look at, weighted by how much each head speaks for the answer?"""

    group = "transformer"
    cost = "F + b"
    linear = True
    linear_knobs = {"relu": False}
    cite = """
@inproceedings{lei2023lico,
  title     = {{LICO}: Explainable Models with Language-Image {CO}nsistency},
  author    = {Lei, Yiming and Li, Zilong and Li, Yangyang and Zhang, Junping and Shan, Hongming},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2023},
}"""

    relu: bool | None = None
    grid: tuple[int, int] | None = None

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        tokens, [attention], gradients = attention_gradients(subject, images, scores, self.grid, start=-1)
        read, prefix = tokens.reader(attention), tokens.layout.prefix
        rows = [grad_cam_attention(attention, gradient, read, prefix) for [gradient] in gradients]
        maps = [tokens.map(pad(row, (prefix, 0))) for row in rows]
        return [m.relu() if self._clips(s.question) else m for m, s in zip(maps, scores, strict=True)]

    def at(self, subject: Subject, images: Tensor) -> tuple[str, ...]:
        return Attended.to(tokens_of(subject, images, self.grid).layers - 1)

    def signed(self, question: Question) -> bool:
        return not self._clips(question)

    def _clips(self, question: Question) -> bool:
        return question.one_sided if self.relu is None else self.relu
