"""SCAE (Kosiorek et al., 2019): pictures shall be likely under their parts, and parts under few objects.

    L = − log p(picture | parts) − log p(parts | objects) + prior + 10 · posterior

    image_likelihood    Σ_p log (Σ_m w_mp N(x_p; t̂_mp, σ²) + 1e-6),   σ the standard deviation of the picture's pixels
    part_likelihood     Σ_m d_m log Σ_k w_km N(A_m; V_km, σ²_km)
    prior               mean_b (Σ_k a_bk − K/C)² + mean_k (Σ_b a_bk − B/C)²      a: an object times its surest part
    posterior           H(objects of one picture) − H(objects of the batch)      of what objects explain: Σ_m d_m r_km

C is how many kinds there are thought to be: of K objects K/C are there in a picture, and each in B/C of B pictures. The
posterior's difference is minus the mutual information of picture and object: few objects explain a picture, all of them
are used. Likelihoods are those of a picture, averaged over the batch. Poses and presences are detached where objects
explain them, or parts would choose to be easily explained rather than to be where the ink is. In training noise between
−2 and 2 is added to the logits of presences.

    sound        B is the number of pictures in the step, of all processes together; σ is at least 0.1
    published    B/C is 12.8, whatever the batch; the entropies are of softmaxes, over the batch for every object and
                 over the objects for every picture, and their difference has the other sign: it spreads every picture
                 over the objects, and gives every object to few pictures. For the network as published.

Trap: an image log-likelihood is a sum over 784 densities, in the hundreds; the other terms are small beside it, and
follow.

>>> prior(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), within=1.0, between=1.0)         # as many as there should be
tensor(0.)
>>> posterior(torch.tensor([[1.0, 0.0], [0.0, 1.0]])).exp()                        # one each: two kinds are told apart
tensor(0.5000)
>>> posterior(torch.tensor([[1.0, 1.0], [1.0, 1.0]]))                              # nobody is told from anybody
tensor(0.)
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.networks._capsules import CITE, image_likelihood
from pellucid.networks.scae import Said, explained, jittered
from pellucid.objectives._base import Between, Objective, Step
from pellucid.subject import precise

TINY = 1e-8
LEAST = 0.1  # the spread of a picture's pixels, at least
Weight = Annotated[float, Between(0)]


def prior(presence: Float[Tensor, "n k"], within: float, between: float) -> Float[Tensor, ""]:
    """How far the number of objects in a picture, and of pictures with an object, are from these."""
    return (presence.sum(1) - within).square().mean() + (presence.sum(0) - between).square().mean()


def posterior(mass: Float[Tensor, "n k"]) -> Float[Tensor, ""]:
    """Entropy of a picture's objects, less that of all objects in the batch: at least −log k, at best that."""
    one = mass / (mass.sum(1, keepdim=True) + TINY)
    every = mass.sum(0) / (mass.sum() + TINY)
    return entropy(one).mean() - entropy(every)


def published_posterior(mass: Float[Tensor, "n k"]) -> Float[Tensor, ""]:
    """As published, with the signs the other way round."""
    return entropy(mass.softmax(0).T).mean() - entropy(mass.softmax(1)).mean()


def entropy(share: Float[Tensor, "*s k"]) -> Float[Tensor, "*s"]:
    """In nats, of numbers that have a sum of 1; 0 · log 0 is 0."""
    return -torch.xlogy(share, share.clamp_min(TINY)).sum(-1)


class SCAE(Objective, name="scae", paper="arXiv:1906.06818"):
    """Are pictures made of parts, and parts of few objects? For the network of this name."""

    cite = CITE
    draws, classifies = True, False
    asks = "said"
    networks = ("scae:parts=5,objects=4,width=8,template=5,special=4",)

    image: Weight = 1.0
    part: Weight = 1.0
    prior: Weight = 1.0
    posterior: Weight = 10.0
    classes: Annotated[int, Between(1)] = 10  # kinds that there are thought to be
    protocol: Literal["sound", "published"] = "sound"

    @property
    def weights(self) -> Mapping[str, float]:
        return {
            "image_likelihood": -self.image,
            "part_likelihood": -self.part,
            "prior": self.prior,
            "posterior": self.posterior,
        }

    def terms(self, step: Step) -> Mapping[str, Tensor]:
        noisy = step.training or self.protocol == "published"
        said = step.ask("said", step.images, *([_Jitter(step)] if noisy else []))
        with torch.autocast(step.images.device.type, enabled=False):
            return self._terms(step, _precise(said))

    def _terms(self, step: Step, said: Said) -> Mapping[str, Tensor]:
        images, parts, objects = step.images[:, 0].to(said.means), said.parts, said.objects
        spread = images.flatten(1).std(1).clamp_min(0.0 if self.protocol == "published" else LEAST)
        step.watch["mse"] = step.mean((images - (said.means * said.weights).sum(1)).detach().square().mean((1, 2)))
        likely, mass = explained(parts, objects, said.shares)
        surely, mass = step.everyone(objects.surely), step.everyone(mass)
        kinds, count = surely.shape[1] / self.classes, len(surely) / self.classes
        published = self.protocol == "published"
        return {
            "image_likelihood": step.mean(image_likelihood(images, said.means, said.weights, spread)),
            "part_likelihood": step.mean(likely),
            "prior": prior(surely, kinds, 12.8 if published else count),
            "posterior": (published_posterior if published else posterior)(mass),
        }


class _Jitter:
    """Noise for the presences of my rows, the same however these are spread over the processes."""

    def __init__(self, step: Step) -> None:
        self.step, self.calls = step, 0

    def __call__(self, logit: Tensor) -> Tensor:
        self.calls += 1
        return jittered(logit, self.step.noise(f"scae {self.calls}", logit.shape, logit, torch.rand))


def _precise(part: Any) -> Any:
    """At least in float32: a tensor, or a tuple of such things."""
    return precise(part) if isinstance(part, Tensor) else type(part)(*map(_precise, part))
