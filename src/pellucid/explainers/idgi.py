"""IDGI (Yang et al., 2023), around any explainer with a path: `idgi@integrated-gradients`, `idgi:@guided-ig`.

    M = Σ_j g_j² / Σ g_j² · (f(x_{j+1}) − f(x_j)),   g_j = ∂f/∂x at x_j,   x_0 … x_N the points of the path

Of every step only the change of f counts, and it is dealt out along the gradient, the direction in which f changes;
what a path integral adds across it is noise. Asks about the probability unless told otherwise, and follows the value
itself: the direction is that of each point, as with live=true.

Complete for any number of steps, because the changes telescope: Σ M = f(x) − f(x_0). A step without any gradient deals
its change out evenly. The price is that of the path: one forward and one way back a step. The points are where the
path's own steps begin, equal ones for integrated-gradients whatever its rule is.

Traps: a step's sign is that of its change, so a map has nearly one sign, and says how much a pixel mattered rather than
for which side. Squares are of gradients divided by the largest, for those of half precision vanish.

>>> dealt(torch.tensor([[1.0, 3.0], [0.0, 0.0]]), torch.tensor([2.0, 1.0])).tolist()
[[0.20000000298023224, 1.7999999523162842], [0.5, 0.5]]
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import BadKnob
from pellucid.explainers._base import Explainer, Score, Subject
from pellucid.explainers._path import PathExplainer
from pellucid.knobs import either
from pellucid.registry import catalog


def dealt(gradient: Float[Tensor, "n *shape"], change: Float[Tensor, "n"]) -> Float[Tensor, "n *shape"]:
    """A change of f over the features, by the squares of their gradients."""
    flat = gradient.flatten(1)
    peak = flat.abs().amax(1, keepdim=True)
    squares = (flat / peak.where(peak > 0, 1.0)).square()
    squares = squares.where(peak > 0, 1.0)
    return (squares / squares.sum(1, keepdim=True) * change[:, None]).view_as(gradient)


class IDGI(Explainer, name="idgi", paper="arXiv:2303.14242"):
    """How much did the answer change along each gradient, step by step?"""

    group = "path"
    cost = "inner"
    asks = "probability"
    trainable = False  # the direction of every point is taken as it is
    sizes = (1, 2, 3)
    quick = {"of": "integrated-gradients:steps=4"}
    cite = """
@inproceedings{yang2023idgi,
  title     = {{IDGI}: A Framework to Eliminate Explanation Noise from Integrated Gradients},
  author    = {Yang, Ruo and Wang, Binghui and Bilgic, Mustafa},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2023},
}"""

    of: Explainer

    def check(self) -> None:
        if not isinstance(self.of, PathExplainer):
            members = catalog("explainers")
            known = [name for name in members if issubclass(members[name], PathExplainer)]
            raise BadKnob(f"idgi follows a path to the image, and {self.of.name} has none; wrap {either(known)}.")

    def attribute(self, subject: Subject, images: Tensor, score: Score) -> Tensor:
        total: Tensor | float = 0.0
        last: tuple[Tensor, Tensor] | None = None  # gradient and value where the last step began
        for gradient, value in self._points(subject, images, score):
            total = total if last is None else total + dealt(last[0], value - last[1])
            last = gradient, value
        assert last is not None
        return total + dealt(last[0], score.value(subject.answered(images)) - last[1])

    def _points(self, subject: Subject, images: Tensor, score: Score) -> Iterator[tuple[Tensor, Tensor]]:
        """Gradient and value of the score itself, at every point but the last."""
        path, n = self.of, len(images)
        assert isinstance(path, PathExplainer)
        live = score if score.question.linear else replace(score, frozen=None)
        for steps in path.walk(subject, images, live):
            for gradient, output in zip(steps.gradient.split(n), steps.output.split(n), strict=True):
                yield gradient, score.value(output)

    def owes(self, subject: Subject, images: Tensor, score: Score) -> Tensor | None:
        assert isinstance(self.of, PathExplainer)
        ends = (images, self.of.start(subject, images))
        end, start = (score.value(subject.answered(x)) for x in ends)
        return end - start
