"""What `test_errors.py` does to hear what influences by gradients say."""

import torch
from torch import nn

from pellucid.influences import Case
from pellucid.influences._gradients import chosen, gradients, of_batch
from pellucid.influences._loss import LOSSES, Loss, Losses
from pellucid.influences._samples import Held
from pellucid.influences.influence_function import InfluenceFunction
from pellucid.influences.tracin import TracIn

WIDE = 70


class Auto(nn.Module):
    """A linear encoder and decoder, of many pixels."""

    def __init__(self, latent=2):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(WIDE, latent), nn.Linear(latent, WIDE)

    def forward(self, x):
        return self.encoder(x)

    def reconstruct(self, x):
        return self.decoder(self.encoder(x).sin())


def x():
    return torch.linspace(-1, 1, 4 * WIDE).view(4, WIDE).cos()


def case(loss=LOSSES["reconstruction"], checkpoints=(), model=None):
    torch.manual_seed(0)
    return Case(model or Auto().eval(), Held(x()), Held(x()), loss, checkpoints)


def score(loss=LOSSES["reconstruction"], **knobs):
    return lambda _: InfluenceFunction(**knobs).score(case(loss))


def spoilt():
    """Gradients of which one is not a number."""
    images = x()
    images[1] = torch.nan
    return of_batch(case().losses, images, torch.zeros(4).long(), ["encoder.weight"], "layers")


def by_layers():
    """The layers' way, of parameters that are of no layer."""
    net = nn.GRU(2, 2)
    return of_batch(Losses(net, LOSSES["cross-entropy"]), x(), torch.zeros(4).long(), ["weight_ih_l0"], "layers")


def by_batch():
    """A normalisation by the batch."""
    net = nn.Sequential(nn.Linear(WIDE, 3), nn.BatchNorm1d(3)).train()
    return of_batch(Losses(net, LOSSES["cross-entropy"]), x(), torch.zeros(4).long(), ["0.weight"])


def without_statistics():
    """A normalisation that has none to evaluate with."""
    net = nn.Sequential(nn.Linear(WIDE, 3), nn.BatchNorm1d(3, track_running_stats=False)).eval()
    return of_batch(Losses(net, LOSSES["cross-entropy"]), x(), torch.zeros(4).long(), ["1.weight"], "layers")


def large():
    """A matrix whose eigenvectors nobody wants."""
    net = nn.Sequential(nn.Linear(WIDE, 5000), nn.Linear(5000, 3)).eval()
    sizes = Loss("sizes", lambda o, z, _: o.square().sum(1))
    return InfluenceFunction(solver="ekfac", params="all").score(case(sizes, model=net))


def bent():
    """A Hessian with a negative eigenvalue."""
    downwards = Loss("downwards", lambda o, z, _: -o.square().sum(1))
    return InfluenceFunction(solver="cg", curvature="hessian", damping=1e-9).score(case(downwards))


MIXING = Loss("mixing", lambda o, z, _: (o - z).sum(1).square(), reconstructs=True)
STATES = [Auto().state_dict()] * 3

OF_GRADIENTS = {
    "a parameter that is not there": lambda _: chosen(Auto(), "encodr.*", x()),
    "a head where there is none": lambda _: chosen(nn.GRU(WIDE, 2), "head", x()),
    "gradients of no examples": lambda _: gradients(case().losses, Held(x())[:0], ["encoder.weight"], 2, "layers"),
    "a gradient that is not a number": lambda _: spoilt(),
    "a layer whose gradient is not known": lambda _: by_layers(),
    "gradients through batch statistics": lambda _: by_batch(),
    "gradients without statistics": lambda _: without_statistics(),
    "learning rates that do not fit": lambda _: TracIn(rate=(1.0, 2.0)).able(case(checkpoints=STATES)),
    "a published influence with knobs": lambda _: InfluenceFunction(protocol="published", solver="cg"),
    "a damping of zero that is divided by": lambda _: InfluenceFunction(solver="ekfac", damping=0),
    "a hessian by kronecker factors": lambda _: InfluenceFunction(solver="ekfac", curvature="hessian"),
    "rows of a wide output": score(solver="woodbury", params="all"),
    "a loss that mixes many outputs": score(MIXING, solver="ekfac", params="all"),
    "a matrix too large for its eigenvectors": lambda _: large(),
    "a curvature that is negative": lambda _: bent(),
}
