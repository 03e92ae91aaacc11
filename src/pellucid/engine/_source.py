"""Where samples come from: a data set of ours, any map-style or iterable source, in ranges of one size.

A range is the unit of work: samples 0 to 31, 32 to 63, … It is the same in any number of processes and after a
resumption, and so are its numbers, to the bit.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, RandomSampler

from pellucid.data import Dataset, Record
from pellucid.data._batches import Batch as Loaded
from pellucid.data._batches import batches
from pellucid.data.transforms import Transform
from pellucid.errors import BadInput, kind
from pellucid.knobs import fingerprint
from pellucid.maths.masks import IGNORED
from pellucid.subject import size_of

SPAN = 32  # samples of a range


@dataclass
class Range:
    """Some samples: their images and what is known of them."""

    start: int
    images: Tensor  # [n, c, h, w]
    labels: Tensor  # int64 [n], -1 where there is none
    records: Sequence[Any] = ()  # Record, or a mapping with masks and boxes; () where nothing is known

    @property
    def stop(self) -> int:
        return self.start + len(self.images)

    def masks(self, classes: Tensor) -> Tensor | None:
        """uint8 [n, h, w] of these classes; None where nothing is known of any sample."""
        if not self.records:
            return None
        return torch.stack([_mask(r, c, size_of(self.images)) for r, c in self._asked(classes)])

    def boxes(self, classes: Tensor) -> list[Tensor] | None:
        """n times [k, 4], an object of the class each."""
        if not self.records:
            return None
        return [_boxes(r, c) for r, c in self._asked(classes)]

    def _asked(self, classes: Tensor) -> Iterator[tuple[Any, int]]:
        """What is known of each sample, and the class; a mapping tells of its label alone."""
        for record, label, number in zip(self.records, self.labels.tolist(), classes.tolist(), strict=True):
            other = isinstance(record, Mapping) and label >= 0 and number != label
            yield ({} if other else record), number


def _mask(record: Any, number: int, size: tuple[int, ...]) -> Tensor:
    if isinstance(record, Record):
        known = record.masks.shape[1:] == torch.Size(size)
        return record.truth(number) if known else torch.zeros(size, dtype=torch.uint8)
    given = record.get("masks", record.get("mask"))
    if given is None:
        return torch.zeros(size, dtype=torch.uint8)
    mask = torch.as_tensor(given)
    mask = mask[0] if mask.ndim > len(size) and len(mask) == 1 else mask
    if tuple(mask.shape) != size and (1, *mask.shape) != size:
        raise BadInput(f"a sample's mask is {tuple(mask.shape)} and its image {size}; give it the image's size.")
    ignored = IGNORED if mask.dtype == torch.uint8 else 1
    if bool(((mask != 0) & (mask != 1) & (mask != ignored)).any()):
        raise BadInput(
            f"a sample's mask is {mask.dtype} with values up to {float(mask.max()):g}; give 1 for the object, 0 for "
            f"the rest, and in uint8 255 for what counts neither way."
        )
    return mask.byte().view(size)


def _boxes(record: Any, number: int) -> Tensor:
    if isinstance(record, Record):
        return record.boxes_for(number)
    boxes = record.get("boxes")
    return torch.zeros(0, 4) if boxes is None else torch.as_tensor(boxes, dtype=torch.float32).view(-1, 4)


class Source:
    """Abstract: samples in ranges, which are asked for by their numbers."""

    name: str  # as its rows call it
    mark: str  # whether it is the same as it was
    transform: str

    def count(self) -> int | None:
        """How many samples there are; None of a stream."""
        raise NotImplementedError

    def ranges(self, wanted: Iterable[int] | None) -> Iterator[Range]:
        """The ranges with these numbers, or all, in their order."""
        raise NotImplementedError

    def colour(self) -> Tensor | None:
        """[c]: the mean colour of the data, as the model sees it; None where it is not known."""
        return None

    def spans(self) -> list[tuple[int, int]]:
        """The first sample of every range, and that behind its last; none of a stream."""
        count = self.count() or 0
        return [(start, min(count, start + SPAN)) for start in range(0, count, SPAN)]


@dataclass
class Named(Source):
    """A data set of ours, through a transform."""

    data: Dataset
    view: Any  # a transform: an object, a v2 transform, or None for the data set's own
    loaders: int = 0

    def __post_init__(self) -> None:
        self.name, self.mark = str(self.data), self.data.fingerprint() if not self.data.streamed else "stream"
        self._batches = batches(self.data, transform=self.view, batch_size=SPAN, workers=self.loaders, truth=True)
        view = self._batches.view.transform
        self.transform = str(view) if isinstance(view, Transform) else fingerprint(view)

    def count(self) -> int | None:
        return None if self.data.streamed else len(self.data)

    def ranges(self, wanted: Iterable[int] | None) -> Iterator[Range]:
        if self.data.streamed:
            chosen = None if wanted is None else set(wanted)
            for i, batch in enumerate(self._batches):
                if chosen is None or i in chosen:
                    yield Range(i * SPAN, batch.images, batch.labels, batch.records)
            return
        spans = self.spans()
        numbers = range(len(spans)) if wanted is None else sorted(wanted)
        rows = [row for n in numbers for row in range(*spans[n])]
        if rows:
            self._batches.rows = rows
            self._batches.__dict__.pop("_chosen", None)
            for n, batch in zip(numbers, self._batches, strict=True):
                yield Range(n * SPAN, batch.images, batch.labels, batch.records)

    def colour(self) -> Tensor | None:
        if self.data.kind != "images":
            return None
        mean = torch.tensor(self.data.mean)
        _, numbers = self._batches.view._steps
        view = self._batches.view.transform
        if isinstance(view, Transform):
            at, spread = (torch.tensor(v) for v in view.numbers(self.data))
        elif numbers is not None:  # v2.Normalize
            at, spread = torch.as_tensor(numbers.mean), torch.as_tensor(numbers.std)
        else:
            return mean  # as the picture has it
        return (mean - at) / spread


class Foreign(Source):
    """Anything that gives samples or batches: (image, label), (image, label, {"masks": …, "boxes": …}), images."""

    transform = "as given"

    def __init__(self, samples: Any, name: str) -> None:
        self.samples, self.name = samples, name
        self.batched, self.indexed, self._count, self.mark = _nature(samples)

    def count(self) -> int | None:
        return self._count

    def ranges(self, wanted: Iterable[int] | None) -> Iterator[Range]:
        chosen = None if wanted is None else set(wanted)
        if self.indexed:
            for n, span in enumerate(self.spans()):
                if chosen is None or n in chosen:
                    yield _gathered(span[0], [_sample(self.samples[i]) for i in range(*span)])
            return
        some: list[Any] = []
        number = 0
        for sample in _singles(self.samples, self.batched):
            some.append(sample)
            if len(some) == SPAN:
                if chosen is None or number in chosen:
                    yield _gathered(number * SPAN, some)
                some, number = [], number + 1
        if some and (chosen is None or number in chosen):
            yield _gathered(number * SPAN, some)


def _nature(samples: Any) -> tuple[bool, bool, int | None, str]:
    """Whether it gives batches; whether samples are had by number, and how many; what tells it from others."""
    if isinstance(getattr(samples, "sampler", None), RandomSampler):
        raise BadInput("the loader shuffles, and samples are known by their place; give one with shuffle=False.")
    batched = isinstance(samples, DataLoader) and samples.batch_size is not None
    sized = hasattr(samples, "__getitem__") and hasattr(samples, "__len__") and not isinstance(samples, IterableDataset)
    some: Any = samples
    if not sized or not len(some):
        return batched, sized, 0 if sized else None, "named"
    first = some[0]
    indexed = not (isinstance(some, list | tuple) and _is_batch(first))
    return batched, indexed, len(some) if indexed else None, f"{len(some)} {fingerprint(_first(first))}"


Sample = tuple[Tensor, int, Any]


def _sample(item: Any) -> Sample:
    """One sample of a map-style source."""
    if isinstance(item, Record):
        return item.image, item.label, item
    image, *rest = item if isinstance(item, tuple | list) else (item,)
    if not isinstance(image, Tensor) or not image.is_floating_point():
        found = image.dtype if isinstance(image, Tensor) else kind(image)
        raise BadInput(
            f"a sample's image is {found}; give float tensors as the model wants them: (image, label), or "
            f"(image, label, {{'masks': …, 'boxes': …}})."
        )
    label = int(_labels([rest[0]], 1)[0]) if rest and not isinstance(rest[0], Mapping) else -1
    known = next((part for part in rest if isinstance(part, Mapping)), None)
    return image, label, known


def _labels(given: Any, n: int) -> Tensor:
    """[n] of whole numbers; none is -1."""
    if given is None or (isinstance(given, list) and all(one is None for one in given)):
        return torch.full((n,), -1)
    try:
        labels = torch.as_tensor(given).flatten()
    except (TypeError, ValueError, RuntimeError):
        labels = torch.zeros(0)
    if labels.is_floating_point() or len(labels) != n:
        raise BadInput(f"the labels of {n} samples are {given!r:.80}; give one whole number each, or none.")
    return labels.long()


def _is_batch(item: Any) -> bool:
    image = item[0] if isinstance(item, tuple | list) and len(item) else item
    return isinstance(item, Loaded) or (isinstance(image, Tensor) and image.ndim > 3)


def _first(item: Any) -> Any:
    """What a sample or a batch is known by."""
    image = item[0] if isinstance(item, tuple | list) and len(item) else item
    return image.image if isinstance(image, Record) else image


def _singles(items: Any, batched: bool) -> Iterator[Sample]:
    """One sample after another, of samples or of batches."""
    for item in items:
        if isinstance(item, Loaded):
            records = item.records or (None,) * len(item.images)
            yield from zip(item.images, item.labels.tolist(), records, strict=True)
            continue
        image, *rest = item if isinstance(item, tuple | list) else (item,)
        if not isinstance(image, Tensor) or not (batched or image.ndim > 3):
            yield _sample(item)
            continue
        given = rest[0] if rest and not isinstance(rest[0], Mapping) else None
        labels = _labels(given, len(image)).tolist()
        known = next((part for part in rest if isinstance(part, Mapping)), {})
        each = [{key: value[i] for key, value in known.items()} or None for i in range(len(image))]
        yield from zip(image, labels, each, strict=True)


def _gathered(start: int, some: Sequence[Sample]) -> Range:
    images, labels, known = zip(*some, strict=True)
    sizes = {tuple(image.shape) for image in images}
    if len(sizes) > 1:
        raise BadInput(f"the images of samples {start} to {start + len(some) - 1} differ in size; make them one size.")
    records = tuple({} if one is None else one for one in known) if any(one is not None for one in known) else ()
    return Range(start, torch.stack(images), torch.tensor(labels), records)


def source_of(data: Any, transform: Any, name: str | None, loaders: int = 0, usual: Any = None) -> Source:
    """The source that an argument means. usual: the model's own transform of pictures, where none is given."""
    if isinstance(data, str | Dataset):
        made = Dataset.make(data)
        own = usual if transform is None and made.kind == "images" else transform
        return Named(made, own, loaders)
    if not isinstance(data, Iterable) and not hasattr(data, "__getitem__"):
        raise BadInput(f"the data is {kind(data)}; give a data set, its text form, or something that yields samples.")
    return Foreign(data, name or "")
