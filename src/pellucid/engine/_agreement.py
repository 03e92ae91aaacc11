"""Agreement: how alike two explanations are, sample by sample; or several, every one with every other.

    pearson, cosine    of the values            spearman   of their order, equal values sharing a rank
    ssim               of their structure       top-k      the part that the strongest k of all pixels have in common

pl.agreement(a, b, "spearman")                     float32 [n], NaN where a map is constant (for cosine: zero)
pl.agreement([a, b, c], by="pearson")              float32 [n, 3, 3]: of three encoders, image by image
pl.agreement([a, b, c], by="pearson", pooled=True) float32 [3, 3]: all pixels of all images as one list
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from pellucid.errors import BadInput, UnknownName, did_you_mean
from pellucid.explanation import Explanation
from pellucid.maths.similarity import cosine, pearson, spearman, ssim, top_k

Alike = Callable[[Tensor, Tensor], Tensor]
Maps = Explanation | Tensor
WAYS: dict[str, Alike] = {"pearson": pearson, "spearman": spearman, "ssim": ssim, "cosine": cosine}


def agreement(
    a: Maps | Sequence[Maps] | Mapping[str, Maps],
    b: Maps | None = None,
    by: str = "spearman",
    k: float = 0.1,
    pooled: bool = False,
) -> Tensor:
    """How alike are these maps? float32 [n]; of maps [n, k, q, h, w] [n, k, q].

    a and b: what pl.explain returned, or maps; each sample, class and question of one is compared with the same of the
    other. Matrices [t, n] of what each training example means to each test example are compared row by row. a alone: a
    list, or a dict, of m of them, all compared with all, [n, m, m]. by: pearson, spearman, ssim, cosine or top-k, of
    which k is the share of the pixels; where the last of them are equal, each is in with a part. Signs count: of maps
    whose sign has no meaning give the absolute values. pooled: the pixels of all samples as one long map, so that
    samples with large values decide ([] for a and b, [m, m] for several); Langezaal et al. (2023) print this number.

    >>> a, b = torch.tensor([[[3.0, 2.0, 1.0, 0.0]]]), torch.tensor([[[9.0, 1.0, 2.0, 0.0]]])
    >>> agreement(a, b).tolist(), agreement(a, b, "top-k", 0.5).tolist()
    ([0.8...], [0.5])
    >>> agreement([a, b, -a], pooled=True)[0].tolist()
    [1.0, 0.8..., -1.0]
    """
    if b is not None:
        assert isinstance(a, Explanation | Tensor)
        return _of_two(a, b, by, k, pooled)
    if isinstance(a, Explanation | Tensor) or len(a) < 2:
        raise BadInput("there is nothing to compare these maps with; give b=, or a list of several explanations.")
    several = list(a.values() if isinstance(a, Mapping) else a)
    rows = [[_of_two(several[min(i, j)], other, by, k, pooled) for j, other in enumerate(several) if j >= i]
            for i, _ in enumerate(several)]  # fmt: skip
    m = len(several)
    found = [torch.stack([rows[min(i, j)][abs(i - j)] for j in range(m)], -1) for i in range(m)]
    return torch.stack(found, -2)


def _of_two(a: Maps, b: Maps, by: str, k: float, pooled: bool) -> Tensor:
    x, y = (one.maps if isinstance(one, Explanation) else one for one in (a, b))
    if x.shape != y.shape:
        raise BadInput(
            f"the maps are {tuple(x.shape)} and {tuple(y.shape)}; resize one to the other, and choose the same "
            f"classes and questions of both."
        )
    alike = _way(by, k)
    apart = 1 if x.ndim == 2 or _of_signals(a) or _of_signals(b) else 2  # a signal's map has no height
    if pooled:
        if by == "ssim":
            raise BadInput("ssim compares one map with one other; ask pearson, spearman, cosine or top-k of all maps.")
        x, y = (m.movedim(0, -apart - 1).flatten(-apart - 1) for m in (x, y))
        apart = 1
    size = x.shape[-2:] if apart == 2 else (1, x.shape[-1])
    found = alike(*(m.detach().to(x.device).float().reshape(-1, *size) for m in (x, y)))
    return found.float().view(x.shape[:-apart])


def _way(by: str, k: float) -> Alike:
    if by == "top-k":
        if not 0 < k <= 1:
            raise BadInput(f"k is {k:g}; give the share of the pixels, above 0 and up to 1.")
        return partial(_strongest, share=k)
    if by not in WAYS:
        raise UnknownName(f"there is no agreement by {by!r}; {did_you_mean(by, [*WAYS, 'top-k'])}")
    return WAYS[by]


def _strongest(a: Tensor, b: Tensor, share: float) -> Tensor:
    return top_k(a, b, max(1, round(share * a[0].numel())))


def _of_signals(one: Explanation | Tensor) -> bool:
    return isinstance(one, Explanation) and one.images is not None and one.images.ndim == 3
