"""Captum: any attribution of that library (Kokhlikyan et al., 2020), on our model, question and class.

    captum:name=IntegratedGradients,n_steps=20
    captum:name=Occlusion,sliding_window_shapes=[3,8,8],strides=[3,4,4]
    captum:name=LayerGradCam,layer=layer4

Everything but `name`, `layer` and `seed` is handed to captum's class or its `attribute`; a text form says numbers,
lists and words, Python says anything: Captum(name_="Lime", rest={"feature_mask": mask}). What captum is shown answers
one number a sample: the one whose gradient is the question's direction (fixed at the clean input unless the question is
live), or for methods that only ask, as Occlusion and Lime, the value of the question itself. So contrast, similarity
and units work as with any explainer, and captum's `target` is not used.

Tensors and window sizes are in the layout of the input, and one for all samples. Layers are found where none is named,
and their attributions summed over channels. `baselines` is 0 where captum insists on some. Methods that draw (Lime,
KernelShap, GradientShap) are asked image by image, each from the same seed, so that a batch is its images. DeepLift
puts two rows an image in a forward, whatever the batch_size. ReLUs that work in place do not, meanwhile.

>>> str(Captum(name_="Occlusion", rest={"sliding_window_shapes": (3, 8, 8)}))
'captum:name=Occlusion,sliding_window_shapes=[3,8,8]'
>>> Captum.make("captum:name=IntegratedGradients,n_steps=20").rest["n_steps"]
20
>>> halves({"n_steps": 20, "multiply_by_inputs": False}, ["multiply_by_inputs"])
({'multiply_by_inputs': False}, {'n_steps': 20})
"""

import inspect
import warnings
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.errors import BadKnob, UnknownName, did_you_mean, need
from pellucid.explainers._base import Explainer, Score, Subject
from pellucid.knobs import Rest
from pellucid.questions import Question
from pellucid.subject import differentiable
from pellucid.subject.foreign import put_back

OURS = {
    "self", "forward_func", "model", "layer", "device_ids", "inputs", "target", "additional_forward_args", "kwargs",
    "return_convergence_delta", "return_input_shape", "show_progress", "verbose",
}  # fmt: skip


def halves(said: Mapping[str, Any], first: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What of the options goes to the constructor, and what to `attribute`."""
    return {k: v for k, v in said.items() if k in first}, {k: v for k, v in said.items() if k not in first}


class _Answer(nn.Module):
    """The model as captum wants it: images and the numbers of their rows in, one number a sample out."""

    def __init__(self, subject: Subject, score: Score, asks: bool, most: int | None) -> None:
        super().__init__()
        self.model = subject.model
        self.subject, self.score, self.asks, self.most = subject, score, asks, most

    def forward(self, x: Tensor, rows: Tensor) -> Tensor:
        parts = zip(x.split(self.most or len(x)), rows.split(self.most or len(x)), strict=True)
        return torch.cat([self._numbers(*part) for part in parts])

    def _numbers(self, x: Tensor, rows: Tensor) -> Tensor:
        batch = self.subject.batch
        assert batch is not None
        answer = self.subject.answer(batch[rows].call(self.model, batch.inward(x)))
        score = self.score[rows]
        return score.value(answer) if self.asks else score.followed(answer)


class Captum(Explainer, name="captum", paper="arXiv:2009.07896"):
    """Whatever captum attributes."""

    group = "outside"
    cost = "as there"
    trainable = False
    sizes = (1, 2, 3)
    cite = """
@misc{kokhlikyan2020captum,
  title  = {Captum: A unified and generic model interpretability library for PyTorch},
  author = {Kokhlikyan, Narine and Miglani, Vivek and Martin, Miguel and Wang, Edward and Alsallakh, Bilal and
            Reynolds, Jonathan and Melnikov, Alexander and Kliushkina, Natalia and Araya, Carlos and Yan, Siqi and
            Reblitz-Richardson, Orion},
  year   = {2020},
  eprint = {2009.07896},
}"""

    name_: str = "InputXGradient"
    layer: str | None = None
    seed: int | None = None
    rest: Rest = Rest()

    def attribute(self, subject: Subject, images: Tensor, score: Score) -> Tensor:
        method = _Method(self.name_)
        batch = subject.given(images)
        x = batch.outward(images).detach().clone()
        unheard = {"layer": self.layer} if self.layer and not method.layered else {}
        make, ask = method.options({**self.rest, **unheard}, x, subject)
        path = subject.layers(images, self.layer)[0] if method.layered else ""
        if path:
            make["layer"] = subject.module(path)
        each = 1 if method.draws else len(x)
        seed = subject.seed if self.seed is None else self.seed
        before, subject.batch = subject.batch, batch
        try:
            found = [
                method.run(subject, score, part, torch.arange(i, i + len(part), device=x.device), make, ask, seed)
                for i, part in zip(range(0, len(x), each), x.split(each), strict=True)
            ]
        finally:
            subject.batch = before
        made = torch.cat(found)
        if made.shape == x.shape:
            return batch.inward(made)
        return subject.layout(path, made, images).map(made).sum(1)

    def picked(self, subject: Subject, images: Tensor) -> Explainer:
        found = self.layer is None and _Method(self.name_).layered
        return self.but(layer=subject.place(images).path) if found else self

    def signed(self, question: Question) -> bool:
        return self.name_ != "Saliency" or not self.rest.get("abs", True)


class _Method:
    """One of captum's attributions, and what can be said to it."""

    def __init__(self, name: str) -> None:
        self.library = need("captum.attr", "captum", "captum")
        known = [one for one, thing in vars(self.library).items() if self._fits(thing)]
        if name not in known:
            raise UnknownName(
                f"captum has no attribution {name!r} of an answer to one input; {did_you_mean(name, known)}"
            )
        self.name = name
        self.made: Any = getattr(self.library, name)
        self.makes = inspect.signature(self.made.__init__).parameters
        self.asks = inspect.signature(self.made.attribute).parameters
        self.layered = "layer" in self.makes
        self.draws = issubclass(self.made, self.library.Lime) or "GradientShap" in name
        self.only_asks = issubclass(self.made, self.library.PerturbationAttribution)

    def _fits(self, thing: Any) -> bool:
        """It can be made of a model alone, or with a layer, and hears the question; no image is mixed with others."""
        if not inspect.isclass(thing) or not issubclass(thing, self.library.Attribution):
            return False
        attribute: Any = getattr(thing, "attribute", None)
        if attribute is None or issubclass(thing, self.library.FeaturePermutation):
            return False
        needed = {k for k, p in inspect.signature(thing.__init__).parameters.items() if p.default is p.empty}
        asks = inspect.signature(attribute).parameters
        return needed <= OURS and {"inputs", "target"} <= asks.keys() and "neuron_selector" not in asks

    def options(self, said: Mapping[str, Any], x: Tensor, subject: Subject) -> tuple[dict[str, Any], dict[str, Any]]:
        """What goes to the constructor and to `attribute`, with what we know better filled in."""
        known = [name for name in (*self.makes, *self.asks) if name not in OURS]
        for name in said:
            if name not in known:
                raise UnknownName(f"captum's {self.name} has no argument {name}; {did_you_mean(name, known)}")
        make, ask = halves(said, self.makes.keys())
        for name, value in ask.items():
            if isinstance(value, Tensor):
                ask[name] = value.to(x if value.is_floating_point() else x.device)
        if "perturbations_per_eval" in self.asks:
            ask.setdefault("perturbations_per_eval", subject.copies(1 if self.draws else len(x)))
        if "internal_batch_size" in self.asks and subject.batch_size:
            ask.setdefault("internal_batch_size", subject.batch_size)
        for name, parameter in self.asks.items():
            if parameter.default is parameter.empty and name not in OURS and name not in ask:
                if name != "baselines":
                    raise BadKnob(f"captum's {self.name} needs {name}; write captum:name={self.name},{name}=VALUE.")
                ask[name] = 0.0
            if name == "baselines" and parameter.default is parameter.empty and not isinstance(ask[name], Tensor):
                ask[name] = torch.full_like(x[:1], ask[name]).expand(2, *x.shape[1:])  # a distribution has two or more
        return make, ask

    def run(
        self,
        subject: Subject,
        score: Score,
        x: Tensor,
        rows: Tensor,
        make: dict[str, Any],
        ask: dict[str, Any],
        seed: int,
    ) -> Tensor:
        """captum's numbers for some rows."""
        hooks = self.layered or "model" in self.makes  # such forwards cannot be cut into pieces
        answer = _Answer(subject, score, self.only_asks, None if hooks else subject.batch_size)
        with put_back(subject.model, seed, in_place=False), warnings.catch_warnings(), differentiable(subject.model):
            warnings.filterwarnings("ignore", module="captum")  # of hooks and gradients, which are put back
            try:
                found: Any = self.made(answer, **make).attribute(x, additional_forward_args=(rows,), **ask)
            except Exception as cause:
                if not _by_captum(cause):
                    raise
                raise BadKnob(
                    f"captum's {self.name} refuses these options or this model ({' '.join(str(cause).split())}); give "
                    f"others, or take another method."
                ) from cause
        while isinstance(found, tuple | list):
            found = found[0]
        return found.detach()


def _by_captum(error: BaseException) -> bool:
    """Whether captum itself said no, and not the model or torch."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("captum.")
