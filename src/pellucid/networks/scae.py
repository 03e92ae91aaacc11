"""SCAE (Kosiorek et al., 2019): a picture as parts, and parts as objects.

    parts      picture → M × (presence d, pose, special features z)      convolutions, and attention over the last map
    picture    x_p ~ Σ_m w_mp N(t̂_mp, σ²)                                t̂ the M learned templates, where poses put them
    objects    parts → K × (presence a, matrix O, features)              three set transformers: parts have no order
    parts      pose_m ~ Σ_k w_km N(V_km, σ²_km)                          V_km = O_k P_km: where object k expects part m

`forward` gives the representation: for every part [d | pose | template | z], 144 numbers, one part after the other;
so `ask="similarity"` explains what the parts see. `reconstruct` gives the mean of the mixture at every pixel,
`presences` how many of the parts each object explains, whatever the digit's name: no label has been used. That is after
the poses have been looked at; `objects(parts).presence` is what the object capsule says before.

    sound        `forward` draws nothing and everything in it has a gradient. A pose is the matrix that puts the
                 template into the picture (its inverse is what a canvas reads by), of any sign; the template in the
                 representation is the transformed one, as a canvas of 11 × 11 times the presence; ink of parts competes
                 with a black ground; an object's share of a part is divided by what that object expects in all.
    published    the code of a reproduction of label-free explanations: noise is on also in evaluation; the
                 representation has the template before it is transformed, the same for every picture, and of its four
                 blocks only z has a gradient; poses are behind a ReLU, so that parts shift and turn one way
                 only; the canvas reads by the pose itself, so that no part is smaller than the picture; the sum that
                 should divide an object's shares divides a part's, which needs K = M.

Traps: as published, templates are most of the squared length of the representation and say nothing of the picture;
whoever explains its similarity sees the special features alone. Numbers of the part likelihood are of no meaning by
themselves: poses are not pixels.

>>> net = SCAE().build()
>>> sum(p.numel() for p in net.encoder.parameters()), sum(p.numel() for p in net.decoder.parameters())
(521240, 98042)
>>> net(torch.zeros(2, 1, 28, 28)).shape, net.reconstruct(torch.zeros(2, 1, 28, 28)).shape
(torch.Size([2, 3456]), torch.Size([2, 1, 28, 28]))
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from pellucid.errors import BadInput, BadKnob
from pellucid.networks import _capsules
from pellucid.networks._base import Count, Learner, Network
from pellucid.networks._sets import SetTransformer

Jitter = Callable[[Tensor], Tensor]  # what is done to the logit of a presence
Protocol = Literal["sound", "published"]
POSE = 6
STEEP = 10.0  # from a template's number to its ink, so that what is learned in small steps can be black or white
RARE = -1.5  # the first logit of an object's presence: times that of its surest part, about 0.1
NARROW = -3.0  # the first number of a variance: softplus makes 0.05 of it
LEAST = 23  # pixels of a side: the convolutions are not padded


class SCAE(Network, name="scae", paper="arXiv:1906.06818"):
    """Parts with a pose, and objects that predict their parts: digits come apart without labels."""

    mean, std, size = (0.0,), (1.0,), 28
    channels = 1
    cite = _capsules.CITE
    quick = {"parts": 5, "objects": 3, "width": 8, "template": 5, "special": 4}

    parts: Count = 24
    objects: Count = 24
    width: Count = 128  # channels of the convolutions
    template: Count = 11  # pixels of a side
    special: Count = 16  # special features of a part
    templates: bool = True  # in the representation
    protocol: Protocol = "sound"

    def check(self) -> None:
        if self.protocol == "published" and self.parts != self.objects:
            raise BadKnob(
                f"as published, scae has as many objects as parts, not {self.objects} and {self.parts}; set "
                f"objects={self.parts}, or protocol=sound."
            )

    def build(self) -> nn.Module:
        return StackedCapsules(self)


class Parts(NamedTuple):
    """What the part capsules say of n pictures."""

    presence: Float[Tensor, "n m"]
    pose: Float[Tensor, "n m 6"]
    special: Float[Tensor, "n m s"]


class Objects(NamedTuple):
    """What the object capsules say of n sets of parts."""

    presence: Float[Tensor, "n k"]
    parts: Float[Tensor, "n k m"]  # presence of each part, where the object is there
    votes: Float[Tensor, "n k m 6"]
    variance: Float[Tensor, "n k m"]

    @property
    def surely(self) -> Float[Tensor, "n k"]:
        """The object and its surest part."""
        return self.presence * self.parts.amax(2)


class Said(NamedTuple):
    """All that capsules say of pictures: what a likelihood asks for."""

    parts: Parts
    objects: Objects
    means: Float[Tensor, "n c h w"]  # of the mixture at every pixel, and its weights
    weights: Float[Tensor, "n c h w"]
    shares: Float[Tensor, "n k m"]  # the weights of the mixture of objects and their parts


class PartCapsules(nn.Module):
    """Picture to parts, and their templates."""

    def __init__(self, knobs: SCAE) -> None:
        super().__init__()
        self.published, self.parts = knobs.protocol == "published", knobs.parts
        widths, layers = (1, *[knobs.width] * 4), []
        for i, stride in enumerate((2, 2, 1, 1)):
            layers += [nn.Conv2d(widths[i], widths[i + 1], 3, stride), nn.ReLU()]
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Conv2d(knobs.width, knobs.parts * (POSE + 1 + knobs.special + 1), 1)
        first = torch.randn(knobs.parts, knobs.template, knobs.template)
        self.templates = nn.Parameter(first if self.published else (first - 1) / STEEP)

    def forward(self, x: Float[Tensor, "n 1 h w"], jitter: Jitter) -> Parts:
        maps = self.head(self.trunk(x)).flatten(2).unflatten(1, (self.parts, -1))
        pooled = (maps[:, :, :-1] * maps[:, :, -1:].softmax(-1)).sum(-1)
        pose, logit, special = pooled[..., :POSE], pooled[..., POSE], pooled[..., POSE + 1 :].relu()
        pose = pose.relu() if self.published else _capsules.affine(pose).flatten(2)
        return Parts(jitter(logit).sigmoid(), pose, special)

    def canvas(self, parts: Parts, size: tuple[int, int]) -> Float[Tensor, "n m h w"]:
        """The templates where their poses put them."""
        if self.published:
            return _capsules.warp(self.templates, _capsules.affine(parts.pose), size)
        matrix = _capsules.inverse(parts.pose.unflatten(2, (2, 3)))
        return _capsules.warp((STEEP * self.templates).sigmoid(), matrix, size)


class ObjectCapsules(nn.Module):
    """Parts to objects, and the parts that these expect."""

    def __init__(self, knobs: SCAE, inputs: int, special: int = 16, width: int = 16, points: int = 32) -> None:
        super().__init__()
        k, m = knobs.objects, knobs.parts
        self.published, self.special = knobs.protocol == "published", special
        sizes = (inputs, 256, 256, 9 + special + 1)
        self.sets = nn.Sequential(*(SetTransformer(a, b, k, width, points) for a, b in pairwise(sizes)))
        self.expect = nn.Sequential(EachLinear(k, special, 16), nn.ReLU(), EachLinear(k, 16, 2 * m))
        self.inside = nn.Parameter(torch.randn(k, m, 3, 3))  # where an object has its parts
        if not self.published:
            self._begin_plain()

    @torch.no_grad()
    def _begin_plain(self) -> None:
        """Votes for parts in the middle, of about the spread that parts have, from objects that are rarely there: where
        the parts are anyway, so that the first hundreds of steps are not spent on getting there."""
        objects: Any = self.sets[-1]
        last, expect = objects[-1], cast(EachLinear, self.expect[-1])
        last.weight[:9] *= 0.1
        last.bias[:9], last.bias[-1] = torch.eye(3).flatten(), RARE
        expect.bias[:, expect.bias.shape[1] // 2 :] = NARROW
        self.inside.mul_(0.1).add_(torch.diag(torch.tensor([0.51, 0.51, 1.0])))

    def forward(self, tokens: Float[Tensor, "n m d"], jitter: Jitter) -> Objects:
        told = self.sets(tokens)
        viewed, features, logit = told[..., :9], told[..., 9:-1], told[..., -1]
        parts, spread = self.expect(features.relu()).chunk(2, -1)
        viewed = viewed.relu() if self.published else viewed
        variance = spread.relu() + 1e-6 if self.published else softplus(spread) + 0.01
        rows = viewed[..., :POSE].unflatten(2, (2, 3))  # the last of a pose is 0 0 1, whatever is said
        votes = torch.einsum("nkij,kmjl->nkmil", rows, self.inside).flatten(3)
        return Objects(jitter(logit).sigmoid(), jitter(parts).sigmoid(), votes, variance)


class EachLinear(nn.Module):
    """A linear layer for each object."""

    def __init__(self, count: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(count, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(count, outputs).uniform_(-bound, bound))

    def forward(self, x: Float[Tensor, "n k a"]) -> Float[Tensor, "n k b"]:
        return torch.einsum("nka,kab->nkb", x, self.weight) + self.bias


class StackedCapsules(Learner):
    """Parts as an encoder, objects as a decoder."""

    def __init__(self, knobs: SCAE) -> None:
        super().__init__()
        self.published, self.templates = knobs.protocol == "published", knobs.templates
        self.encoder = PartCapsules(knobs)
        inputs = 1 + POSE + knobs.special + knobs.templates * knobs.template**2
        self.decoder = ObjectCapsules(knobs, inputs)

    def represent(self, x: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n d"]:
        """The representation: for every part its presence, pose, template and special features."""
        return self.tokens(self.parts(x)).flatten(1)

    def parts(self, x: Tensor, jitter: Jitter | None = None) -> Parts:
        """What is where."""
        if x.ndim != 4 or x.shape[1] != 1 or min(x.shape[2:]) < LEAST:
            raise BadInput(f"scae was given {tuple(x.shape)}; give grey ones, [n, 1, h, w], of {LEAST} pixels or more.")
        return self.encoder(x, jitter or self.jitter)

    def tokens(self, parts: Parts) -> Float[Tensor, "n m d"]:
        """What the objects are told of every part."""
        if self.published:
            parts = parts._replace(presence=parts.presence.detach(), pose=parts.pose.detach())
        blocks = [parts.presence[..., None], parts.pose, *([self._ink(parts)] if self.templates else []), parts.special]
        return torch.cat(blocks, -1)

    def objects(self, parts: Parts, jitter: Jitter | None = None) -> Objects:
        """Which objects the parts make."""
        return self.decoder(self.tokens(parts), jitter or self.jitter)

    def painted(self, parts: Parts, size: tuple[int, int]) -> _capsules.Mixture:
        """Means and weights of the mixture at every pixel."""
        paint = _capsules.softly_painted if self.published else _capsules.painted
        return paint(parts.presence, self.encoder.canvas(parts, size))

    def shares(self, objects: Objects) -> Float[Tensor, "n k m"]:
        """The weights of the mixture of objects and their parts."""
        share = _capsules.shares_on_the_wrong_axis if self.published else _capsules.shares
        return share(objects.presence, objects.parts)

    def said(self, x: Float[Tensor, "n 1 h w"], jitter: Jitter | None = None) -> Said:
        """All of it, of one look."""
        parts = self.parts(x, jitter)
        objects = self.objects(parts, jitter)
        return Said(parts, objects, *self.painted(parts, (x.shape[2], x.shape[3])), self.shares(objects))

    def reconstruct(self, x: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h w"]:
        """The picture as its parts paint it."""
        means, weights = self.painted(self.parts(x), (x.shape[2], x.shape[3]))
        return (means * weights).sum(1, keepdim=True)

    def presences(self, x: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n k"]:
        """How many of the parts each object explains."""
        parts = self.parts(x)
        objects = self.objects(parts)
        return explained(parts, objects, self.shares(objects))[1]

    def jitter(self, logit: Tensor) -> Tensor:
        """Nothing, or noise that no mode turns off."""
        return jittered(logit, torch.rand_like(logit)) if self.published else logit

    def _ink(self, parts: Parts) -> Float[Tensor, "n m p"]:
        side = self.encoder.templates.shape[-1]
        if self.published:
            return self.encoder.templates.detach().flatten(1).expand(len(parts.presence), -1, -1)
        return (parts.presence[..., None, None] * self.encoder.canvas(parts, (side, side))).flatten(2)


def explained(
    parts: Parts, objects: Objects, shares: Float[Tensor, "n k m"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n k"]]:
    """The log-likelihood of the parts, and Σ_m d_m r_km: how many each object explains; all together as many as there
    are. What is explained has no gradient of its own."""
    each, whose = _capsules.part_likelihood(parts.pose.detach(), objects.votes, objects.variance, shares)
    present = parts.presence.detach()
    return (each * present).sum(1), (whose * present[:, None]).sum(2)


def jittered(logit: Tensor, chance: Tensor) -> Tensor:
    """With noise between −2 and 2; chance is between 0 and 1."""
    return logit + 4 * chance - 2
