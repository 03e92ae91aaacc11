"""The gradient of the loss of every single example, for the parameters that are asked about.

    g_n = ∂L(x_n)/∂θ,        ⟨g_t, g_n⟩ for all pairs

Three ways, the first that goes, and all of them the same numbers:

    layers   one forward and one backward of the whole batch. A linear layer's gradient is the outer product of what it
             is given and of what comes back, g = δ ⊗ a, and never written out: ⟨g_t, g_n⟩ = ⟨δ_t, δ_n⟩ ⟨a_t, a_n⟩.
             Convolutions and normalisations are summed over the places of a map. Only for parameters of such layers
    vmap     torch.func: any model that can be vectorised, [n, P] numbers
    loop     one example after the other: any model

`layers` is checked on two examples against the loop before it is used, because a model may do with its parameters what
its layers do not know of. Which one is used may be said: `way=`.

`params` are "encoder" (the parameters of `model.encoder`; where there is none, all those that the model's answer
depends on), "all", "head" (the last linear layer that has the answer's size), or patterns of names: "layer4.*".

A forward must treat each example by itself: a normalisation by the batch, in training mode, is refused.

>>> a = Outer(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]]), bias=True)
>>> a.whole().tolist(), a.products(a).item()                # 3·(1, 2), 3;  9·5 + 9
([[3.0, 6.0, 3.0]], 54.0)
"""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import group_norm, layer_norm, unfold

from pellucid.errors import BadInput, BadModel, UnknownName, did_you_mean
from pellucid.influences._case import Case
from pellucid.influences._loss import Losses
from pellucid.influences._samples import Samples
from pellucid.subject import Subject
from pellucid.subject.crossings import Crossing, crossings, linear_calls
from pellucid.subject.state import first_tensor

Way = Literal["auto", "layers", "vmap", "loop"]
Params = str | tuple[str, ...]
Answer = Callable[[Any], Tensor | None]
PREFIX = "model."  # what Losses calls the model
LOOSE = 1e-3  # how far layers may be from the loop in float32, of the largest
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)


# --- which parameters ------------------------------------------------------------------------------------------------


def chosen(model: nn.Module, params: Params, images: Tensor, answer: Answer = first_tensor) -> list[str]:
    """Their names, in the model's order. answer: what of the model's output counts."""
    named = dict(model.named_parameters())
    if params == "all":
        found = list(named)
    elif params == "encoder":
        found = _encoder(model, named, images, answer)
    elif params == "head":
        found = _head(model, images, answer)
    else:
        patterns = (params,) if isinstance(params, str) else params
        strange = [p for p in patterns if not any(fnmatchcase(name, p) for name in named)]
        if strange:
            raise UnknownName(f"no parameter is called {strange[0]!r}; {did_you_mean(strange[0], named)}")
        found = [name for name in named if any(fnmatchcase(name, p) for p in patterns)]
    if not found:
        raise BadModel(f"{type(model).__name__} has no parameters of {params!r}, so no gradient; name some of them.")
    return found


def _encoder(model: nn.Module, named: Mapping[str, nn.Parameter], images: Tensor, answer: Answer) -> list[str]:
    if isinstance(getattr(model, "encoder", None), nn.Module):
        own = [f"encoder.{name}" for name, _ in model.get_submodule("encoder").named_parameters()]
        return [name for name in named if name in own]
    frozen = [p for p in named.values() if not p.requires_grad]
    try:
        for p in frozen:
            p.requires_grad_(True)
        with torch.enable_grad():
            found = answer(model(images[:1]))
            if found is None:
                return list(named)
            asked = torch.autograd.grad(found.sum(), list(named.values()), allow_unused=True)
    finally:
        for p in frozen:
            p.requires_grad_(False)
    return [name for name, slope in zip(named, asked, strict=True) if slope is not None]


def _head(model: nn.Module, images: Tensor, answer: Answer) -> list[str]:
    found, calls = linear_calls(model, lambda: answer(model(images[:1])))
    sizes = () if found is None else (found.shape[1], found[0].numel())
    path = next((call.path for size, call in calls if size in sizes), None)
    return [] if path is None else [f"{path}.{name}" for name, _ in model.get_submodule(path).named_parameters()]


def parameters(case: Case, params: Params) -> list[str]:
    """Those of a case."""
    answer = Subject(case.model, output=case.output).answer
    return case.once(("parameters", params), lambda: chosen(case.model, params, case.all.train[:1].read()[0], answer))


# --- what they are ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outer:
    """The gradients of a linear layer, as the two factors that they are: weight δ aᵀ, bias δ."""

    given: Float[Tensor, "n i"]
    back: Float[Tensor, "n o"]
    bias: bool

    def __len__(self) -> int:
        return len(self.given)

    def __getitem__(self, rows: slice) -> "Outer":
        return Outer(self.given[rows], self.back[rows], self.bias)

    def double(self) -> "Outer":
        return Outer(self.given.double(), self.back.double(), self.bias)

    @property
    def held(self) -> int:
        return self.given.shape[1] + self.back.shape[1]

    def whole(self) -> Float[Tensor, "n p"]:
        weight = (self.back[:, :, None] * self.given[:, None]).flatten(1)
        return torch.cat([weight, self.back], 1) if self.bias else weight

    def products(self, other: "Outer") -> Float[Tensor, "t n"]:
        return (self.back @ other.back.T) * (self.given @ other.given.T + float(self.bias))

    def against(self, vectors: Float[Tensor, "r p"]) -> Float[Tensor, "r n"]:
        """With vectors that are no outer products."""
        o, i = self.back.shape[1], self.given.shape[1]
        weight = vectors[:, : o * i].reshape(-1, o, i)
        found = torch.einsum("no,rno->rn", self.back, self.given @ weight.mT)
        return found + vectors[:, o * i :] @ self.back.T if self.bias else found

    def weighted(self, weights: Float[Tensor, "r n"]) -> Float[Tensor, "r p"]:
        """Sums over the examples."""
        weight = torch.einsum("rn,no,ni->roi", weights, self.back, self.given).flatten(1)
        return torch.cat([weight, weights @ self.back], 1) if self.bias else weight


@dataclass(frozen=True)
class Whole:
    """Gradients as rows."""

    rows: Float[Tensor, "n p"]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice) -> "Whole":
        return Whole(self.rows[rows])

    def double(self) -> "Whole":
        return Whole(self.rows.double())

    @property
    def held(self) -> int:
        return self.rows.shape[1]

    def whole(self) -> Float[Tensor, "n p"]:
        return self.rows

    def products(self, other: "Whole") -> Float[Tensor, "t n"]:
        return self.rows @ other.rows.T

    def against(self, vectors: Float[Tensor, "r p"]) -> Float[Tensor, "r n"]:
        return vectors @ self.rows.T

    def weighted(self, weights: Float[Tensor, "r n"]) -> Float[Tensor, "r p"]:
        return weights @ self.rows


Block = Outer | Whole


@dataclass(frozen=True)
class Gradients:
    """The gradients of n examples, a block for every layer, in the order of the parameters."""

    blocks: tuple[Block, ...]

    def __len__(self) -> int:
        return len(self.blocks[0])

    def __getitem__(self, rows: slice) -> "Gradients":
        return Gradients(tuple(block[rows] for block in self.blocks))

    @property
    def held(self) -> int:
        """Floats that an example takes."""
        return sum(block.held for block in self.blocks)

    def whole(self) -> Float[Tensor, "n p"]:
        """Every gradient written out."""
        return torch.cat([block.whole() for block in self.blocks], 1)

    def products(self, other: "Gradients") -> Float[Tensor, "t n"]:
        """⟨g_t, g_n⟩ of these with the others."""
        total: Tensor | float = 0.0
        for mine, theirs in zip(self.blocks, other.blocks, strict=True):
            same = isinstance(mine, Outer) and isinstance(theirs, Outer)
            ours, others = (mine, theirs) if same else (Whole(b.whole()) for b in (mine, theirs))
            total = total + ours.products(others)  # pyright: ignore[reportArgumentType]
        assert isinstance(total, Tensor)
        return total

    def against(self, vectors: Float[Tensor, "r p"]) -> Float[Tensor, "r n"]:
        """⟨v_r, g_n⟩"""
        sizes = [block[:1].whole().shape[1] for block in self.blocks]
        parts = vectors.split(sizes, 1)
        return torch.stack([b.against(v) for b, v in zip(self.blocks, parts, strict=True)]).sum(0)

    def double(self) -> "Gradients":
        """In float64."""
        return Gradients(tuple(block.double() for block in self.blocks))

    def weighted(self, weights: Float[Tensor, "r n"]) -> Float[Tensor, "r p"]:
        """Σ_n w_rn g_n"""
        return torch.cat([block.weighted(weights) for block in self.blocks], 1)

    def squares(self) -> Float[Tensor, " n"]:
        """‖g_n‖²"""
        found = [_squares(block) for block in self.blocks]
        return torch.stack(found).sum(0)


def _squares(block: Block) -> Tensor:
    if isinstance(block, Whole):
        return block.rows.square().sum(1)
    return block.back.square().sum(1) * (block.given.square().sum(1) + float(block.bias))


def joined(parts: Sequence[Gradients]) -> Gradients:
    """One after another."""
    return Gradients(tuple(_joined(list(blocks)) for blocks in zip(*(p.blocks for p in parts), strict=True)))


def _joined(blocks: list[Block]) -> Block:
    first = blocks[0]
    if isinstance(first, Outer):
        outer = [b for b in blocks if isinstance(b, Outer)]
        given, back = (torch.cat([getattr(b, of) for b in outer]) for of in ("given", "back"))
        return Outer(given, back, first.bias)
    return Whole(torch.cat([b.whole() for b in blocks]))


# --- the gradients of the losses -------------------------------------------------------------------------------------


def gradients(losses: Losses, samples: Samples, names: Sequence[str], batch_size: int, way: Way = "auto") -> Gradients:
    """Of these examples, so many together."""
    images, labels = samples[:2].read()
    way = usable(losses, images, labels, names) if way == "auto" else way
    found = [of_batch(losses, x, y, names, way) for x, y in samples.batches(batch_size)]
    if not found:
        raise BadInput("there is no example here, so no gradient; give at least one.")
    return joined(found)


def of_case(case: Case, samples: Samples, params: Params) -> Gradients:
    """Of examples of a case, whose way is found once."""
    names = parameters(case, params)
    way: Way = case.once(("way", params), lambda: usable(case.losses, *case.all.train[:2].read(), names))
    return gradients(case.losses, samples, names, case.batch_size, way)


def held(case: Case, params: Params) -> int:
    """Floats that the gradient of one example takes."""
    return case.once(("held", params), lambda: of_case(case, case.all.train[:1], params).held)


def of_batch(losses: Losses, images: Tensor, labels: Tensor, names: Sequence[str], way: Way = "auto") -> Gradients:
    """Of one batch."""
    fixed(losses)
    way = usable(losses, images[:2], labels[:2], names) if way == "auto" else way
    if way == "layers":
        found = by_layers(losses, images, labels, names)
    else:
        found = Gradients((Whole((by_vmap if way == "vmap" else by_loop)(losses, images, labels, names)),))
    _finite(found)
    return found


def usable(losses: Losses, images: Tensor, labels: Tensor, names: Sequence[str]) -> Way:
    """The first way that goes."""
    fixed(losses)
    truth = by_loop(losses, images, labels, names)
    _finite(Gradients((Whole(truth),)))
    least = LOOSE * truth.abs().max() + torch.finfo(truth.dtype).tiny
    ways: dict[Way, Callable[[], Tensor]] = {
        "layers": lambda: by_layers(losses, images, labels, names).whole(),
        "vmap": lambda: by_vmap(losses, images, labels, names),
    }
    for way, run in ways.items():
        if way == "layers" and owners(losses.model, names) is None:
            continue
        try:
            if bool((run() - truth).abs().max() <= least):
                return way
        except (RuntimeError, IndexError):  # whatever a model does that cannot be vectorised
            continue
    return "loop"


def fixed(losses: nn.Module) -> None:
    """Refuse a model whose answer to an example depends on the others."""
    for path, module in losses.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and (module.training or module.running_mean is None):
            raise BadModel(
                f"{path} normalises by the batch, so that no example has a gradient of its own; call model.eval(), or "
                f"give it running statistics."
            )


def _finite(found: Gradients) -> None:
    squares = found.squares()
    if not bool(squares.isfinite().all()):
        row = int((~squares.isfinite()).nonzero()[0])
        raise BadModel(
            f"the gradient of the loss of example {row} is NaN or infinite; look at that example and at its loss."
        )


def by_loop(losses: Losses, images: Tensor, labels: Tensor, names: Sequence[str]) -> Float[Tensor, "n p"]:
    """One example after the other."""
    held = _held(losses, names)
    free = {name: value.detach().clone().requires_grad_() for name, value in held.items()}
    rows = []
    for image, label in zip(images, labels, strict=True):
        with torch.enable_grad():
            loss = functional_call(losses, free, (image[None], label[None]))[0]
        slopes = torch.autograd.grad(loss, list(free.values()), allow_unused=True, materialize_grads=True)
        rows.append(torch.cat([slope.flatten() for slope in slopes]))
    return torch.stack(rows).detach()


def by_vmap(losses: Losses, images: Tensor, labels: Tensor, names: Sequence[str]) -> Float[Tensor, "n p"]:
    """All examples at once, each with gradients of its own."""

    def loss(parameters: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        return functional_call(losses, parameters, (image[None], label[None]))[0]

    held = {name: value.detach() for name, value in _held(losses, names).items()}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*performance drop.*")  # it is still faster than the loop
        found = vmap(grad(loss), (None, 0, 0), randomness="different")(held, images, labels)
    return torch.cat([value.flatten(1) for value in found.values()], 1).detach()


def by_layers(losses: Losses, images: Tensor, labels: Tensor, names: Sequence[str]) -> Gradients:
    """One forward and one backward of the batch."""
    owned = owners(losses.model, names)
    if owned is None:
        raise BadModel("some of these parameters are of no layer whose gradient is known; use way=vmap.")
    with torch.enable_grad(), crossings(losses.model, owned) as heard:
        total = losses(images, labels).sum()
    back = torch.autograd.grad(total, [c.gave for c in heard], allow_unused=True, materialize_grads=True)
    with torch.no_grad():
        return from_crossings(losses.model, owned, heard, back)


def _held(losses: Losses, names: Sequence[str]) -> dict[str, Tensor]:
    named = dict(losses.named_parameters())
    return {PREFIX + name: named[PREFIX + name] for name in names}


# --- layer by layer --------------------------------------------------------------------------------------------------


def owners(model: nn.Module, names: Sequence[str]) -> dict[str, tuple[str, ...]] | None:
    """The layers of these parameters, with which of them are asked about; None where a layer is of another kind."""
    owned: dict[str, tuple[str, ...]] = {}
    for name in names:
        path, _, own = name.rpartition(".")
        owned[path] = (*owned.get(path, ()), own)
    shared = Counter(id(p) for _, p in model.named_parameters(remove_duplicate=False))
    if max(shared.values(), default=0) > 1 or not all(_known(model.get_submodule(path)) for path in owned):
        return None
    return owned


def _known(module: nn.Module) -> bool:
    plain = {name for name, _ in module.named_parameters(recurse=False)} <= {"weight", "bias"}
    if isinstance(module, CONVOLUTIONS):
        transposed = isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d)
        usual = module.padding_mode == "zeros" and not isinstance(module.padding, str)
        return plain and usual and not (transposed and module.groups > 1)
    return plain and isinstance(module, (nn.Linear, *NORMS))


def from_crossings(
    model: nn.Module,
    owned: Mapping[str, tuple[str, ...]],
    heard: Sequence[Crossing],
    back: Sequence[Tensor],
) -> Gradients:
    """Blocks in the order of the parameters; a layer that ran several times has the sum, one that did not run zeros."""
    blocks: list[Block] = []
    n = max((len(b) for b in back), default=0)
    for path, own in owned.items():
        module = model.get_submodule(path)
        calls = [_block(module, own, c.given, b) for c, b in zip(heard, back, strict=True) if c.path == path]
        blocks.append(calls[0] if len(calls) == 1 else _summed(module, own, calls, n))
    return Gradients(tuple(blocks))


def _summed(module: nn.Module, own: tuple[str, ...], calls: Sequence[Block], n: int) -> Block:
    if calls:
        return Whole(torch.stack([block.whole() for block in calls]).sum(0))
    held = [p for name, p in module.named_parameters(recurse=False) if name in own]
    return Whole(held[0].new_zeros(n, sum(p.numel() for p in held)))


def _block(module: nn.Module, own: tuple[str, ...], given: Tensor, back: Tensor) -> Block:
    if isinstance(module, NORMS):
        return _of_norm(module, own, given, back)
    if isinstance(module, nn.Linear):
        return _of_linear(own, given, back)
    matrices, bias = _of_convolution(module, given, back)  # pyright: ignore[reportArgumentType]
    if "bias" in own and "weight" in own:
        return Whole(torch.cat([matrices.flatten(1), bias], 1))
    return Whole(matrices.flatten(1)) if "weight" in own else Whole(bias)


def _of_linear(own: tuple[str, ...], given: Tensor, back: Tensor) -> Block:
    if "weight" not in own:
        return Whole(back.flatten(1, -2).sum(1) if back.ndim > 2 else back)
    if given.ndim == 2:
        return Outer(given, back, "bias" in own)
    given, back = given.flatten(1, -2), back.flatten(1, -2)  # tokens, or a map with channels last
    matrices = back.mT @ given
    rows = [matrices.flatten(1), *([back.sum(1)] if "bias" in own else [])]
    return Whole(torch.cat(rows, 1))


def _of_norm(module: nn.Module, own: tuple[str, ...], given: Tensor, back: Tensor) -> Block:
    plain = _normalised(module, given)
    last = isinstance(module, nn.LayerNorm)
    keep = len(module.normalized_shape) if last else 0
    parts = {"weight": back * plain, "bias": back}
    rows = [_per_channel(parts[name], keep if last else None) for name in ("weight", "bias") if name in own]
    return Whole(torch.cat(rows, 1))


def _per_channel(x: Tensor, trailing: int | None) -> Tensor:
    """[n, p]: summed over all but the example and the channels, which are the axis 1 or the last ones."""
    if trailing is None:
        return x.flatten(2).sum(2) if x.ndim > 2 else x
    x = x.flatten(-trailing)
    return x.flatten(1, -2).sum(1) if x.ndim > 2 else x


def _normalised(module: nn.Module, given: Tensor) -> Tensor:
    if isinstance(module, nn.LayerNorm):
        return layer_norm(given, module.normalized_shape, eps=module.eps)
    if isinstance(module, nn.GroupNorm):
        return group_norm(given, module.num_groups, eps=module.eps)
    assert isinstance(module, nn.modules.batchnorm._BatchNorm)
    assert module.running_mean is not None
    assert module.running_var is not None
    shape = (1, -1, *[1] * (given.ndim - 2))
    return (given - module.running_mean.view(shape)) * (module.running_var.view(shape) + module.eps).rsqrt()


def _of_convolution(
    module: nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d | nn.ConvTranspose2d, given: Tensor, back: Tensor
) -> tuple[Float[Tensor, "n o i"], Float[Tensor, "n b"]]:
    """The weight's gradient, as one matrix for every example, and the bias's."""
    bias = back.flatten(2).sum(2)
    transposed = isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d)
    small, large = (given, back) if transposed else (back, given)
    if small.ndim == 3:
        small, large = small[:, :, None], large[:, :, None]
    patches = unfold(large, *_window(module))
    places = small.shape[2] * small.shape[3]
    groups = module.groups
    left = small.reshape(len(small), groups, -1, places)
    right = patches[:, :, :places].reshape(len(small), groups, -1, places)
    return (left @ right.mT).flatten(1, 2), bias


def _window(module: nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d | nn.ConvTranspose2d) -> Iterator[tuple[int, ...]]:
    """What `unfold` is told: kernel, dilation, padding, stride."""
    flat = len(module.kernel_size) == 1
    for value, one_ in ((module.kernel_size, 1), (module.dilation, 1), (module.padding, 0), (module.stride, 1)):
        assert not isinstance(value, str)
        yield (one_, *value) if flat else tuple(value)
