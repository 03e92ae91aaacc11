"""What the studies of figures share: pictures of several things, and how the features of classes lie to each other.

OfSeveral      what was measured, of the pictures with at least two objects of the class
Apart          silhouette    by how much a picture is nearer to its own class than to the next one: −1 to 1
               kinds         whether a line in the plane of the two greatest principal components has it on the side
                             of its kind; the line is that of the other half of the pictures
               order         Spearman's correlation of |i − j| and how far the classes of the numbers i, j are apart
Disagreement   kl            KL(text ‖ image) of 128 pictures at a time, as training has it (`training/_probe.py`)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.studies._cells import Lab, Measure, Reading, Train, Work
from pellucid.studies._pictures import Drawn
from pellucid.studies._training import FEW, FEW_SMALL, FINE, SEVERAL
from pellucid.studies._worlds import IMAGENET, SMALL, TINY, World

Row = Mapping[str, Any]
SHOWN = ("grad-cam", "grad-cam-pp", "score-cam")  # explainers whose maps are looked at
BOXED = IMAGENET.but(forms={**IMAGENET.forms, "iou": "iou:truth=boxes"})  # of outlines nothing is known there
SEEN: Mapping[str, World] = {"tiny": TINY, "small": SMALL, "paper": BOXED}
CROWDS: Mapping[str, World] = {scale: at.but(maps=SEVERAL.get(scale, at.maps)) for scale, at in SEEN.items()}
FINE_MAPS: Mapping[str, Mapping[str, World]] = {  # by data set, by scale
    name: {"tiny": FEW, "small": FEW_SMALL, "paper": FINE[name].but(forms={"ch": "ch:protocol=published"})}
    for name in ("cub", "cars", "aircraft")
}


def cgc_maps(at: World, seed: int, *metrics: str, arms: Sequence[str] = ("ce", "cgc")) -> Iterator[Reading]:
    """CE and CGC, or others: metrics of Grad-CAM."""
    for arm in arms:
        yield from at.measured(at.trained(arm, seed), seed, arm, ("grad-cam",), metrics, accuracy=False)


def lico_maps(at: World, seed: int, *metrics: str, several: bool = False) -> Iterator[Reading]:
    """CE and LICO, a measurement an explainer; perhaps of the pictures with several objects alone."""
    for arm in ("ce", "lico"):
        model = at.trained(arm, seed)
        for explainer in SHOWN:
            for one in at.measured(model, seed, arm, (explainer,), metrics, accuracy=False):
                assert isinstance(one.cell, Measure)
                yield Reading(OfSeveral(one.cell), seed, arm, names=one.names) if several else one


@dataclass(frozen=True)
class OfSeveral(Work):
    """What was measured, of the pictures with at least two objects of the class."""

    measured: Measure

    def rows(self, lab: Lab) -> Iterator[Row]:
        from pellucid.engine._evaluate import seen_by

        several: set[int] = set()
        for some in seen_by(lab.model(self.measured.model), self.measured.data, None, None).ranges(None):
            boxes = some.boxes(some.labels) or []
            several |= {sample for sample, found in enumerate(boxes, some.start) if len(found) > 1}
        for row in self.measured.frame(lab).to_dict("records"):
            if row["explainer"] != "none" and row["sample"] in several:
                told = {"quantity": row["metric"], "sample": row["sample"], "value": row["value"]}
                yield {"setting": row["explainer"], **told}

    def drawn(self) -> Iterator[Drawn]:
        return self.measured.drawn()


@dataclass(frozen=True)
class Apart(Work):
    """How far the classes lie apart in what the last layer is given."""

    model: Train
    data: str
    kinds: tuple[int, ...] = ()  # of every class: 0 or 1
    numbers: tuple[int, ...] = ()  # that the classes stand for

    def rows(self, lab: Lab) -> Iterator[Row]:
        import torch

        from pellucid.subject.penultimate import penultimate

        features, labels = looked_at(lab.model(self.model), self.data, penultimate)
        found = {"silhouette": silhouettes(features, labels)}
        if self.kinds:
            found["kinds"] = told_apart(features, torch.tensor(self.kinds)[labels])
        for quantity, values in found.items():
            for sample, value in enumerate(values.tolist()):
                yield {"quantity": quantity, "sample": sample, "value": value}
        if self.numbers:
            yield {"quantity": "order", "value": in_order(features, torch.tensor(self.numbers)[labels])}


@dataclass(frozen=True)
class Disagreement(Work):
    """How far who is near whom differs between pictures and the names of their classes, as a frozen reader has them."""

    model: Train
    data: str
    objective: str  # a LICO, whose reader it is
    trained: bool = True  # else the network as it was before its first step

    def rows(self, lab: Lab) -> Iterator[Row]:
        from pellucid.data import Dataset
        from pellucid.objectives import Objective
        from pellucid.training._probe import SIZE, disagreement
        from pellucid.training._watch import PROMPT

        model = lab.model(self.model)
        if not self.trained:
            forgotten(model, self.model.seed)
        features, labels = looked_at(model, self.data, lambda subject, images: subject.activations(images)[0])
        lico: Any = Objective.make(self.objective)
        names = lico.text.load().texts([PROMPT.format(name) for name in Dataset.make(self.data).class_names])
        for i, (some, of) in enumerate(zip(features.split(SIZE), labels.split(SIZE), strict=True)):
            if i == 0 or len(of) == SIZE:
                yield {"quantity": "kl", "sample": i, "value": disagreement(some, names.float().cpu(), of)}


def looked_at(model: Any, data: str, look: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """What a look at the pictures gives, [n, d], and their labels."""
    import torch

    from pellucid.engine._evaluate import seen_by
    from pellucid.subject import Subject

    found, labels = [], []
    for some in seen_by(model, data, None, None).ranges(None):
        with torch.no_grad():
            found.append(look(Subject(model), some.images).detach().flatten(1).double().cpu())
        labels.append(some.labels.cpu())
    return torch.cat(found), torch.cat(labels)


def forgotten(model: Any, seed: int) -> None:
    """Gives every layer the weights that a new one has."""
    from pellucid.metrics._randomised import forget

    for i, module in enumerate(model.modules()):
        forget(module, 1000 * seed + i)


def silhouettes(features: Any, labels: Any) -> Any:
    """[n]: (b − a) / max(a, b), a the mean distance to the others of the class, b that to the nearest other class; NaN
    where a picture is alone.

    >>> import torch
    >>> silhouettes(torch.tensor([[0.0], [1.0], [4.0], [5.0]]), torch.tensor([0, 0, 1, 1]))
    tensor([0.7778, 0.7143, 0.7143, 0.7778], dtype=torch.float64)
    """
    import torch

    own = labels[:, None] == labels.unique()
    count = own.sum(0)
    distance = torch.cdist(features.double(), features.double(), compute_mode="donot_use_mm_for_euclid_dist")
    total = distance @ own.double()
    a = total[own] / (count.expand_as(own)[own] - 1)
    b = (total / count).masked_fill(own, torch.inf).amin(1)
    return (b - a) / torch.maximum(a, b)


def told_apart(features: Any, kinds: Any) -> Any:
    """[n]: 1 where a picture lies on its kind's side of a line, by least squares of every other picture.

    >>> import torch
    >>> told_apart(torch.tensor([[0.0], [1.0], [4.0], [5.0]]), torch.tensor([0, 0, 1, 1])).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    import torch

    centred = features.double() - features.double().mean(0)
    plane = centred @ torch.linalg.svd(centred, full_matrices=False).Vh[:2].mT
    points, sides = torch.cat([plane, torch.ones_like(plane[:, :1])], 1), 2.0 * kinds.double() - 1
    found = torch.full_like(sides, torch.nan)
    for half in (0, 1):
        asked, learned = slice(half, None, 2), slice(1 - half, None, 2)
        line = torch.linalg.lstsq(points[learned], sides[learned, None], driver="gelsd").solution
        found[asked] = ((points[asked] @ line)[:, 0] * sides[asked] > 0).double()
    return found


def in_order(features: Any, numbers: Any) -> float:
    """Whether classes lie the further apart, the more their numbers differ; NaN of fewer than three.

    >>> import torch
    >>> in_order(torch.tensor([[0.0], [1.0], [4.0]]), torch.tensor([1, 2, 3]))
    0.866...
    """
    import torch

    from pellucid.maths.similarity import spearman

    there = numbers.unique()
    if len(there) < 3:
        return float("nan")
    centres = torch.stack([features[numbers == number].mean(0) for number in there])
    i, j = torch.triu_indices(len(there), len(there), 1)
    steps, apart = (there[j] - there[i]).double(), (centres[j] - centres[i]).norm(dim=1)
    return float(spearman(steps.view(1, 1, -1), apart.view(1, 1, -1)))
