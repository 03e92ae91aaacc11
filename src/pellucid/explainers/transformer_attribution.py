"""Generic attention explainability (Chefer et al., ICCV 2021), transformer attribution without relevances.

    R ← R + Ā_l R from the first layer to the last, from R = I on,   Ā_l = mean over heads of (A_l · ∂score/∂A_l)⁺,
    M = the row of R that is read, less that of I

R = (I + Ā_L) ⋯ (I + Ā_1) is never made: its row is carried from the top down. Nothing is normalised, so the map grows
with the gradients. Here as in GWAR the identity's own part, which patches have where they are averaged, is left out:
zero gradients are a zero map.

The same authors' transformer attribution (CVPR 2021) is the product of I + mean over heads of (∇A · relevance of A)⁺,
where relevance is propagated by rules for every layer (deep Taylor); it needs a network rewritten in modules that know
them. The generic form puts A in the place of its relevance, asks only for attention and a gradient, and is what is
here. `start` is the first layer that takes part: 0, or −1 for the last alone, as for CLIP in its authors' examples. The
part above zero is taken head by head, before the mean, and for a contrast not at all (`clamp`): our addition.

>>> A = torch.tensor([[[[0.5, 0.5], [0.0, 1.0]]]])
>>> G = torch.tensor([[[[0.0, 2.0], [0.0, 0.0]]]])
>>> transformer_attribution([A], [G], torch.tensor([1.0, 0.0]), clamp=True).tolist()
[[0.0, 1.0]]
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.explainers._attention import AttentionExplainer, moved
from pellucid.explainers._base import Score, Subject
from pellucid.subject.attention import Attended, attention_gradients, tokens_of

Layers = Sequence[Float[Tensor, "n heads t t"]]


def transformer_attribution(
    attention: Layers, gradient: Layers, read: Float[Tensor, " t"], clamp: bool
) -> Float[Tensor, "n t"]:
    """What each token at the bottom gives, through at least one attention, to the tokens that are read at the top."""
    products = (A * G for A, G in zip(attention, gradient))
    return moved(read, [(p.relu() if clamp else p).mean(1) for p in products], scaled=False)


class TransformerAttribution(AttentionExplainer, name="transformer-attribution", paper="arXiv:2103.15679"):
    """Which patches add to the answer by attention, summed over all ways through the layers?"""

    cite = """
@inproceedings{chefer2021generic,
  title     = {Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder Transformers},
  author    = {Chefer, Hila and Gur, Shir and Wolf, Lior},
  booktitle = {International Conference on Computer Vision},
  year      = {2021},
}"""

    start: int = 0

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        self._first(subject, images)
        tokens, attention, gradients = attention_gradients(subject, images, scores, self.grid, self.start)
        read = tokens.reader(attention[0])
        return [
            tokens.map(transformer_attribution(attention, gradient, read, self.clamps(score.question)))
            for score, gradient in zip(scores, gradients, strict=True)
        ]

    def at(self, subject: Subject, images: Tensor) -> tuple[str, ...]:
        return Attended.to(self._first(subject, images))

    def _first(self, subject: Subject, images: Tensor) -> int:
        """The first layer that takes part."""
        layers = tokens_of(subject, images, self.grid).layers
        if not -layers <= self.start < layers:
            raise BadInput(f"start={self.start}, but the model attends in {layers} layers: 0 to {layers - 1}.")
        return range(layers)[self.start]
