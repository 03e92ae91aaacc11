"""CE: the cross-entropy of the labels.

    L = −log p_y        −Σ_c q_c log p_c where labels are probabilities [n, classes]
                        Σ_c of binary cross-entropies where they are whole numbers [n, classes]: several labels an image

The loss every other objective adds to, and the baseline it is compared with.

>>> losses(torch.tensor([[0.0, 0.0]]), torch.tensor([1])).exp().tolist()
[2.0]
>>> losses(torch.tensor([[0.0, 0.0]]), torch.tensor([[1, 0]])).exp().tolist()
[4.0]
"""

from collections.abc import Mapping
from typing import Annotated

import torch
from torch import Tensor

from pellucid.objectives._base import Between, Objective, Step
from pellucid.objectives._step import losses


class CE(Objective, name="ce"):
    """Is the answer right?"""

    smoothing: Annotated[float, Between(0, 1)] = 0.0

    vmaps = True

    @property
    def weights(self) -> Mapping[str, float]:
        return {"ce": 1.0}

    def terms(self, step: Step) -> Mapping[str, Tensor]:
        return {"ce": step.ce()}
