"""What the last linear layer of a network is given: the features that its answer is a linear function of."""

from typing import TYPE_CHECKING

from torch import Tensor

from pellucid.errors import BadLayer
from pellucid.subject.crossings import linear_calls

if TYPE_CHECKING:
    from pellucid.subject import Subject


def penultimate(subject: "Subject", images: Tensor) -> Tensor:
    """[n, d]: the input of the linear layer (or 1×1 convolution) that runs last and has the answer's size."""
    output, calls = linear_calls(subject.model, lambda: subject(images))
    for size, call in calls:
        if size == output.shape[1] and len(call.given) == len(images):
            return call.given.flatten(1)
    raise BadLayer(
        f"{type(subject.model).__name__} does not end in a linear layer, so it has no penultimate one; name a layer."
    )
