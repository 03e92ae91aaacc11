"""The loss of one example: what TracIn and influence functions differentiate.

    reconstruction            mean over pixels of (x̂ − x)²       without labels
    absolute-reconstruction   mean over pixels of |x̂ − x|        without labels
    cross-entropy             − log softmax(output)_label

x̂ is `model.reconstruct(x)` where the model has that method, and its output otherwise. Any f(output, input, label) ->
[n] is a loss too. A contrastive loss is none: it is of pairs in a batch, and no example has one for itself.

>>> reconstruction(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 1.0]]), torch.tensor([0])).tolist()
[2.0]
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch  # of the worked examples
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pellucid.errors import BadInput

Of = Callable[[Tensor, Tensor, Tensor], Tensor]


def reconstruction(output: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    """mean (x̂ − x)² of each example [n]"""
    return (output - images).square().flatten(1).mean(1)


def absolute_reconstruction(output: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    """mean |x̂ − x| of each example [n]; its second derivative at the output is zero."""
    return (output - images).abs().flatten(1).mean(1)


def supervised(output: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    """− log p(label) of each example [n]"""
    return cross_entropy(output, labels, reduction="none")


@dataclass(frozen=True)
class Loss:
    """A loss by its name, and what it takes."""

    name: str
    of: Of
    reconstructs: bool = False  # it asks model.reconstruct, where there is one
    labels: bool = False  # it reads them


LOSSES = {
    "reconstruction": Loss("reconstruction", reconstruction, reconstructs=True),
    "absolute-reconstruction": Loss("absolute-reconstruction", absolute_reconstruction, reconstructs=True),
    "cross-entropy": Loss("cross-entropy", supervised, labels=True),
}


class Losses(nn.Module):
    """The model followed by its loss: images [n, …] and labels [n] in, losses [n] out.

    A module, so that torch.func.functional_call can put other parameters in: they are called `model.…` here.
    """

    def __init__(self, model: nn.Module, loss: Loss, answer: Callable[[Any], Tensor] = lambda output: output) -> None:
        super().__init__()
        self.model, self.loss, self.answer = model, loss, answer
        self.training = False  # of this module alone; the model's modes are not ours to set

    def output(self, images: Tensor) -> Tensor:
        """What the loss compares: the reconstruction, or the model's answer."""
        ask = getattr(self.model, "reconstruct", None) if self.loss.reconstructs else None
        return self.answer((ask or self.model)(images))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        found = self.loss.of(self.output(images), images, labels)
        if found.shape != images.shape[:1]:
            raise BadInput(
                f"the loss gives {tuple(found.shape)} for {len(images)} examples; give f(output, input, label) -> [n]."
            )
        return found


def one(losses: Losses, image: Tensor, label: Tensor) -> Tensor:
    """The loss of one example [] without a batch axis, as torch.func.vmap wants it.

    >>> torch.func.vmap(lambda x, y: one(Losses(nn.Identity(), LOSSES["cross-entropy"]), x, y))(
    ...     torch.zeros(2, 4), torch.tensor([0, 3])).shape
    torch.Size([2])
    """
    return losses(image[None], label[None])[0]
