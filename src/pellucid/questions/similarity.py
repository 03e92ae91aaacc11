"""Similarity: what makes the representation what it is? Needs no label. (Crabbé & van der Schaar, 2022)

    value ⟨f(x), f(x̃)⟩,   w = f(x)

f(x) is fixed at the clean input: the direction is the representation itself, and the value follows how much of it is
left.

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
