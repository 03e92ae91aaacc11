"""The exponential average of the weights, with the statistics as they are last.

>>> layer = torch.nn.Linear(1, 1, bias=False)
>>> _ = torch.nn.init.ones_(layer.weight)
>>> average = Average(layer, 0.75)
>>> _ = torch.nn.init.zeros_(layer.weight)
>>> average.update(layer)
>>> average.kept["weight"].item()
0.75
"""

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """kept ← decay · kept + (1 − decay) · weights"""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.kept: dict[str, Tensor] = {key: value.detach().clone() for key, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        learned = {name for name, _ in model.named_parameters(remove_duplicate=False)}  # a tied weight has two names
        for key, value in model.state_dict().items():
            if key in learned and value.is_floating_point():
                self.kept[key].lerp_(value, 1 - self.decay)
            else:
                self.kept[key].copy_(value)

    @contextmanager
    def worn_by(self, model: nn.Module) -> Generator[None]:
        """Meanwhile the model has the average."""
        own = {key: value.detach().clone() for key, value in model.state_dict().items()}
        model.load_state_dict(self.kept)
        try:
            yield
        finally:
            model.load_state_dict(own)
