"""A case: one explainer, one question, one tiny network."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.errors import BadInput, BadModel, BadQuestion
from pellucid.explainers import Explainer
from pellucid.explanation import Explanation, explain
from pellucid.networks import load_model
from pellucid.questions import Question
from pellucid.registry import Named, catalog
from pellucid.subject import Subject

NETWORKS = ("tiny-cnn", "tiny-vit")
INNER = {"datasets": "scenes:length=8,size=16"}  # what a wrapper of a family wraps


class Refused(Exception):
    """The member says, by an error of ours, that it does not answer this."""


@dataclass(frozen=True)
class Case:
    """What a check of an explainer is given."""

    explainer: Explainer
    question: Question
    network: str

    def __str__(self) -> str:
        return f"{self.explainer} · {self.question} · {self.network}"

    def model(self, dtype: torch.dtype = torch.float32) -> nn.Module:
        """A fresh model, always the same."""
        return model(self.network, dtype)

    def subject(self, net: nn.Module, **options: Any) -> Subject:
        """The model asked for its logits, or, where the question wants a dense output, for those spread on a grid."""
        return Subject(net, output=_spread if self.question.dense else None, **options)

    def explain(self, net: nn.Module, x: Tensor, **options: Any) -> Explanation:
        """The explanation, or Refused."""
        try:
            output = _spread if self.question.dense else None
            return explain(net, x, self.explainer, ask=self.question, output=output, **options)
        except (BadModel, BadQuestion, BadInput) as cause:
            raise Refused(str(cause)) from None


def _spread(y: Tensor) -> Tensor:
    """[n, classes] -> [n, classes, 2, 3]"""
    return y[:, :, None, None] * torch.linspace(-1, 2, 6).to(y).view(2, 3)


def images(n: int = 3, size: tuple[int, int] = (32, 32), dtype: torch.dtype = torch.float32) -> Tensor:
    """Smooth random images, always the same."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.randn(n, 3, 5, 6, generator=generator)
    fine = torch.randn(n, 3, *size, generator=generator)
    return (torch.nn.functional.interpolate(coarse, size, mode="bicubic") + 0.1 * fine).to(dtype)


def model(network: str, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A tiny network with weights and statistics that make its answers differ."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = load_model(f"pellucid:{network}:classes=5")
        net.train()
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.mul_(1.5)
            for _ in range(3):
                net(images(16) + 0.3 * torch.randn(16, 3, 32, 32))
    return net.eval().to(dtype)


def sample(member: type[Named]) -> Named:
    """A member with its quick knobs; wrappers around the gradient, or around scenes."""
    knobs = dict(member.quick)
    if member._inner():
        knobs.setdefault("of", INNER.get(member.family, "gradient"))
    return member(**knobs)


@cache
def questions() -> tuple[Question, ...]:
    """One of every question, and every way of contrast."""
    known = catalog("questions")
    ours = [sample(known[name]) for name in known]
    more = [Question.make(f"contrast:against={way}") for way in ("mean", "max")]
    return tuple(q for q in (*ours, *more) if isinstance(q, Question))


def cases(member: type[Named]) -> Iterator[Case]:
    """Every question on every network."""
    explainer = sample(member)
    assert isinstance(explainer, Explainer)
    for network in NETWORKS:
        for question in questions():
            if explainer.accepts and question.scale not in explainer.accepts:
                continue
            yield Case(explainer, question, network)
