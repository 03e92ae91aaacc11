"""Randomised: the model forgets layer by layer, and the explainer is asked again.

A layer is a module with a matrix of weights (a convolution, a dense layer, position embeddings); the modules of vectors
alone that run behind it, as norms, are forgotten with it. The order is that of one forward, the last layer first; what
has no say in the answer is no layer. A module is re-initialised by its own `reset_parameters`, which also resets the
running statistics of a BatchNorm; parameters of a module that has none are drawn from a normal of their own mean and
spread. What a layer is given depends on the seed and its path alone: it is the same in a cascade and by itself,
whatever was forgotten before, and on every device.

Only a copy of the model is changed, and there is one: the next layer is forgotten in the same copy.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from pellucid.errors import BadModel
from pellucid.maths.similarity import cosine, spearman, ssim
from pellucid.metrics._base import Between, Case, Curved
from pellucid.subject.state import unwrapped

Mode = Literal["cascading", "independent"]
By = Literal["ssim", "spearman", "cosine"]
BYS: tuple[By, ...] = ("ssim", "spearman", "cosine")


@dataclass(frozen=True)
class Layer:
    """Modules that are forgotten together, and the name of the one with the matrix."""

    name: str
    paths: tuple[str, ...]


# --- layers ----------------------------------------------------------------------------------------------------------


def layers_of(model: nn.Module, answer: Callable[[], Tensor]) -> list[Layer]:
    """From the answer down: the order is read from the graph of one answer."""
    with torch.enable_grad():
        when = _ran(answer())
    modules: list[tuple[int, str, nn.Module]] = []
    for path, module in model.named_modules():
        times = [when[p] for p in module.parameters(recurse=False) if p in when]
        if times:
            modules.append((max(times), path, module))
    groups: list[list[tuple[str, nn.Module]]] = []
    for _, path, module in sorted(modules, key=lambda found: found[0]):
        if not groups or any(_is_matrix(p) for p in module.parameters(recurse=False)):
            groups.append([])
        groups[-1].append((path, module))
    return [Layer(_named(*group[0]), tuple(path for path, _ in group)) for group in reversed(groups)]


def _ran(answer: Tensor) -> dict[Tensor, int]:
    """When every parameter was last used, of those with a say in the answer."""
    when: dict[Tensor, int] = {}
    nodes: list[Any] = [answer.grad_fn] if answer.grad_fn is not None else []
    seen = set(nodes)
    while nodes:
        node = nodes.pop()
        for below, _ in node.next_functions:
            if below is None:
                continue
            if (leaf := getattr(below, "variable", None)) is not None:
                when[leaf] = max(when.get(leaf, 0), node._sequence_nr())
            elif below not in seen:
                seen.add(below)
                nodes.append(below)
    return when


def _is_matrix(parameter: Tensor) -> bool:
    return sum(side > 1 for side in parameter.shape) > 1


def _named(path: str, module: nn.Module) -> str:
    """Its path; of what the model itself holds, the parameters."""
    return path or ", ".join(name for name, _ in module.named_parameters(recurse=False))


# --- forgetting ------------------------------------------------------------------------------------------------------


def copied(model: nn.Module) -> nn.Module:
    """A copy whose parameters have a way back; activations that the model kept from a forward lose theirs."""
    kept = [v for module in model.modules() for v in vars(module).values() if isinstance(v, Tensor) and v.grad_fn]
    try:
        twin = deepcopy(model, {id(v): v.detach() for v in kept})
    except Exception as cause:  # a lock, an open file, a generator: whatever a model may hold
        raise BadModel(
            f"{type(model).__name__} cannot be copied ({str(cause).splitlines()[0]}), and weights are forgotten only "
            f"in a copy; leave out of the model what deepcopy refuses."
        ) from cause
    for p in twin.parameters():
        p.requires_grad_(p.is_floating_point())
    return twin


def forget(module: nn.Module, seed: int) -> None:
    """Other weights for what the module itself holds, not for what is inside it."""
    reset = "reset_parameters" if hasattr(module, "reset_parameters") else "_reset_parameters"
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # reset_parameters takes no generator
        if not hasattr(module, reset):
            for p in filter(torch.is_floating_point, module.parameters(recurse=False)):
                spread, mean = torch.std_mean(p.float(), correction=0)
                p.copy_(mean + spread * torch.randn(p.shape).to(p.device))
            return
        fresh = deepcopy(module).cpu().float()  # the same numbers on every device
        getattr(fresh, reset)()
        _copy(fresh, module, recurse=False)


def _copy(source: nn.Module, target: nn.Module, recurse: bool = True) -> None:
    """Parameters and buffers, in place."""
    with torch.no_grad():
        for tensors in (nn.Module.parameters, nn.Module.buffers):
            for old, new in zip(tensors(target, recurse), tensors(source, recurse), strict=True):
                old.copy_(new)


def randomised(
    model: nn.Module, twin: nn.Module, layers: Sequence[Layer], mode: Mode, count: int | None, seed: int
) -> Iterator[tuple[str, nn.Module]]:
    """The twin after each layer is forgotten, at most `count` times; it is one module, changed between the steps."""
    _copy(model, twin)
    shown = set(spread_over(len(layers), count))
    for i, layer in enumerate(layers):
        if mode == "independent":
            if i not in shown:
                continue
            _copy(model, twin)
        for path in layer.paths:
            forget(twin.get_submodule(path), _seed(seed, path))
        if i in shown:
            yield layer.name, twin


def spread_over(total: int, count: int | None) -> list[int]:
    """At most so many of 0 … total − 1, evenly, the first and the last among them.

    >>> spread_over(10, 4), spread_over(3, None), spread_over(5, 1)
    ([0, 3, 6, 9], [0, 1, 2], [0])
    """
    if count is None or count >= total:
        return list(range(total))
    return [int(i * (total - 1) / max(1, count - 1) + 0.5) for i in range(count)]


def _seed(seed: int, path: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {path}".encode()).digest()[:7], "little")


# --- of a case -------------------------------------------------------------------------------------------------------


def _steps(case: Case, mode: Mode, count: int | None, seed: int | None) -> Iterator[tuple[str, Tensor]]:
    """Layer by layer its name and the maps after it; the class stays that of the intact model."""
    model = unwrapped(case.subject.model)
    twin = case.once("twin", lambda: copied(model))
    layers = case.once("layers of the twin", lambda: _layers(case, model, twin))
    seed = case.subject.seed if seed is None else seed
    for name, net in randomised(model, twin, layers, mode, count, seed):
        yield name, case.again(case.images, model=net).reshape(case.map.shape)


def _layers(case: Case, model: nn.Module, twin: nn.Module) -> list[Layer]:
    _copy(model, twin)
    one = case.batch[slice(0, 1)]
    return layers_of(twin, lambda: case.subject.answer(one.call(twin, one.images)))


def sanity_maps(
    case: Case, mode: Mode = "cascading", layers: int | None = None, seed: int | None = None
) -> tuple[list[str], Tensor]:
    """Names and maps [1 + layers, n, h, w]: of the intact model, then after each layer."""
    steps = list(_steps(case, mode, layers, seed))
    return ["intact", *(name for name, _ in steps)], torch.stack([case.map, *(maps for _, maps in steps)])


def likeness(a: Tensor, b: Tensor, by: By) -> Tensor:
    """[n]: of the absolute values; of the cosine itself the absolute value."""
    if by == "cosine":
        return cosine(a, b).abs()
    return {"ssim": ssim, "spearman": spearman}[by](a.abs(), b.abs())


class Sanity(Curved, paper="arXiv:1810.03292"):
    """Abstract: how alike are the maps of a model that knows and of one that has forgotten?"""

    scores = "explainer"
    better = "lower"
    good = "gradient"
    quick = {"layers": 2}
    cite = """
@inproceedings{adebayo2018sanity,
  title     = {Sanity Checks for Saliency Maps},
  author    = {Adebayo, Julius and Gilmer, Justin and Muelly, Michael and Goodfellow, Ian and
               Hardt, Moritz and Kim, Been},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2018},
}"""
    mode: ClassVar[Mode]

    by: By = "spearman"
    layers: Annotated[int, Between(1)] | None = None
    seed: int | None = None

    def score(self, case: Case) -> Tensor:
        return self.trace(case).nanmean(1)

    def trace(self, case: Case) -> Tensor:
        """[n, layers], from the answer down."""
        return self._all(case)[..., BYS.index(self.by)]

    def _all(self, case: Case) -> Tensor:
        """[n, layers, 3]: every similarity, so that the maps need not be kept."""
        seed = case.subject.seed if self.seed is None else self.seed
        return case.once_here(("sanity", self.mode, self.layers, seed), lambda: self._measured(case))

    def _measured(self, case: Case) -> Tensor:
        found = [
            torch.stack([likeness(case.map, maps, by) for by in BYS], 1)
            for _, maps in _steps(case, self.mode, self.layers, self.seed)
        ]
        return torch.stack(found, 1) if found else torch.empty(case.n, 0, len(BYS), device=case.images.device)

    @property
    def card(self) -> dict[str, str]:
        of = "of the signed maps, without its sign" if self.by == "cosine" else "of the absolute values"
        return super().card | {
            "similarity": f"{self.by} {of}",
            "layers": "modules with a matrix of weights, in the order of a forward, the last first",
            "forgotten": "by the module's own reset, else a normal of its own mean and spread; running statistics too",
            "class": "that of the intact model",
            "mean": "over the layers where it is defined",
        }
