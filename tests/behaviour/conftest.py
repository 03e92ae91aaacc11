"""What tests of pictures share."""

import pytest
from PIL import ImageDraw

from pellucid.cli.main import main


@pytest.fixture
def said(monkeypatch):
    """Every text as it is written, and where; none may leave its picture."""
    texts, write = [], ImageDraw.ImageDraw.text

    def text(pen, place, text, fill=None, face=None, anchor=None):
        write(pen, place, text, fill, face, anchor)
        left, top, right, bottom = pen.textbbox(place, text, face, anchor)
        assert left >= -1, text
        assert top >= 0, text
        assert right <= pen.im.size[0] + 1, text
        assert bottom <= pen.im.size[1], text
        texts.append((text, place))

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return texts


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """A command, run here: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return run
