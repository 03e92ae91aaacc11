"""What a data set promises: the same records by number, and truth that fits the picture.

A check takes a data set, or a member that can be made without files; one that is read from files says so, and a test
of its package gives it some.
"""

import pickle

import torch

from pellucid.contracts.case import Refused, sample
from pellucid.data import Dataset, Record
from pellucid.data._batches import batches
from pellucid.data.transforms import Transform
from pellucid.errors import BadInput, MissingExtra
from pellucid.registry import Named

Given = Dataset | type[Named]


def _made(member: Given) -> Dataset:
    data = member if isinstance(member, Dataset) else sample(member)
    assert isinstance(data, Dataset)
    try:
        data.take(1)
    except (BadInput, MissingExtra) as cause:
        raise Refused(str(cause)) from None
    return data


def _some(data: Dataset) -> list[int]:
    """A few numbers, the ends among them."""
    return sorted({0, len(data) // 3, len(data) // 2, len(data) - 1})


def _records(data: Dataset) -> list[Record]:
    return data.take(3) if data.streamed else [data[i] for i in _some(data)]


def records_fit_their_pictures(member: Given) -> None:
    """uint8 [c, h, w]; masks, boxes, points and what is ignored of the picture's size."""
    data = _made(member)
    for i, record in enumerate(_records(data)):
        image = record.image
        if data.kind != "images":
            assert image.dtype == torch.float32, f"series {i} is {image.dtype}, not float32"
            assert image.ndim == 2, f"series {i} has shape {tuple(image.shape)}, not [t, c]"
            continue
        assert image.dtype == torch.uint8, f"image {i} is {image.dtype}, not uint8"
        assert image.ndim == 3, f"image {i} has shape {tuple(image.shape)}, not [c, h, w]"
        c, h, w = image.shape
        assert c in (1, 3), f"image {i} has {c} channels, not 1 or 3"
        assert record.masks.shape[1:] == (h, w), f"masks of {i} are {tuple(record.masks.shape)}, not of {(h, w)} pixels"
        assert record.ignore.shape == (h, w), f"what is to be ignored of {i} is not of {(h, w)} pixels"
        assert {record.masks.dtype, record.ignore.dtype} == {torch.bool}, f"masks of {i} are not bool"
        low, high = record.boxes[:, :2], record.boxes[:, 2:]
        inside = bool((low >= 0).all()) and bool((high <= torch.tensor([w, h])).all()) and bool((low < high).all())
        assert inside, f"a box of {i} is empty, or reaches out of the picture"
        seen = record.points.shape[0]
        assert seen in (0, len(data.point_names)), f"{i} has {seen} points, and there are {len(data.point_names)} names"


def lists_are_of_one_length(member: Given) -> None:
    """A class and a number for every box and every mask, no number twice."""
    for i, record in enumerate(_records(_made(member))):
        k, m = len(record.boxes), len(record.masks)
        of_boxes = {len(record.classes), len(record.ids), len(record.difficult), k}
        assert of_boxes == {k}, f"record {i} has {k} boxes, and lists of {sorted(of_boxes)}"
        of_masks = {len(record.mask_classes), len(record.mask_ids), m}
        assert of_masks == {m}, f"record {i} has {m} masks, and lists of {sorted(of_masks)}"
        for ids in (record.ids.tolist(), record.mask_ids.tolist()):
            assert len(set(ids)) == len(ids), f"two objects of record {i} have one number"


def classes_have_names(member: Given) -> None:
    """Every label and every object's class is a number of `class_names`, which are all different, and readable."""
    data = _made(member)
    names = data.class_names
    assert len(set(names)) == len(names) > 0, "two classes have one name, or there are none"
    strange = next((name for name in names if "_" in name or name != name.strip() or not name), None)
    assert strange is None, f"the class name {strange!r} is not as one would say it"
    for i, record in enumerate(_records(data)):
        for number in (record.label, *record.classes.tolist(), *record.mask_classes.tolist()):
            low = -1 if number == record.label else 0  # no label is a label
            assert low <= number < len(names), f"record {i} is of class {number}, and there are {len(names)} names"


def a_number_is_a_record(member: Given) -> None:
    """The same record every time, in any order, from a copy too; none beyond the end."""
    data = _made(member)
    copy: Dataset = pickle.loads(pickle.dumps(data))
    if data.streamed:
        assert _same(data.take(2), copy.take(2)), "the stream is another one the second time"
        return
    rows = _some(data)
    first = {i: data[i] for i in rows}
    for i in reversed(rows):
        again = copy[i - len(data)]
        assert _same([first[i]], [again]), f"record {i} is another one the second time"
        assert data.label(i) == again.label, f"the label of {i} is another one than its record's"
    for i in (len(data), -len(data) - 1):
        try:
            data[i]
        except IndexError:
            continue
        raise AssertionError(f"record {i} of {len(data)} is given, where an IndexError is expected")


def _same(some: list[Record], others: list[Record]) -> bool:
    pairs = list(zip(some, others, strict=True))
    tensors = all(torch.equal(getattr(a, n), getattr(b, n)) for a, b in pairs for n in ("image", "masks", "boxes"))
    return tensors and all(a.label == b.label for a, b in pairs)


def several_are_each_alone(member: Given) -> None:
    """images, labels and masks of some numbers are those of the records."""
    data = _made(member)
    if data.streamed:
        return
    rows = _some(data)
    records = [data[i] for i in rows]
    assert torch.equal(data.labels(rows), torch.tensor([r.label for r in records])), "labels are not the records'"
    if len({r.image.shape for r in records}) > 1:
        return
    assert torch.equal(data.images(rows), torch.stack([r.image for r in records])), "images are not the records'"
    if data.kind == "images":
        assert torch.equal(data.masks(rows), torch.stack([r.mask for r in records])), "masks are not the records'"


def batches_are_inputs(member: Given) -> None:
    """With the data set's own transform: finite numbers, one size, labels beside them."""
    data = _made(member)
    Transform.make(data.preset)
    rows = None if data.streamed else _some(data)
    batch = next(iter(batches(data, rows=rows, batch_size=2)))
    assert batch.images.dtype == torch.float32, f"inputs are {batch.images.dtype}, not float32"
    assert bool(batch.images.isfinite().all()), "inputs are not finite"
    assert len(batch.images) == len(batch.labels) == len(batch.rows), "a batch has lists of different lengths"


def chance_is_left_alone(member: Given) -> None:
    """Reading records draws nothing from torch's own chance, nor does making batches of them."""
    data = _made(member)
    before = torch.get_rng_state()
    data.take(1)
    next(iter(batches(data, batch_size=1, rows=None if data.streamed else [0], train=True)))
    assert torch.equal(before, torch.get_rng_state()), "reading a record changes the global chance of torch"


def says_whose_it_is(member: Given) -> None:
    """A licence, or that none is stated."""
    data = _made(member)
    assert data.licence, f"{data.name} does not say its licence: set `licence`, to 'none stated' where there is none"


CHECKS = (
    records_fit_their_pictures,
    lists_are_of_one_length,
    classes_have_names,
    a_number_is_a_record,
    several_are_each_alone,
    batches_are_inputs,
    chance_is_left_alone,
    says_whose_it_is,
)
