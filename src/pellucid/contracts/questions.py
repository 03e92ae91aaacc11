"""What a question promises: that its direction is the gradient of its value, and knows one row from another."""

import torch
from torch import Tensor

from pellucid.contracts.case import model, sample
from pellucid.errors import BadQuestion
from pellucid.questions import Question, Score
from pellucid.registry import Named


def _outputs() -> tuple[Tensor, Tensor]:
    """Outputs of a classifier [4, 5] and of a dense model [4, 5, 6, 7], double."""
    generator = torch.Generator().manual_seed(2)
    return (
        3 * torch.randn(4, 5, generator=generator, dtype=torch.float64),
        torch.randn(4, 5, 6, 7, generator=generator, dtype=torch.float64),
    )


def _embed(x: Tensor) -> Tensor:
    return model("tiny-cnn", torch.float64)(x.double()).detach()


def _bound(member: type[Named]) -> tuple[Question, Score, Tensor]:
    """The question on the first kind of output that it takes."""
    question = sample(member)
    assert isinstance(question, Question)
    refusal: BadQuestion | None = None
    for output in _outputs():
        try:
            return question, question.bind(output, None, _embed), output
        except BadQuestion as cause:
            refusal = cause
    raise AssertionError(f"{member.name} takes no output: {refusal}")


def direction_is_the_gradient_of_the_value(member: type[Named]) -> None:
    """Against autograd, in float64, where autograd is right."""
    _, score, output = _bound(member)
    leaf = output.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(score.value(leaf).sum(), leaf)
    torch.testing.assert_close(score.cotangent(output), wanted, rtol=1e-9, atol=1e-12)


def value_is_one_number_a_sample(member: type[Named]) -> None:
    """[n], finite, and known at the clean input."""
    _, score, output = _bound(member)
    assert score.clean.shape == (4,), f"the value has shape {tuple(score.clean.shape)}, not [n]"
    assert bool(score.clean.isfinite().all()), "the value is not finite"
    torch.testing.assert_close(score.clean, score.value(output))
    assert score.target.dtype == torch.int64, f"the target is {score.target.dtype}, not int64"


def rows_are_their_own(member: type[Named]) -> None:
    """Rows taken out of a batch keep their direction and value."""
    _, score, output = _bound(member)
    rows = torch.tensor([2, 0, 2])
    part = score[rows]
    torch.testing.assert_close(part.cotangent(output[rows]), score.cotangent(output)[rows])
    torch.testing.assert_close(part.value(output[rows]), score.value(output)[rows])


def followed_has_the_cotangent_as_gradient(member: type[Named]) -> None:
    """Also away from the clean input, live or not."""
    question, _, output = _bound(member)
    for live in (False, True):
        score = question.but(live=live).bind(output, None, _embed)
        leaf = (output + 0.5 * output.flip(1)).requires_grad_()
        (wanted,) = torch.autograd.grad(score.followed(leaf).sum(), leaf)
        torch.testing.assert_close(score.cotangent(leaf), wanted, rtol=1e-9, atol=1e-12)


def is_detached(member: type[Named]) -> None:
    """A direction carries no graph."""
    _, score, output = _bound(member)
    assert not score.cotangent(output.clone().requires_grad_()).requires_grad, "the cotangent carries a graph"


def works_in_half_precision(member: type[Named]) -> None:
    """float16 and bfloat16 outputs give float32 directions, finite also at large gaps."""
    question, _, output = _bound(member)
    for dtype in (torch.float16, torch.bfloat16):
        score = question.bind((10 * output).to(dtype), None, _embed)
        w = score.cotangent((10 * output).to(dtype))
        assert w.dtype == torch.float32, f"the direction of a {dtype} output is {w.dtype}, not float32"
        assert bool(w.isfinite().all()), f"the direction of a {dtype} output is not finite"


CHECKS = (
    direction_is_the_gradient_of_the_value,
    value_is_one_number_a_sample,
    rows_are_their_own,
    followed_has_the_cotangent_as_gradient,
    is_detached,
    works_in_half_precision,
)
