"""Where to look: the last layer with a grid whose cells have a say in the answer.

One probing forward and backward, kept per model and image size. Of all layers that give a grid for this image, the
last one is chosen at which the gradient of the answer is not zero on the grid: the last feature map of a CNN (before
its final pooling), the last tokens of a transformer, and for a head that reads only the class token the norm of the
last block, behind which the patches have no say. Of several modules that give the same tensor, the outermost that gives
nothing else: what a module pools from a map before it returns both would not follow a change of the map. An answer
that is a map itself, as of a segmentation, is no place to look at, and neither is the inside of an attention, where a
query, key or value has only its part in the answer. A head that begins at zero is probed with other weights.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules import dropout, pooling

from pellucid.errors import BadLayer
from pellucid.maths.grids import MOST_PREFIX, Layout, layout_of
from pellucid.subject.state import first_tensor

Grid = tuple[int, int] | None

POOLS = tuple(cls for name, cls in vars(pooling).items() if "Pool" in name and isinstance(cls, type))
PASSIVE = (nn.Identity, nn.Softmax, nn.Flatten, dropout._DropoutNd)

TOKENS = re.compile(r"token|cls|class|regist|prompt")  # parameters that stand before the patches

Ask = Callable[[Tensor, Callable[..., Any]], Tensor]  # the answer of a model to images

_found: "WeakKeyDictionary[nn.Module, dict[Any, Place]]" = WeakKeyDictionary()


@dataclass(frozen=True)
class Place:
    """A layer and how its output is read as a map."""

    path: str
    layout: Layout


@dataclass
class Call:
    """One module's output in the probing forward."""

    path: str
    module: nn.Module
    tensor: Tensor
    alone: bool
    version: int
    layout: Layout | None

    @property
    def same(self) -> tuple[int, int]:
        """Calls that gave one tensor, or views of it, unchanged in between."""
        return self.tensor.untyped_storage().data_ptr(), self.version


def find_place(model: nn.Module, images: Tensor, ask: Ask, grid: Grid = None, about: Any = None) -> Place:
    """The place to look at in this model for images of this size, when asked about this part of its output."""
    key = (tuple(images.shape[1:]), grid, about)
    places = _found.setdefault(model, {})
    if key in places and _still_there(model, places[key].path):
        return places[key]

    def probe(run: Callable[..., Any]) -> list[Call]:
        # two rows, so that a batch axis is known by its length
        leaf = images.detach().repeat(2, *[1] * (images.ndim - 1)).requires_grad_()
        return _alive(*_record(model, lambda: ask(leaf.clone(), run), images, grid))

    with torch.enable_grad():
        alive = probe(model) or probe(_awake(model))
    if not alive:
        raise BadLayer(
            f"no layer of {type(model).__name__} gives a grid for images of {tuple(images.shape[1:])}; "
            f"name one with layer=, and its grid with grid=[rows,columns] if it is odd."
        )
    group = [call for call in alive if call.same == alive[-1].same]
    alone = [call for call in group if call.alone]
    best = min(alone, key=lambda call: call.path.count(".")) if alone else group[0]
    assert best.layout is not None
    places[key] = Place(best.path, best.layout)
    return places[key]


def prefixes_of(model: nn.Module) -> Sequence[int]:
    """How many tokens may stand before the grid: first what timm tells, then none to as many as are learned.

    Learned tokens are known by their name or by their shape [1, p, k]. One is always thinkable: it may be a mean.
    """
    told = getattr(model, "num_prefix_tokens", None)
    named, shaped = [0], [1]
    for path, p in model.named_parameters():
        name = path.rpartition(".")[2]
        if p.ndim and TOKENS.search(name):
            named.append(p.numel() // p.shape[-1])
        elif p.ndim == 3 and len(p) == 1 and p.shape[1] < MOST_PREFIX and "pos" not in name:
            shaped.append(p.shape[1])
    most = min(MOST_PREFIX - 1, sum(named) + max(shaped))
    return *(() if told is None else (told,)), *range(most + 1)


def _awake(model: nn.Module) -> Callable[..., Any]:
    """The model with weights in place of zeros: behind a head that begins at zero nothing has a say."""
    generator = torch.Generator().manual_seed(0)
    drawn = {
        name: torch.randn(p.shape, generator=generator).to(p)
        for name, p in model.named_parameters()
        if p.ndim > 1 and not bool(p.any())
    }
    return lambda *args, **inputs: functional_call(model, drawn, args, inputs)


def _still_there(model: nn.Module, path: str) -> bool:
    try:
        model.get_submodule(path)
    except AttributeError:
        return False
    return True


def _record(model: nn.Module, run: Callable[[], Tensor], images: Tensor, grid: Grid) -> tuple[list[Call], Tensor]:
    """All module outputs of one forward, in the order in which they were finished."""
    size = (1, images.shape[2]) if images.ndim == 3 else (images.shape[-2], images.shape[-1])
    prefixes = prefixes_of(model)
    calls: list[Call] = []

    def watch(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, _inputs: Any, output: Any) -> None:
            tensor = first_tensor(output)
            if tensor is not None and tensor.ndim >= 2:
                batched = 2 in tensor.shape[: 2 if tensor.ndim == 3 else 1] and tensor.requires_grad
                layout = layout_of(tuple(tensor.shape), size, grid, prefixes, rows=2) if batched else None
                calls.append(Call(path, module, tensor, tensor is output, tensor._version, layout))

        return hook

    handles = [module.register_forward_hook(watch(path)) for path, module in model.named_modules() if path]
    try:
        return calls, run()
    finally:
        for handle in handles:
            handle.remove()


def _alive(calls: list[Call], output: Tensor) -> list[Call]:
    """The calls whose output is a feature map with a say in the answer, in the order in which the maps were made."""
    runs = defaultdict(int)
    for call in calls:
        runs[call.path] += 1
    pooled = {call.same for call in calls if isinstance(call.module, POOLS)}
    spatial = [
        call
        for call in calls
        if call.layout
        and call.layout.grid[0] * call.layout.grid[1] > 1
        and not isinstance(call.module, PASSIVE)
        and call.same not in pooled
        and not (output.ndim == 4 and call.layout.map(call.tensor).shape[1] == output.shape[1])
        and (call.layout.kind not in ("tokens", "sequence") or _is_stream(call))
    ]
    if not spatial or not output.requires_grad:
        return []
    torch_rng = torch.Generator().manual_seed(0)
    w = torch.randn(output.shape, generator=torch_rng).to(output)
    gradients = torch.autograd.grad(output, [call.tensor for call in spatial], w, allow_unused=True)
    said = {
        id(call)
        for call, g in zip(spatial, gradients, strict=True)
        if g is not None and call.layout is not None and bool(call.layout.map(g).any())
    }
    born: dict[Any, int] = {}  # a block that hands a tensor through did not make it
    for call in calls:
        born.setdefault(call.same, len(born))
    once = [call for call in spatial if id(call) in said and runs[call.path] == 1]
    return sorted(once, key=lambda call: born[call.same])


def _is_stream(call: Call) -> bool:
    """Tokens from a block or a norm: not from inside an MLP, and not a query, key or value of an attention."""
    leaf = not any(True for _ in call.module.children())
    above, _, own = re.split(r"\.\d+\.", call.path)[-1].rpartition(".")  # since the last number: within the block
    inside = re.search(r"attn|attention", above)
    return not inside and (not leaf or "norm" in (type(call.module).__name__ + own).lower())
