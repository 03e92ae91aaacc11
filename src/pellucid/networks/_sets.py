"""Set transformers (Lee et al., 2019): attention between sets, whose order has no say.

    attend(Q, X) = LN(H + ReLU(W H)),     H = LN(Q′ + softmax(Q′ K′ᵀ / √width) V′)        Q′, K′, V′ linear in Q, X, X
    induced(X)   = attend(X, attend(I, X))      I learned, so that a set of n costs n × |I| instead of n²
    pooled(X)    = attend(S, X)                 S learned: as many answers as there are seeds

The first weights are ours. With those that layers have by themselves, three of these in a row forget what they are
told: attention is an average, constants outweigh what differs between two sets, and of 40 % that differs at the input
0.01 % is left. Orthogonal weights without biases, keys that are keen and a small ReLU keep tenths of it.

>>> SetTransformer(5, 3, seeds=4, width=8, points=2)(torch.zeros(1, 7, 5)).shape
torch.Size([1, 4, 3])
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

KEEN, MILD, FAR = 4.0, 0.1, 4.0  # first gains: of keys, of what is behind the ReLU, of learned points


class Attend(nn.Module):
    """Every element of one set looks at all of another; one head."""

    def __init__(self, asked: int, seen: int, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(asked, width), nn.Linear(seen, width), nn.Linear(seen, width)
        self.norm, self.mix, self.last = nn.LayerNorm(width), nn.Linear(width, width), nn.LayerNorm(width)
        for layer, gain in ((self.query, 1.0), (self.key, KEEN), (self.value, 1.0), (self.mix, MILD)):
            _first(layer, gain)

    def forward(self, asked: Float[Tensor, "n q a"], seen: Float[Tensor, "n s b"]) -> Float[Tensor, "n q w"]:
        query, key, value = self.query(asked), self.key(seen), self.value(seen)
        found = (query @ key.mT / query.shape[-1] ** 0.5).softmax(-1) @ value
        mixed = self.norm(query + found)
        return self.last(mixed + self.mix(mixed).relu())


class Induced(nn.Module):
    """A set looks at itself through a few learned points."""

    def __init__(self, inputs: int, width: int, points: int) -> None:
        super().__init__()
        self.points = _learned(points, width)
        self.gather, self.spread = Attend(width, inputs, width), Attend(inputs, width, width)

    def forward(self, x: Float[Tensor, "n s d"]) -> Float[Tensor, "n s w"]:
        return self.spread(x, self.gather(self.points.expand(len(x), -1, -1), x))


class Pooled(nn.Module):
    """A set becomes as many elements as there are seeds."""

    def __init__(self, width: int, seeds: int) -> None:
        super().__init__()
        self.seeds, self.look = _learned(seeds, width), Attend(width, width, width)

    def forward(self, x: Float[Tensor, "n s w"]) -> Float[Tensor, "n k w"]:
        return self.look(self.seeds.expand(len(x), -1, -1), x)


class Itself(nn.Module):
    """A set looks at itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.look = Attend(width, width, width)

    def forward(self, x: Float[Tensor, "n s w"]) -> Float[Tensor, "n s w"]:
        return self.look(x, x)


class SetTransformer(nn.Sequential):
    """From a set of any size to `seeds` vectors; whichever way the set is listed, these are the same."""

    def __init__(self, inputs: int, outputs: int, seeds: int, width: int, points: int) -> None:
        reading = (Induced(inputs, width, points), Induced(width, width, points))
        telling = (Pooled(width, seeds), Itself(width), Itself(width), _first(nn.Linear(width, outputs)))
        super().__init__(*reading, *telling)


def _first(layer: nn.Linear, gain: float = 1.0) -> nn.Linear:
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def _learned(count: int, width: int) -> nn.Parameter:
    return nn.Parameter(nn.init.orthogonal_(torch.empty(count, width), FAR))
