"""Heat-maps with a graph: what a class owes to every cell, differentiable to all weights of the model.

    M = ReLU(spread(A, G)),   G = ∂y_c / ∂A        nothing is detached: a loss of M reaches A, and G through the head

Behind average pooling and one linear layer G needs no way back: it is w_c / (h·w) in every cell, and for HiResCAM and
Grad-CAM M = ReLU(Σ_k w_ck A_k) / (h·w). The weights are the living ones, so that their gradient is the double
backward's. That the head is of this kind is found out once, on a batch, from its output and from its gradient. Any
other head (max-pooling, an MLP, a transformer, dropout while it drops) is differentiated twice, and nothing before it.

>>> A, w = torch.tensor([[[[1.0, 3.0]], [[2.0, 2.0]]]]), torch.tensor([[1.0, -1.0], [0.0, 2.0]])
>>> hires_cam(A, pooled_gradient(w, torch.tensor([0]), (1, 2))).relu().tolist()      # ReLU(1 − 2, 3 − 2) / 2
[[[0.0, 0.5]]]
"""

from typing import Annotated, Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pellucid.errors import BadInput, BadKnob
from pellucid.explainers import Explainer, HiResCAM
from pellucid.explainers._base import LayerExplainer
from pellucid.explainers.hires_cam import hires_cam as hires_cam
from pellucid.maths.grids import Layout
from pellucid.objectives._base import Between, Objective, Part, Step
from pellucid.objectives._bound import Site
from pellucid.objectives._step import Look
from pellucid.questions import Logit, Score
from pellucid.subject import Pass, precise
from pellucid.subject.head import linear_head

TINY = 1e-8  # added to the mass that a map is divided by, and to every pixel of it

Weight = Annotated[float, Between(0)]


def pooled_gradient(
    weight: Float[Tensor, "c k"], classes: Int[Tensor, " n"], grid: tuple[int, int]
) -> Float[Tensor, "n k h w"]:
    """∂y_c / ∂A where y = W · mean(A) + b."""
    return (weight[classes] / (grid[0] * grid[1]))[:, :, None, None].expand(-1, -1, *grid)


class HeatObjective(Objective):
    """An objective about heat-maps. `way=double-backward` never reads a gradient off the classifier's weights."""

    explainer: Explainer = HiResCAM()
    layer: str | None = None
    way: Literal["auto", "double-backward"] = "auto"

    twice = True

    def check(self) -> None:
        how = self.explainer
        if (
            not isinstance(how, LayerExplainer)
            or not _spreads(how)
            or not how.trainable
            or isinstance(how.layer, tuple)
        ):
            raise BadKnob(
                f"{self.name} trains on a map of activations and gradients at one layer, which {how} does not "
                f"draw; choose hires-cam, grad-cam, layer-cam or another of their kind."
            )


class HeatPart(Part):
    """An objective about heat-maps at its place: draws them."""

    layer: str

    def __init__(self, objective: HeatObjective, site: Site) -> None:
        super().__init__(objective, site)
        if site.images.ndim != 4:
            raise BadInput(
                f"{objective.name} cuts and joins pictures [n, c, h, w], and these have shape "
                f"{tuple(site.images.shape)}; use ce or lico for signals."
            )
        self.explainer, self.way = cast(LayerExplainer, objective.explainer), objective.way
        self.layer = site.layer(objective.layer or cast("str | None", self.explainer.layer))
        self._heads: dict[tuple[bool, tuple[int, int]], str | None] = {}  # paths: a head may be exchanged

    def heat(self, step: Step, images: Tensor, classes: Tensor, times: int = 1) -> Tensor:
        """[n, h, w] >= 0: why these classes? `times`: how much larger the pictures are than those of the grid knob."""
        look = step.seen(images)
        output, grid = look.at(self.layer), self.explainer.grid
        grid = None if grid is None else (grid[0] * times, grid[1] * times)
        layout = step.subject.layout(self.layer, output, images, grid)
        with torch.autocast(output.device.type, enabled=False):
            activation = precise(layout.map(output))
            head = self._head(step, look, layout, activation) if self.way == "auto" else None
            if head is None:
                gradient = self._pulled(step, look, layout, classes)
            else:
                gradient = pooled_gradient(_matrix(step.subject.module(head), activation), classes, layout.grid)
            return self.explainer.spread(activation, gradient).relu()

    def _pulled(self, step: Step, look: Look, layout: Layout, classes: Tensor) -> Tensor:
        """The gradient by a way back through the head, with its graph."""
        output, question = precise(look.output.detach()), Logit()
        score = Score(question, classes, question.value(output, classes), question.direction(output, classes))
        [[gradient]] = step.subject.pull(Pass(look.images, (self.layer,), look.output, [look.at(self.layer)]), [score])
        return precise(layout.map(gradient))

    def _head(self, step: Step, look: Look, layout: Layout, activation: Tensor) -> str | None:
        """Where the linear layer is that alone, behind average pooling, makes the output; none if there is none."""
        model = step.subject.model
        key = (model.training, layout.grid)
        if key in self._heads:
            return self._heads[key]
        head = linear_head(model, look.output, activation)
        if head is None:
            self._heads[key] = None
            return None
        classes = look.output.detach().argmax(1)
        pulled = self._pulled(step, look, layout, classes).detach()
        known = pooled_gradient(_matrix(head, activation), classes, layout.grid).detach()
        peak = float(known.abs().amax())
        if not peak:
            return None  # weights that begin at zero fit any pooling: ask again in the next step
        tolerance = max(1e-4, 8 * torch.finfo(look.output.dtype).eps)
        alike = float((pulled - known).abs().amax()) <= tolerance * peak
        self._heads[key] = next(path for path, m in model.named_modules() if m is head) if alike else None
        return self._heads[key]


def share(step: Step, values: Tensor, counted: Tensor) -> Tensor:
    """My share of the mean over everybody's counted values; zero, with a gradient of zeros, where none counts."""
    total = step.everyone(counted.float()).sum().clamp_min(1)
    return torch.where(counted, values, 0.0).sum() * (len(step.rows(len(values))) / total)


def _matrix(head: nn.Module, like: Tensor) -> Tensor:
    return cast(Tensor, head.weight).flatten(1).to(like)


def _spreads(explainer: LayerExplainer) -> bool:
    return type(explainer).spread is not LayerExplainer.spread
