"""Agreement: how alike two explanations are, sample by sample.

    pearson, cosine    of the values            spearman   of their order, equal values sharing a rank
    ssim               of their structure       top-k      the part that the strongest k of all pixels have in common

pl.agreement(a, b, "spearman")       float32 [n], NaN where a map is the same everywhere (for cosine: zero everywhere)
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor

from pellucid.errors import BadInput, UnknownName, did_you_mean
from pellucid.explanation import Explanation
from pellucid.maths.similarity import cosine, pearson, spearman, ssim, top_k

Alike = Callable[[Tensor, Tensor], Tensor]
WAYS: dict[str, Alike] = {"pearson": pearson, "spearman": spearman, "ssim": ssim, "cosine": cosine}


def agreement(a: Explanation | Tensor, b: Explanation | Tensor, by: str = "spearman", k: float = 0.1) -> Tensor:
    """How alike are these maps? float32 [n]; of maps [n, k, q, h, w] [n, k, q].

    a and b: what pl.explain returned, or maps; each sample, class and question of one is compared with the same of the
    other. by: pearson, spearman, ssim, cosine or top-k, of which k is the share of the pixels; where the last of them
    are equal, each is in with a part. Signs count: of maps whose sign has no meaning give the absolute values.

    >>> import torch
    >>> a, b = torch.tensor([[[3.0, 2.0, 1.0, 0.0]]]), torch.tensor([[[9.0, 1.0, 2.0, 0.0]]])
    >>> agreement(a, b).tolist(), agreement(a, b, "top-k", 0.5).tolist()
    ([0.8...], [0.5])
    """
    x, y = (one.maps if isinstance(one, Explanation) else one for one in (a, b))
    if x.shape != y.shape:
        raise BadInput(
            f"the maps are {tuple(x.shape)} and {tuple(y.shape)}; resize one to the other, and choose the same "
            f"classes and questions of both."
        )
    alike = _way(by, k)
    apart = 1 if x.ndim == 2 or _of_signals(a) or _of_signals(b) else 2  # a signal's map has no height
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
