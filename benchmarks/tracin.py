"""TracIn, 50 × 200 digits over three checkpoints of a classifier, all parameters, against captum with the same numbers.

Target: a tenth of captum's default, and ⅔ of its faster mode.
"""

import warnings

import torch
from captum.influence import TracInCP
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from benchmarks._digits import digits
from benchmarks._timing import Row, race
from pellucid.influences._case import Case
from pellucid.influences._loss import LOSSES
from pellucid.influences._samples import Held
from pellucid.influences.tracin import TracIn

TRAIN, TEST, CHECKPOINTS, BATCH = 200, 50, 3, 50


def run() -> Row:
    warnings.simplefilter("ignore")
    net, states = network(), checkpoints()
    x, labels = digits(TRAIN + TEST), torch.arange(TRAIN + TEST) % 10
    test = (x[TRAIN:], labels[TRAIN:])

    def ours() -> Tensor:
        train = Held(x[:TRAIN], labels[:TRAIN])
        case = Case(net, train, Held(*test), LOSSES["cross-entropy"], checkpoints=states, batch_size=BATCH)
        return TracIn(params="all").score(case)

    theirs = {name: peer(net, x, labels, states, name == "captum, sample-wise trick") for name in MODES}
    scores = {name: (lambda run=run: run.influence(test)) for name, run in theirs.items()}
    for name, score in scores.items():
        apart = (torch.as_tensor(score()) - ours()).abs().max() / ours().abs().max()
        assert apart < 1e-4, f"{name} has other numbers: {apart:.1e}"
    return race(
        f"TracIn, {TEST} × {TRAIN} digits, {CHECKPOINTS} checkpoints, 44,170 parameters",
        {"floor": scores[MODES[0]], "ours": ours, MODES[1]: scores[MODES[1]]},
        floor="captum's TracInCP",
        target="≤ 0.1 of captum, ≤ 0.67 of its trick",
    )


MODES = ("captum", "captum, sample-wise trick")


def peer(net: nn.Module, x: Tensor, labels: Tensor, states: list[dict[str, Tensor]], trick: bool) -> TracInCP:
    def load(model: nn.Module, number: str) -> float:
        model.load_state_dict(states[int(number)])
        return 1.0

    loss = nn.CrossEntropyLoss(reduction="sum" if trick else "none")
    data = TensorDataset(x[:TRAIN], labels[:TRAIN])
    numbers = iter([str(i) for i in range(len(states))])
    return TracInCP(net, data, numbers, load, loss_fn=loss, batch_size=BATCH, sample_wise_grads_per_batch=trick)


def network() -> nn.Module:
    torch.manual_seed(0)
    maps = (
        nn.Conv2d(1, 8, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, 2),
        nn.ReLU(),
    )
    return nn.Sequential(*maps, nn.Flatten(), nn.Linear(288, 128), nn.ReLU(), nn.Linear(128, 10)).eval()


def checkpoints() -> list[dict[str, Tensor]]:
    """Of as many random networks."""
    chance = torch.Generator().manual_seed(0)
    net = network()
    return [
        {k: v + 0.02 * torch.randn(v.shape, generator=chance) for k, v in net.state_dict().items()}
        for _ in range(CHECKPOINTS)
    ]
