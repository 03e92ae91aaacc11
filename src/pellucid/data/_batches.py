"""Records in batches, as a model takes them.

for images, labels, rows, records in batches("cub:root=data", batch_size=32, transform="imagenet"): …

What happens to record i in an epoch is drawn from (seed, epoch, i): it is the same with any number of workers, in any
order, and after a resumption.
"""

import hashlib
import pickle
import random
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from pellucid.data._base import Dataset, Record
from pellucid.data.transforms import Transform
from pellucid.errors import BadInput

ROOM = 1 << 26  # bytes of pictures and masks that are kept from epoch to epoch


class Batch(NamedTuple):
    """Some records."""

    images: Tensor  # float [n, c, h, w], or [n, t, c]
    labels: Tensor  # int64 [n], -1 where there is none
    rows: Tensor  # int64 [n], their numbers
    records: tuple[Record, ...]  # boxes, masks and the rest, moved as the picture was; without pixels; () in training

    def to(self, device: "torch.device | str") -> "Batch":
        """The images and labels elsewhere; the rest stays."""
        return self._replace(images=self.images.to(device, non_blocking=True), labels=self.labels.to(device))


@dataclass(frozen=True)
class View:
    """Records as a transform leaves them. transform: a Transform, or a v2 transform that does all of it itself."""

    data: Dataset
    transform: Any
    train: bool = False
    seed: int = 0
    truth: bool = True  # whether what is known of the pictures comes along
    views: int = 1  # of every picture, each with its own chance; several are stacked: [views, c, h, w]

    def __len__(self) -> int:
        return len(self.data)

    @cached_property
    def _steps(self) -> tuple[Any, Any]:
        """The transform of the picture, and that of the numbers, before which the data set may draw."""
        if isinstance(self.transform, Transform):
            return self.transform.picture(self.train), lambda image: self.transform.input(image, self.data)
        from torchvision.transforms import v2

        if isinstance(self.transform, v2.Compose) and isinstance(self.transform.transforms[-1], v2.Normalize):
            *steps, last = self.transform.transforms
            return v2.Compose(steps or [v2.Identity()]), last
        return self.transform, None

    @cached_property
    def _kept(self) -> "Kept":
        """Records that are the same in every epoch; no room where they are not, nor in one of several workers."""
        fixed = self.data.kind != "images" or settled(self._steps[0])
        return Kept(ROOM if fixed and self.views == 1 and get_worker_info() is None else 0)

    def __getitem__(self, at: "tuple[int, int] | int") -> tuple[int, Record]:
        epoch, i = at if isinstance(at, tuple) else (0, at)
        found = self._kept.records.get(i)
        if found is None:
            found = self.viewed(self.data[i], i, epoch)
            self._kept.add(i, found)
        return i, found

    def viewed(self, record: Record, i: int, epoch: int) -> Record:
        """Record i as it stands in a batch: once, or as several views of one picture."""
        if self.views == 1:
            return self.seen(record, i, epoch)
        several = [self.seen(record, i, epoch, view) for view in range(self.views)]
        return several[0].with_image(torch.stack([one.image for one in several]))

    def seen(self, record: Record, i: int, epoch: int, view: int = 0) -> Record:
        """Record i as the model sees it."""
        record = self.drawn(record, i, epoch, view)
        if self.data.kind != "images" or self._steps[1] is None:
            return record
        return record.with_image(self._steps[1](record.image))

    def drawn(self, record: Record, i: int, epoch: int, view: int = 0) -> Record:
        """Before mean and std: what a person can look at."""
        if self.data.kind == "images":
            picture, _ = self._steps
            with chance(self.seed, epoch, i, *([view] if view else [])):
                record = record.through(picture) if self.truth else record.bare(picture)
        return self.data.finish(record, i, self.train)

    def __getstate__(self) -> dict[str, Any]:
        made = ("_steps", "_kept")  # again elsewhere
        return {name: value for name, value in self.__dict__.items() if name not in made}


@dataclass
class Kept:
    """Records as they go into batches, while there is room: a training asks for them in every epoch."""

    room: int  # in bytes
    records: dict[int, Record] = field(default_factory=dict)

    def add(self, i: int, record: Record) -> None:
        """Keep one."""
        self.room -= record.image.nbytes + record.masks.nbytes
        if self.room >= 0:
            self.records[i] = record


def settled(picture: Any) -> bool:
    """Whether a v2 transform does the same every time.

    >>> from torchvision.transforms import v2
    >>> settled(v2.Compose([v2.RGB(), v2.Resize(8)])), settled(v2.RandomHorizontalFlip())
    (True, False)
    """
    from torchvision.transforms import v2

    if type(picture) is v2.Compose:
        return all(map(settled, picture.transforms))
    return type(picture) in (v2.Identity, v2.RGB, v2.Grayscale, v2.Resize, v2.CenterCrop, v2.Normalize, v2.ToDtype)


@contextmanager
def chance(*numbers: int) -> Generator[None]:
    """torch's and Python's chance from seed, epoch, number of the record and view, and afterwards as it was."""
    own, theirs = torch.default_generator.get_state(), random.getstate()
    torch.default_generator.manual_seed(number_of(*numbers))
    random.seed(_mixed(*numbers))
    try:
        yield
    finally:
        torch.default_generator.set_state(own)
        random.setstate(theirs)


@dataclass
class Batches:
    """Batches of a data set, epoch by epoch: `for batch in loader` is epoch 0, `loader.epoch(3)` another."""

    view: View
    batch_size: int = 64
    rows: Sequence[int] | None = None  # None: all
    workers: int = 0
    drop_last: bool = False
    shuffle: bool = True  # in training
    share: tuple[int, int] = (0, 1)  # of several processes: which one this is, of how many; a batch is that of all
    _running: bool = False

    def __iter__(self) -> Iterator[Batch]:
        return self.epoch(0)

    def __len__(self) -> int:
        count = len(self._chosen)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from batch `start`."""
        if self.view.data.streamed:
            return islice(self._streamed(number), start, None)
        self.view.data.prepare(progress=True)
        return self._read(number, start)

    def _read(self, number: int, start: int) -> Iterator[Batch]:
        """By workers that live on, unless they are at another epoch."""
        lasting = self.workers > 0 and not self._running
        loader = self._lasting if lasting else self._loader(False)
        loader.batch_sampler.epoch, loader.batch_sampler.start = number, start
        self._running = self._running or lasting
        try:
            for batch in loader:
                yield batch._replace(records=pickle.loads(batch.records)) if self.workers else batch
        finally:
            self._running = self._running and not lasting

    def order(self, number: int) -> list[int]:
        """The rows of an epoch in their order: shuffled in training, unless that is not wanted."""
        if not (self.view.train and self.shuffle):
            return list(self._chosen)
        generator = torch.Generator().manual_seed(number_of(self.view.seed, number))
        return [self._chosen[i] for i in torch.randperm(len(self._chosen), generator=generator).tolist()]

    @property
    def count(self) -> int | None:
        """How many records there are; nobody knows of a stream."""
        return None if self.view.data.streamed else len(self._chosen)

    @cached_property
    def _chosen(self) -> Sequence[int]:
        data = self.view.data
        return range(len(data)) if self.rows is None else [data._at(i) for i in data._rows(self.rows)]

    @cached_property
    def _lasting(self) -> Any:
        return self._loader(True)

    def _loader(self, lasting: bool) -> Any:
        from torch.utils.data import DataLoader

        data: Any = self.view
        return DataLoader(
            data,
            batch_sampler=_Sampler(self),
            collate_fn=partial(collated, truth=self.view.truth, packed=self.workers > 0),
            num_workers=self.workers,
            generator=torch.Generator(),  # else the loader draws a seed from torch's own chance
            persistent_workers=lasting,
        )

    def _streamed(self, epoch: int) -> Iterator[Batch]:
        some: list[tuple[int, Record]] = []
        for i, record in enumerate(self.view.data):
            some.append((i, self.view.viewed(record, i, epoch)))
            if len(some) == self.batch_size:
                yield collated(some, self.view.truth)
                some = []
        if some and not self.drop_last:
            yield collated(some, self.view.truth)


@dataclass
class _Sampler:
    """(epoch, row) of every record of every batch: so a worker that lives on knows the epoch."""

    batches: Batches
    epoch: int = 0
    start: int = 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, order, size = self.epoch, self.batches.order(self.epoch), self.batches.batch_size
        for at in range(self.start, len(self)):
            rows = order[at * size : (at + 1) * size]
            mine = rows[part_of(len(rows), *self.batches.share)]
            if mine:
                yield [(epoch, row) for row in mine]


def part_of(n: int, process: int, processes: int) -> slice:
    """The rows of one process; sizes differ by one at most.

    >>> [part_of(5, process, 2) for process in range(2)]
    [slice(0, 3, None), slice(3, 5, None)]
    """
    ends = [-(-n * k // processes) for k in (process, process + 1)]
    return slice(*ends)


def collated(some: list[tuple[int, Record]], truth: bool, packed: bool = False) -> Any:
    """A batch of records as a view leaves them. packed: with the records as bytes, for another process, to which every
    tensor would else travel by a file descriptor of its own."""
    sizes = {tuple(record.image.shape) for _, record in some}
    if len(sizes) > 1:
        raise BadInput(
            f"the pictures of a batch differ in size ({', '.join(str(list(s)) for s in sorted(sizes)[:3])}); use a "
            f"transform that makes them one size, such as imagenet or squash."
        )
    images = torch.stack([record.image for _, record in some])
    labels, rows = torch.tensor([r.label for _, r in some]), torch.tensor([i for i, _ in some])
    none = torch.zeros(0)
    found: Any = tuple(replace(r, image=none) for _, r in some) if truth else ()
    records: Any = pickle.dumps(found, protocol=5) if packed else found
    return Batch(images, labels, rows, records)


def batches(
    data: "Dataset | str",
    *,
    transform: Any = None,
    batch_size: int = 64,
    rows: Sequence[int] | None = None,
    train: bool = False,
    truth: bool | None = None,
    seed: int = 0,
    workers: int = 0,
    drop_last: bool = False,
    shuffle: bool = True,
    views: int = 1,
) -> Batches:
    """Batches of a data set. transform: a name, an object, a v2 transform, or None for the data set's own. views: of
    every picture so many, each drawn anew, in batches [n, views, c, h, w].

    A stream is not shuffled."""
    data = Dataset.make(data)
    if data.streamed and (rows is not None or workers):
        raise BadInput(f"{data.name} is a stream, read in order by one process; leave out rows= and workers=.")
    if isinstance(transform, str) or transform is None:
        transform = Transform.make(transform or data.preset)
    if batch_size < 1:
        raise BadInput(f"a batch of {batch_size} records cannot be; give batch_size of at least 1.")
    if views < 1:
        raise BadInput(f"{views} views of a picture cannot be; give views of at least 1.")
    if data.kind != "images" and not (isinstance(transform, Transform) and transform.name == "plain"):
        raise BadInput(f"{data.name} is of {data.kind}, which only plain leaves as they are; leave out transform=.")
    view = View(data, transform, train, seed, (not train) if truth is None else truth, views)
    return Batches(view, batch_size, rows, workers, drop_last, shuffle)


def number_of(*numbers: int) -> int:
    """One number of several, unlike for the slightest change of one of them."""
    return int.from_bytes(_mixed(*numbers), "big") >> 1


def _mixed(*numbers: int) -> bytes:
    return hashlib.blake2b(",".join(map(str, numbers)).encode(), digest_size=8).digest()
