"""Attention: the probabilities of every layer of a transformer, and the way back to them.

    O = A V,   A = softmax(Q Kᵀ · scale + mask)          A [n, heads, tokens, tokens], rows sum to 1

A fused kernel keeps A to itself, and a hook on a module meets what its author happens to return. So the model runs
under a mode that sees every call of a torch function. `scaled_dot_product_attention` is told again as the two products
it is, with A in the graph; a softmax whose result, dropped out, cast or mixed, is multiplied with values is met at that
product. It makes no difference whether the call stands in timm, in torchvision, in torch's `MultiheadAttention`, in a
model of Hugging Face or in one made at home, and there is nothing to restore. A gradient there is that of the
probabilities, behind the softmax. The graph begins at the first attention that is asked for; with a trainable subject
it is the model's own.

Layers stand in the order of the forward. Which tokens are read is asked of the model, by one probing way back that is
kept per model and image size: behind the last attention the answer depends on the class token alone, on two where there
is a distillation token, on all patches where these are averaged. An explainer takes the mean of the rows that are read.
The attention of a single query, such as that of a pooling head, is left as it is.

>>> q = torch.tensor([[[[0.0], [1.0]]]])
>>> probabilities(q, torch.zeros(1, 1, 2, 1)).tolist(), probabilities(q, q, is_causal=True)[0, 0, 0].tolist()
([[[[0.5, 0.5], [0.5, 0.5]]]], [1.0, 0.0])
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from pellucid.errors import BadModel
from pellucid.maths.grids import Layout, fits, layout_of
from pellucid.subject import Pass, Subject, Watched, precise, size_of
from pellucid.subject.batch import Batch
from pellucid.subject.functions import opened, placed
from pellucid.subject.place import prefixes_of

Grid = tuple[int, int] | None

SOFTMAXES = (F.softmax, torch.softmax, torch.Tensor.softmax, torch.special.softmax)
PRODUCTS = (torch.matmul, torch.Tensor.matmul, torch.bmm, torch.Tensor.bmm)
NONE = 1 << 30  # a layer that no model has


def probabilities(
    query: Float[Tensor, "*n t k"],
    key: Float[Tensor, "*n s k"],
    mask: Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Float[Tensor, "*n t s"]:
    """softmax(Q Kᵀ · scale + mask); a row that may attend to nothing is zero. In float32 or better."""
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    A = precise(scores).softmax(-1)
    return A if mask is None else A.masked_fill(scores.isneginf().all(-1, keepdim=True), 0.0)


@dataclass(frozen=True)
class Tokens:
    """How a model attends: how often, over which grid, and which tokens the answer is read from."""

    layers: int
    layout: Layout
    read: tuple[int, ...]

    def reader(self, like: Tensor) -> Float[Tensor, " t"]:
        """The mean of the rows that are read, as a vector to multiply from the left."""
        row = like.new_zeros(like.shape[-1])
        row[list(self.read)] = 1 / len(self.read)
        return row

    def map(self, row: Float[Tensor, "n t"]) -> Float[Tensor, "n h w"]:
        """The patches' part of a row, on the grid."""
        return self.layout.map(row[..., None])[:, 0]


def attentions(subject: Subject, images: Tensor, grid: Grid = None) -> tuple[Tokens, list[Tensor]]:
    """A [n, heads, t, t] of every layer, in one forward."""
    tokens = tokens_of(subject, images, grid)
    return tokens, [precise(_by_image(A, len(images))) for A in subject.at(images, Attended.to(NONE)).leaves]


def attention_gradients(
    subject: Subject, images: Tensor, scores: Sequence[Any], grid: Grid = None, start: int = 0
) -> tuple[Tokens, list[Tensor], Iterator[list[Tensor]]]:
    """A of the layers from `start` on, and for every score ∂score/∂A of them: one forward, and a way back a score, when
    it is that one's turn. Those of several scores are never in memory together."""
    tokens = tokens_of(subject, images, grid)
    start = range(tokens.layers)[start]
    seen = subject.at(images, Attended.to(start))
    met = seen.leaves[start:]
    # "" as of the input: the way back is as long, and in a loop
    run = Pass(images, ("",) * len(met), seen.output, met)

    def gradients() -> Iterator[list[Tensor]]:
        for i, score in enumerate(scores):
            [each] = subject.pull(run, [score], keep=i + 1 < len(scores))
            yield [precise(_by_image(g, len(images))) for g in each]

    return tokens, [precise(_by_image(A, len(images))) for A in met], gradients()


class Attended(Watched):
    """A forward whose attention is met, with a way back to that of the layer `start` and those behind it."""

    @classmethod
    def to(cls, start: int) -> "Attended":
        """NONE: no way back."""
        return cls(("attention", str(start)))

    def watch(self, subject: Subject, images: Tensor) -> Pass:
        start = int(self[1])
        graph = subject.trainable and (start < NONE or torch.is_grad_enabled())
        with torch.set_grad_enabled(graph), Attending(start) as seen:
            output = subject(images)
        return Pass(images, self, output, seen.met)


class Attending(TorchFunctionMode):
    """Meets the probabilities of every attention of tokens to themselves; from the layer `start` on they are leaves, or
    in the graph where there is one."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.start = start
        self.met: list[Tensor] = []
        self.other: list[int] = []  # how many tokens attend to another number of them
        self.soft = WeakTensorKeyDictionary()  # made by a softmax, and not yet multiplied with values

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.multi_head_attention_forward:
            with self:
                return opened(func)(*args, **kwargs)
        if func is F.scaled_dot_product_attention:
            return self.attend(*args, **kwargs)
        if func in PRODUCTS:
            args, kwargs = placed(args, kwargs)
        place = self._weights(func, args)
        if place is not None and args[place].shape[-1] != args[place].shape[-2]:
            self.other += [args[place].shape[-2]] * (args[place].shape[-2] > 1)
        elif place is not None:
            args = (*args[:place], self.meet(args[place]), *args[place + 1 :])
            return func(*args, **kwargs)
        answer = func(*args, **kwargs)
        if isinstance(answer, Tensor) and (func in SOFTMAXES or self._carries(answer, args)):
            self.soft[answer] = None
        return answer

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """Scaled dot-product attention by its formula."""
        if query.shape[-2] != key.shape[-2]:
            self.other += [query.shape[-2]] * (query.shape[-2] > 1)
            return F.scaled_dot_product_attention(
                query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
            )
        if enable_gqa:  # groups of queries share a key and a value
            key, value = (x.repeat_interleave(query.shape[-3] // x.shape[-3], -3) for x in (key, value))
        A = self.meet(probabilities(query, key, attn_mask, is_causal, scale))
        return F.dropout(A, dropout_p).to(value.dtype) @ value

    def meet(self, A: Tensor) -> Tensor:
        """The probabilities to go on with."""
        if len(self.met) < self.start or A.requires_grad:
            self.met.append(A)
        else:
            self.met.append(A.detach().requires_grad_())
            torch.set_grad_enabled(True)  # undone by the no_grad around the forward
        return self.met[-1]

    def _weights(self, func: Any, args: tuple[Any, ...]) -> int | None:
        """Which argument is probabilities that this product multiplies with values."""
        if func in PRODUCTS:
            return 0 if self._is_soft(args[0]) else None
        if func is not torch.einsum or len(args) != 3:
            return None
        return next((i for i in (1, 2) if self._is_soft(args[i]) and _sums_last(args[0], i - 1)), None)

    def _carries(self, answer: Tensor, args: Any) -> bool:
        """Whether probabilities have become others of the same number: dropped out, cast, permuted, mixed."""
        return any(self._is_soft(a) and a.numel() == answer.numel() for a in args)

    def _is_soft(self, thing: Any) -> bool:
        return isinstance(thing, Tensor) and thing.ndim > 2 and thing in self.soft


def _sums_last(equation: str, which: int) -> bool:
    """Whether the last axis of an operand is summed over and the one before it stays.

    >>> _sums_last("b h i j, b h j d -> b h i d", 0), _sums_last("bhij,bhjd->bhid", 1)
    (True, False)
    """
    operands, _, answer = equation.replace(" ", "").partition("->")
    *_, row, column = operands.split(",")[which]
    return column not in answer and row in answer


# --- which tokens ----------------------------------------------------------------------------------------------------

_found: "WeakKeyDictionary[nn.Module, dict[Any, Tokens]]" = WeakKeyDictionary()


def tokens_of(subject: Subject, images: Tensor, grid: Grid = None) -> Tokens:
    """How this model attends in images of this size; refuses one that has no attention over the whole image."""
    about = getattr(subject.output, "__code__", subject.output)  # a lambda is a new one in every call
    known = _found.setdefault(subject.model, {})
    parts = sum(1 for _ in subject.model.modules())  # blocks may have been taken away since
    key = (tuple(images.shape[1:]), grid, about, parts)
    if key in known:
        return known[key]
    found = _probed(subject, images, grid)
    if found.read:
        known[key] = found
        return found
    # a head that begins at zero reads nothing yet, and may read anything later
    prefix, cells = found.layout.prefix, found.layout.grid[0] * found.layout.grid[1]
    return replace(found, read=(0,) if prefix else tuple(range(cells)))


def _probed(subject: Subject, images: Tensor, grid: Grid) -> Tokens:
    """From a forward and a way back of one row."""
    with torch.no_grad():
        probe = (subject.batch or Batch(images, None))[slice(0, 1)]
        with Attending(start=0) as seen:
            output = subject.answer(probe.call(subject.model, probe.images))
    layout = _layout(subject.model, seen, images, grid)
    w = torch.randn(output.shape, generator=torch.Generator().manual_seed(0)).to(output)
    gradient = torch.autograd.grad(output, seen.met[-1], w, allow_unused=True)[0] if output.requires_grad else None
    heard = [] if gradient is None else _by_image(gradient, 1)[0].flatten(2).any(-1).any(0).nonzero().flatten().tolist()
    return Tokens(len(seen.met), layout, tuple(heard))


def _layout(model: nn.Module, seen: Attending, images: Tensor, grid: Grid) -> Layout:
    """Where the patches are among the tokens."""
    name, size = type(model).__name__, size_of(images)
    instead = "use a CAM, such as grad-cam"
    if not seen.met:
        raise BadModel(
            f"{name} has no attention of tokens to themselves that can be met, as scaled_dot_product_attention or as a "
            f"softmax that is multiplied with values; {instead}."
        )
    counts = sorted({*seen.other, *(A.shape[-1] for A in seen.met)})
    if len(counts) > 1 or any(A.ndim > 4 or (A.ndim == 4 and len(A) != 1) for A in seen.met):
        raise BadModel(
            f"{name} attends within windows, or at several resolutions ({', '.join(map(str, counts))} tokens), and not "
            f"over the whole grid in every layer; {instead}."
        )
    found = _signal(counts[0], size[1], grid, model) if images.ndim == 3 else _image(counts[0], size, grid, model)
    if found is None or images.ndim > 4:
        raise BadModel(
            f"{name} attends over {counts[0]} tokens, in which no grid for images of {size[0]}×{size[1]} is found; "
            f"say grid=[rows,columns], or {instead}."
        )
    return found


def _image(tokens: int, size: tuple[int, int], grid: Grid, model: nn.Module) -> Layout | None:
    return layout_of((1, tokens, 1), size, grid, prefixes_of(model), rows=1)


def _signal(tokens: int, length: int, grid: Grid, model: nn.Module) -> Layout | None:
    """Patches of a signal: a grid of one row."""
    cells = {p: tokens - p for p in prefixes_of(model) if tokens - p > 1 and fits((1, tokens - p), (1, length))}
    best = min(cells, key=lambda p: length % cells[p] != 0, default=None) if grid is None else tokens - grid[1]
    return None if best is None or best < 0 else Layout("tokens", (1, tokens - best), best)


def _by_image(A: Tensor, n: int) -> Float[Tensor, "n heads t t"]:
    """Heads on an axis of their own: torch's own attention has them beside the images."""
    return A if A.ndim == 4 else A.unflatten(0, (n, -1))
