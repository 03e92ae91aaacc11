"""What a metric promises: one number a sample, of that sample alone; NaN where it has no meaning; and that who knows
the answer does better by it than who does not.

The planted model looks at one thing: the logit of class 0 is the agreement of the image with a pattern of fine squares
in one place, that of class 1 with the same pattern in another. What contributes is known to the pixel.
"""

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.contracts.case import NETWORKS, Refused, images, model, sample
from pellucid.contracts.explainers import _same, _state
from pellucid.engine import measure
from pellucid.errors import BadInput, BadModel, BadQuestion
from pellucid.explanation import explain
from pellucid.metrics import Metric
from pellucid.metrics._apart import Apart
from pellucid.registry import Named

CLOSE = 1e-5
N, SIDE = 4, 32


class Planted(nn.Module):
    """Linear: what each pixel contributes is its value times its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.flat = nn.Flatten()
        self.head = nn.Linear(3 * SIDE * SIDE, 3)
        weights = torch.zeros(3, 3, SIDE, SIDE)
        for c, place in enumerate((object_mask(), other_mask())):
            weights[c] = 6 * _squares() * place / (3 * place.sum())
        with torch.no_grad():
            self.head.weight.copy_(weights.flatten(1))
            self.head.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.flat(x))


def object_mask() -> Tensor:
    """[h, w]: where class 0 is."""
    mask = torch.zeros(SIDE, SIDE)
    mask[10:20, 12:22] = 1
    return mask


def other_mask() -> Tensor:
    """[h, w]: where class 1 would be."""
    mask = torch.zeros(SIDE, SIDE)
    mask[22:30, 2:10] = 1
    return mask


def _squares() -> Tensor:
    """[h, w] of 1 and -1 in turn."""
    i = torch.arange(SIDE)
    return ((i[:, None] + i) % 2 * 2 - 1).float()


def planted_images() -> Tensor:
    """Class 0 in every one, in a little noise."""
    generator = torch.Generator().manual_seed(5)
    noise = 0.1 * torch.randn(N, 3, SIDE, SIDE, generator=generator)
    return noise + _squares() * object_mask()


def truth(n: int = N) -> dict[str, Any]:
    """What is known of the planted images: the object is of two parts, one a box each."""
    boxes = torch.tensor([[12.0, 10.0, 22.0, 15.0], [12.0, 15.0, 22.0, 20.0]])
    return {"masks": object_mask().byte().expand(n, -1, -1), "boxes": [boxes] * n, "labels": [0] * n}


def _metric(member: type[Named]) -> Metric:
    metric = sample(member)
    assert isinstance(metric, Metric)
    return metric


def _scores(metric: Metric, net: nn.Module, x: Tensor, explainer: str = "gradient", **known: Any) -> Tensor:
    """The scores, or Refused."""
    known = truth(len(x)) | known
    try:
        e = None if metric.scores == "model" else explain(net, x, explainer, target=0)
        return measure(net, x, e, metric, target=0, **known)
    except (BadModel, BadQuestion, BadInput) as cause:
        raise Refused(str(cause)) from None


def _close(a: Tensor, b: Tensor, what: str) -> None:
    assert torch.equal(a.isnan(), b.isnan()), f"{what} are not undefined for the same samples"
    scale = max(1.0, float(a.nan_to_num().abs().max()))
    off = float((a - b).nan_to_num().abs().max()) / scale
    assert off <= CLOSE, f"{what} differ by {off:.2g}"


def one_number_a_sample(member: type[Named]) -> None:
    """float32 [n], no infinity, also at odd sizes and for one image."""
    metric = _metric(member)
    for network in NETWORKS:
        for n, size in ((3, (32, 32)), (1, (33, 47))):
            x = images(n, size)
            known = truth(n) | {"masks": torch.zeros(n, *size, dtype=torch.uint8)}
            known["masks"][:, 10:20, 12:22] = 1
            scores = _scores(metric, model(network), x, "gradient", **known)
            assert scores.shape == (n,), f"the scores are {tuple(scores.shape)}, not [{n}]"
            assert scores.dtype == torch.float32, f"the scores are {scores.dtype}, not float32"
            assert not bool(scores.isinf().any()), "a score is infinite"


def a_batch_is_its_samples(member: type[Named]) -> None:
    """No sample knows of the others, whatever their order."""
    metric, net, x = _metric(member), model("tiny-cnn"), images(4)
    labels = [0, 1, 2, 3]
    whole = _scores(metric, net, x, labels=labels)
    back = _scores(metric, net, x.flip(0), labels=labels[::-1])
    _close(whole, back.flip(0), "scores in another order")
    alone = torch.cat([_scores(metric, net, x[i : i + 1], labels=labels[i : i + 1]) for i in range(4)])
    _close(whole, alone, "scores of one image alone and in its batch")


def batch_size_bounds_the_rows(member: type[Named]) -> None:
    """No forward has more rows, and the scores are the same."""
    metric, net, x = _metric(member), model("tiny-cnn"), images(3)
    whole = _scores(metric, net, x)
    e = None if metric.scores == "model" else explain(net, x, "gradient", target=0)
    most: list[int] = []
    handle = net.register_forward_pre_hook(lambda _m, args: most.append(len(args[0])))
    try:
        small = measure(net, x, e, metric, target=0, batch_size=2, **truth(3))
    finally:
        handle.remove()
    _close(whole, small, "scores at batch_size=2 and none")
    assert max(most, default=0) <= 2, f"a forward had {max(most)} rows at batch_size=2"


def the_same_call_gives_the_same_score(member: type[Named]) -> None:
    """To the bit, whatever the global chance."""
    metric, net, x = _metric(member), model("tiny-cnn"), images(2)
    first = _scores(metric, net, x)
    torch.rand(7)
    assert torch.equal(first.nan_to_num(), _scores(metric, net, x).nan_to_num()), "the same call gives another score"


def nothing_is_changed(member: type[Named]) -> None:
    """The model, the images, the maps, and the global chance are as before."""
    metric, net, x = _metric(member), model("tiny-cnn"), images(2)
    net.train()
    next(net.children()).eval()
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    e = explain(net, x, "gradient", target=0)
    kept, maps, before = x.clone(), e.maps.clone(), _state(net)
    try:
        measure(net, x, e, metric, target=0, **truth(2))
    except (BadModel, BadQuestion, BadInput) as cause:
        raise Refused(str(cause)) from None
    _same(before, _state(net), "")
    assert torch.equal(x, kept), "the images were changed"
    assert torch.equal(e.maps, maps), "the maps were changed"


def says_what_it_needs(member: type[Named]) -> None:
    """Without it, an error; where a sample lacks it, NaN for that sample alone."""
    metric, net, x = _metric(member), Planted(), planted_images()
    for name in metric.needs:
        known = {k: v for k, v in truth().items() if k != name}
        e = None if metric.scores == "model" else explain(net, x, "gradient", target=0)
        try:
            measure(net, x, e, metric, target=0, **known)
        except BadInput:
            pass
        else:
            raise AssertionError(f"without {name} there is no error")
        lacking = {
            "masks": torch.cat([torch.zeros(1, SIDE, SIDE, dtype=torch.uint8), truth(N - 1)["masks"]]),
            "boxes": [torch.zeros(0, 4), *truth(N - 1)["boxes"]],
            "labels": [-1, *truth(N - 1)["labels"]],
        }
        scores = _scores(metric, net, x, "gradient", **{name: lacking[name]})
        assert math.isnan(float(scores[0])), f"a sample without {name} scores {float(scores[0]):.4g}, not NaN"
        assert not bool(scores[1:].isnan().all()), "the other samples are undefined too"


def knowing_beats_guessing(member: type[Named]) -> None:
    """On the planted model a good explainer scores better than a random map, in the direction that is said."""
    metric, net, x = _metric(member), Planted(), planted_images()
    if metric.better is None or metric.scores == "model":
        return
    knows = _scores(metric, net, x, metric.good).nanmean()
    guesses = _scores(metric, net, x, "random-map").nanmean()
    better = bool(knows > guesses) if metric.better == "higher" else bool(knows < guesses)
    assert better, (
        f"{metric.better} is better, but {metric.good} has {float(knows):.4g} and chance {float(guesses):.4g}"
    )


# --- what is no map -------------------------------------------------------------------------------------------------


def hand_made(scores: str) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """What a metric that is called by itself takes: of who knows, and of chance."""
    g = torch.Generator().manual_seed(3)
    if scores == "influence":
        labels = torch.arange(40) % 4
        alike = (labels[:8, None] == labels).float()
        return tuple((w, labels[:8], labels) for w in (alike + 0.1 * torch.rand(8, 40, generator=g),
                                                       torch.rand(8, 40, generator=g)))  # type: ignore[return-value]  # fmt: skip
    factors = torch.randint(4, (600, 3), generator=g)
    noise = 0.1 * torch.randn(600, 3, generator=g)
    return (factors + noise, factors), (10 * noise, factors)


def called_by_itself(member: type[Named]) -> None:
    """Knowing beats guessing; the order of samples does not matter to who looks at all; nothing given is changed."""
    metric = _metric(member)
    if not isinstance(metric, Apart):
        return
    knows, guesses = hand_made(metric.scores)
    before = [t.clone() for t in knows]
    score: Any = metric
    good, chance = float(score(*knows).mean()), float(score(*guesses).mean())
    better = good > chance if metric.better == "higher" else good < chance
    assert better, f"{metric.better} is better, but knowing has {good:.4g} and chance {chance:.4g}"
    assert all(torch.equal(a, b) for a, b in zip(before, knows, strict=True)), "what was given was changed"
    assert float(score(*knows).mean()) == good, "the same call gives another score"
    try:
        measure(Planted(), planted_images(), torch.zeros(N, SIDE, SIDE), metric)
    except BadInput:
        return
    raise AssertionError("it takes a map, which it does not score")


def _of_maps(check: Callable[[type[Named]], None]) -> Callable[[type[Named]], None]:
    """The check, of metrics that `measure` sees."""

    @wraps(check)
    def checked(member: type[Named]) -> None:
        if not issubclass(member, Apart):
            check(member)

    return checked


CHECKS = (
    *map(
        _of_maps,
        (
            one_number_a_sample,
            a_batch_is_its_samples,
            batch_size_bounds_the_rows,
            the_same_call_gives_the_same_score,
            nothing_is_changed,
            says_what_it_needs,
            knowing_beats_guessing,
        ),
    ),
    called_by_itself,
)
