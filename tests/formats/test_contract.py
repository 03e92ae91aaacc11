"""Every data set that is read from files keeps the contract, on files of its own format."""

import pytest

import pellucid as pl
from pellucid.contracts.datasets import CHECKS
from pellucid.data import Dataset
from tests.formats.fixtures import FORMATS, sums

DRAWN = {"scenes", "sprites", "digits", "heartbeats"}  # without files


def test_every_data_set_has_a_format():
    assert set(FORMATS) | DRAWN == set(pl.catalog("datasets"))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", FORMATS)
def test_contract(name, check, tmp_path, monkeypatch):
    text = FORMATS[name](tmp_path)
    sums(monkeypatch, tmp_path)
    check(Dataset.make(text))


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_wrong(name, tmp_path, monkeypatch):
    text = FORMATS[name](tmp_path)
    sums(monkeypatch, tmp_path)
    data = Dataset.make(text)
    count = 0 if data.streamed else len(data)
    assert [fault for i in range(count) for fault in data.faults(i)] == []
    assert data.lasting_faults() == []


@pytest.mark.parametrize("name", FORMATS)
def test_the_text_form_is_read_back(name, tmp_path):
    data = Dataset.make(FORMATS[name](tmp_path))
    assert str(Dataset.make(str(data))) == str(data)
