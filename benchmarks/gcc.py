"""A step of GCC, whose composites are four times as large. Target: 1.08 of two forwards and a backward."""

from torch.nn.functional import cross_entropy

from benchmarks._cifar import BATCH, batch, network
from benchmarks._timing import Row, race
from benchmarks.cgc import bare
from pellucid.objectives import GCC


def run() -> Row:
    net, (x, y) = network(), batch()
    bound = GCC().bind(net, images=x)
    composite = x.repeat(1, 1, 2, 2)

    def floor() -> None:
        (cross_entropy(net(x), y) + net(composite).square().mean()).backward()  # any loss: the backward is what costs
        net.zero_grad()

    def step() -> None:
        bound((x, y))[0].backward()
        net.zero_grad()

    return race(
        f"GCC step, ResNet-18 (CIFAR stem), batch {BATCH}",
        {"floor": floor, "ours": step, "CE step": lambda: bare(net, [x], y)},
        floor="forwards of both, a backward",
        target="≤ 1.08",
    )
