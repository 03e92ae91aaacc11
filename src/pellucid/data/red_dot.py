"""A red dot on every picture of one class: a shortcut that a model may learn instead of the class.

    x[:, :side, :side] = (1, 0, 0)   after the last resize, before mean and std

So the dot is in every picture of the class as the model sees it, always of one size, and in no other picture. In
evaluation it may be left out (`evaluate=none`), or be on all others instead (`evaluate=others`), which shows what a
model does that has learned the dot. `facts["red dot"]` is its box, where there is one.

>>> dotted(torch.ones(3, 2, 4, dtype=torch.uint8), 1)[:, 0].tolist()
[[255, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1]]
"""

from dataclasses import replace
from functools import cached_property
from typing import Annotated, Literal

import torch
from jaxtyping import Num
from torch import Tensor

from pellucid.data._base import Dataset, Record, Wrapped
from pellucid.errors import BadInput, BadKnob
from pellucid.knobs import Between


def dotted(image: Num[Tensor, "c h w"], side: int) -> Num[Tensor, "c h w"]:
    """The picture with a pure red square in its upper left corner."""
    red = torch.zeros(len(image), 1, 1).to(image)
    red[0] = 1 if image.is_floating_point() else 255
    painted = image.clone()
    painted[:, :side, :side] = red
    return painted


class RedDot(Wrapped, name="red-dot"):
    """Any data set, with a red dot on all pictures of one class."""

    of: Dataset
    dot: Annotated[int, Between(0)] = 0  # the class
    side: Annotated[int, Between(1)] = 6  # of the square, in pixels of what the model sees
    evaluate: Literal["class", "others", "none"] = "class"  # whose pictures have it in evaluation

    def check(self) -> None:
        if self.of.kind != "images":
            raise BadKnob(f"red-dot is drawn on pictures, and {self.of.name} is of {self.of.kind}; leave it out.")

    def finish(self, record: Record, i: int, train: bool) -> Record:
        record = self.of.finish(record, i, train)
        if self.dot >= self._classes:
            last = self._classes - 1
            raise BadInput(f"the dot is for class {self.dot}, and those of {self.of.name} are 0 to {last}; set dot=.")
        here = (record.label == self.dot) == (train or self.evaluate == "class")
        if not here or (self.evaluate == "none" and not train):
            return record
        if record.image.is_floating_point() and not 0 <= float(record.image.min()) <= float(record.image.max()) <= 1:
            raise BadInput("the dot is drawn before mean and std; let v2.Normalize be the last step, or leave it out.")
        facts = {**record.facts, "red dot": [0, 0, self.side, self.side]}
        return replace(record, image=dotted(record.image, self.side), facts=facts)

    @cached_property
    def _classes(self) -> int:
        return len(self.class_names)
