"""Explain, and what it returns.

e = pl.explain(model, x, "grad-cam", ask=["logit", "contrast"], target=[3, 5])
e.maps       float32 [n, k, q, h, w]; k targets and q questions are dropped when there is one
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from torch import Tensor, nn

from pellucid.data._batches import Batch as Loaded
from pellucid.errors import BadExplainer, BadFile, BadInput, kind
from pellucid.explainers import Explainer
from pellucid.files import write_atomically
from pellucid.knobs import either, fingerprint
from pellucid.maths.maps import resize
from pellucid.networks._load import Model, as_model, card_of
from pellucid.questions import Question, Score
from pellucid.subject import Subject, as_batch, size_of, undisturbed
from pellucid.subject.batch import Batch
from pellucid.subject.state import unwrapped

if TYPE_CHECKING:
    from PIL.Image import Image

Own = Callable[..., Any]  # f(model, x, target) or f(model, x) -> maps
Ask = str | Question | Callable[[Tensor], Tensor]
Target = int | np.integer | np.ndarray | Tensor | Sequence[int] | Sequence[Sequence[int]] | None


@dataclass(frozen=True, eq=False)
class Explanation:
    """Maps, and where they come from. Indexes like a tensor over its samples."""

    maps: Tensor  # float32 [n, (k,) (q,) h, w]
    raw: Tensor | None = None  # the explainer's own attribution, before reduction and resizing
    target: Tensor | None = None  # int64 [n] or [n, k]; -1 where the question has none
    value: Tensor | None = None  # float32 [n], [n, k], …: what was asked about, at the clean input
    owed: Tensor | None = None  # like value: what raw would sum to if it were complete, where theory says so
    explainer: str = "given"  # canonical text form, with the layer that was picked
    ask: str | tuple[str, ...] = "none"
    model: str = "none"
    seconds: float = 0.0
    signed: bool | None = None  # whether below zero has a meaning
    images: Tensor | None = None  # what was explained, as the model saw it
    mean: tuple[float, ...] | None = None  # of the images' normalisation, for showing them
    std: tuple[float, ...] | None = None
    channels: int = 1  # the axis of the images that the maps do not have; 0 where there is none
    _by: "tuple[Explainer, Question | None] | None" = None  # who made them and what was asked, as objects; not saved

    def __post_init__(self) -> None:
        if not isinstance(self.maps, Tensor) or self.maps.ndim < 2:
            found = tuple(self.maps.shape) if isinstance(self.maps, Tensor) else kind(self.maps)
            raise BadInput(f"maps are {found}; give a float tensor [n, h, w].")
        if not self.maps.is_floating_point():
            object.__setattr__(self, "maps", self.maps.float())
        if self.target is not None and len(self.target) != len(self.maps):
            raise BadInput(f"there are {len(self.maps)} maps but {len(self.target)} targets; give one a map.")
        if self.signed is None:
            object.__setattr__(self, "signed", bool((self.maps < 0).any()))

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, rows: Any) -> "Explanation":
        """Some samples; a single number keeps the batch axis."""
        if isinstance(rows, int):
            if not -len(self) <= rows < len(self):
                raise IndexError(f"sample {rows} is not there: the explanation has {len(self)}.")
            rows = [rows]
        cut = {f.name: getattr(self, f.name)[rows] for f in fields(self) if isinstance(getattr(self, f.name), Tensor)}
        return replace(self, **cut)

    def __iter__(self) -> Iterator["Explanation"]:
        return (self[i] for i in range(len(self)))

    @property
    def error(self) -> Tensor | None:
        """How far raw is from complete: |Σ raw − owed| / |owed|, like value; none where theory promises nothing."""
        if self.owed is None or self.raw is None:
            return None
        total = self.raw.flatten(self.owed.ndim).double().sum(-1)
        return ((total - self.owed).abs() / self.owed.abs().double()).float()

    def numpy(self) -> np.ndarray:
        """The maps as an array."""
        return self.maps.detach().cpu().numpy()

    def to(self, device: str | torch.device) -> "Explanation":
        """The same on another device."""
        moved = {
            f.name: getattr(self, f.name).to(device) for f in fields(self) if isinstance(getattr(self, f.name), Tensor)
        }
        return replace(self, **moved)

    def overlay(self, i: int = 0, alpha: float = 0.5, limit: float | None = None) -> "Image":
        """The map of sample i over its image; several maps of it side by side, on one scale. Of volumes the slice in
        the middle; of signals, vectors and tokens a strip."""
        from pellucid.show.overlay import overlay, strip, tall

        one = self[i]
        maps = one.maps.detach().float().cpu()
        axes = 2 if one.images is None else _axes(one.images.ndim)
        maps = maps[..., maps.shape[-3] // 2, :, :] if axes == 3 else maps
        maps = maps.reshape(-1, *((1, maps.shape[-1]) if axes == 1 else maps.shape[-2:]))
        picture = self.picture(i)
        limit = float(maps.abs().max()) if limit is None else limit
        pictures = [overlay(picture, m, bool(self.signed), limit, alpha) for m in maps]
        return strip([tall(p) for p in pictures] if axes == 1 else pictures)

    def picture(self, i: int) -> Tensor | None:
        """The image of sample i as RGB in [0, 1], [3, h, w], of a volume the slice in the middle; None where no images
        are known, and of token ids."""
        from pellucid.show.overlay import displayable

        images = self[i].images
        if images is None or not images.is_floating_point():
            return None
        image = images[0].detach()
        image = image.movedim(self.channels - 1, 0) if image.ndim > 1 else image[None]
        image = image[:, image.shape[1] // 2] if image.ndim == 4 else image
        return displayable(image, self.mean, self.std)

    def _repr_png_(self) -> bytes:
        """A notebook shows the first images side by side."""
        from pellucid.show.overlay import png, strip

        limit = float(self.maps.detach().abs().max())
        return png(strip([self.overlay(i, limit=limit) for i in range(min(len(self), 8))]))

    def _repr_html_(self) -> str:
        """The same, with what it is; the picture alone where there is nothing to show."""
        from pellucid.notebook import card, image

        asked = self.ask if isinstance(self.ask, str) else ", ".join(self.ask)
        said = f"{self.explainer} · {asked} · maps {list(self.maps.shape)} · {self.model}"
        shown = min(len(self), 8)
        body = image(self._repr_png_(), f"{self.explainer} of {shown} of {len(self)} samples") if shown else ""
        return card("Explanation", [said], body)

    def __repr__(self) -> str:
        return f"Explanation({self.explainer} · {self.ask} · maps {tuple(self.maps.shape)} · {self.model})"

    def save(self, folder: str | Path) -> Path:
        """explanation.safetensors and explanation.json in a folder, each written whole or not at all."""
        from safetensors.torch import save

        folder = Path(folder)
        tensors = {
            f.name: getattr(self, f.name).detach().cpu().contiguous()
            for f in fields(self)
            if isinstance(getattr(self, f.name), Tensor)
        }
        about = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in {*tensors, "_by"}}
        write_atomically(folder / "explanation.safetensors", save(tensors))
        write_atomically(folder / "explanation.json", json.dumps(about, indent=2, ensure_ascii=False).encode())
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> "Explanation":
        """What `save` wrote."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        folder = Path(folder)
        try:
            about = json.loads((folder / "explanation.json").read_text(encoding="utf-8"))
            tensors = load((folder / "explanation.safetensors").read_bytes())
            known = {f.name for f in fields(cls)}
            lists = {k: tuple(v) for k, v in about.items() if isinstance(v, list)}
            return cls(**{k: v for k, v in (about | lists | tensors).items() if k in known})
        except FileNotFoundError as cause:
            raise BadFile(f"{folder} holds no explanation: {Path(cause.filename).name} is missing.") from None
        except (ValueError, TypeError, AttributeError, SafetensorError) as cause:
            raise BadFile(f"the explanation in {folder} cannot be read ({cause}); save it again.") from None


@overload
def explain(  # pyright: ignore[reportOverlappingOverload]  (a tensor is an iterable too; it comes first)
    model: Model,
    x: Tensor | tuple[Any, ...] | Mapping[str, Any],
    explainer: str | Explainer | Own = ...,
    ask: Ask | Sequence[Ask] | None = ...,
    target: Target = ...,
    batch_size: int | None = ...,
    seed: int = ...,
    progress: bool = ...,
    device: str | torch.device | None = ...,
    *,
    input: str | int | None = ...,
    output: str | int | Callable[[Any], Tensor] | None = ...,
    channels: int | None = ...,
) -> Explanation: ...
@overload
def explain(
    model: Model,
    x: Iterable[Any],
    explainer: str | Explainer | Own = ...,
    ask: Ask | Sequence[Ask] | None = ...,
    target: Target = ...,
    batch_size: int | None = ...,
    seed: int = ...,
    progress: bool = ...,
    device: str | torch.device | None = ...,
    *,
    input: str | int | None = ...,
    output: str | int | Callable[[Any], Tensor] | None = ...,
    channels: int | None = ...,
) -> Iterator[Explanation]: ...
def explain(
    model: Model,
    x: Any,
    explainer: str | Explainer | Own = "grad-cam",
    ask: Ask | Sequence[Ask] | None = None,
    target: Target = None,
    batch_size: int | None = None,
    seed: int = 0,
    progress: bool = False,
    device: str | torch.device | None = None,
    *,
    input: str | int | None = None,
    output: str | int | Callable[[Any], Tensor] | None = None,
    channels: int | None = None,
) -> Any:
    """Why does the model answer as it does?

    x: a tensor [n, c, h, w] | a tuple or dict of tensors, one of them the image (named by `input` where it is not the
    first float tensor of three or more axes) | an iterable of batches, for which an iterator of explanations is
    returned. Also signals [n, c, t], volumes [n, c, d, h, w], vectors [n, d], and token ids [n, t], which are explained
    at the output of the embedding that reads them; maps have the axes of x without the channels, which are the second
    axis, or the one that `channels` names: 2 for series [n, t, c].
    explainer: a text form, an object, or a function of yours, f(model, x, target) -> maps. target: the class asked
    about, None for the predicted one | int | [n] | [n, k]. ask: a question, a list of q, or a function of the output.
    batch_size: the most rows in any one forward. output: which part of the model's output is the answer, a key, an
    index or a function.
    """
    model = as_model(model)
    if batch_size is not None and batch_size < 1:
        raise BadInput(f"batch_size is {batch_size}; give at least 1, or None.")
    member = _explainer(explainer)
    asked: list[Any] = list(ask) if isinstance(ask, list | tuple) else [ask or member.asks]
    questions = [_question(a) for a in asked]
    if not questions:
        raise BadInput("ask is an empty list; give at least one question.")
    for question in questions:
        if member.accepts and question.scale not in member.accepts:
            raise BadInput(
                f"{member.name} answers questions about {either(list(member.accepts))}, and {question} asks about "
                f"{question.scale}; choose another question or explainer."
            )
    options = _Options(member, questions, batch_size, seed, device, input, output, channels)
    if isinstance(x, Loaded):
        x = x.images
    if isinstance(x, Tensor | tuple | Mapping):
        return _explain(model, as_batch(x, input, channels), target, options, progress)
    if not isinstance(x, Iterable):
        raise BadInput(f"x is {kind(x)}; give a tensor, a tuple or dict of tensors, or an iterable of batches.")
    return _stream(model, x, target, options, progress)


@dataclass(frozen=True)
class _Options:
    """What stays the same over the batches of a call."""

    explainer: Explainer
    questions: list[Question]
    batch_size: int | None
    seed: int
    device: str | torch.device | None
    input: str | int | None
    output: Any
    channels: int | None


def _explainer(explainer: str | Explainer | Own) -> Explainer:
    if callable(explainer) and not isinstance(explainer, Explainer | type):
        from pellucid.explainers.custom import Custom

        return Custom(explainer)
    return Explainer.make(explainer)  # type: ignore[arg-type]  (a class is refused there)


def _question(ask: Ask) -> Question:
    if callable(ask) and not isinstance(ask, Question):
        from pellucid.questions.custom import Custom

        return Custom(ask)
    return Question.make(ask)


def _stream(
    model: nn.Module, batches: Iterable[Any], target: Target, options: _Options, progress: bool
) -> Iterator[Explanation]:
    """One explanation a batch; a target a sample runs along."""
    from pellucid.show.progress import track

    per_sample = None if target is None or isinstance(target, int) else torch.as_tensor(target)
    done = 0
    for x in track(batches, "explaining", progress):
        batch = as_batch(_unlabelled(x), options.input, options.channels)
        n = len(batch.given)
        cut = slice(done, done + n)
        here = target if per_sample is None else per_sample[cut]
        now = replace(options, explainer=options.explainer.part(cut, None))
        yield _explain(model, batch, here, now, False, [q.part(cut, None) for q in options.questions])
        done += n


def _unlabelled(x: Any) -> Any:
    """A loader's list [images, labels] without the labels; other lists as tuples of inputs."""
    if isinstance(x, Loaded):
        return x.images
    if not isinstance(x, list):
        return x
    labels = len(x) == 2 and isinstance(x[1], Tensor) and not x[1].is_floating_point() and x[1].ndim == 1
    return x[0] if labels or len(x) == 1 else tuple(x)


def _explain(
    model: nn.Module,
    batch: Batch,
    target: Target,
    options: _Options,
    progress: bool,
    questions: list[Question] | None = None,
) -> Explanation:
    from pellucid.show.progress import track

    start, questions = time.perf_counter(), questions or options.questions
    model = unwrapped(model)
    n = len(batch.given)
    if n == 0:
        raise BadInput("x is an empty batch; give at least one image.")
    targets = _targets(target, n)
    rows = options.batch_size or n
    subject = Subject(model, output=options.output, batch_size=options.batch_size, seed=options.seed)
    parts: list[_Part] = []
    with _Placed(model, options.device), undisturbed(model, options.seed):
        for first in track(range(0, n, rows), "explaining", progress):
            piece = _moved(batch[slice(first, first + rows)], model).embedded(model)
            _check(piece.images, model, (3, 4, 5), piece.given)
            _refuse_size(options.explainer, piece)
            try:
                cut = slice(first, first + rows)
                here = [t if t is None else t[cut] for t in targets]
                parts.append(_answer(subject, piece, here, [q.part(cut, n) for q in questions], options, cut, n))
            finally:
                subject.forget()
    return _gathered(parts, batch, model, options, time.perf_counter() - start)


def _targets(target: Target, n: int) -> list[Tensor | None]:
    """The k targets, each [n] or None for the predicted class."""
    if target is None:
        return [None]
    if isinstance(target, int) and not isinstance(target, bool):
        return [torch.full((n,), target)]
    wanted = torch.as_tensor(target)
    if wanted.is_floating_point() or wanted.dtype == torch.bool:
        raise BadInput(f"target holds {wanted.dtype}; give whole class numbers.")
    if wanted.ndim == 0:
        return [wanted.expand(n).long()]
    if wanted.ndim > 2 or len(wanted) != n or not wanted.numel():
        raise BadInput(f"target has shape {tuple(wanted.shape)} for {n} images; give one class, [{n}], or [{n}, k].")
    return [wanted.long()] if wanted.ndim == 1 else list(wanted.long().T)


def _moved(batch: Batch, model: nn.Module) -> Batch:
    """On the model's device, float tensors in its precision."""
    like = next((p for p in model.parameters() if p.is_floating_point()), None)

    def move(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        value = value.clone() if value.is_inference() else value
        return value if like is None else value.to(like) if value.is_floating_point() else value.to(like.device)

    return batch.map(move)


def _check(images: Tensor, model: nn.Module, axes: tuple[int, ...] = (3, 4), given: Tensor | None = None) -> None:
    shape = tuple(images.shape if given is None else given.shape)
    if not images.is_floating_point():
        raise BadInput(f"the images are {images.dtype}; give floats as the model wants them (see pl.transform_of).")
    flat = any(isinstance(m, nn.Conv2d) for m in model.modules())
    if images.ndim not in ((4,) if flat else axes):
        hint = "write x[None] for one image" if len(shape) == 3 else "give [n, c, h, w]"
        raise BadInput(f"the images have shape {shape}, where a batch has 4 axes; {hint}.")
    if not images.numel():
        raise BadInput(f"the images have shape {shape}, with nothing in them; give at least one pixel.")
    if not bool(images.isfinite().all()):
        row = int((~images.flatten(1).isfinite().all(1)).nonzero()[0])
        raise BadInput(f"image {row} holds NaN or infinite values; clean it before explaining.")


def _refuse_size(explainer: Explainer, batch: Batch) -> None:
    """Not everyone has a formula for volumes."""
    inner: Any = explainer
    while inner is not None:
        if batch.images.ndim - 2 not in inner.sizes:
            raise BadInput(
                f"{inner.name} explains {either([SIZES[axes] for axes in inner.sizes])}, and x has shape "
                f"{tuple(batch.given.shape)}; use integrated-gradients, gradient or smooth@gradient."
            )
        inner = getattr(inner, "of", None)


def _device(name: str | torch.device) -> torch.device:
    try:
        return torch.device(name)
    except RuntimeError as cause:
        raise _no_device(name, cause) from None


def _no_device(name: object, cause: Exception) -> BadInput:
    return BadInput(f"the device {name} cannot be used here ({str(cause).splitlines()[0]}); give another, or None.")


class _Placed:
    """The model on another device for the time of a call."""

    def __init__(self, model: nn.Module, device: str | torch.device | None) -> None:
        self.model, self.device, self.home = model, device, None
        first = next(iter(model.parameters()), None)
        if device is not None and first is not None and first.device != _device(device):
            self.home = first.device

    def __enter__(self) -> None:
        if self.home is not None:
            try:
                self.model.to(self.device)
            except (RuntimeError, AssertionError) as cause:
                self.model.to(self.home)
                raise _no_device(self.device, cause) from None

    def __exit__(self, *_: object) -> None:
        if self.home is not None:
            self.model.to(self.home)


@dataclass
class _Part:
    """The answers for some rows: one entry a target and question."""

    raw: list[Tensor]
    maps: list[Tensor]
    scores: list[Score]
    owed: list[Tensor | None]
    picked: Explainer


def _answer(
    subject: Subject,
    batch: Batch,
    targets: list[Tensor | None],
    questions: list[Question],
    options: _Options,
    rows: slice,
    n: int,
) -> _Part:
    explainer, images = options.explainer, batch.images
    subject.batch = batch
    told = explainer.picked(subject, images)
    picked = told.part(rows, n)
    output = subject.clean(batch, picked.at(subject, images))
    with torch.no_grad():
        scores = [q.bind(output, t, subject.embed) for t in targets for q in questions]
    distinct = scores if explainer.asked else scores[:1]
    raw = [r.detach() for r in picked.attribute_all(subject, images, distinct)]
    raw = raw if explainer.asked else raw * len(scores)
    with torch.no_grad():
        owed = [picked.owes(subject, images, score) for score in scores]
    maps = [_shown(explainer, r, images) for r in raw]
    raw = [batch.outward(r) if r.shape == images.shape else r for r in raw]
    return _Part(raw, maps, scores, owed, told)


def _shown(explainer: Explainer, raw: Tensor, images: Tensor) -> Tensor:
    """[n, h, w] at the images' size (signals lose their height of 1), float32."""
    maps = explainer.reduce(raw) if raw.ndim == images.ndim and raw.shape[1:] == images.shape[1:] else raw
    if images.ndim == 5 and maps.shape == (len(images), *images.shape[2:]):
        return maps.float()
    maps = maps.unsqueeze(-2) if maps.ndim == 2 and images.ndim == 3 else maps
    if maps.ndim != 3 or len(maps) != len(images):
        raise BadExplainer(
            f"{explainer.name} gives {tuple(raw.shape)} for images {tuple(images.shape)}; "
            f"attribute must return [n, h, w], or the images' own shape."
        )
    maps = resize(maps, size_of(images)).float()
    return maps.squeeze(-2) if images.ndim == 3 else maps


def _gathered(parts: list[_Part], batch: Batch, model: nn.Module, options: _Options, seconds: float) -> Explanation:
    q = len(options.questions)
    k = len(parts[0].scores) // q

    def grid(values: Callable[[_Part], list[Tensor]]) -> Tensor:
        """[n, k, q, …], with k and q dropped when they are 1."""
        whole = torch.cat([torch.stack(values(part), 1) for part in parts])
        whole = whole.unflatten(1, (k, q))
        whole = whole.squeeze(2) if q == 1 else whole
        return whole.squeeze(1) if k == 1 else whole

    target = torch.cat([torch.stack([s.target for s in part.scores], 1) for part in parts])
    target = target.unflatten(1, (k, q)).amax(2)
    texts = tuple(str(question) for question in options.questions)
    card = card_of(model)
    return Explanation(
        maps=grid(lambda part: part.maps),
        raw=grid(lambda part: part.raw),
        target=target[:, 0] if k == 1 else target,
        value=grid(lambda part: [s.clean.float() for s in part.scores]),
        owed=grid(lambda part: [o.float() for o in part.owed if o is not None]) if None not in parts[0].owed else None,
        explainer=str(parts[0].picked),
        ask=texts[0] if q == 1 else texts,
        model=model_name(model),
        seconds=seconds,
        signed=any(options.explainer.signed(question) for question in options.questions),
        images=batch.given,
        mean=card.mean if card else None,
        std=card.std if card else None,
        channels=batch.channels if batch.given.is_floating_point() else 0,
        _by=(parts[0].picked, options.questions[0] if q == 1 else None),
    )


SIZES = {1: "signals", 2: "images", 3: "volumes"}


def _axes(of: int) -> int:
    """How many axes maps have of images of so many: of vectors and ids one, as of signals."""
    return max(1, of - 2)


def model_name(model: nn.Module) -> str:
    """The text form it was loaded by, or its class, and eight digits of its weights."""
    card = card_of(model)
    name = card.network if card else type(model).__name__
    state = tuple(
        (t.data_ptr(), t._version, t.shape) for t in model.state_dict(keep_vars=True).values() if isinstance(t, Tensor)
    )
    return f"{name} {_digest(model, hash(state))}"


_digests: dict[int, tuple[int, str]] = {}


def _digest(model: nn.Module, state: int) -> str:
    """Of a thin sample of every tensor, kept until a tensor moves or changes."""
    known = _digests.get(id(model))
    if known and known[0] == state:
        return known[1]

    class Sample:
        __name__ = "model"

        def state_dict(self) -> dict[str, Tensor]:
            with torch.no_grad():
                return {
                    key: t.detach().flatten()[:: max(1, t.numel() // 4096)]
                    for key, t in model.state_dict().items()
                    if isinstance(t, Tensor)
                }

    digest = fingerprint(Sample()).split()[-1]
    _digests[id(model)] = (state, digest)
    return digest
