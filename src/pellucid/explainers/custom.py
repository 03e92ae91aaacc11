"""Custom: any function of the model, the input and the class.

    M = f(model, x, target)        [n, h, w] at any resolution, or of the shape of x
    M = f(model, x)                where no class matters

From Python only: pl.explain(model, x, lambda model, x, target: …). The model is in evaluation mode; x is what it takes
(a tensor, a tuple or a dict), on its device, at most `batch_size` rows of it; target is the class of every row, −1
where the question has none. Numbers may come back as an array. Whatever the function does to the model (but for the
values of its weights) and to global chance is undone. It does not hear the question, so there can be one alone.

>>> maps = lambda model, x, target: x.mean(1) * target[:, None, None]
>>> asked(maps, None, torch.ones(2, 3, 1, 1), torch.tensor([3, 5])).flatten().tolist()
[3.0, 5.0]
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.errors import BadExplainer, BadInput, kind
from pellucid.explainers._base import Explainer, Score, Subject
from pellucid.subject.foreign import put_back


def asked(function: Callable[..., Any], model: nn.Module | None, x: Any, target: Tensor) -> Tensor:
    """What the function says, as floats; the target is left out of a function of two."""
    made = function(model, x, target) if _takes_target(function) else function(model, x)
    try:
        maps = torch.as_tensor(made)
    except (TypeError, ValueError, RuntimeError):
        raise BadExplainer(
            f"the function that explains gives {kind(made)}, where maps were expected; return a tensor [n, h, w]."
        ) from None
    return maps.detach() if maps.is_floating_point() else maps.float()


def _takes_target(function: Callable[..., Any]) -> bool:
    """Whether a third argument fits; what cannot be read is given all three."""
    try:
        inspect.signature(function).bind(None, None, None)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


class Custom(Explainer, name="custom"):
    """Whatever your function says."""

    group = "outside"
    cost = "as there"
    trainable = False
    sizes = (1, 2, 3)
    quick = {"function": lambda model, x, target: x.sum(1) * (1 + target.view(-1, *[1] * (x.ndim - 2)))}

    function: Callable[..., Any]
    seed: int | None = None

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        if len({score.question for score in scores}) > 1:
            raise BadInput("a function that explains does not hear the question; ask one, or call explain for each.")
        return [self.attribute(subject, images, score) for score in scores]

    def attribute(self, subject: Subject, images: Tensor, score: Score) -> Tensor:
        seed = subject.seed if self.seed is None else self.seed
        given = subject.given(images)
        with put_back(subject.model, seed):
            x = given.map(_alone).whole
            x = x[0] if isinstance(x, tuple) and len(x) == 1 else x
            raw = asked(self.function, subject.model, x, score.target).to(images.device)
        return given.inward(raw) if raw.shape == given.outward(images).shape else raw


def _alone(value: Any) -> Any:
    """A tensor that may be asked for gradients, or written over."""
    return value.detach().clone() if isinstance(value, Tensor) else value
