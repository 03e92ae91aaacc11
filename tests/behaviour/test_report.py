"""Reports: every kind of section, text that stays text, old runs, damaged runs, and a gold page.

A changed page is accepted with: python -m tests.behaviour.test_report
"""

import csv
import io
import json
import re
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.errors import BadFile
from pellucid.report import html, page_of, sheets
from pellucid.report import page as pages
from pellucid.report.page import (
    Answer,
    Asked,
    Card,
    Cards,
    Cell,
    Chart,
    Column,
    Cost,
    Curves,
    Dots,
    Dotted,
    Examples,
    Gallery,
    Grid,
    Licences,
    Line,
    Map,
    Near,
    Page,
    Picture,
    Provenance,
    Row,
    Section,
    Shown,
    Table,
    Words,
    beside_paper,
    measured,
)
from pellucid.report.page import Scale as Ends
from pellucid.report.render import asset
from pellucid.report.tables import written
from pellucid.results import kept
from tests.behaviour.small_runs import audit, drawings, evaluation

GOLD = Path(__file__).parent / "report.gold.html"
PAYLOADS = [
    "<script>alert(1)</script>", "</script><script>alert(1)</script>", "</style><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>", "' onmouseover='alert(1)", "\" onfocus=alert(1) autofocus \"", "</title><b>",
    "<svg/onload=alert(1)>", "javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "<!-- ", "--><b>",
    "]]><b>", "&lt;script&gt;", "&#60;b&#62;", "{{ 7*7 }}", "{% raw %}", "${7*7}", "<base href=//x.y>",
    "<meta http-equiv=refresh content=0;url=//x.y>", "<link rel=stylesheet href=//x.y>", "url(//x.y/a.png)",
    "}body{background:url(//x.y)}", "@import '//x.y'", "expression(alert(1))", "\\3cscript\\3e", "a\x00b\x1b[31m",
    "x\u202egnp.exe", "caf\udce9.png", "<textarea>", "<iframe srcdoc='<script>alert(1)</script>'>", "`${alert(1)}`",
    "<math><mi xlink:href=javascript:alert(1)>", "\u2028alert(1)\u2029", "<use href=//x.y#a>",
]  # fmt: skip


class Skeleton(HTMLParser):
    """The elements of a page with the names of their attributes: all that text must not change. Where a line may break
    is no element of it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.values, self.texts, self.broken = [], [], [], False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.broken = tag == "wbr" and not attrs
        if self.broken:
            return
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.values += [(tag, name, value) for name, value in attrs]

    def handle_comment(self, data):
        self.tags.append(("comment", data))

    def handle_data(self, data):
        if self.broken:
            self.texts[-1] += data
        else:
            self.texts.append(data)
        self.broken = False


def skeleton(page):
    return Skeleton(html(page).decode())


# --- text stays text --------------------------------------------------------------------------------------------------


def foreign(word):
    """A page on which every text is this word."""
    cell, facts = Cell(word, word, "good", 1.0), ((word, word),)
    chart = Chart(word, (Line(word, (0.0, 1.0), (0.0, 1.0), 0),), word, word, word)
    sample = Shown(3, word, (word,), (word,), b"RIFF", (4, 4), "M0 0h4", (Map(0, b"\x89PNG", word, word),), (chart,),
                   (0.5, None), True)  # fmt: skip
    near = (Near(7, word, True, 1.0), Near(8, word, False, float("nan")), Near(9, "", None, 0.0))
    asked = Asked(3, word, b"RIFF", (Answer(0, near, near), Answer(1, near)), (0.5,), (word,))
    return Page(word, (word, word), (
        Table(word, (word, word), (Row(word, (cell,), True, word), Row(word, (word,))), word, text=word),
        Grid(word, (Column(word, word, Ends(True, 1.0)), Column(f"{word} ", f"{word} ", Ends(False, 1.0))),
             (sample, sample), (word, word), ("up", "down"), word),
        Gallery(word, (sample, sample), (word, word), {3: (word, word)}, ("up", "down")), Curves(word, charts=(chart,)),
        Dots(word, lines=(Dotted(word, (0.1, 0.2), 0.15, 0.0, 0.3),)), Cards(word, (Card(word, word, {word: word}),)),
        Cost(word, facts, word), Licences(word, facts, word), Provenance(word, facts, word), Words(word, (word,)),
        Picture(word, b"\x89PNG", word, (1, 1)), Words(word, (word,), listed=False),
        Examples(word, (word, word), (asked, asked), {7: b"RIFF"}, (8, 8), ((word, "up"),), note=word, text=word),
    ), facts, word, (word,), word)  # fmt: skip


def unharmed(found, expected):
    assert found.tags == expected.tags
    addresses = [v for _, name, v in found.values if name in ("src", "href", "action", "srcset", "data")]
    assert all(v.startswith(("data:image/", "data:,", "#")) for v in addresses)
    assert not [name for _, name, _ in found.values if name.startswith("on") or name == "style"]


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_what_others_called_things_stays_text(payload):
    unharmed(skeleton(foreign(payload)), skeleton(foreign("word")))
    for form in ("md", "tex", "csv"):
        assert written(foreign(payload), form)


def test_names_in_a_folder_stay_text(tmp_path):
    """From the files of a run: class names, questions with a text in them, knobs, data, licence, command."""
    pages = []
    for i, payload in enumerate(("word", "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>')):
        quoted = json.dumps(payload)
        words = {
            "classes": [payload] * 3, "why": payload, "data": payload, "licence": payload, "command": payload,
            "explainers": [f"grad-cam:layer={quoted}", "gradient", "random-map"],
            "asks": ["logit", f"prompt:text={quoted}"],
        }  # fmt: skip
        pages.append(skeleton(page_of(evaluation(tmp_path / str(i), **words))))
    for found in pages[1:]:
        unharmed(found, pages[0])


def test_a_payload_is_still_read(tmp_path):
    page = page_of(evaluation(tmp_path, classes=["<b>kite</b>", "b", "c"]))
    assert any("<b>kite</b>" in text for text in skeleton(page).texts)


def test_other_formats_escape_too(tmp_path):
    page = Page("T", ("a",), (Table("t", ("x", "<b>|_"), (Row("=1+1", (Cell("50 % & more_\\"),)),)),))
    assert r"\<b\>\|\_" in written(page, "md").decode()
    tex = written(page, "tex").decode()
    assert r"50 \% \& more\_\textbackslash{}" in tex
    assert r"\toprule" in tex
    [_, line] = csv.reader(io.StringIO(written(page, "csv").decode()))
    assert line[1] == "'=1+1"


def test_the_page_forbids_itself_every_request(tmp_path):
    text = html(page_of(evaluation(tmp_path))).decode()
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert "default-src &#39;none&#39;" in policy
    assert "unsafe" not in policy
    assert not re.findall(r"https?:", text)
    assert "</script" not in asset("report.js")
    assert "</style" not in asset("report.css")


# --- what is on it ----------------------------------------------------------------------------------------------------


def every_kind():
    """A page with all sections that nothing of a run is needed for."""
    png = sheets.ramp(True)
    line = Line("CE", (0.0, 0.5, 1.0), (0.1, float("nan"), 0.9))
    return Page("Everything", ("First.", "Second."), (
        Table("A paper", ("", "paper", "ours", "difference"), (Row("CE", beside_paper(0.5, 0.4, 0.3, 0.45, "sch")),)),
        Curves("Learning", charts=(Chart("loss", (line,), "epoch", band=(((0, 1), (0.1, 0.5), (0.2, 0.9)),)),)),
        Dots("Seeds", lines=(Dotted("CE", (0.1, 0.2), 0.15, 0.05, 0.25), Dotted("edges", (0.3,), 0.3, 0.3, 0.3, True))),
        Cards("Protocols", (Card("insertion", "a1b2", {"step": "1/28"}),)),
        Cost("Cost", (("energy", "1 kWh"),), "Assumed."), Licences("Terms", (("licence", "MIT"),)),
        Provenance("Whence", (("seed", "0"),)), Picture("Sheet", png, "A ramp", (255, 1)),
        Words("Said", ("one", "two")),
        Examples("Who", ("dknn",), (Asked(3, "three", b"", (Answer(0, (Near(7, "seven", False, 1698.2),)),), (0.0,)),)),
    ), (("model", "m"),), "pellucid evaluate", ("Careful.",), "0.1.0")  # fmt: skip


def test_every_kind_of_section(tmp_path):
    run = page_of(evaluation(tmp_path))
    page = every_kind()
    kinds = {type(s) for s in (*run.sections, *page.sections)}
    assert kinds == {k for k in vars(pages).values() if isinstance(k, type) and issubclass(k, Section)} - {Section}
    text = html(page).decode()
    for said in (
        "0.400",
        "outside",
        "−0.100",
        "A ramp",
        "Careful.",
        "1/28",
        'class="mean"',
        'class="band f0"',
        "1700",
        "seven",
    ):
        assert said in text
    for form in ("md", "tex", "csv"):
        assert "0.4" in written(page, form).decode()


def test_the_verdict_is_first_and_the_command_last(tmp_path):
    page = page_of(evaluation(tmp_path))
    assert page.verdict[0].startswith(("grad-cam", "By insertion", "By"))
    assert [type(s).__name__ for s in page.sections][:3] == ["Table", "Table", "Grid"]
    text = html(page).decode()
    assert text.index(page.verdict[0]) < text.index("Where they look</h2>") < text.index(page.command)
    assert "90 s" in text or "1 min 30 s" in text
    assert "65 W are assumed" in text


def test_everything_seen_has_words(tmp_path):
    found = skeleton(page_of(evaluation(tmp_path)))
    alts = [v for tag, name, v in found.values if tag == "img" and name == "alt"]
    assert len(alts) == sum(tag == "img" for tag, _ in found.tags)
    assert "grad-cam of image 0: kite, asked for logit: strongest at the bottom right" in " ".join(alts)
    headers = [names for tag, names in found.tags if tag == "th"]
    assert headers
    assert all("scope" in names for names in headers)


def test_a_map_can_be_read_back(tmp_path):
    """Index, palette and scale give the value to within half a step."""
    rng = np.random.default_rng(0)
    for signed in (True, False):
        map = rng.normal(size=(9, 7)) if signed else rng.random((9, 7)) + 2
        scale = sheets.scale_of([map], signed)
        picture = Image.open(io.BytesIO(sheets.map_png(map, scale)))
        assert picture.mode == "P"
        ramp = list(Image.open(io.BytesIO(sheets.ramp(signed))).convert("RGB").get_flattened_data())
        assert len(set(ramp)) == len(ramp)
        index = np.array([ramp.index(colour) for colour in picture.convert("RGB").get_flattened_data()]).reshape(
            map.shape
        )
        share = 2 * index / (len(ramp) - 1) - 1 if signed else index / (len(ramp) - 1)
        value = scale.start + share * (scale.limit - scale.start)
        inside = np.abs(map) <= scale.limit
        step = (scale.limit - scale.start) / (127 if signed else 254)
        assert np.abs(value - map)[inside].max() <= step / 2 + 1e-9
        assert inside.sum() >= map.size - 1


def test_an_outline_is_the_border_of_its_mask():
    rng = np.random.default_rng(0)
    mask = rng.random((6, 8)) > 0.5
    edges = set()
    for x, y, way, n in re.findall(r"M(\d+) (\d+)([hv])(\d+)", sheets.path_of(mask)):
        for i in range(int(n)):
            edges.add((int(x) + i, int(y), "h") if way == "h" else (int(x), int(y) + i, "v"))
    slow = set()
    at = lambda y, x: bool(mask[y, x]) if 0 <= y < 6 and 0 <= x < 8 else False  # noqa: E731
    for y in range(7):
        for x in range(9):
            if at(y, x) != at(y - 1, x):
                slow.add((x, y, "h"))
            if at(y, x) != at(y, x - 1):
                slow.add((x, y, "v"))
    assert edges == slow


def test_large_maps_are_made_coarser_and_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(sheets, "BUDGET", 4000)
    monkeypatch.setattr(sheets, "SIDES", (8, 6))
    text = html(page_of(evaluation(tmp_path))).decode()
    assert "The maps are shown at" in text


def test_far_above_zero_a_scale_begins_there():
    assert sheets.scale_of([np.array([0.75, 0.9])], False).start == 0.75
    assert sheets.scale_of([np.array([0.0, 0.9])], False) == Ends(
        False, sheets.scale_of([np.array([0, 0.9])], False).limit
    )
    assert measured(float("nan"), 0, 1, "sch").text == "–"


# --- runs -------------------------------------------------------------------------------------------------------------


def test_without_torch(tmp_path):
    evaluation(tmp_path / "e")
    audit(tmp_path / "a")
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pellucid.cli.main import main\n"
        f"sys.exit(main(['report', {str(tmp_path / 'e')!r}]) or main(['report', {str(tmp_path / 'a')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a" / "report.html").is_file()


def test_an_old_run_is_rendered_the_same(tmp_path):
    folder = evaluation(tmp_path)
    assert html(page_of(folder)) == html(page_of(folder))
    (folder / "report.json").unlink()  # of before there was one
    for path in (folder / "pictures").iterdir():
        path.unlink()
    with pytest.raises(BadFile, match="did not come to its end"):
        page_of(folder)
    full = page_of(evaluation(tmp_path / "again"))
    from pellucid.results import Results

    Results.load(folder).write(folder)
    old = page_of(folder)
    assert sorted(old.verdict[1:]) == sorted(full.verdict[1:])
    assert "Where they look" not in html(old).decode()


def test_an_audit(tmp_path):
    page = page_of(audit(tmp_path))
    assert page.verdict == ["Right for the right reasons, says grad-cam."]
    text = html(page).decode()
    for said in ("Where the evidence lies", "50 %", "25 %", "0.70 → 0.20", "not known"):
        assert said in text


def broken(folder, name, content):
    (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: f / "nowhere", "is no folder"),
        (lambda f: (f / "empty").mkdir() or f / "empty", "holds no run"),
        (lambda f: broken(evaluation(f), "report.json", b"{"), "report.json cannot be read"),
        (lambda f: broken(evaluation(f), "report.json", b"[]"), "holds no record"),
        (lambda f: broken(evaluation(f), "run.json", b"{"), "run.json cannot be read"),
        (lambda f: broken(evaluation(f), "pictures/0123456789abcdef.npz", b"PK"), "the pictures in"),
        (lambda f: broken(evaluation(f), "pictures/0123456789abcdef.json", b"{}"), "the pictures in"),
        (lambda f: broken(audit(f), "audit.json", b"{}"), "lacks sentence"),
        (lambda f: [p.unlink() for p in (evaluation(f) / "parts").iterdir()] and f, "have no rows any more"),
    ],
)
def test_what_is_damaged_says_what_to_do(tmp_path, spoil, said):
    with pytest.raises(BadFile, match=said):
        page_of(spoil(tmp_path))


def test_the_command_writes_what_it_is_asked_for(tmp_path, run):
    evaluation(tmp_path / "r")
    code, out, _ = run("report", "r")
    assert (code, out) == (0, "Written: r/report.html\n")
    code, out, _ = run("report", "r", "--format", "md", "-o", "-")
    assert out.startswith("# Which")
    assert run("report", "r", "-o", "t.csv")[0] == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text())))
    assert {row["row"] for row in rows} >= {"the model", "grad-cam · logit", "insertion"}
    code, _, err = run("report", "r", "--format", "pdf")
    assert code == 2
    assert "write html, md, tex or csv" in err


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_what_is_kept_is_what_was_measured(tmp_path, run):
    """Through the command: pictures, maps and curves of the run itself, and a page at its end."""
    import pellucid as pl
    from pellucid.maths.curves import area

    data = "scenes:size=16,length=9,classes=3"
    words = ("evaluate", data, "--model", "pellucid:tiny-cnn:classes=3", "-e", "[gradient,random-map]")
    words += ("-m", "deletion", "--pictures", "5", "-o", "r")
    code, out, err = run(*words)
    assert code == 0, err
    assert out.rstrip().endswith("Open r/report.html")
    about = kept.read_about(tmp_path / "r")
    found = kept.read_pictures(tmp_path / "r", about["pictures"])
    assert len(found.samples) == 5
    frame = pl.Results.load(tmp_path / "r").frame
    import torch

    for sample in found.samples:
        for j, entry in enumerate(found.entries):
            mine = (frame["explainer"] == entry["explainer"]) & (frame["metric"] == "deletion")
            value = float(frame[mine & (frame["sample"] == sample.number)]["value"].iloc[0])
            _, y = sample.curves["deletion"][j]
            assert float(area(torch.tensor([y]))[0]) == pytest.approx(value, abs=1e-5)
    page = (tmp_path / "r" / "report.html").read_bytes()
    drawn = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "r" / "pictures").iterdir()}
    assert run(*words)[0] == 0  # nothing is measured or drawn again
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "r" / "pictures").iterdir()} == drawn
    assert (tmp_path / "r" / "report.html").read_bytes() == page
    assert run(*words[:5], "gradient", "-m", "deletion", "--pictures", "3", "-o", "r")[0] == 0
    assert len(list((tmp_path / "r" / "pictures").iterdir())) == 2  # those of before are gone
    command = json.loads((tmp_path / "r" / "run.json").read_text())["command"]
    assert command.endswith("-e gradient -m deletion --pictures 3 -o r")
    assert "licence" in (tmp_path / "r" / "report.html").read_text()


def test_pictures_are_kept_to_sixteen_bits(tmp_path):
    pictures = drawings([{"explainer": "gradient", "ask": "logit"}], {"why": "first"})
    pictures.samples[0].maps *= 1e-9
    kept.write_pictures(tmp_path, "k", pictures)
    found = kept.read_pictures(tmp_path, "k")
    for one, two in zip(pictures.samples, found.samples, strict=True):
        assert np.allclose(one.maps, two.maps, rtol=1e-3, atol=1e-3 * np.abs(one.maps).max())
        assert np.array_equal(one.outline, two.outline)
        assert np.array_equal(one.picture, two.picture)
        assert one.curves == two.curves


# --- gold -------------------------------------------------------------------------------------------------------------


def gold(folder):
    """The page without what its pictures and the library's version are made of."""
    text = html(page_of(evaluation(folder))).decode()
    text = re.sub(r"data:image/(\w+);base64,[\w+/=]+", r"data:image/\1", text)
    text = re.sub(r"sha256-[\w+/=]+", "sha256", text)
    text = re.sub(r"<style>:root.*?</style>", "<style>report.css</style>", text, flags=re.S)
    return re.sub(r"<script>.*?</script>", "<script>report.js</script>", text, flags=re.S)


def test_the_page_is_the_gold_page(tmp_path):
    assert gold(tmp_path) == GOLD.read_text(encoding="utf-8"), "accept it: python -m tests.behaviour.test_report"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        GOLD.write_text(gold(home), encoding="utf-8")
