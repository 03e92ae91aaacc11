"""Influence: which training examples answer for what a model does with the test examples?

w = pl.influence(model, train, test, "dknn")              float32 [t, n], larger is more important
best = pl.influence(model, train, test, "dknn", top=5)    the five strongest and the five weakest of every row

The matrix is made in pieces, some rows by some columns. With `out` every piece is on the disk when it is done, and the
same call goes on after it was stopped; with `top` the matrix is never there as a whole.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, overload

import torch
from torch import Tensor, nn

from pellucid.data import Dataset
from pellucid.data._batches import Batch as Loaded
from pellucid.data._batches import batches
from pellucid.data.transforms import Transform
from pellucid.engine._pieces import Matrix, Pieces, Sink, Top, Tops
from pellucid.engine._source import _sample
from pellucid.errors import BadInput, UnknownName, did_you_mean, kind
from pellucid.explanation import _Placed
from pellucid.influences import Case, Influence, Loss, Samples
from pellucid.influences._case import Weights
from pellucid.influences._loss import LOSSES, Of
from pellucid.influences._samples import Held
from pellucid.knobs import fingerprint
from pellucid.networks._load import Model, as_model, card_of, own_transform
from pellucid.subject import Subject, differentiable, precise, undisturbed
from pellucid.subject.state import unwrapped

ROWS, COLUMNS, SCORES = 2**10, 2**14, 2**23  # of a piece, at most
HELD = 512 * 2**20  # bytes of a data set that are read once and kept


@overload
def influence(
    model: Model,
    train: Any,
    test: Any,
    influence: str | Influence = ...,
    loss: str | Loss | Callable[[Tensor, Tensor, Tensor], Tensor] | None = ...,
    *,
    checkpoints: Sequence[Weights] | None = ...,
    top: None = ...,
    out: str | Path | None = ...,
    transform: Any = ...,
    output: Any = ...,
    batch_size: int = ...,
    memory: float = ...,
    seed: int = ...,
    progress: bool = ...,
    device: str | torch.device | None = ...,
) -> Tensor: ...
@overload
def influence(
    model: Model,
    train: Any,
    test: Any,
    influence: str | Influence = ...,
    loss: str | Loss | Callable[[Tensor, Tensor, Tensor], Tensor] | None = ...,
    *,
    checkpoints: Sequence[Weights] | None = ...,
    top: int,
    out: str | Path | None = ...,
    transform: Any = ...,
    output: Any = ...,
    batch_size: int = ...,
    memory: float = ...,
    seed: int = ...,
    progress: bool = ...,
    device: str | torch.device | None = ...,
) -> Top: ...
def influence(
    model: Model,
    train: Any,
    test: Any,
    influence: str | Influence = "dknn",
    loss: str | Loss | Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
    *,
    checkpoints: Sequence[Weights] | None = None,
    top: int | None = None,
    out: str | Path | None = None,
    transform: Any = None,
    output: Any = None,
    batch_size: int = 64,
    memory: float = 1.0,
    seed: int = 0,
    progress: bool = False,
    device: str | torch.device | None = None,
) -> Any:
    """How important is each training example for each test example? float32 [t, n], larger is more important.

    model: a module, a Fit or its folder, whose kept epochs are the checkpoints. train, test: data sets or their text
    forms, tensors, (images, labels), or anything that gives samples by number. loss: reconstruction,
    absolute-reconstruction, cross-entropy, or f(output, input, label) -> [n]; None for the one that fits. top: only the
    k strongest and the k weakest of every row. out: a folder for what is done, from which the same call goes on.
    transform: how pictures of a data set become inputs, None for the model's own way. output: which part of the
    model's output is its answer. memory: GiB that features, gradients and scores in the making may take, about; what
    does not fit is computed again.
    """
    member = Influence.make(influence)
    ready = prepared(
        model, train, test, loss, checkpoints=checkpoints, transform=transform, output=output, batch_size=batch_size,
        seed=seed, device=device,
    )  # fmt: skip
    with ready as case:
        case.memory = int(memory * 2**30)
        return answered(case, member, top, out, progress)


@contextmanager
def prepared(
    model: Any,
    train: Any,
    test: Any,
    loss: Any = None,
    *,
    checkpoints: Sequence[Weights] | None = None,
    transform: Any = None,
    output: Any = None,
    batch_size: int = 64,
    seed: int = 0,
    device: str | torch.device | None = None,
    rows: Sequence[int] | None = None,
) -> Generator[Case]:
    """The case, as long as the model is ready for it. rows: of the test data set, these alone."""
    if batch_size < 1:
        raise BadInput(f"batch_size is {batch_size}; give at least 1.")
    kept = _checkpoints(model) if checkpoints is None else list(checkpoints)
    module = unwrapped(as_model(model))
    usual = transform if transform is not None else own_transform(module)
    from_, about = samples_of(train, usual, "train"), samples_of(test, usual, "test", rows)
    with _Placed(module, device), undisturbed(module, seed), differentiable(module):
        like = next((p for p in module.parameters() if p.is_floating_point()), None)
        from_.like = about.like = None if like is None else like.detach()
        sizes = [tuple(samples[:1].read()[0].shape[1:]) for samples in (from_, about)]
        if sizes[0] != sizes[1]:
            raise BadInput(
                f"training examples are {sizes[0]} and test examples {sizes[1]}; prepare them in the same way."
            )
        case = Case(module, from_, about, None, kept, batch_size, seed, output=output)
        case.loss, case.why = _loss(loss, case)
        yield case


def answered(case: Case, member: Influence, top: int | None, out: Any, progress: bool) -> Any:
    """What a member says, in pieces."""
    member.able(case)
    if top is not None and top < 1:
        raise BadInput(f"top is {top}; give at least 1, or None for all scores.")
    with _derivable(case) if "loss" in member.needs else nullcontext():
        return _computed(case, member, top, out, progress)


def _computed(case: Case, member: Influence, top: int | None, out: Any, progress: bool) -> Any:
    from pellucid.show.progress import track

    t, n = len(case.test), len(case.train)
    pieces = _pieces(member, case, t, n)
    plan = None if out is None else _plan(member, case, pieces, top)
    sink: Sink = Matrix(t, n, out, plan) if top is None else Tops(t, n, min(top, n), out, plan)
    lasting = t <= pieces.rows or (n > pieces.columns and t * member.keeps(case) * 16 <= case.memory)
    kept_test: dict[int, dict[Any, Any]] = {}
    kept_train: dict[int, dict[Any, Any]] = {}
    todo = [piece for piece in pieces if not sink.has(piece)]
    for rows, columns in track(todo, member.name, progress):
        kept_train = kept_train if columns.start in kept_train else {columns.start: {}}
        kept_test = kept_test if lasting else {}
        part = case.piece(rows, columns, kept_train[columns.start], kept_test.setdefault(rows.start, {}))
        found = (member.score if top is None else member.rank)(part).detach()
        sink.put((rows, columns), _fitting(found, member, part))
    found = sink.result()
    return _valued(found, member, case) if isinstance(found, Top) else found


@contextmanager
def _derivable(case: Case) -> Generator[None]:
    """Meanwhile a model of 16 bits has 32, for in fewer its curvature is lost; and a recurrent one has second
    derivatives, which oneDNN does not know."""
    held = [t for t in (*case.model.parameters(), *case.model.buffers()) if t.is_floating_point() and t.itemsize < 4]
    before, like = [t.data for t in held], case.train.like
    recurrent = any(isinstance(module, nn.RNNBase) for module in case.model.modules())
    onednn = torch.backends.mkldnn.set_flags(False if recurrent else None)[0]
    try:
        for tensor in held:
            tensor.data = tensor.data.float()
        case.train.like = case.test.like = None if like is None else precise(like)
        yield
    finally:
        torch.backends.mkldnn.set_flags(onednn)
        for tensor, data in zip(held, before, strict=True):
            tensor.data = data
        case.train.like = case.test.like = like


def _valued(top: Top, member: Influence, case: Case) -> Top:
    """With scores, where there were what scores are ranked by."""
    first = torch.arange(top.scores.shape[1])
    worth = [
        member.worth(ranked.to(case.place), places.to(case.place), case).cpu().float()
        for ranked, places in ((top.scores, first), (top.low, len(case.train) - 1 - first))
    ]
    return replace(top, scores=worth[0], low=worth[1])


def _pieces(member: Influence, case: Case, t: int, n: int) -> Pieces:
    """As large as the memory allows: half for what is kept of the columns, a quarter for the rows, the rest scores."""
    keeps, floats = max(1, member.keeps(case)), case.memory // 4
    columns = n if not member.columns else max(1, min(n, floats // (2 * keeps), COLUMNS))
    rows = max(1, min(t, floats // (4 * keeps), floats // (8 * columns), SCORES // columns, ROWS))
    return Pieces(t, n, rows, columns)


def _fitting(found: Tensor, member: Influence, part: Case) -> Tensor:
    if found.shape != (len(part.test), len(part.train)):
        raise TypeError(
            f"{member.name} gives {tuple(found.shape)} for {len(part.test)} test and {len(part.train)} training "
            f"examples; score must return [t, n]."
        )
    return found.float()


def _plan(member: Influence, case: Case, pieces: Pieces, top: int | None) -> dict[str, Any]:
    """All that decides the numbers."""
    return {
        "influence": str(member),
        "loss": case.loss.name if case.loss and "loss" in member.needs else "",
        "model": fingerprint(case.model),
        "checkpoints": [_mark(weights) for weights in case.checkpoints] if "checkpoints" in member.needs else [],
        "train": case.train.mark,
        "test": case.test.mark,
        "output": "" if case.output is None else fingerprint(case.output),
        "seed": case.seed,
        "top": top,
        "shape": [pieces.t, pieces.n],
        "pieces": [pieces.rows, pieces.columns],
    }


def _mark(weights: Weights) -> str:
    return fingerprint(Path(weights).read_bytes()) if isinstance(weights, str | Path) else fingerprint(dict(weights))


# --- what is given ---------------------------------------------------------------------------------------------------


def _checkpoints(model: Any) -> list[Weights]:
    """The epochs that a Fit, or a training's folder, has kept."""
    if isinstance(model, str | Path):
        return [*sorted((Path(model) / "epochs").glob("*.safetensors"))]
    return list(getattr(model, "checkpoints", ())) if not isinstance(model, nn.Module) else []


def samples_of(given: Any, transform: Any, what: str, rows: Sequence[int] | None = None) -> Samples:
    """The examples that an argument means."""
    if isinstance(given, Samples):
        made = given
    elif isinstance(given, str | Dataset):
        made = _of_data(Dataset.make(given), transform, what, rows)
    else:
        made = _of_tensors(given, what)
    if not len(made):
        raise BadInput(f"{what} holds no examples; give at least one.")
    return made


def _of_tensors(given: Any, what: str) -> Samples:
    images, labels = given, None
    if isinstance(given, Loaded):
        images, labels = given.images, given.labels
    elif isinstance(given, tuple | list) and len(given) == 2 and isinstance(given[0], Tensor) and given[0].ndim > 1:
        two = isinstance(given[1], Tensor) and given[1].shape == given[0].shape  # images, in a list
        images, labels = given if not two else (torch.stack(list(given)), None)
    if not isinstance(images, Tensor):
        if not (hasattr(given, "__getitem__") and hasattr(given, "__len__")):
            raise BadInput(f"{what} is {kind(given)}; give a data set, its text form, a tensor, or (images, labels).")
        some = [_sample(given[i]) for i in range(len(given))]
        images = torch.stack([image for image, _, _ in some]) if some else torch.zeros(0, 1)
        labels = torch.tensor([label for _, label, _ in some], dtype=torch.long)
    if not images.is_floating_point() or images.ndim < 2:
        raise BadInput(
            f"{what} is {images.dtype} of shape {tuple(images.shape)}; give floats [n, …] as the model wants them."
        )
    labels = None if labels is None else torch.as_tensor(labels)
    if labels is not None and (labels.is_floating_point() or labels.shape != images.shape[:1]):
        raise BadInput(f"the labels of {what} are {tuple(labels.shape)} for {len(images)} examples; give one each.")
    return Held(images.detach(), labels, what)


class _Stored(Samples):
    """A data set, read when it is asked for."""

    def __init__(self, data: Dataset, transform: Any, what: str, rows: Sequence[int] | None) -> None:
        self.rows = range(len(data)) if rows is None else rows
        super().__init__(len(self.rows), what)
        self.data, self.transform = data, transform
        how = str(transform) if isinstance(transform, Transform | str) else fingerprint(transform)
        self.told = f"{data} {data.fingerprint()} {how} {'' if rows is None else fingerprint(torch.tensor(rows))}"

    def _read(self, rows: range) -> tuple[Tensor, Tensor]:
        which = [self.rows[i] for i in rows]
        [batch] = batches(self.data, transform=self.transform, batch_size=len(which), rows=which, truth=False)
        return batch.images, batch.labels

    @property
    def labels(self) -> Tensor:
        return self.data.labels([self.rows[i] for i in self.within])


def _of_data(data: Dataset, transform: Any, what: str, rows: Sequence[int] | None) -> Samples:
    """In memory where it is small enough to be read once."""
    if data.streamed:
        raise BadInput(f"{data} is a stream, and {what} is read several times; give a data set with a length.")
    stored = _Stored(data, transform if data.kind == "images" else None, what, rows)
    if not len(stored):
        return stored
    image = stored[:1].read()[0]
    if image.numel() * image.element_size() * len(stored) > HELD:
        return stored
    parts = list(stored.batches(512))
    held = Held(torch.cat([images for images, _ in parts]), torch.cat([labels for _, labels in parts]), what)
    held.told = stored.told
    return held


def _loss(given: Any, case: Case) -> tuple[Loss | None, str]:
    """The loss that is meant, and where there is none why."""
    if isinstance(given, Loss):
        return given, ""
    if callable(given):
        return Loss(fingerprint(given), cast(Of, given)), ""
    if given is not None and given not in LOSSES:
        raise UnknownName(f"there is no loss {given!r}; {did_you_mean(str(given), LOSSES)}")
    images, _ = case.test[:2].read()
    with torch.no_grad():
        rebuilds = getattr(case.model, "reconstruct", None)
        answer = Subject(case.model, output=case.output).answer((rebuilds or case.model)(images))
        fits = answer.shape == images.shape
    labelled = bool((case.train.labels >= 0).all() & (case.test.labels >= 0).all())
    most = int(torch.maximum(case.train.labels.max().cpu(), case.test.labels.max().cpu()))
    classifies = rebuilds is None and answer.ndim == 2 and answer.shape[1] > most and labelled
    card = card_of(case.model)
    sure = classifies and answer.shape[1] in (most + 1, card and card.outputs, card and len(card.classes))
    if classifies and not (sure or fits or given):
        return None, _perhaps(case, answer, most)
    name = given or ("reconstruction" if fits else "cross-entropy" if classifies else None)
    if name is None or (LOSSES[name].reconstructs and not fits) or (name == "cross-entropy" and not classifies):
        return None, _why(case, answer, images)
    return LOSSES[name], ""


def _perhaps(case: Case, answer: Tensor, most: int) -> str:
    return (
        f"{type(case.model).__name__} answers {answer.shape[1]} numbers, of which the labels name {most + 1}, so that "
        f"they may be a code; give loss=cross-entropy where they are classes"
    )


def _why(case: Case, answer: Tensor, images: Tensor) -> str:
    name, given, found = type(case.model).__name__, tuple(images.shape[1:]), tuple(answer.shape[1:])
    return (
        f"{name} answers {found} to {given}, no reconstruction, and a cross-entropy needs a label among its classes "
        f"for every example (a contrastive loss is of pairs in a batch); use dknn or simplex, or give loss="
    )
