"""The subject: a model, asked and watched. The only hooks of the library are in this package.

`look` runs one ordinary forward in which the layer's output is replaced by a leaf, so that the way back stops there:
one forward and a backward of the head. Before the layer nothing is recorded; parameters may be frozen; an in-place
ReLU behind the layer works on a copy. With `trainable` nothing is cut and the maps keep their graph.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from pellucid.errors import BadInput, BadLayer, BadModel, UnknownName, did_you_mean, kind
from pellucid.maths.grids import Layout, layout_of
from pellucid.subject.batch import Batch
from pellucid.subject.batch import as_batch as as_batch
from pellucid.subject.place import Place, find_place, prefixes_of
from pellucid.subject.rectifiers import Rule, rectified
from pellucid.subject.state import eager, first_tensor, unwrapped
from pellucid.subject.state import undisturbed as undisturbed

Layers = str | Sequence[str] | None
Grid = tuple[int, int] | None

# what of a dict or a Hugging Face output is the answer, the first that is there
ANSWERS = ("logits", "out", "image_embeds", "pooler_output", "last_hidden_state", "x", "output", "embedding")


@dataclass
class Pass:
    """One forward: the output, and the tensors that a way back can lead to."""

    images: Tensor
    at: tuple[str, ...]
    output: Tensor
    leaves: list[Tensor] = field(default_factory=list)
    ears: list[Callable[[str, Tensor], None]] = field(default_factory=list)  # told every gradient, while they are here


class Watched(tuple[str, ...]):
    """A place in a forward that is no layer, and watches by itself: abstract."""

    def watch(self, subject: "Subject", images: Tensor) -> Pass:
        """One forward, with a way back to there."""
        raise NotImplementedError


INPUT = ("",)  # a layer may be called "input"
EVERYWHERE = ("", "*")  # the input, with every innermost module overheard
STACK = 8  # rows of a forward that is filled with copies of few images, where no batch_size is said


class Subject:
    """A model with what it takes to ask it: which input is the image, which output the answer, how many rows."""

    def __init__(
        self,
        model: nn.Module,
        *,
        output: str | int | Callable[[Any], Tensor] | None = None,
        batch_size: int | None = None,
        seed: int = 0,
        trainable: bool = False,
    ) -> None:
        self.model = unwrapped(model)
        self.called = eager(model) if trainable else self.model  # what averages gradients wants to be called itself
        self.output, self.batch_size, self.seed, self.trainable = output, batch_size, seed, trainable
        self.twice = trainable  # whether a gradient will be differentiated
        self.batch: Batch | None = None
        self._clean: Pass | None = None
        self._keeps = False

    # --- forwards --------------------------------------------------------------------------------------------------

    def __call__(self, images: Tensor) -> Tensor:
        """The answer [n, …] to these images; gradients as the caller has them."""
        batch = self.batch or Batch(images, None)
        return self.answer(batch.call(self.called, images))

    def embed(self, images: Tensor) -> Tensor:
        """The answer to other images, in the precision and on the device of the batch."""
        return self(images if self.batch is None else self.batch.inward(images.to(self.batch.images)))

    def given(self, images: Tensor) -> Batch:
        """What a stranger calls the model with to show it these images, copies of the batch one after another."""
        batch = self.batch or Batch(images, None)
        if images is batch.images:
            return batch
        if batch.table is not None:
            raise BadInput("token ids have no noisy or mixed copies outside the embedding; ask the explainer alone.")
        return batch[torch.arange(len(images), device=images.device) % len(batch.given)].but(images)

    def laid(self, given: Any) -> Any:
        """A baseline in the caller's layout, for one sample or several, laid as the images are; of tokens also ids."""
        if not isinstance(given, Tensor) or self.batch is None or self.batch.channels == 1:
            return given
        given = given.to(self.batch.images.device)
        ids = self.batch.table is not None and not given.is_floating_point()
        one = self.batch.given.shape[1:] if ids else self.batch.outward(self.batch.images).shape[1:]
        if given.ndim > len(one):
            return self.batch.inward(given)
        try:
            return self.batch.inward(given.expand(one)[None])[0]
        except RuntimeError:  # whoever wanted it says what does not fit
            return given

    def answer(self, output: Any) -> Tensor:
        """The one tensor of the model's output that is asked about."""
        chosen = _select(output, self.output)
        if isinstance(chosen, Tensor) and chosen.ndim == 1:
            chosen = chosen[:, None]
        if not isinstance(chosen, Tensor) or not chosen.is_floating_point():
            found = chosen.dtype if isinstance(chosen, Tensor) else kind(output if chosen is None else chosen)
            raise BadModel(f"the model's output is {found}, not a float tensor; choose a part of it with output=.")
        return chosen

    def clean(self, batch: Batch, at: tuple[str, ...] | None) -> Tensor:
        """The forward of the clean input, for whoever looks at the same place next; a way back uses it up."""
        self.batch = batch
        self._clean = self.forward(batch.images, at)
        output = self._clean.output
        if len(output) != len(batch.images):
            raise BadModel(
                f"the model answers {len(batch.images)} images with {len(output)} rows; explain needs one each."
            )
        if not bool(output.detach().isfinite().all()):
            row = int((~output.detach().flatten(1).isfinite().all(1)).nonzero()[0])
            raise BadModel(f"the model's output is NaN or infinite for sample {row}; explain needs finite outputs.")
        return output

    def answered(self, images: Tensor) -> Tensor:
        """The answer to these images, without a way back; the clean one is not computed again."""
        if self._clean and self._clean.images is images:
            return self._clean.output.detach()
        with torch.no_grad():
            return self(images)

    def copies(self, n: int) -> int:
        """How many copies of n images go into one forward."""
        return max(1, (self.batch_size or STACK) // n)

    @contextmanager
    def keeping(self) -> Generator[None]:
        """Meanwhile, ways back leave the clean forward for others."""
        before, self._keeps = self._keeps, True
        try:
            yield
        finally:
            self._keeps = before

    def forget(self) -> None:
        """Free the clean forward."""
        self._clean = self.batch = None

    def forward(self, images: Tensor, at: tuple[str, ...] | None) -> Pass:
        """One forward, with a way back to the input (`INPUT`), to layers, to both ("" the first), or to nothing."""
        if isinstance(at, Watched):
            return at.watch(self, images)
        # fused attention has no second derivative
        graph = self.trainable and (self.twice or torch.is_grad_enabled())
        with sdpa_kernel(SDPBackend.MATH) if self.twice else nullcontext(), differentiable(self.model):
            if at is None:
                with torch.set_grad_enabled(graph):
                    return Pass(images, (), self(images))
            if at[0] == "":
                leaf = images if self.trainable and images.requires_grad else images.detach().requires_grad_()
                with torch.enable_grad():
                    run = self._overheard(leaf) if at == EVERYWHERE else self._watch(leaf.clone(), at, {"": leaf})
            else:
                with torch.set_grad_enabled(graph):
                    run = self._watch(images, at, {})
            run.images = images
            return run

    def _watch(self, images: Tensor, at: tuple[str, ...], seen: dict[str, Tensor]) -> Pass:

        def catch(path: str) -> Callable[..., Any]:
            def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
                tensor = first_tensor(output)
                if tensor is None:
                    raise BadLayer(f"the layer {path} gives no tensor; name another layer.")
                if path in seen:
                    raise BadLayer(f"the layer {path} runs more than once in a forward; name one that runs once.")
                if (seen or self.trainable) and tensor.requires_grad:
                    leaf = tensor
                else:  # the first, or in another branch of frozen parameters
                    leaf = tensor.detach().requires_grad_()
                    torch.set_grad_enabled(True)  # undone by the no_grad around the forward
                seen[path] = leaf
                return _replaced(output, tensor, leaf.clone())  # an in-place ReLU behind us must not reach the leaf

            return hook

        handles = [self.module(path).register_forward_hook(catch(path)) for path in at if path]
        try:
            output = self(images)
        finally:
            for handle in handles:
                handle.remove()
        missing = [path for path in at if path not in seen]
        if missing:
            raise BadLayer(f"the layer {missing[0]} does not run in a forward of this model; name one that runs.")
        return Pass(images, at, output, [seen[path] for path in at])

    def _overheard(self, leaf: Tensor) -> Pass:
        ears: list[Callable[[str, Tensor], None]] = []  # of its own: a hook that knew the pass would keep it for ever

        def catch(path: str) -> Callable[..., None]:
            def tell(gradient: Tensor) -> None:
                for ear in ears:
                    ear(path, gradient)

            def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
                if isinstance(output, Tensor) and output.requires_grad:
                    output.register_hook(tell)  # before an in-place ReLU behind us

            return hook

        inner = [(path, module) for path, module in self.model.named_modules() if not any(module.children())]
        handles = [module.register_forward_hook(catch(path)) for path, module in inner]
        try:
            return Pass(leaf, EVERYWHERE, self(leaf.clone()), [leaf], ears)
        finally:
            for handle in handles:
                handle.remove()

    # --- ways back -------------------------------------------------------------------------------------------------

    def look(self, images: Tensor, score: Any, layer: Layers = None, grid: Grid = None) -> tuple[Tensor, Tensor]:
        """Activation and gradient [n, k, h, w] of one layer, in float32 or better."""
        [(activation, [gradient])] = self.look_all(images, [score], layer, grid)
        return activation, gradient

    def look_all(
        self, images: Tensor, scores: Sequence[Any], layer: Layers = None, grid: Grid = None
    ) -> list[tuple[Tensor, list[Tensor]]]:
        """For each layer its activation, and its gradient for every score: one forward, one batched way back."""
        at = self.layers(images, layer, grid)
        run = self.at(images, at)
        gradients = self.pull(run, scores)
        looks = []
        for i, path in enumerate(at):
            layout = self.layout(path, run.leaves[i], images, grid)
            for g in gradients:
                _refuse_dead(path, layout, g[i])
            looks.append((precise(layout.map(run.leaves[i])), [precise(layout.map(g[i])) for g in gradients]))
        return looks

    def gradient(self, images: Tensor, score: Any) -> Tensor:
        """d score / d images, of the images' shape, in float32 or better."""
        return self.gradients(images, [score])[0]

    def gradients(self, images: Tensor, scores: Sequence[Any], relu: Rule | None = None) -> list[Tensor]:
        """d score / d images for every score: one forward. `relu`: the way back through ReLUs by another rule."""
        return [precise(g) for [g] in self.pull(self.at(images, INPUT), scores, relu)]

    def look_twice(
        self, images: Tensor, scores: Sequence[Any], layer: Layers, grid: Grid, relu: Rule | None
    ) -> tuple[list[tuple[Tensor, Tensor]], list[Tensor]]:
        """For every score activation and gradient of one layer, and the gradient at the images, there by another rule:
        one forward for both ways back."""
        [path] = self.layers(images, layer, grid)
        run = self.at(images, ("", path))
        [leaf, hidden] = run.leaves
        layout = self.layout(path, hidden, images, grid)
        looks: list[tuple[Tensor, Tensor]] = []
        for [g] in self.pull(Pass(run.images, (path,), run.output, [hidden]), scores, keep=True):
            _refuse_dead(path, layout, g)
            looks.append((precise(layout.map(hidden)), precise(layout.map(g))))
        back = self.pull(Pass(run.images, INPUT, run.output, [leaf]), scores, relu)
        return looks, [precise(g) for [g] in back]

    def activations(self, images: Tensor, layer: Layers = None, grid: Grid = None) -> list[Tensor]:
        """The activation [n, k, h, w] of each layer."""
        at = self.layers(images, layer, grid)
        leaves = self.at(images, at).leaves
        return [precise(self.layout(path, leaf, images, grid).map(leaf)) for path, leaf in zip(at, leaves, strict=True)]

    def overhear(
        self, images: Tensor, scores: Sequence[Any], ear: Callable[[str, Tensor, Any], Any]
    ) -> tuple[Tensor, list[tuple[Tensor, list[Any]]]]:
        """The output; and for every score the gradient at the images, and what `ear(path, gradient, score)` makes of
        the gradient at the output of every innermost module, a call each: no gradient is kept."""
        run = self.at(images, EVERYWHERE)
        back = Pass(run.images, INPUT, run.output, run.leaves)
        answers: list[tuple[Tensor, list[Any]]] = []
        for i, score in enumerate(scores):
            heard: list[Any] = []
            _, scale = _fitting(score.cotangent(run.output), run.output)

            def tell(path: str, g: Tensor, score: Any = score, heard: list[Any] = heard, s: Any = scale) -> None:
                heard.append(ear(path, _unscaled(precise(g), s), score))

            run.ears.append(tell)
            try:
                [[gradient]] = self.pull(back, [score], keep=i + 1 < len(scores))
            finally:
                run.ears.clear()
            answers.append((precise(gradient), heard))
        return run.output, answers

    def watched(self, images: Tensor, path: str, grid: Grid = None) -> tuple[Pass, Tensor]:
        """A forward watched at one layer, and its activation [n, k, h, w]."""
        run = self.at(images, (path,))
        return run, precise(self.layout(path, run.leaves[0], images, grid).map(run.leaves[0]))

    def pull(
        self, run: Pass, scores: Sequence[Any], relu: Rule | None = None, keep: bool = False
    ) -> list[list[Tensor]]:
        """For every score the gradients at the leaves; keep: for another pull."""
        if relu and self.trainable:
            raise BadModel("a way back by another rule has no gradient for the weights; train on a plain gradient map.")
        if not run.output.requires_grad:
            raise BadModel(
                f"the model's output does not depend on {run.at[0] or 'input'} by any gradient; "
                f"name a layer before the head, and check that forward runs without no_grad or detach."
            )
        cotangents, scales = zip(*(_fitting(score.cotangent(run.output), run.output) for score in scores), strict=True)
        clean = self._clean is not None and self._clean.output is run.output
        keep = keep or self.trainable or (clean and self._keeps)
        with rectified(relu):
            gradients = self._vjp(run, cotangents, keep)
        if clean and not keep:
            self._clean = None  # its graph is gone, and its memory already used again
        return [[_unscaled(g, s) for g in per_leaf] for per_leaf, s in zip(gradients, scales, strict=True)]

    def _vjp(self, run: Pass, cotangents: Sequence[Tensor], keep: bool) -> list[list[Tensor]]:
        many = len(cotangents) > 1 and run.at[0] != "" and not self.trainable
        if many:
            try:  # measured faster than a loop at late layers, slower at the input
                stacked = torch.autograd.grad(
                    run.output, run.leaves, torch.stack(list(cotangents)), retain_graph=True, is_grads_batched=True,
                    allow_unused=True,
                )  # fmt: skip
                return [list(g) for g in zip(*(self._used(run, stacked)), strict=True)]
            except RuntimeError:
                pass  # a custom backward without a batching rule
        return [
            self._used(
                run,
                torch.autograd.grad(
                    run.output, run.leaves, w, allow_unused=True, create_graph=self.trainable,
                    retain_graph=keep or i + 1 < len(cotangents),
                ),
            )
            for i, w in enumerate(cotangents)
        ]  # fmt: skip

    def _used(self, run: Pass, gradients: Sequence[Tensor | None]) -> list[Tensor]:
        for path, gradient in zip(run.at, gradients, strict=True):
            if gradient is None:
                raise BadLayer(
                    f"the layer {path or 'input'} has no say in the output that is asked about; name another."
                )
        return [g for g in gradients if g is not None]

    def at(self, images: Tensor, at: tuple[str, ...]) -> Pass:
        """The clean forward where it was watched there, else another."""
        if self._clean and self._clean.images is images and self._clean.at == at:
            return self._clean
        return self.forward(images, at)

    # --- layers ----------------------------------------------------------------------------------------------------

    def outputs(self, images: Tensor) -> list[tuple[str, Tensor]]:
        """What every module that gives a tensor gives, in the order of a forward, without a way back."""
        found: list[tuple[str, Tensor]] = []

        def catch(path: str) -> Callable[..., None]:
            def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
                if isinstance(output, Tensor):
                    found.append((path, output))

            return hook

        handles = [module.register_forward_hook(catch(path)) for path, module in self.model.named_modules() if path]
        try:
            with torch.no_grad():
                self(images)
        finally:
            for handle in handles:
                handle.remove()
        return found

    def module(self, path: str) -> nn.Module:
        """A submodule by its path."""
        try:
            return self.model.get_submodule(path)
        except AttributeError:
            known = [p for p, _ in self.model.named_modules() if p]
            raise UnknownName(f"the model has no layer {path!r}; {did_you_mean(path, known)}") from None

    def layers(self, images: Tensor, layer: Layers = None, grid: Grid = None) -> tuple[str, ...]:
        """The paths that a `layer` knob means; none and "auto" are found."""
        if layer is None or layer == "auto":
            return (self.place(images, grid).path,)
        paths = (layer,) if isinstance(layer, str) else tuple(layer)
        for path in paths:
            self.module(path)
        return paths

    def place(self, images: Tensor, grid: Grid = None) -> Place:
        """The layer and the grid found for this model."""
        self._readable(images)
        with torch.no_grad():
            probe = (self.batch or Batch(images, None))[slice(0, 1)]
        about = getattr(self.output, "__code__", self.output)  # a lambda is a new one in every call
        return find_place(self.model, probe.images, lambda x, run: self.answer(probe.call(run, x)), grid, about)

    def layout(self, path: str, output: Tensor, images: Tensor, grid: Grid = None) -> Layout:
        """How to read a layer's output as a map."""
        self._readable(images)
        prefixes = prefixes_of(self.model) if output.ndim == 3 else ()
        found = layout_of(tuple(output.shape), size_of(images), grid, prefixes, rows=len(images))
        if found is None:
            raise BadLayer(
                f"the layer {path} gives {tuple(output.shape)}, in which no grid for images of "
                f"{size_of(images)[0]}×{size_of(images)[1]} is found; name another layer, or say grid=[rows,columns]."
            )
        return found

    def _readable(self, images: Tensor) -> None:
        """The layers of a network of volumes have grids of three axes; of a network of tokens, no channels to go by."""
        behind = self.batch is not None and self.batch.channels > 1 and images.ndim == 3
        if images.ndim == 5 or behind:
            what = "tokens and series [n, t, c]" if behind else "volumes"
            raise BadInput(
                f"layers are read as maps for images and signals [n, c, t], not for {what}; explain these at the "
                f"input, by integrated-gradients or another gradient."
            )


def differentiable(model: nn.Module) -> AbstractContextManager[Any]:
    """cuDNN's recurrent networks have no way back in evaluation mode; torch's own have."""
    recurrent = torch.backends.cudnn.is_available() and any(
        isinstance(module, nn.RNNBase) and any(p.is_cuda for p in module.parameters()) for module in model.modules()
    )
    return torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext()


def size_of(images: Tensor) -> tuple[int, int]:
    """Height and width; a signal has height 1."""
    return (1, images.shape[2]) if images.ndim == 3 else (images.shape[-2], images.shape[-1])


def precise(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def _select(output: Any, which: Any) -> Any:
    if callable(which):
        return which(output)
    if which is not None:
        try:
            return getattr(output, which) if isinstance(which, str) and hasattr(output, which) else output[which]
        except (KeyError, IndexError, TypeError, AttributeError):
            known = (
                list(output)
                if isinstance(output, Mapping)
                else range(len(output))
                if hasattr(output, "__len__")
                else []
            )
            raise UnknownName(
                f"the model's output has no part {which!r}; {did_you_mean(str(which), map(str, known))}"
            ) from None
    if isinstance(output, Mapping) or not isinstance(output, Tensor | Sequence):
        for name in ANSWERS:
            part = output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
            if isinstance(part, Tensor):
                return part
    return first_tensor(output)


def _replaced(output: Any, old: Tensor, new: Tensor) -> Any:
    """The output with one tensor exchanged."""
    if output is old:
        return new
    if isinstance(output, Mapping):
        changed = {k: new if v is old else v for k, v in output.items()}
        return type(output)(**changed) if hasattr(output, "to_tuple") else changed
    parts = [new if part is old else part for part in output]
    return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)


def _fitting(cotangent: Tensor, output: Tensor) -> tuple[Tensor, Tensor | None]:
    """The cotangent in the output's precision, and for float16 the power of two that keeps each row from vanishing."""
    if cotangent.shape != output.shape:
        raise BadInput(
            f"the score is bound to outputs {tuple(cotangent.shape)}, but was asked of {tuple(output.shape)}."
        )
    if output.dtype != torch.float16:
        return cotangent.to(output), None
    peak = cotangent.flatten(1).abs().amax(1).clamp_min(1e-38)
    scale = torch.exp2(-peak.log2().floor())
    return (cotangent * scale.view(-1, *[1] * (cotangent.ndim - 1))).to(output), scale


def _unscaled(gradient: Tensor, scale: Tensor | None) -> Tensor:
    return gradient if scale is None else gradient.float() / scale.view(-1, *[1] * (gradient.ndim - 1))


def _refuse_dead(path: str, layout: Layout, gradient: Tensor) -> None:
    """A class token that alone is read leaves the grid of the last layers without a say."""
    dead = layout.prefix and not bool(layout.map(gradient).any())
    if dead and bool(layout.rest(gradient).any()):
        raise BadLayer(
            f"the gradient at the grid of {path} is zero, because behind it only the class token is read; name an "
            f"earlier layer, such as the last block's first norm, or leave layer out."
        )
