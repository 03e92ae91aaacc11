"""What an objective is: knobs, and `terms`, the losses of one step by name.

`bind` joins it to a model and gives what a loop calls. What an objective trains besides the model (prompts, a mapping)
is made by `build` and lives in the bound objective; the model itself stays as it is. Objectives are added by `+`;
what two of them need, a forward or the cross-entropy, is computed and counted once.

An objective without classes says `classifies = False`. Then the model's output may be of any shape, labels may be
absent (`objective(images)`, `objective((images, labels))`), and `pl.fit` chooses its epoch by the held-out loss: the
objective itself, in evaluation, under the same chance in every epoch. What it wants of a network besides the forward is
a method, whose name it gives in `asks`; `step.ask("reconstruct", images)` calls it, through whatever wraps the model.
`networks` are those on which the contract tries it; `views` is how many times `pl.fit` lets a transform look at every
picture: with two, `step.images` are [n, 2, c, h, w]. `step.count` is the number of records that are learned from, where
that is known.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from pellucid import grammar
from pellucid.errors import BadText
from pellucid.grammar import Item
from pellucid.knobs import Between
from pellucid.objectives._step import Step
from pellucid.registry import Named

if TYPE_CHECKING:
    from typing import Self

    from pellucid.objectives._bound import Bound, Site

__all__ = ["Between", "Objective", "Part", "Step", "Sum"]


class Objective(Named, family="objectives"):
    """What a model is trained towards."""

    twice: ClassVar[bool] = False  # differentiates a gradient
    draws: ClassVar[bool] = False  # for every sample, so that the order of a batch has a say
    vmaps: ClassVar[bool] = False  # a plain function of output and labels: nothing learned, drawn, or differentiated
    classifies: ClassVar[bool] = True  # reads labels, and the model's output [n, classes] as scores
    views: ClassVar[int] = 1  # of every picture, each drawn anew by the transform
    asks: ClassVar[str] = ""  # a method that the network must have, besides its forward
    networks: ClassVar[tuple[str, ...]] = ("tiny-cnn", "tiny-vit")  # of ours, to keep the contract on

    @property
    def weights(self) -> Mapping[str, float]:
        """Every term of the loss, and what it is multiplied with."""
        raise NotImplementedError

    def terms(self, step: Step) -> Mapping[str, Tensor]:
        """The terms of one step, each a number with its gradient, unweighted; what has a `Part` of its own adds them
        there."""
        return {"ce": step.ce()}

    def build(self, site: "Site") -> "Part":
        """What is kept between the steps; here only the objective itself."""
        return Part(self, site)

    def bind(
        self,
        model: nn.Module,
        class_names: Sequence[str] | None = None,
        images: Any = None,
        *,
        output: Any = None,
        seed: int = 0,
    ) -> "Bound":
        """The objective for this model: `loss, terms = objective((images, labels))`.

        images: a batch, or the height and width, of what it will be called with, where the model does not tell. A model
        that averages gradients over processes is bound as it is wrapped, `bind(DistributedDataParallel(model))`. Where
        gradients are off, or the objective in evaluation mode, a call is no step: nothing is shuffled or counted.
        output: which part of the model's output are the scores. seed: of everything drawn.
        """
        from pellucid.objectives._bound import Bound

        return Bound(self, model, class_names, images, output, seed)

    def __add__(self, other: "Objective") -> "Objective":
        return Sum((*members(self), *members(other)))

    @classmethod
    def make(cls, thing: "str | Item | Objective") -> "Self":  # pyright: ignore[reportIncompatibleMethodOverride]
        """From the text form; `a+b` is the sum."""
        texts = grammar.summands(thing) if isinstance(thing, str) else []
        if len(texts) < 2:
            return super().make(thing)  # pyright: ignore
        if not all(text.strip() for text in texts):
            raise BadText(f"the sum {thing!r} lacks an objective beside a +; write lico+cgc.")
        return Sum(tuple(Objective.make(text.strip()) for text in texts))  # pyright: ignore


class Part(nn.Module):
    """An objective at its place: which layer it looks at, and what it keeps."""

    def __init__(self, objective: Objective, site: "Site") -> None:
        super().__init__()
        self.objective = objective
        self.layer: str | None = None

    def forward(self, step: Step) -> Mapping[str, Tensor]:
        return self.objective.terms(step)


class Sum(Objective, name="sum"):
    """Several objectives at once."""

    of_: tuple[Objective, ...]

    classifies = property(lambda self: any(part.classifies for part in self.of_))  # type: ignore[assignment]
    views = property(lambda self: max(part.views for part in self.of_))  # type: ignore[assignment]

    def check(self) -> None:
        names = [part.name for part in self.of_]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise BadText(f"the sum {self} has {twice} twice; take each objective once, and set its weight by a knob.")
        if len({part.views for part in self.of_}) > 1:
            several = next(part.name for part in self.of_ if part.views > 1)
            raise BadText(
                f"in the sum {self}, {several} looks at several views of a picture, and others at one; take it alone."
            )

    @property
    def weights(self) -> Mapping[str, float]:
        return {term: weight for part in self.of_ for term, weight in part.weights.items()}

    def __str__(self) -> str:
        return "+".join(map(str, self.of_))

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.of_))


def members(objective: Objective) -> tuple[Objective, ...]:
    """The parts of a sum; any other objective is its own."""
    return objective.of_ if isinstance(objective, Sum) else (objective,)
