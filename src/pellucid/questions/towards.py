"""Towards: what makes the representation resemble this reference?

    value ⟨r, f(x̃)⟩,   w = r

The reference is an embedding (of a text, a class mean, another image: [d], or one a sample [n, d]) or an image
([c, h, w], or one a sample), which the model itself embeds.

>>> f = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
>>> Towards(torch.tensor([1.0, 0.0])).bind(f, None, lambda x: x).clean.tolist()
[3.0, 0.0]
"""

import torch
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.questions._base import Embed, Question, Score, precise


class Towards(Question, name="towards"):
    """What makes it look like this?"""

    scale = "similarity"
    targeted = False
    linear = True
    quick = {"reference": torch.linspace(-1, 1, 3 * 32 * 32).view(3, 32, 32)}

    reference: Tensor

    def part(self, rows: slice, n: int | None) -> Question:
        one_a_sample = self.reference.ndim in (2, 4) and len(self.reference) == (n or len(self.reference)) > 1
        return self.but(reference=self.reference[rows]) if one_a_sample else self

    def bind(self, output: Tensor, target: Tensor | None, embed: Embed) -> Score:
        output = precise(output.detach())
        r = self.reference.to(output.device)
        one = output.shape[1:]
        if r.ndim >= 3 and (
            r.ndim > len(one) + 1 or r.shape[-len(one) :] != one
        ):  # no embedding: too many axes, or sides
            r = embed(r if r.ndim > 3 else r[None]).detach()
        r = r.to(output.dtype)
        if r.shape == one:
            r = r[None]
        if r.shape[1:] != one or len(r) not in (1, len(output)):
            raise BadInput(
                f"the reference has shape {tuple(self.reference.shape)}, but the representation has {tuple(one)} a "
                f"sample; give one embedding, one a sample, or an image."
            )
        if not bool(r.isfinite().all()):
            raise BadInput("the reference holds NaN or infinite numbers; give a finite embedding.")
        frozen = r.expand_as(output)
        value = (frozen * output).flatten(1).sum(1)
        return Score(self, self.targets(output, None), value, frozen)
