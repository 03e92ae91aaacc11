"""A hundred thousand files: their index is a listing."""

import os
import shutil

import pytest

from pellucid.data import Dataset
from pellucid.data._stand_ins.files import at, text


def many(folder, each):
    """Files of twenty classes, empty: to list them is enough."""
    for label in range(20):
        (folder / f"n{label:08d}").mkdir(parents=True)
        for number in range(each):
            os.close(os.open(folder / f"n{label:08d}/{number:06d}.JPEG", os.O_CREAT))


@pytest.mark.parametrize("each", [50, pytest.param(5000, marks=pytest.mark.slow)])
def test_many_files_are_listed_and_none_is_looked_at(each, tmp_path, monkeypatch):
    many(tmp_path / "many", each)
    looks = []
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda *a, **k: (looks.append(a), real(*a, **k))[1])
    data = Dataset.make(f"imagefolder:root={at(tmp_path / 'many')}")
    assert len(data) == 20 * each
    assert data.labels([0, -1]).tolist() == [0, 19]
    assert data.path(each) == tmp_path / "many/n00000001/000000.JPEG"
    monkeypatch.undo()
    assert len(looks) < 50
    shutil.rmtree(tmp_path / "many")


def test_a_table_of_many_lines(tmp_path):
    """Of 100,000 lines, the pictures of none."""
    text(tmp_path / "table.csv", "path,label", *(f"{i}.jpg,{i % 7}" for i in range(100_000)))
    data = Dataset.make(f"csv:root={at(tmp_path / 'table.csv')}")
    assert len(data) == 100_000
    assert data.label(99_999) == 99_999 % 7
