"""What an influence promises: a finite number for every test and training example, the same in whatever pieces it is
asked for, of a model that is afterwards as it was; and that who looks at the model finds again what it learned from.

Two tiny networks: an encoder with a decoder, whose loss needs no labels, and a classifier.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.contracts.case import images, model, sample
from pellucid.contracts.explainers import _state
from pellucid.engine._influence import answered, influence, prepared
from pellucid.errors import BadInput
from pellucid.influences import Influence
from pellucid.registry import Named

T, N = 5, 12
CLOSE = 1e-4  # float32, in other batches


class Coder(nn.Module):
    """A little autoencoder: forward gives the code, `reconstruct` the image again."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 4, 3, 4), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(256, 4)
        )
        self.decoder = nn.Sequential(nn.Linear(4, 3 * 32 * 32), nn.Unflatten(1, (3, 32, 32)))

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def reconstruct(self, x: Tensor) -> Tensor:
        """The image from its code."""
        return self.decoder(self.encoder(x))


def coder(seed: int = 0) -> nn.Module:
    """Always the same for a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Coder()
        net.train()
        with torch.no_grad():
            net(images(16))
    return net.eval()


def examples() -> tuple[Tensor, Tensor]:
    """Training examples; the test examples are the first T of them, a little changed."""
    return images(N), torch.arange(N) % 5


def _asked(name: str) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    train, labels = examples()
    test = train[:T] + 0.01 * torch.randn(T, *train.shape[1:], generator=torch.Generator().manual_seed(3))
    return (train, labels), (test, labels[:T])


NETWORKS: dict[str, Any] = {"coder": coder, "tiny-cnn": lambda: model("tiny-cnn")}


def _member(member: type[Named]) -> Influence:
    made = sample(member)
    assert isinstance(made, Influence)
    return made


def _scores(made: Influence, name: str = "coder", net: nn.Module | None = None, **options: Any) -> Tensor:
    train, test = _asked(name)
    asked: nn.Module = net or NETWORKS[name]()
    given: dict[str, Any] = {"train": train, "test": test, "checkpoints": [asked.state_dict()] * 2} | options
    return influence(asked, influence=made, **given)


def one_number_for_each_pair(member: type[Named]) -> None:
    for name in NETWORKS:
        scores = _scores(_member(member), name)
        assert scores.shape == (T, N), f"{member.name} gives {tuple(scores.shape)} for {T} and {N} examples of {name}"
        assert scores.dtype == torch.float32, f"{member.name} gives {scores.dtype}, not float32"
        assert bool(scores.isfinite().all()), f"{member.name} is not finite on {name}"
        assert bool(scores.any(1).all()), f"{member.name} leaves a row of zeros on {name}"


def the_same_in_pieces(member: type[Named]) -> None:
    """Rows by themselves, columns where it says so, other batches, and what fits into little memory."""
    made = _member(member)
    whole = _scores(made)
    _same(whole, _scores(made, batch_size=1), f"{member.name} depends on the batch size")
    for memory in (4 * 40, 4 * 400, 4 * 4000):
        train, test = _asked("coder")
        net = coder()
        with prepared(net, train, test, checkpoints=[net.state_dict()] * 2) as case:
            case.memory = memory
            _same(whole, answered(case, made, None, None, False), f"{member.name} depends on the memory")


def _same(a: Tensor, b: Tensor, reason: str) -> None:
    assert bool(((a - b).abs() <= CLOSE * a.abs().amax(1, keepdim=True)).all()), reason


def the_same_again(member: type[Named]) -> None:
    made = _member(member)
    torch.manual_seed(7)
    first = _scores(made)
    torch.manual_seed(8)
    assert torch.equal(first, _scores(made)), f"{member.name} depends on torch's global chance"


def leaves_the_model(member: type[Named]) -> None:
    for name, make in NETWORKS.items():
        net = make()
        net.train()
        before, chance = _state(net), torch.get_rng_state()
        _scores(_member(member), name, net)
        after = _state(net)
        assert str(before) == str(after), f"{member.name} leaves {name} changed"
        assert all(p.grad is None for p in net.parameters()), f"{member.name} leaves gradients in {name}"
        assert torch.equal(chance, torch.get_rng_state()), f"{member.name} draws from torch's global chance"
        assert net.training, f"{member.name} leaves {name} in evaluation mode"


def is_symmetric_where_it_says_so(member: type[Named]) -> None:
    made = _member(member)
    train, _ = _asked("coder")
    scores = _scores(made, test=train)
    scores = scores.fill_diagonal_(0)  # a copy of itself is as near as can be told, either way
    difference = (scores - scores.T).abs().max() / scores.abs().max()
    assert not made.symmetric or float(difference) < CLOSE, f"{member.name} says it is symmetric, and differs"


def looks_at_the_model(member: type[Named]) -> None:
    made = _member(member)
    same = torch.equal(_scores(made), _scores(made, net=coder(1)))
    assert same != made.sees, f"{member.name} says sees={made.sees}"


def finds_again(member: type[Named]) -> None:
    """Of each test example there is almost a copy among the training examples: it ranks high."""
    made = _member(member)
    for name in NETWORKS:
        scores = _scores(made, name)
        own = scores[torch.arange(T), torch.arange(T)]
        rank = (own[:, None] > scores).double().sum(1) / (N - 1)
        assert not made.sees or float(rank.mean()) > 0.6, (
            f"{member.name} puts an example's own copy at {float(rank.mean()):.2f} of the way up on {name}"
        )


def the_strongest_are_those_of_the_matrix(member: type[Named]) -> None:
    made = _member(member)
    train, test = _asked("coder")
    net = coder()
    with prepared(net, train, test, checkpoints=[net.state_dict()] * 2) as case:
        ranks, top = made.rank(case), answered(case, made, 3, None, False)
    expected = ranks.topk(3, 1).values
    found = ranks.gather(1, top.supporters)
    assert torch.allclose(expected, found, rtol=CLOSE), f"{member.name} has other supporters with top="
    weakest = ranks.topk(3, 1, largest=False).values
    assert torch.allclose(weakest, ranks.gather(1, top.opponents), rtol=CLOSE), f"{member.name} has other opponents"


def refuses_what_it_cannot(member: type[Named]) -> None:
    """A loss where there is none, and examples that are not finite."""
    made = _member(member)
    train, test = _asked("coder")
    for given in ((train[0] * math.nan, train[1]), (train[0][:0], train[1][:0])):
        try:
            influence(coder(), given, test, made)
        except BadInput:
            continue
        raise AssertionError(f"{member.name} takes examples that are NaN, or none at all")
    bare = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 3))
    try:
        influence(bare, train[0], test[0], made, checkpoints=[bare.state_dict()])
    except BadInput:
        return
    assert "loss" not in made.needs, f"{member.name} needs a loss, and does without one"


CHECKS = [
    one_number_for_each_pair,
    the_same_in_pieces,
    the_same_again,
    leaves_the_model,
    is_symmetric_where_it_says_so,
    looks_at_the_model,
    finds_again,
    the_strongest_are_those_of_the_matrix,
    refuses_what_it_cannot,
]
