"""The question, and the question bound to an input.

A question says what it asks by two functions of the output: its `value`, one number a sample, and its `direction`,
the gradient of that value with respect to the output. Bound at the clean input it is a `Score`. Directions are
formed in the space of the logits, in float32 or better, and detached.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from pellucid.errors import BadInput, BadQuestion
from pellucid.registry import Named

Scale = Literal["logit", "log-odds", "probability", "log-probability", "similarity", "unit"]
Embed = Callable[[Tensor], Tensor]


class Question(Named, family="questions"):
    """What is asked. `live` explains the value itself along a path or under masking; otherwise its direction is
    fixed at the clean input."""

    scale: ClassVar[Scale] = "logit"
    targeted: ClassVar[bool] = True  # asked about a class
    linear: ClassVar[bool] = False  # the value is ⟨w, output⟩ with one w for every output
    dense: ClassVar[bool] = False  # asks of outputs [n, classes, h, w]
    one_sided: ClassVar[bool] = False  # only evidence for: CAMs clip at zero unless told otherwise

    _: KW_ONLY
    live: bool = False

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        """[n]: the number that is asked about."""
        raise NotImplementedError

    def direction(self, output: Tensor, target: Tensor) -> Tensor:
        """d value / d output, of the output's shape."""
        raise NotImplementedError

    def bind(self, output: Tensor, target: Tensor | None, embed: Embed) -> "Score":
        """The question asked of this clean output; `embed` runs the model on other images."""
        output = precise(output.detach())
        target = self.targets(output, target)
        value = self.value(output, target)
        frozen = not self.live or self.linear
        direction = self.direction(output, target) if frozen else None
        return Score(self, target, value, direction)

    def part(self, rows: slice, n: int | None) -> "Question":
        """The question for some samples of n (none: of a stream), where it knows one from another."""
        return self

    def targets(self, output: Tensor, target: Tensor | None) -> Tensor:
        """The classes asked about [n]; -1 where the question has none."""
        if not self.targeted:
            return torch.full(output.shape[:1], -1, dtype=torch.int64, device=output.device)
        classes = self.classes(output)
        if target is None:
            return output.flatten(2).sum(2).argmax(1) if output.ndim > 2 else output.argmax(1)
        target = target.to(output.device)
        if bool(((target < 0) | (target >= classes)).any()):
            wrong = int(target[(target < 0) | (target >= classes)][0])
            raise BadInput(f"target {wrong} is no class of this model, which has {classes}: 0 to {classes - 1}.")
        return target

    def classes(self, output: Tensor) -> int:
        """How many classes the output scores; refuses outputs that score none."""
        if output.ndim != 2:
            raise BadQuestion(
                f"{self.name} asks about a class, but the output has shape {tuple(output.shape)}, not [n, classes]; "
                f"choose the part with output=, or ask Region(mask) of a dense output or similarity of an encoder."
            )
        return output.shape[1]


@dataclass(frozen=True)
class Score:
    """A question bound at the clean input."""

    question: Question
    target: Tensor  # int64 [n]
    clean: Tensor  # [n]: the value at the clean input
    frozen: Tensor | None  # the direction at the clean input; None when live

    @property
    def scale(self) -> Scale:
        return self.question.scale

    def value(self, output: Tensor) -> Tensor:
        """What is asked about, of other outputs for the same rows [n]."""
        return self.followed(output) if self.question.linear else self.question.value(precise(output), self.target)

    def cotangent(self, output: Tensor) -> Tensor:
        """The direction to pull back: fixed at the clean input, or that of this output when live."""
        if self.frozen is not None:
            return self.frozen
        return self.question.direction(precise(output.detach()), self.target)

    def followed(self, output: Tensor) -> Tensor:
        """The number [n] whose gradient is the cotangent: ⟨w, output⟩ with w fixed, the value when live."""
        if self.frozen is None:
            return self.value(output)
        return (self.frozen.to(output.device) * precise(output)).flatten(1).sum(1)

    def times(self, copies: int) -> "Score":
        """The score of the whole batch, so many times over."""
        return self if copies == 1 else self[torch.arange(len(self.target), device=self.target.device).repeat(copies)]

    def __getitem__(self, rows: Tensor | slice) -> "Score":
        """The score of some rows, in any order and number."""
        frozen = None if self.frozen is None else self.frozen[rows]
        return Score(self.question, self.target[rows], self.clean[rows], frozen)


def precise(output: Tensor) -> Tensor:
    """float32 or better: a softmax in half precision loses the target at a logit gap of 9."""
    return output if output.dtype in (torch.float32, torch.float64) else output.float()


def one_hot(output: Tensor, target: Tensor) -> Tensor:
    """e_t for every row, in the shape and precision of the output."""
    return torch.zeros_like(output).scatter_(1, target[:, None], 1.0)


def others(output: Tensor, target: Tensor) -> Tensor:
    """The output with −inf at the target: what is left for the other classes."""
    return output.scatter(1, target[:, None], -torch.inf)


def pick(output: Tensor, target: Tensor) -> Tensor:
    """y_t of every row."""
    return output.gather(1, target[:, None])[:, 0]
