"""The documentation builds without a warning, has a page for everything, and asks nothing of another machine."""

import os
import re
import subprocess
import sys
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pellucid.registry import Named, catalog, families

DOCS = Path(__file__).parents[2] / "docs"
pytest.importorskip("sphinx", reason="the extra docs is not installed")


@pytest.fixture(scope="module")
def made():
    """What writes the pages of the catalogue."""
    sys.path.insert(0, str(DOCS / "_ext"))
    import catalogue

    yield catalogue
    sys.path.remove(str(DOCS / "_ext"))


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """The built pages, as `make docs` builds them, from a copy."""
    import shutil

    source = tmp_path_factory.mktemp("docs") / "docs"
    shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns("_build", "catalogue", "_*.md"))
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(source), str(source / "h")]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    return source / "h"


class Asked(HTMLParser):
    """Every address that a page loads by itself, and the pictures without words."""

    def __init__(self):
        super().__init__()
        self.loaded, self.silent = [], []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag in ("script", "img", "iframe", "source", "video", "audio", "embed"):
            self.loaded.append(found.get("src") or "")
        if tag == "link" and found.get("rel") not in ("canonical", "next", "prev", "index", "search", "genindex"):
            self.loaded.append(found.get("href") or "")
        if tag == "img" and not found.get("alt"):
            self.silent.append(found.get("src"))


def outside(address):
    return bool(re.match(r"(https?:)?//", address))


def test_no_page_loads_anything_from_outside(html):
    pages = list(html.rglob("*.html"))
    assert len(pages) > 150
    for page in pages:
        asked = Asked()
        asked.feed(page.read_text(encoding="utf-8"))
        assert not [a for a in asked.loaded if outside(a)], page
        assert not asked.silent, page
    for sheet in (html / "_static").rglob("*.css"):
        named = re.findall(r"(?:url\(|@import\s+)['\"]?([^'\")\s]+)", sheet.read_text(encoding="utf-8"))
        assert not [a for a in named if outside(a)], sheet


def test_what_would_be_loaded_from_outside_is_found():
    asked = Asked()
    asked.feed('<script src="https://a.b/c.js"></script><link rel="stylesheet" href="//a.b/c.css"><img src="x.png">')
    assert [outside(a) for a in asked.loaded] == [True, True, False]
    assert asked.silent == ["x.png"]


def test_every_member_has_a_page_with_its_knobs(html):
    for family in families():
        shelf = (html / "catalogue" / family / "index.html").read_text(encoding="utf-8")
        for name, cls in catalog(family).items():
            if not cls.__module__.startswith("pellucid."):
                continue  # of another package
            page = (html / "catalogue" / family / f"{name}.html").read_text(encoding="utf-8")
            assert f"{name}.html" in shelf
            assert cls.__name__ in page
            for knob in fields(cls):
                assert f">{knob.name.rstrip('_')}</span>" in page, (name, knob.name)


def test_every_card_is_there(html):
    page = (html / "cards.html").read_text(encoding="utf-8")
    assert all(cls().card_id in page for cls in catalog("metrics").values())


def test_the_api_has_every_public_name(html):
    import pellucid as pl

    page = (html / "api.html").read_text(encoding="utf-8")
    modules = {"data", "explainers", "metrics", "networks", "objectives", "questions", "text", "Subject", "influences"}
    for name in set(dir(pl)) - modules - {"__version__"}:
        assert f'id="pellucid.{name}"' in page or f".{name}" in page, name


def test_the_signature_that_is_written_out_is_the_function_s():
    """Of explain, whose overloads say it three times."""
    import inspect

    import pellucid as pl

    written = re.search(r"pellucid\.explain\((.*)\)$", (DOCS / "api.md").read_text(encoding="utf-8"), re.M)[1]
    told = [
        p.name if p.default is p.empty else f"{p.name}={p.default!r}"
        for p in inspect.signature(pl.explain).parameters.values()
    ]
    assert written.replace(" *,", "").split(", ") == told


def test_words_that_mean_something_to_markdown_stay_words(made):
    assert made.escaped("a_b *c* <d> `e_f*` [g]") == r"a\_b \*c\* \<d\> `e_f*` \[g\]"
    assert made.code("a|b") == r"`a\|b`"
    assert made.cell("one\n  two | three") == r"one two \| three"


def test_a_docstring_keeps_its_formulas_and_examples(made):
    text = "Words first:\n\n    x = y   (1)\n\n    z = x\n\nMore words.\n\n>>> 1 + 1\n2"
    assert made.markdown(text) == (
        "Words first:\n\n```text\nx = y   (1)\n\nz = x\n```\n\nMore words.\n\n```pycon\n>>> 1 + 1\n2\n```"
    )


def test_knobs_and_facts_of_a_member(made):
    from pellucid.cli._members import Knob, Member

    class Marked(Named, name="marked", family="marks", paper="doi:10.1/2"):
        """Is it <b>bold</b>?"""

        cite = "@misc{x,\n}"

    knobs = [Knob("a", "yes | no", "yes"), Knob("b", "a tensor", None, True), Knob("c", "a text", None)]
    member = Member("marks", "marked", "Marked", "Is it <b>bold</b>?", "doi:10.1/2", knobs)
    assert r"Is it \<b\>bold\</b\>?" in made.escaped(member.says)
    table = made._knobs(member)
    assert r"| `a` | `yes` | yes \| no |" in table
    assert "| `c` | must be given | a text |" in table
    assert made._facts(member, Marked) == "- Paper: [doi:10.1/2](https://doi.org/10.1/2)"


def test_pages_of_members_that_are_gone_go_too(made, tmp_path, monkeypatch):
    monkeypatch.setattr(made, "pages", lambda: iter([("catalogue/a/x.md", "X")]))
    (tmp_path / "catalogue" / "a").mkdir(parents=True)
    (tmp_path / "catalogue" / "a" / "old.md").write_text("old")
    made.write(tmp_path)
    assert [p.name for p in (tmp_path / "catalogue").rglob("*.md")] == ["x.md"]
