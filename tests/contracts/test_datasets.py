"""Every data set keeps the contract; and the contract catches what it is there for."""

import dataclasses

import pytest
import torch

from pellucid.contracts import datasets as contract
from pellucid.contracts.case import Refused
from pellucid.data import Dataset
from pellucid.data.scenes import Scenes
from pellucid.errors import PellucidError
from pellucid.registry import catalog

BUILT_IN = ("scenes", "sprites", "digits")  # the others are read from files: tests/formats has some for each


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", BUILT_IN)
def test_contract(name, check):
    check(catalog("datasets")[name])


@pytest.mark.parametrize("name", [name for name in catalog("datasets") if name not in BUILT_IN])
def test_one_without_its_files_says_so(name, tmp_path, monkeypatch):
    """Or needs none, because it wraps something that is built in."""
    monkeypatch.chdir(tmp_path)
    for check in contract.CHECKS:
        try:
            check(catalog("datasets")[name])
        except (Refused, PellucidError) as refusal:
            assert name in str(refusal)


class Planted(Dataset, name="planted"):
    """Scenes with one defect."""

    licence = "MIT"
    preset = "plain"

    defect: str = "none"

    @property
    def class_names(self):
        wrong = {"names": ("a", "a", "b"), "underscore": ("a_b", "c", "d")}
        return wrong.get(self.defect, Scenes(classes=3).class_names)

    def check(self):
        if self.defect == "licence":
            self.__dict__["licence"] = ""

    def __len__(self):
        return 9

    def record(self, i):
        record = Scenes(classes=3, size=24, objects=3, distractors=3)[i]
        changes = {
            "float": {"image": record.image.float()},
            "box": {"boxes": record.boxes + 9},
            "mask": {"masks": record.masks[:, :8]},
            "label": {"label": 5},
            "numbers": {"ids": torch.zeros_like(record.ids)},
            "lengths": {"mask_classes": record.mask_classes[:0]},
            "ignored": {"ignore": record.ignore[1:]},
            "points": {"points": torch.zeros(2, 2)},
            "nan": {"image": record.image.float().fill_(float("nan"))},
        }
        if self.defect == "chance":
            changes["chance"] = {"image": record.image + torch.randint(0, 2, record.image.shape, dtype=torch.uint8)}
        return dataclasses.replace(record, **changes.get(self.defect, {}))

    def labels(self, rows=slice(None)):
        found = super().labels(rows)
        return found.flip(0) + 1 if self.defect == "labels" else found

    def __getitem__(self, i):
        return self.record(i % 9) if self.defect == "end" else super().__getitem__(i)


@pytest.mark.parametrize(
    "defect, check",
    [
        ("float", "records_fit_their_pictures"),
        ("box", "records_fit_their_pictures"),
        ("mask", "records_fit_their_pictures"),
        ("names", "classes_have_names"),
        ("label", "classes_have_names"),
        ("numbers", "lists_are_of_one_length"),
        ("lengths", "lists_are_of_one_length"),
        ("ignored", "records_fit_their_pictures"),
        ("points", "records_fit_their_pictures"),
        ("nan", "batches_are_inputs"),
        ("licence", "says_whose_it_is"),
        ("underscore", "classes_have_names"),
        ("end", "a_number_is_a_record"),
        ("chance", "a_number_is_a_record"),
        ("chance", "chance_is_left_alone"),
        ("labels", "several_are_each_alone"),
    ],
)
def test_a_planted_defect_is_caught(defect, check, monkeypatch):
    import jaxtyping

    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    monkeypatch.setattr(contract, "sample", lambda member: Planted(defect=defect))
    with pytest.raises(AssertionError):
        getattr(contract, check)(Planted)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_without_a_defect_it_passes(check, monkeypatch):
    monkeypatch.setattr(contract, "sample", lambda member: Planted())
    check(Planted)
