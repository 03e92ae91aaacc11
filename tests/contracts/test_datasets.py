"""Every data set keeps the contract; and the contract catches what it is there for."""

import dataclasses

import pytest
import torch

from pellucid.contracts import datasets as contract
from pellucid.data import Dataset
from pellucid.data.scenes import Scenes
from pellucid.registry import catalog

MEMBERS = catalog("datasets")


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", MEMBERS)
def test_contract(name, check):
    check(MEMBERS[name])


class Planted(Dataset, name="planted"):
    """Scenes with one defect."""

    defect: str = "none"

    @property
    def class_names(self):
        return ("a", "a") if self.defect == "names" else Scenes(classes=3).class_names

    def __len__(self):
        return 9

    def record(self, i):
        record = Scenes(classes=3, size=16, objects=2)[i]
        changes = {
            "float": {"image": record.image.float()},
            "box": {"boxes": record.boxes + 9},
            "mask": {"masks": record.masks[:, :8]},
            "label": {"label": 5},
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
