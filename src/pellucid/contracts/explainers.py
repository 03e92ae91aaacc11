"""What an explainer promises, on tiny models, for any question."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pellucid.contracts.case import Case, Refused, images
from pellucid.errors import BadInput, BadModel, BadQuestion
from pellucid.questions import Score
from pellucid.subject import Subject, as_batch, undisturbed

CLOSE = 1e-4  # of the largest absolute value of a map


def maps_fit_the_images(case: Case) -> None:
    """float32 [n, h, w], finite, also at odd sizes; raw, target and value beside them."""
    for size in ((32, 32), (97, 131)):
        x = images(2, size)
        e = case.explain(case.model(), x)
        assert e.maps.shape == (2, *size), f"maps are {tuple(e.maps.shape)} for images of {size}"
        assert e.maps.dtype == torch.float32, f"maps are {e.maps.dtype}, not float32"
        assert bool(e.maps.isfinite().all()), "maps are not finite"
        assert e.raw is not None, "the raw attribution is missing"
        assert len(e.raw) == 2, "the raw attribution lost the batch"
        assert bool(e.raw.isfinite().all()), "the raw attribution is not finite"
        assert e.target is not None, "the target is missing"
        assert e.target.dtype == torch.int64, f"the target is {e.target.dtype}, not int64"
        assert e.value is not None, "the value is missing"
        assert e.value.shape == (2,), f"the value has shape {tuple(e.value.shape)}, not [n]"
        if not e.signed:
            assert not bool((e.maps < 0).any()), "an unsigned map has negative values"


def a_batch_is_its_images(case: Case) -> None:
    """No image knows of the others."""
    net, x = case.model(), images(3)
    whole = case.explain(net, x).maps
    for i in range(3):
        alone = case.explain(net, x[i : i + 1]).maps
        _close(whole[i : i + 1], alone, f"image {i} alone and in its batch")


def batch_size_bounds_the_rows(case: Case) -> None:
    """No forward has more rows, and the answer is the same."""
    net, x = case.model(), images(3)
    whole = case.explain(net, x).maps
    most: list[int] = []
    handle = net.register_forward_pre_hook(lambda _m, args: most.append(len(args[0])))
    try:
        _close(whole, case.explain(net, x, batch_size=2).maps, "batch_size=2 and none")
    finally:
        handle.remove()
    # the probe for the layer has two rows
    assert max(most) <= 2, f"a forward had {max(most)} rows at batch_size=2"


def the_same_call_gives_the_same_answer(case: Case) -> None:
    """To the bit, whatever the global chance."""
    net, x = case.model(), images(2)
    first = case.explain(net, x).maps
    torch.rand(7)
    random.random()
    assert torch.equal(first, case.explain(net, x).maps), "the same call gives another map"


def several_at_once_are_each_alone(case: Case) -> None:
    """Targets and questions in one call."""
    net, x = case.model(), images(2)
    together = case.explain(net, x, target=torch.tensor([[0, 1], [2, 3]])).maps
    for k, target in enumerate(([0, 2], [1, 3])):
        alone = case.explain(net, x, target=target).maps
        _close(together[:, k], alone, f"target {k} together and alone")


def the_question_is_heard(case: Case) -> None:
    """Another class, another map; and none for a control."""
    net, x = case.model(), images(2)
    if not case.question.targeted:
        return
    raw = case.explain(net, x, target=torch.tensor([[0, 1, 2]] * 2)).raw
    assert raw is not None, "the raw attribution is missing"
    # three classes: the contrast of two against each other differs by a sign alone, which a map may not have
    same = torch.equal(raw[:, 0], raw[:, 1]) and torch.equal(raw[:, 0], raw[:, 2])
    if case.explainer.asked:
        # a ReLU may leave all maps empty
        assert not same or not bool(raw.any()), "all classes have the same map"
    else:
        assert same, "asked is False, but two classes have different maps"


def linear_means_linear(case: Case) -> None:
    """attribute(2 w − 3 v) = 2 attribute(w) − 3 attribute(v), before any ReLU."""
    explainer = case.explainer
    if not explainer.linear:
        return
    knobs = {k: v for k, v in explainer.linear_knobs.items() if hasattr(explainer, k)}
    explainer = explainer.but(**knobs) if knobs else explainer
    net, x = case.model(torch.float64), images(2, dtype=torch.float64)
    subject = case.subject(net)
    with undisturbed(net, 0):
        output = _clean(case, subject, x)
        generator = torch.Generator().manual_seed(3)
        w, v = torch.randn(2, *output.shape, generator=generator, dtype=torch.float64)
        score = _score(case, subject, output)
        if score.frozen is None:
            return
        a, b, both = (_attribute(explainer, subject, x, _with(score, d)) for d in (w, v, 2 * w - 3 * v))
    _close(both, 2 * a - 3 * b, "the map of 2w − 3v and 2 maps of w less 3 of v", 1e-8)


def float64_agrees(case: Case) -> None:
    """In double the same map, to the precision of single."""
    single = case.explain(case.model(), images(2)).maps
    double = case.explain(case.model(torch.float64), images(2, dtype=torch.float64)).maps
    assert double.dtype == torch.float32, f"maps of a double model are {double.dtype}, not float32"
    _close(single, double, "single and double", 1e-2)


def nothing_is_changed(case: Case) -> None:
    """Mode, gradients, hooks, buffers, flags and global chance are as before; also when the model raises half-way."""
    net, x = case.model(), images(2)
    net.train()
    next(net.children()).eval()
    parameters = list(net.parameters())
    parameters[0].requires_grad_(False)
    for p in parameters[1:]:
        p.grad = torch.ones_like(p)
    kept = x.clone()
    before = _state(net)
    case.explain(net, x)
    _same(before, _state(net), "")
    assert torch.equal(x, kept), "the images were changed"
    assert not x.requires_grad, "the images were left requiring gradients"
    assert x.grad is None, "the images were left with a gradient"
    calls = _calls(net, lambda: case.explain(net, x))
    for broken in sorted({1, (calls + 1) // 2, calls}):
        fuse = _Fuse(broken)
        handle = net.register_forward_hook(fuse)
        before = _state(net)
        try:
            case.explain(net, x)
        except _Blown:
            pass
        else:
            assert not fuse.blown, "an error of the model was swallowed"
        finally:
            after = _state(net)
            handle.remove()
        _same(before, after, f" after an error in forward {broken} of {calls}")


def training_reaches_the_weights(case: Case) -> None:
    """With `trainable`, the gradient of a number made of the map is its finite difference."""
    explainer = case.explainer
    if not explainer.trainable or case.question.live:
        return
    net, x = case.model(torch.float64), images(2, dtype=torch.float64)
    net.requires_grad_(True)
    subject = case.subject(net, trainable=True)
    with undisturbed(net, 0):
        output = _clean(case, subject, x)
        score = _score(case, subject, output.detach())
        subject.forget()
        weights = [p for p in net.parameters() if p.ndim > 1]
        generator = torch.Generator().manual_seed(4)
        ways = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in weights]

        def number() -> Tensor:
            subject.batch = as_batch(x)
            maps = _attribute(explainer, subject, x, score)
            return (maps * torch.linspace(-1, 1, maps.numel(), dtype=maps.dtype).view_as(maps)).sum()

        value = number()
        assert value.requires_grad, "the map of a trainable subject has no graph"
        gradients = torch.autograd.grad(value, weights, allow_unused=True)
        slope = sum(float((g * w).sum()) for g, w in zip(gradients, ways, strict=True) if g is not None)
        step, values = 1e-6, []
        for sign in (1, -1):
            with torch.no_grad():
                for p, w in zip(weights, ways, strict=True):
                    p.add_(sign * step * w)
            values.append(float(number().detach()))
            with torch.no_grad():
                for p, w in zip(weights, ways, strict=True):
                    p.sub_(sign * step * w)
    measured = (values[0] - values[1]) / (2 * step)
    scale = max(abs(measured), abs(float(value.detach())), 1e-9)
    assert abs(slope - measured) <= 2e-3 * scale, f"the slope is {slope:.6g}, finite differences say {measured:.6g}"


CHECKS = (
    maps_fit_the_images,
    a_batch_is_its_images,
    batch_size_bounds_the_rows,
    the_same_call_gives_the_same_answer,
    several_at_once_are_each_alone,
    the_question_is_heard,
    linear_means_linear,
    float64_agrees,
    nothing_is_changed,
    training_reaches_the_weights,
)


def _close(a: Tensor, b: Tensor, what: str, most: float = CLOSE) -> None:
    a, b = a.detach(), b.detach()
    scale = max(float(a.abs().max()), float(b.abs().max()), 1e-12)
    off = float((a - b).abs().max()) / scale
    assert off <= most, f"{what} differ by {off:.2g} of the largest value"


def _clean(case: Case, subject: Subject, x: Tensor) -> Tensor:
    return subject.clean(as_batch(x), None)


def _score(case: Case, subject: Subject, output: Tensor) -> Score:
    try:
        return case.question.bind(output, None, subject.embed)
    except (BadQuestion, BadInput) as cause:
        raise Refused(str(cause)) from None


def _attribute(explainer: Any, subject: Subject, x: Tensor, score: Score) -> Tensor:
    try:
        return explainer.attribute(subject, x, score)
    except BadModel as cause:
        raise Refused(str(cause)) from None


def _with(score: Score, direction: Tensor) -> Score:
    return Score(score.question, score.target, score.clean, direction)


class _Blown(Exception):
    pass


class _Fuse:
    """A forward hook that raises at its n-th call."""

    def __init__(self, at: int) -> None:
        self.left, self.blown = at, False

    def __call__(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            self.blown = True
            raise _Blown


def _calls(net: nn.Module, run: Callable[[], Any]) -> int:
    count: list[int] = []
    handle = net.register_forward_hook(lambda *_: count.append(1))
    try:
        run()
    finally:
        handle.remove()
    return len(count)


def _state(net: nn.Module) -> dict[str, Any]:
    """All that a caller would miss."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    state: dict[str, Any] = {
        "the grad mode": torch.is_grad_enabled(),
        "the global chance of torch": torch.get_rng_state(),
        "the global chance of Python": random.getstate(),
        "the global chance of NumPy": str(np.random.get_state()),  # noqa: NPY002
    }
    for path, module in net.named_modules():
        at = f" of {path or 'the model'}"
        state["the mode" + at] = module.training
        state["the in-place flag" + at] = getattr(module, "inplace", None)
        state["the attributes" + at] = sorted(vars(module))
        state["the hooks" + at] = [len(getattr(module, name)) for name in hooks]
        state["the class" + at] = type(module)
    for path, p in net.named_parameters():
        state[f"requires_grad of {path}"] = p.requires_grad
        state[f"the gradient of {path}"] = None if p.grad is None else p.grad.clone()
        state[f"the value of {path}"] = p.detach().clone()
        state[f"the tensor hooks of {path}"] = len(p._backward_hooks or ())
    for path, b in net.named_buffers():
        state[f"the buffer {path}"] = b.clone()
    return state


def _same(before: dict[str, Any], after: dict[str, Any], when: str) -> None:
    assert before.keys() == after.keys(), f"the model has other parts{when}"
    for name, old in before.items():
        new = after[name]
        both = isinstance(old, Tensor) and isinstance(new, Tensor)
        same = torch.equal(old, new) if both else type(old) is type(new) and old == new
        assert same, f"{name} is changed{when}"
