"""What an objective promises: a loss that is the weighted sum of its terms, from whatever batch, with a gradient for
the model; numbers that depend on the seed and the step alone; and a model that is nobody's but the caller's.

An objective may refuse a network when it is bound. A check binds it afresh, to a tiny network in training.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.contracts.case import NETWORKS, Refused, images, model, sample
from pellucid.contracts.explainers import _Blown, _calls, _Fuse, _same, _state
from pellucid.errors import BadInput, BadModel
from pellucid.networks import load_model
from pellucid.networks._base import Network
from pellucid.objectives import Bound, Objective
from pellucid.registry import Named

NAMES = ("cat", "garden spider", "traffic light", "great white shark", "T-shirt")
SIZE = (32, 32)
CLOSE = 1e-5  # of the loss
N = 6

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Binding:
    """What a check of an objective is given: whom to bind it to."""

    objective: Objective
    network: str

    def __str__(self) -> str:
        return f"{self.objective} · {self.network}"

    @property
    def classifies(self) -> bool:
        """Whether its network is one of those that explainers are tried on."""
        return self.network in NETWORKS

    def model(self) -> nn.Module:
        """A fresh network in training, always the same."""
        if self.classifies:
            return model(self.network).train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return load_model(f"pellucid:{self.network}").train()

    def batch(self) -> Batch:
        """Images such as the network takes, each as often as the objective wants it, and labels of several classes."""
        labels = torch.arange(N) * 2 % len(NAMES)
        if self.classifies:
            return images(N, SIZE), labels
        views = self.objective.views
        x = torch.rand(N * views, *_inputs(self.network), generator=torch.Generator().manual_seed(1))
        return x if views == 1 else x.unflatten(0, (N, views)), labels

    def bind(self, net: nn.Module | None = None, seed: int = 0) -> Bound:
        """The objective at work, or Refused."""
        try:
            like = SIZE if self.classifies else torch.zeros(1, *_inputs(self.network))
            return self.objective.bind(self.model() if net is None else net, NAMES, like, seed=seed)
        except (BadModel, BadInput) as cause:
            raise Refused(str(cause)) from None


def bindings(member: type[Named]) -> Iterator[Binding]:
    """The objective with its quick knobs, on every network that it names."""
    objective = sample(member)
    assert isinstance(objective, Objective)
    for network in objective.networks:
        yield Binding(objective, network)


def binding_changes_nothing(case: Binding) -> None:
    """Weights, buffers, modes, gradients, hooks and global chance are as before; also when the model raises."""
    net = case.model()
    next(net.children()).eval()
    parameters = list(net.parameters())
    parameters[0].requires_grad_(False)
    for p in parameters[1:]:
        p.grad = torch.ones_like(p)
    before = _state(net)
    try:
        case.bind(net)
    finally:
        _same(before, _state(net), " by binding")
    calls = _calls(net, lambda: case.bind(net))
    handle = net.register_forward_hook(_Fuse(calls))
    before = _state(net)
    try:
        case.bind(net)
    except (_Blown, Refused):
        pass
    finally:
        after = _state(net)
        handle.remove()
    _same(before, after, f" after an error in forward {calls} of {calls}, by binding")


def the_loss_is_the_sum_of_its_terms(case: Binding) -> None:
    """Σ weight · term, a term for every weight; numbers, of which the loss alone has a graph."""
    bound = case.bind()
    loss, terms = bound(case.batch())
    assert loss.shape == (), f"the loss has shape {tuple(loss.shape)}; it is one number"
    assert loss.requires_grad, "the loss has no graph"
    assert set(terms) == set(case.objective.weights), (
        f"the terms are {sorted(terms)}, and the weights are of {sorted(case.objective.weights)}"
    )
    for name, term in terms.items():
        assert term.shape == (), f"the term {name} has shape {tuple(term.shape)}; it is one number"
        assert not term.requires_grad, f"the term {name} keeps a graph"
    total = sum(weight * float(terms[name]) for name, weight in case.objective.weights.items())
    _near(float(loss.detach()), total, "the loss and the weighted sum of its terms")


def every_term_moves_the_model(case: Binding) -> None:
    """Each has a gradient for the weights, finite and not all zero; and so have the objective's own parameters."""
    bound = case.bind()
    raw = _terms(bound, case.batch())
    weights = [p for p in bound.model.parameters() if p.ndim > 1]
    for name, term in raw.items():
        found = torch.autograd.grad(term, weights, retain_graph=True, allow_unused=True)
        moved = [g for g in found if g is not None]
        assert moved, f"the term {name} has no gradient for the model"
        assert all(bool(g.isfinite().all()) for g in moved), f"the gradient of the term {name} is not finite"
        assert any(bool(g.any()) for g in moved), f"the gradient of the term {name} is zero everywhere"
    bound(case.batch())[0].backward()
    for name, p in bound.named_parameters():
        assert not p.requires_grad or p.grad is not None, f"the loss has no gradient for {name}, which is to be trained"


def any_batch_has_a_finite_loss(case: Binding) -> None:
    """One sample, one class, bfloat16: a finite loss with finite gradients."""
    x, _ = case.batch()
    one_class = torch.full((N,), 3)
    for what, half, given in (
        ("of one sample", False, (x[:1], one_class[:1])),
        ("of one class", False, (x, one_class)),
        ("under autocast to bfloat16", True, case.batch()),
    ):
        bound = case.bind()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss, _ = bound(given)
        assert bool(loss.isfinite()), f"the loss {what} is {float(loss)}"
        loss.backward()
        gradients = [p.grad for p in (*bound.model.parameters(), *bound.parameters()) if p.grad is not None]
        assert all(bool(g.isfinite().all()) for g in gradients), f"a gradient {what} is not finite"


def seed_and_step_say_it_all(case: Binding) -> None:
    """The same seed and step, the same numbers, whatever the global chance; validation repeats and counts no step."""
    first = case.bind()
    before = [_numbers(first(case.batch())) for _ in range(2)]
    torch.rand(7)
    second = case.bind()
    chance = torch.get_rng_state()
    assert before == [_numbers(second(case.batch())) for _ in range(2)], "the same seed and step give other numbers"
    assert torch.equal(chance, torch.get_rng_state()), "a step draws from the global chance"
    assert first.number == 2, f"after two steps the objective counts {first.number}"
    first.model.eval()
    first.eval()
    assert _numbers(first(case.batch())) == _numbers(first(case.batch())), "validation does not repeat"
    assert first.number == 2, "validation is counted as a step"


def a_checkpoint_resumes(case: Binding) -> None:
    """What is kept of model and objective gives the next loss to the bit, whatever the seed of who resumes."""
    first = case.bind(seed=3)
    _trained(first, case.batch())
    again = case.bind(seed=4)
    again.model.load_state_dict(_kept(first.model))
    again.load_state_dict(_kept(first))
    assert _numbers(first(case.batch())) == _numbers(again(case.batch())), "a resumed run has another loss"


def order_is_as_declared(case: Binding) -> None:
    """The order of a batch has no say, unless `draws` declares that every sample has its own dice."""
    x, y = case.batch()
    loss, _ = case.bind()((x, y))
    other, _ = case.bind()((x.flip(0), y.flip(0)))
    here, there = float(loss.detach()), float(other.detach())
    if case.objective.draws:
        assert here != there, "`draws` is declared, and the order of the batch has no say"
    else:
        _near(here, there, "the loss and that of the batch in another order")


def the_model_stays_plain(case: Binding) -> None:
    """After a step it is a model of its kind under its own keys, and no part of the objective."""
    bound = case.bind()
    _trained(bound, case.batch())
    case.model().load_state_dict(_kept(bound.model), strict=True)
    mine = {p.data_ptr() for p in bound.parameters()}
    shared = [name for name, p in bound.model.named_parameters() if p.data_ptr() in mine]
    assert not shared, f"{', '.join(shared)} of the model are parameters of the objective, too"
    stray = set(bound.state_dict()) & set(bound.model.state_dict())
    assert not stray, f"the objective keeps {', '.join(sorted(stray))} of the model"


def a_step_leaves_no_trace(case: Binding) -> None:
    """No hook, no mode, no flag is other than before, but for what forwards in training count; also after an error."""
    net = case.model()
    bound = case.bind(net)
    before = _traces(net)
    calls = _calls(net, lambda: bound(case.batch()))
    _same(before, _traces(net), " by a step")
    fuse = _Fuse(calls)
    handle = net.register_forward_hook(fuse)
    before = _traces(net)
    try:
        bound(case.batch())
    except _Blown:
        pass
    else:
        assert not fuse.blown, "an error of the model was swallowed"
    finally:
        after = _traces(net)
        handle.remove()
    _same(before, after, f" after an error in forward {calls} of {calls}")


CHECKS = (
    binding_changes_nothing,
    the_loss_is_the_sum_of_its_terms,
    every_term_moves_the_model,
    any_batch_has_a_finite_loss,
    seed_and_step_say_it_all,
    a_checkpoint_resumes,
    order_is_as_declared,
    the_model_stays_plain,
    a_step_leaves_no_trace,
)


def _inputs(network: str) -> tuple[int, ...]:
    """The shape of one image, or of one series."""
    member = Network.make(network)
    channels = getattr(member, "channels", 3)
    return (member.size, channels) if member.kind == "series" else (channels, member.size, member.size)


def _near(loss: float, other: float, what: str) -> None:
    off = abs(loss - other) / max(1.0, abs(other))
    assert off <= CLOSE, f"{what} differ by {off:.2g}"


def _numbers(answer: tuple[Tensor, Mapping[str, Tensor]]) -> dict[str, float]:
    loss, terms = answer
    return {"loss": float(loss.detach())} | {name: float(term) for name, term in terms.items()}


def _terms(bound: Bound, given: Batch) -> dict[str, Tensor]:
    """The terms of a step, with their graphs."""
    step = bound._step(given)
    return {name: term for part in bound._parts for name, term in part(step).items()}


def _trained(bound: Bound, given: Batch, steps: int = 2) -> None:
    """A few steps of descent."""
    every = [p for p in (*bound.model.parameters(), *bound.parameters()) if p.requires_grad]
    optimiser = torch.optim.SGD(every, 1e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        bound(given)[0].backward()
        optimiser.step()


def _kept(module: nn.Module) -> dict[str, Any]:
    return {key: value.clone() for key, value in module.state_dict().items()}


def _traces(net: nn.Module) -> dict[str, Any]:
    """All that a caller would miss, but for the statistics that a forward in training updates."""
    return {name: value for name, value in _state(net).items() if not name.startswith("the buffer ")}
