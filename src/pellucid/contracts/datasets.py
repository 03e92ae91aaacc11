"""What a data set promises: the same records by number, and truth that fits the picture."""

import torch

from pellucid.contracts.case import sample
from pellucid.data import Dataset, Record
from pellucid.registry import Named


def _made(member: type[Named]) -> Dataset:
    data = sample(member)
    assert isinstance(data, Dataset)
    return data


def _some(data: Dataset) -> list[int]:
    """A few numbers, the ends among them."""
    return sorted({0, len(data) // 3, len(data) // 2, len(data) - 1})


def records_fit_their_pictures(member: type[Named]) -> None:
    """uint8 [c, h, w]; a mask, a box and a class for every object, of the picture's size."""
    data = _made(member)
    for i in _some(data):
        record = data[i]
        image, k = record.image, len(record.classes)
        assert image.dtype == torch.uint8, f"image {i} is {image.dtype}, not uint8"
        assert image.ndim == 3, f"image {i} has shape {tuple(image.shape)}, not [c, h, w]"
        c, h, w = image.shape
        assert c in (1, 3), f"image {i} has {c} channels, not 1 or 3"
        assert record.masks.shape == (k, h, w), f"masks of {i} are {tuple(record.masks.shape)}, not {(k, h, w)}"
        assert record.masks.dtype == torch.bool, f"masks of {i} are {record.masks.dtype}, not bool"
        assert record.boxes.shape == (k, 4), f"boxes of {i} are {tuple(record.boxes.shape)}, not {(k, 4)}"
        low, high = record.boxes[:, :2], record.boxes[:, 2:]
        inside = bool((low >= 0).all()) and bool((high <= torch.tensor([w, h])).all()) and bool((low < high).all())
        assert inside, f"a box of {i} is empty, or reaches out of the picture"
        assert mask_of(record), f"the mask of {i} is not that of its labelled class"


def mask_of(record: Record) -> bool:
    """Whether `mask` is all objects of the label's class."""
    mine = record.masks[record.classes == record.label]
    return torch.equal(record.mask, mine.any(0))


def classes_have_names(member: type[Named]) -> None:
    """Every label and every object's class is a number of `class_names`, which are all different."""
    data = _made(member)
    names = data.class_names
    assert len(set(names)) == len(names) > 0, "two classes have one name, or there are none"
    for i in _some(data):
        for number in (data[i].label, *data[i].classes.tolist()):
            assert 0 <= number < len(names), f"record {i} is of class {number}, and there are {len(names)} names"


def a_number_is_a_record(member: type[Named]) -> None:
    """The same record every time, in any order, from a copy too; none beyond the end."""
    data, copy = _made(member), _made(member)
    rows = _some(data)
    first = {i: data[i] for i in rows}
    for i in reversed(rows):
        again = copy[i - len(data)]
        same = torch.equal(first[i].image, again.image) and torch.equal(first[i].masks, again.masks)
        same = same and first[i].label == again.label
        assert same, f"record {i} is another one the second time"
    for i in (len(data), -len(data) - 1):
        try:
            data[i]
        except IndexError:
            continue
        raise AssertionError(f"record {i} of {len(data)} is given, where an IndexError is expected")


def several_are_each_alone(member: type[Named]) -> None:
    """images, labels and masks of some numbers are those of the records."""
    data = _made(member)
    rows = _some(data)
    records = [data[i] for i in rows]
    assert torch.equal(data.labels(rows), torch.tensor([r.label for r in records])), "labels are not the records'"
    assert torch.equal(data.images(rows), torch.stack([r.image for r in records])), "images are not the records'"
    assert torch.equal(data.masks(rows), torch.stack([r.mask for r in records])), "masks are not the records'"


def chance_is_left_alone(member: type[Named]) -> None:
    """Reading records draws nothing from torch's own chance."""
    data = _made(member)
    before = torch.get_rng_state()
    data[0]
    assert torch.equal(before, torch.get_rng_state()), "reading a record changes the global chance of torch"


CHECKS = (
    records_fit_their_pictures,
    classes_have_names,
    a_number_is_a_record,
    several_are_each_alone,
    chance_is_left_alone,
)
