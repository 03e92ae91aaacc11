"""TC-VAE: of what codes cost, only that units tell the same twice is made dearer (Chen et al., 2018).

    L = −log p(x | z) + α MI + β TC + γ DWKL

    MI     mean log q(z | x) − log q(z)            how much a code tells which picture it is of
    TC     mean log q(z) − log Π_k q(z_k)          how much units tell of each other
    DWKL   mean log Π_k q(z_k) − log p(z)          how far each unit is from the prior

q(z) is the mean of q(z | x) over all N pictures, of which a step sees B. From M_ijk = log N(z_ik; μ_jk, exp v_jk):

    estimator=weighted      log q(z_i) = logsumexp_j Σ_k M_ijk − log NB,   log Π q = Σ_k (logsumexp_j M_ijk − log NB)
    estimator=stratified    the same with a weight W_ij for every pair, Σ_j W_ij = 1: a picture itself 1/N, for it is
                            one of N; the others stand for the rest

N is the number of pictures that `pl.fit` learns from; elsewhere set `samples`, or the batch counts as all there is.

How to read it. With α = β = γ = 1 the parts add up to log q(z | x) − log p(z), whatever the estimator: a β-VAE with
β = 1, drawn instead of computed. With one unit TC is 0. Estimates depend on B and N: compare runs that have the same.

`protocol=published` is the label-free study's: −log NB is left out, which moves MI by −log NB, TC by −(d−1) log NB and
DWKL by d log NB, and no gradient; and what is held out is judged with z = μ, where the parts mean nothing, and an
epoch is chosen by it. The stratified weights of that code are not here: their diagonal is a column, so that rows do
not sum to 1, and they are counted once per unit.

>>> W = stratified(4, 100)
>>> W.sum(1).tolist(), round(W[0, 0].item(), 2)
([1.0, 1.0, 1.0, 1.0], 0.01)
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.networks.conv_vae import Sample
from pellucid.objectives._base import Between, Objective, Part, Step
from pellucid.objectives._vae import Coded

if TYPE_CHECKING:
    from pellucid.objectives._bound import Site

LOG_TWO_PI = math.log(2 * math.pi)


class Parts(NamedTuple):
    """Of every picture; their sum is log q(z | x) − log p(z)."""

    mi: Float[Tensor, " n"]
    tc: Float[Tensor, " n"]
    dwkl: Float[Tensor, " n"]


def log_normal(
    z: Float[Tensor, "*#s"], mean: Float[Tensor, "*#s"], logvar: Float[Tensor, "*#s"]
) -> Float[Tensor, "*s"]:
    """log N(z; μ, exp v), number by number."""
    return -0.5 * (LOG_TWO_PI + logvar + (z - mean).square() * (-logvar).exp())


def stratified(batch: int, samples: int) -> Float[Tensor, "batch batch"]:
    """Weights of the pictures of a batch, for each of them: itself 1/N, the next (N − M)/NM, the others 1/M, where the
    batch has M others."""
    if batch == 1:
        return torch.ones(1, 1, dtype=torch.float64)
    others = batch - 1
    W = torch.full((batch, batch), 1 / others, dtype=torch.float64)
    rows = torch.arange(batch)
    W[rows, rows] = 1 / samples
    W[rows, (rows + 1) % batch] = (samples - others) / (samples * others)
    return W


def decomposed(
    z: Float[Tensor, "n d"],
    own: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]],
    all_: tuple[Float[Tensor, "m d"], Float[Tensor, "m d"]],
    log_weights: Float[Tensor, "n m"],
) -> Parts:
    """own, all_: means and log-variances of these pictures, and of all that q(z) is estimated from."""
    M = log_normal(z[:, None], all_[0][None], all_[1][None])  # [n, m, d]
    log_q = (M.sum(2) + log_weights).logsumexp(1)
    log_product = (M + log_weights[..., None]).logsumexp(1).sum(1)
    log_posterior = log_normal(z, *own).sum(1)
    log_prior = log_normal(z, torch.zeros_like(z), torch.zeros_like(z)).sum(1)
    return Parts(log_posterior - log_q, log_q - log_product, log_product - log_prior)


class TCVAE(Objective, name="tc-vae", paper="arXiv:1802.04942"):
    """Does no unit tell what another tells?"""

    cite = """
@inproceedings{chen2018isolating,
  title     = {Isolating Sources of Disentanglement in Variational Autoencoders},
  author    = {Chen, Ricky T. Q. and Li, Xuechen and Grosse, Roger and Duvenaud, David},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2018},
}"""
    draws = True
    classifies = False
    asks = "sample"
    networks = ("conv-vae",)

    alpha: Annotated[float, Between(0)] = 1.0
    beta: Annotated[float, Between(0)] = 1.0
    gamma: Annotated[float, Between(0)] = 1.0
    estimator: Literal["weighted", "stratified"] = "weighted"
    samples: Annotated[int, Between(1)] | None = None
    protocol: Literal["sound", "published"] = "sound"

    @property
    def weights(self) -> Mapping[str, float]:
        return {"reconstruction": 1.0, "mi": self.alpha, "tc": self.beta, "dwkl": self.gamma}

    def build(self, site: "Site") -> Part:
        return Coded(self, site)

    def parts(self, step: Step, sample: Sample) -> Mapping[str, Tensor]:
        """What the codes cost, in three parts."""
        all_ = step.everyone(sample.mean), step.everyone(sample.logvar)
        weights = self._log_weights(len(all_[0]), step).to(sample.z)[step.mine(len(sample.z))]
        found = decomposed(sample.z, (sample.mean, sample.logvar), all_, weights)
        return {name: step.mean(values) for name, values in found._asdict().items()}

    def _log_weights(self, batch: int, step: Step) -> Float[Tensor, "batch batch"]:
        """Of every pair of a batch."""
        samples = max(batch, self.samples or step.count or batch)
        if self.estimator == "stratified":
            return stratified(batch, samples).log()
        normaliser = 0.0 if self.protocol == "published" else math.log(samples * batch)
        return torch.full((batch, batch), -normaliser, dtype=torch.float64)
