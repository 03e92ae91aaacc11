"""Similarity: what makes the representation what it is? Needs no label. (Crabbé & van der Schaar, 2022)

    value ⟨f(x), f(x̃)⟩,   w = f(x)

f(x) is fixed at the clean input: the direction is the representation itself, and the value follows how much of it is
left. Whatever is linear in the question then gives b = Σ_j f_j(x) a(f_j, x), for one way back whatever the size of the
code; of maps [k, h, w] and series [t, d] the inner product runs over all of it.

    complete       Σ b = ‖f(x)‖² − ⟨f(x), f(x′)⟩, where the explainer is
    turns          Q f with QᵀQ = 1, so also other signs and orders of the units, change nothing; c f gives c² b
    shifts         f + t is another question: a code that is centred has other maps
    saliency       gradient:channels=abs is |J(x)ᵀ f(x)| = |½ ∇ ‖f(x)‖²|

Maps grow with the square of the code, so that of several images those with large codes decide what is pooled.

>>> f = torch.tensor([[3.0, 4.0]])
>>> score = Similarity().bind(f, None, lambda x: x)
>>> score.value(torch.tensor([[1.0, 0.0]])).item(), score.cotangent(f).tolist()
(3.0, [[3.0, 4.0]])
"""

import torch
from torch import Tensor

from pellucid.questions._base import Embed, Question, Score
from pellucid.questions.towards import Towards


class Similarity(Question, name="similarity", paper="arXiv:2203.01928"):
    """What does the encoder see here, class or no class?"""

    scale = "similarity"
    targeted = False
    linear = True
    cite = """
@inproceedings{crabbe2022labelfree,
  title     = {Label-Free Explainability for Unsupervised Models},
  author    = {Crabb{\\'e}, Jonathan and van der Schaar, Mihaela},
  booktitle = {International Conference on Machine Learning},
  year      = {2022},
}"""

    def bind(self, output: Tensor, target: Tensor | None, embed: Embed) -> Score:
        """Similarity is Towards the input's own representation."""
        return Towards(output.detach()).bind(output, target, embed)
