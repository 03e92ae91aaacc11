"""DKNN, deep nearest neighbours (Papernot & McDaniel, 2018; without labels: Crabbé & van der Schaar, 2022).

    w_n(x) = κ(‖f(x) − f(x_n)‖) for the K training examples nearest to x, and 0 for the others

κ(d) = 1/d² (`inverse-square`), or exp(−d²/2σ²) (`gaussian`), σ being `width` times the spread of the training features,
the root of their summed variances. f is the model's answer, or a `layer`; "penultimate" is what a classifier's last
layer is given. Larger is nearer. The scores do not change when the features are rotated or moved, their order not when
they are scaled. Beside the inverse square's few enormous weights any Pearson correlation says little: compare ranks.

The non-neighbours all have 0, so that the *least* important of a row are not to be read off it; `top=` ranks by all
distances. By default K is all of them, and there is no such tie.

`search=faiss` asks the package of that name for the K nearest; it is exact too, and pays where there are millions.
`published`, as the authors' code has it: no K, no guard, so that a training example that is the test example itself has
infinity. `sound` takes distances below 1e-4 of the spread for that.

>>> dknn(torch.tensor([[1.0, 4.0, 0.25]]), k=2).tolist()                 # squared distances
[[1.0, 0.0, 4.0]]
"""

from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import BadKnob, need
from pellucid.influences._base import Between, Case, Influence

Kernel = Literal["inverse-square", "gaussian"]
CANCELLED = 1e-2  # of the two squared lengths: below it, float32 has lost the distance's digits
SAME = 1e-8  # of the variance: squared distances below it are those of copies


def dknn(
    squared: Float[Tensor, "t n"], k: int | None = None, kernel: Kernel = "inverse-square", width: float = 1.0
) -> Float[Tensor, "t n"]:
    """κ of the k smallest of a row of squared distances, 0 for the rest."""
    weights = squared.reciprocal() if kernel == "inverse-square" else torch.exp(squared / (-2 * width**2))
    if k is None or k >= squared.shape[1]:
        return weights
    near = squared.topk(k, dim=1, largest=False).indices
    return torch.zeros_like(weights).scatter_(1, near, weights.gather(1, near))


def squared_distances(a: Float[Tensor, "t d"], b: Float[Tensor, "n d"]) -> Float[Tensor, "t n"]:
    """‖a_i − b_j‖² by one matrix product, ‖a‖² + ‖b‖² − 2ab; again by differences where that has cancelled.

    >>> squared_distances(torch.tensor([[1e3, 0.0]]), torch.tensor([[1e3, 0.25], [0.0, 0.0]])).tolist()
    [[0.0625, 1000000.0]]
    """
    of_a, of_b = a.square().sum(1), b.square().sum(1)
    found = torch.addmm(of_b[None], a, b.T, alpha=-2).add_(of_a[:, None])
    limit = CANCELLED * (of_a + of_b.max())
    if bool((found.amin(1) < limit).any()):
        near = (found < limit[:, None]).nonzero()
        if len(near) * 16 > found.numel():
            return _in_double(a, b)
        for rows, columns in zip(near[:, 0].split(CHUNK), near[:, 1].split(CHUNK), strict=True):
            found[rows, columns] = (a[rows] - b[columns]).square().sum(1)
    return found


CHUNK = 2**16


def _in_double(a: Tensor, b: Tensor) -> Tensor:
    """Where many are near: the differences themselves, some rows at a time."""
    size = max(1, CHUNK * 16 // max(1, b.numel()))
    return torch.cat([(rows[:, None] - b).square().sum(2) for rows in a.split(size)])


class DKNN(Influence, name="dknn", paper="arXiv:1803.04765"):
    """Which training examples lie nearest in the model's eyes?"""

    k: Annotated[int, Between(1)] | None = None
    kernel: Kernel = "inverse-square"
    width: Annotated[float, Between(1e-6)] = 0.5
    layer: str | None = None
    search: Literal["exact", "faiss"] = "exact"
    protocol: Literal["sound", "published"] = "sound"
    quick = {"k": 3}
    cite = """
@article{papernot2018deep,
  title   = {Deep k-Nearest Neighbors: Towards Confident, Interpretable and Robust Deep Learning},
  author  = {Papernot, Nicolas and McDaniel, Patrick},
  journal = {arXiv preprint arXiv:1803.04765},
  year    = {2018},
}"""

    @property
    def columns(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.k is None

    @property
    def symmetric(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.k is None

    def check(self) -> None:
        if self.protocol == "published" and (self.k is not None or self.kernel != "inverse-square"):
            raise BadKnob("dknn as published has no k and one kernel; leave out k and kernel, or protocol=published.")

        if self.search == "faiss" and self.k is None:
            raise BadKnob("faiss finds the nearest alone, so that dknn needs k; write dknn:k=10,search=faiss.")

    def score(self, case: Case) -> Tensor:
        if self.search == "faiss":
            return self._found(case)
        if self.protocol == "published":
            test, train = case.features(self.layer)
            size = max(1, CHUNK * 64 // train.numel())
            return torch.cat([(x[:, None] - train).square().sum(2).reciprocal() for x in test.split(size)])
        squared, variance = self._squared(case)
        return self._kernel(squared, variance, self.k)

    def _kernel(self, squared: Tensor, variance: float, k: int | None) -> Tensor:
        same = SAME * variance or torch.finfo(squared.dtype).tiny ** 0.5
        return dknn(squared.clamp_min_(same), k, self.kernel, self.width * (variance or 1) ** 0.5)

    def _found(self, case: Case) -> Tensor:
        """The same by FAISS, whose distances have cancelled: those of the K nearest are taken again."""
        test, train = case.features(self.layer)
        index = case.once(("faiss", self.layer), lambda: _index(train))
        near = torch.from_numpy(index.search(test.float().cpu().numpy(), min(self.k or 1, len(train)))[1]).to(
            test.device
        )
        squared = (test[:, None] - train[near]).square().sum(2)
        weights = self._kernel(squared, self._spread(case)[1], None)
        return torch.zeros(len(test), len(train), device=test.device).scatter_(1, near, weights.float())

    def rank(self, case: Case) -> Tensor:
        return -self._squared(case)[0]

    def worth(self, ranked: Tensor, places: Tensor, case: Case) -> Tensor:
        if self.protocol == "published":
            return (-ranked).reciprocal()
        weights = self._kernel(-ranked, self._spread(case)[1], None)
        return weights if self.k is None else weights * (places < self.k)

    def _spread(self, case: Case) -> tuple[Tensor, float]:
        """Mean of the training features, and their variance, all axes together."""
        return case.once(("spread", self.layer), lambda: _spread(case.all.features(self.layer)[1]))

    def _squared(self, case: Case) -> tuple[Tensor, float]:
        """Squared distances, and the variance of the training features, all axes together."""
        mean, variance = self._spread(case)
        test = case.once_test(("centred", self.layer), lambda: case.features(self.layer)[0] - mean)
        train = case.once_train(("centred", self.layer), lambda: case.features(self.layer)[1] - mean)
        return squared_distances(test, train), variance

    def keeps(self, case: Case) -> int:
        return case.all.features(self.layer)[1].shape[1]


def _index(train: Tensor) -> Any:
    """Of all training features, exact."""
    faiss = need("faiss", "knn", "search=faiss of dknn")
    index = faiss.IndexFlatL2(train.shape[1])
    index.add(train.float().cpu().numpy())
    return index


def _spread(features: Tensor) -> tuple[Tensor, float]:
    mean = features.mean(0)
    return mean, float((features - mean).square().sum(1).mean())
