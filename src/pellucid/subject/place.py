"""Where to look: the last layer with a grid whose cells have a say in the answer.

One probing forward and backward, kept per model and image size. Of all layers that give a grid for this image, the
last one is chosen at which the gradient of the answer is not zero on the grid: the last feature map of a CNN (before
its final pooling), the last tokens of a transformer, and for a head that reads only the class token the norm of the
last block, behind which the patches have no say. Of several modules that give the same tensor, the outermost.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.modules import pooling

from pellucid.errors import BadLayer
from pellucid.maths.grids import Layout, layout_of
from pellucid.subject.state import first_tensor

Grid = tuple[int, int] | None

POOLS = tuple(cls for name, cls in vars(pooling).items() if "Pool" in name and isinstance(cls, type))
PASSIVE = (nn.Identity, nn.Dropout, nn.Softmax, nn.Flatten, nn.Dropout2d)

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
    version: int
    layout: Layout | None

    @property
    def same(self) -> tuple[int, int]:
        """Calls that gave one tensor, or views of it, unchanged in between."""
        return self.tensor.untyped_storage().data_ptr(), self.version


def find_place(model: nn.Module, images: Tensor, ask: Callable[[Tensor], Tensor], grid: Grid = None) -> Place:
    """The place to look at in this model for images of this size."""
    key = (tuple(images.shape[1:]), grid)
    places = _found.setdefault(model, {})
    if key in places and _still_there(model, places[key].path):
        return places[key]
    with torch.enable_grad():
        # two rows, so that a batch axis is known by its length
        leaf = images.detach().repeat(2, *[1] * (images.ndim - 1)).requires_grad_()
        calls, output = _record(model, lambda: ask(leaf.clone()), images, grid)
        alive = _alive(calls, output)
    if not alive:
        raise BadLayer(
            f"no layer of {type(model).__name__} gives a grid for images of {tuple(images.shape[1:])}; "
            f"name one with layer=, and its grid with grid=[rows,columns] if it is odd."
        )
    last = alive[-1]
    group = [call for call in alive if call.same == last.same and call.layout == last.layout]
    best = min(group, key=lambda call: call.path.count("."))
    assert best.layout is not None
    places[key] = Place(best.path, best.layout)
    return places[key]


def _still_there(model: nn.Module, path: str) -> bool:
    try:
        model.get_submodule(path)
    except AttributeError:
        return False
    return True


def _record(model: nn.Module, run: Callable[[], Tensor], images: Tensor, grid: Grid) -> tuple[list[Call], Tensor]:
    """All module outputs of one forward, in the order in which they were finished."""
    size = (1, images.shape[2]) if images.ndim == 3 else (images.shape[-2], images.shape[-1])
    prefix = getattr(model, "num_prefix_tokens", None)
    calls: list[Call] = []

    def watch(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, _inputs: Any, output: Any) -> None:
            tensor = first_tensor(output)
            if tensor is not None and tensor.ndim >= 2:
                batched = len(tensor) == 2 and tensor.requires_grad
                layout = layout_of(tuple(tensor.shape), size, grid, prefix) if batched else None
                calls.append(Call(path, module, tensor, tensor._version, layout))

        return hook

    handles = [module.register_forward_hook(watch(path)) for path, module in model.named_modules() if path]
    try:
        return calls, run()
    finally:
        for handle in handles:
            handle.remove()


def _alive(calls: list[Call], output: Tensor) -> list[Call]:
    """The calls whose output is a feature map with a say in the answer, in order."""
    runs = defaultdict(int)
    for call in calls:
        runs[call.path] += 1
    pooled = {call.same for call in calls if isinstance(call.module, POOLS)}
    tokens = [call for call in calls if call.layout and call.layout.kind == "tokens"]
    width = tokens[-1].tensor.shape[-1] if tokens else None
    spatial = [
        call
        for call in calls
        if call.layout
        and call.layout.grid[0] * call.layout.grid[1] > 1
        and not isinstance(call.module, PASSIVE)
        and call.same not in pooled
        and (call.layout.kind != "tokens" or _is_stream(call, width))
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
    return [call for call in spatial if id(call) in said and runs[call.path] == 1]


def _is_stream(call: Call, width: int | None) -> bool:
    """Tokens of the model's own width from a block or a norm: not a query, key or value, not inside an MLP."""
    leaf = not any(True for _ in call.module.children())
    return call.tensor.shape[-1] == width and (not leaf or "norm" in type(call.module).__name__.lower())
