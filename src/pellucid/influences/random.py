"""Random: a control that has looked at nothing. Scores of standard normal noise, a row of them for every test example.

A row depends on the seed and its number alone, so that it is the same in whatever pieces it is asked for.

>>> rows = noise(torch.tensor([3, 4]), 5, seed=0)
>>> bool((rows[1] == noise(torch.tensor([4]), 5, seed=0)[0]).all()), bool((rows[0] == rows[1]).any())
(True, False)
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.influences._base import Case, Influence


def noise(rows: Int[Tensor, " t"], n: int, seed: int) -> Float[Tensor, "t n"]:
    """Standard normal numbers, by row."""
    seeds = torch.randint(2**62, (int(rows.max()) + 1,), generator=torch.Generator().manual_seed(seed))
    return torch.stack([torch.randn(n, generator=torch.Generator().manual_seed(int(seeds[row]))) for row in rows])


class Random(Influence, name="random"):
    """What would chance say?"""

    seed: int | None = None
    columns = False
    sees = False

    def score(self, case: Case) -> Tensor:
        rows = torch.arange(case.first[0], case.first[0] + len(case.test))
        return noise(rows, len(case.train), case.seed if self.seed is None else self.seed)
