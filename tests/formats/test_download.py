"""Nothing is fetched unless that is said; what is fetched is there whole, or not at all."""

from pathlib import Path
from unittest.mock import patch

import pytest

from pellucid.data import Dataset
from pellucid.errors import BadFile, BadInput
from pellucid.registry import catalog
from tests.formats.fixtures import FORMATS

FETCHED = {"food101": "Food101", "pets": "OxfordIIITPet", "aircraft": "FGVCAircraft", "flowers102": "Flowers102"}


class Theirs:
    """torchvision's class, which writes the data set that a test has ready."""

    def __init__(self, name, fail=None):
        self.name, self.fail, self.calls = name, fail, []

    def __call__(self, root, *_, download=False, **__):
        assert download
        self.calls.append(Path(root))
        FORMATS[self.name](Path(root))
        if self.fail:
            raise self.fail


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", FETCHED)
def test_it_is_fetched_once_and_only_when_asked(name, tmp_path):
    theirs = Theirs(name)
    with patch(f"torchvision.datasets.{FETCHED[name]}", theirs):
        with pytest.raises(BadFile, match="download=true"):
            Dataset.make(f"{name}:root={tmp_path}").take(1)
        assert not theirs.calls
        assert files(tmp_path) == []
        data = Dataset.make(f"{name}:root={tmp_path},download=true")
        assert data.take(1)
        assert theirs.calls == [tmp_path / f".{name}.part"]  # not at its place before it is whole
        assert not (tmp_path / f".{name}.part").exists()
        Dataset.make(f"{name}:root={tmp_path},download=true").take(1)
        assert Dataset.make(f"{name}:root={tmp_path}")[0].label == data[0].label
        assert len(theirs.calls) == 1


@pytest.mark.parametrize(
    "fail", [OSError("no route to host"), RuntimeError("File not found or corrupted."), EOFError()]
)
def test_half_of_it_is_not_there(fail, tmp_path):
    lost = pytest.raises(BadFile, match=r"food101 could not be downloaded into .*call again")
    with patch("torchvision.datasets.Food101", Theirs("food101", fail)), lost:
        Dataset.make(f"food101:root={tmp_path},download=true").take(1)
    assert not (tmp_path / "food-101").exists()
    assert {path.name for path in tmp_path.iterdir()} == {".food101.part"}  # from which it goes on
    with patch("torchvision.datasets.Food101", Theirs("food101")):
        assert Dataset.make(f"food101:root={tmp_path},download=true").take(1)


def test_what_no_program_can_fetch_says_where_it_is(tmp_path):
    for name in ("imagenet", "cars", "coco", "imagenet-s", "ecg5000"):
        assert catalog("datasets")[name].home.startswith("http")
        with pytest.raises(BadInput, match=r"cannot be downloaded by a program; get it from http"):
            Dataset.make(f"{name}:root={tmp_path},download=true").take(1)
    assert files(tmp_path) == []


def test_an_interruption_leaves_no_half_of_the_bits(tmp_path):
    text = FORMATS["dsprites"](tmp_path)
    before = files(tmp_path)
    with patch("numpy.packbits", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        Dataset.make(text).masks([0])
    assert files(tmp_path) == before
    assert Dataset.make(text).masks([0]).any()
    assert len(files(tmp_path)) == len(before) + 1
