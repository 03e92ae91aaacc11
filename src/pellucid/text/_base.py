"""The text encoder, a named thing with knobs, and the tower that it loads, a frozen module.

A text is start ids, its own ids, stop ids. `embed` makes vectors of ids, and learned vectors may stand among them;
`read` sends rows of vectors through the tower and gives the output at every position; `pool` takes from those the
one vector that the tower's authors take for the text.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.functional import conv2d

from pellucid.knobs import Between as Between
from pellucid.registry import Named

AT_ONCE = 256  # texts in one forward
FAITHFUL = 1e-4  # how far, relative to the largest output, the short way of branches may be from the plain one


class Tower(nn.Module):
    """A frozen text encoder. Gradients pass through it to the embeddings it is given, never to its weights."""

    width: int  # of an input embedding
    out: int  # of an output vector
    limit: int  # most positions
    causal: bool = False  # position p sees only positions up to p
    branches: bool = False  # `branch` is there, and agrees with `read`
    words: bool = False  # no transformer: a text is one vector, and learned vectors stand beside it in output space
    fixed: bool = False  # trained without a mask: a text is always `limit` positions, the pads are part of it
    start: tuple[int, ...] = ()  # special ids before a text
    stop: tuple[int, ...] = ()  # and behind it
    pad: int = 0  # fills up

    def tokens(self, text: str) -> list[int]:
        """The ids of a text, without start and stop."""
        raise NotImplementedError

    def embed(self, ids: Int[Tensor, "*n"]) -> Float[Tensor, "*n width"]:
        """The input embeddings of ids, without positions."""
        raise NotImplementedError

    def read(self, embeddings: Float[Tensor, "u l width"], lengths: Int[Tensor, "u"]) -> Float[Tensor, "u l out"]:
        """The output at every position, projected; rows are padded on the right, and what stands there has no say."""
        raise NotImplementedError

    def pool(self, outputs: Float[Tensor, "u l out"], lengths: Int[Tensor, "u"]) -> Float[Tensor, "u out"]:
        """The vector of a text (of a `fixed` tower out of all its `limit` positions)."""
        raise NotImplementedError

    def branch(
        self, trunk: Float[Tensor, "p width"], twigs: Float[Tensor, "t width"], sizes: Sequence[int]
    ) -> tuple[Float[Tensor, "p out"], Float[Tensor, "t out"]]:
        """A beginning once, then several endings packed one after another, of sizes positions each; every ending
        continues the beginning and does not see the others. Only where `branches`."""
        raise NotImplementedError

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Float[Tensor, "n out"]:
        """One vector a text; what is longer than `limit` loses its end."""
        parts = [self._together(texts[first : first + AT_ONCE]) for first in range(0, len(texts), AT_ONCE)]
        return torch.cat(parts) if parts else self.embed(torch.zeros(0, dtype=torch.int64)).new_zeros(0, self.out)

    def _together(self, texts: Sequence[str]) -> Tensor:
        room = self.limit - len(self.start) - len(self.stop)
        rows = [(*self.start, *self.tokens(text)[:room], *self.stop) for text in texts]
        longest = self.limit if self.fixed else max(map(len, rows))
        ids = torch.tensor([[*row, *[self.pad] * (longest - len(row))] for row in rows], dtype=torch.int64)
        embeddings = self.embed(ids.view(len(rows), longest))
        lengths = torch.tensor([len(row) for row in rows], device=embeddings.device)
        return self.pool(self.read(embeddings, lengths), lengths)

    def train(self, mode: bool = True) -> "Tower":
        """Stays in evaluation mode: a frozen reader drops nothing out."""
        return super().train(False)

    def frozen(self) -> "Tower":
        """Float32, in evaluation mode, no gradient for any weight; branches checked against the plain way, once."""
        self.float().requires_grad_(False).train(False)
        for module in self.modules():
            if type(module) is nn.Linear:
                module.__class__ = FrozenLinear
        self.branches = self.branches and agrees(self)
        return self


class FrozenLinear(nn.Linear):
    """A linear layer that does not learn. On a CPU a convolution of one cell is the same product on the same memory, in
    about half the time where oneDNN's products are faster than the other library's."""

    def forward(self, input: Tensor) -> Tensor:
        if input.device.type != "cpu" or input.dtype != torch.float32:
            return super().forward(input)
        rows = input.reshape(-1, self.in_features)
        return Product.apply(rows, self.weight, self.bias, self._turned).unflatten(0, input.shape[:-1])

    def _turned(self) -> Tensor:
        """Wᵀ as it lies in memory best, made at the first way back and kept."""
        key = (self.weight._version, self.weight.data_ptr())
        if getattr(self, "_kept", (None,))[0] != key:
            self._kept = (key, self.weight.detach().T.contiguous())
        return self._kept[1]


class Product(Function):
    """x Wᵀ + b, which keeps nothing of x for the way back: W does not learn."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, turned: Callable[[], Tensor]) -> Tensor:
        ctx.turned = turned
        return by_convolution(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # pyright: ignore
        return by_convolution(gradient, ctx.turned()), None, None, None


def by_convolution(x: Float[Tensor, "n k"], weight: Float[Tensor, "m k"], bias: Tensor | None = None) -> Tensor:
    """The product of rows with a matrix, as a picture of one row with a channel for every column.

    >>> by_convolution(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([0.5]))
    tensor([[11.5000]])
    """
    return conv2d(x.T[None, :, None], weight[:, :, None, None], bias)[0, :, 0].T


class Encoder(Named, family="encoders"):
    """What reads texts. Construction touches neither network nor disk; `load` does."""

    models: ClassVar[tuple[str, ...]] = ()  # classes of models that hold such a tower beside an image tower
    visions: ClassVar[tuple[str, ...]] = ()  # classes of image towers that were trained beside such a tower
    speaks: ClassVar[bool] = True  # has anything to say of a text

    def load(self) -> Tower:
        """The frozen tower, a new one: the caller's own."""
        return self.build().frozen()

    def build(self) -> Tower:
        """The tower, as yet unfrozen."""
        raise NotImplementedError

    @classmethod
    def around(cls, model: Any, tokenizer: Any) -> Tower:
        """A tower out of the very modules of a model of one of the `models`; neither copied nor frozen."""
        raise NotImplementedError


def masked_mean(outputs: Float[Tensor, "u l d"], lengths: Int[Tensor, "u"]) -> Float[Tensor, "u d"]:
    """The mean of every row's first positions.

    >>> masked_mean(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([2])).tolist()
    [[2.0]]
    """
    inside = inside_of(lengths, outputs.shape[1])[:, :, None]
    return outputs.masked_fill(~inside, 0.0).sum(1) / lengths.clamp_min(1)[:, None].to(outputs)


def inside_of(lengths: Int[Tensor, "u"], longest: int) -> Tensor:
    """Bool [u, longest]: which positions are of the text.

    >>> inside_of(torch.tensor([1, 2]), 2).tolist()
    [[True, False], [True, True]]
    """
    return torch.arange(longest, device=lengths.device) < lengths[:, None]


@torch.no_grad()
def agrees(tower: Tower) -> bool:
    """Whether the short way of a few small branches is the plain way."""
    generator = torch.Generator().manual_seed(0)
    sizes, p = [2, 1], 2
    scale = tower.embed(torch.arange(4)).std().cpu()
    vectors = scale * torch.randn(p + sum(sizes), tower.width, generator=generator)
    vectors = vectors.to(tower.embed(torch.zeros(1, dtype=torch.int64)))
    trunk, twigs = vectors[:p], vectors[p:]
    stem, ends = tower.branch(trunk, twigs, sizes)
    for end, last, size in zip(ends.split(sizes), accumulate(sizes), sizes, strict=True):
        row = torch.cat([trunk, twigs[last - size : last]])
        plain = tower.read(row[None], torch.tensor([len(row)], device=row.device))[0]
        short = torch.cat([stem, end])
        if not float((plain - short).abs().max()) <= FAITHFUL * float(plain.abs().max()):
            return False
    return True
