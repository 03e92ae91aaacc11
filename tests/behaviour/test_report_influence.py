"""Pages of influences and of latents, from folders alone, and from the commands that leave them."""

import csv
import io
import json
import subprocess
import sys

import pytest
import torch

import pellucid as pl
from pellucid.cli.main import main
from pellucid.errors import BadFile
from pellucid.metrics import SimilarityRate
from pellucid.report import html, page_of
from pellucid.report.influence import spread
from pellucid.report.page import Cards, Cost, Examples, Grid, Licences, Picture, Table
from pellucid.report.tables import written
from pellucid.results.kept import read_pictures
from tests.behaviour.small_runs import influences, latents
from tests.behaviour.test_report import PAYLOADS, skeleton, unharmed

BUILDERS = [influences, latents]


def section(page, kind):
    return next(one for one in page.sections if isinstance(one, kind))


def named(page, title):
    return next(one for one in page.sections if one.title == title)


def changed(file, change):
    record = json.loads(file.read_text())
    change(record)
    file.write_text(json.dumps(record))
    return file.parent


@pytest.mark.parametrize("builder", BUILDERS)
def test_without_torch_and_again_the_same(tmp_path, builder):
    folder = builder(tmp_path / "run")
    code = (
        "import sys; sys.modules['torch'] = None\n"
        f"from pellucid.cli.main import main\nsys.exit(main(['report', {str(folder)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "report.html").read_bytes() == html(page_of(folder))


@pytest.mark.parametrize("builder", BUILDERS)
def test_words_stay_words(tmp_path, builder):
    def page(word, home):
        words = {"classes": [word] * 3, "why": word, "data": word, "licence": word, "command": word, "model": word}
        return skeleton(page_of(builder(tmp_path / home, explainers=[word], **words)))

    for i, payload in enumerate([*PAYLOADS[:3], "\u202e<svg/onload=alert(1)>"]):
        unharmed(page(payload, str(i)), page("word", f"word {i}"))


@pytest.mark.parametrize("builder", BUILDERS)
def test_a_page_of_a_run_before_there_were_pictures(tmp_path, builder):
    """Numbers alone, as the commands wrote them once."""
    folder = builder(tmp_path)
    file = next(folder.glob("*.json"))
    keep = ("train", "test", "dataset", "explainer", "examples", "agreement", "encoders")
    changed(file, lambda record: [record.pop(name) for name in list(record) if name not in keep])
    page = page_of(folder)
    assert page.verdict
    assert b"<table" in html(page)


# --- influences -------------------------------------------------------------------------------------------------------


def test_influences_say_whether_supporters_show_the_same_thing(tmp_path):
    page = page_of(influences(tmp_path))
    assert page.verdict[0].startswith("Of the 2 training images that by grad-cam most support each test image, 83.3 %")
    assert page.verdict[0].endswith("by chance 10.0 % would.")
    assert page.verdict[2].startswith("random (a control): 20.0 % of the supporters and 10.0 % of the opponents")
    assert page.verdict[2].endswith("the supporters cannot be told from chance.")
    assert "cannot be told" not in page.verdict[1]
    rows = named(page, "Do they show the same thing?").rows
    assert [row.control for row in rows] == [False, True]
    assert (rows[0].cells[0].value, rows[0].cells[0].low) == spread([0.5, 1.0, 1.0])[:2]
    rates = named(page, "Similarity rates").rows
    assert [cell.value for cell in rates[0].cells] == pytest.approx([0.8, 0.05])
    assert [cell.text for cell in rates[1].cells] == ["–", "–"]
    assert section(page, Cards).cards[0].facts == {"k": "3 · changed"}
    assert dict(section(page, Cost).facts)["energy"] == f"{90 * 65 / 3.6e6:.2g} kWh"
    assert section(page, Licences).facts == [("data", "drawings"), ("licence", "CC0")]


def test_every_test_image_stands_beside_its_strongest(tmp_path):
    page = page_of(influences(tmp_path))
    found = section(page, Examples)
    assert found.who == ["grad-cam", "random"]
    assert [one.title for one in found.asked] == ["test image 0: kite", "test image 1: lamp", "test image 5: moth"]
    first = found.asked[0].answers[0]
    assert [(near.number, near.label, near.same) for near in first.supporters] == [
        (6, "kite", True),
        (7, "lamp", False),
    ]
    assert [near.same for near in first.opponents] == [False]
    assert found.asked[0].scores == [0.5, 3.0, 0.5, 3.0]
    assert [way for _, way in found.orders] == ["up", "down", "up", "down"]
    assert set(found.pictures) == {6, 7, 8}
    made = html(page).decode()
    for name in ("t0", "t1", "t5", "n6", "n7", "n8"):
        assert made.count(f".{name}::before{{background-image") == 1
    assert made.count('class="cell tile same"') == 2 * 3  # 6 kite, 7 lamp, 8 moth, each once by either
    assert "the same label" in made


def test_influences_without_labels_count_nothing(tmp_path):
    page = page_of(influences(tmp_path, labelled=False))
    assert page.verdict == [
        "The 2 training images that speak most for each of 3 test images, and those that speak most against it. There "
        "are no labels, so nobody can count how many show the same thing."
    ]
    found = section(page, Examples)
    assert not found.labelled
    assert [name for name, _ in found.orders] == [
        "strongest support first by grad-cam",
        "strongest support first by random",
    ]
    made = html(page).decode()
    assert "another label" not in made
    assert '<li class="cell tile "' in made


def test_a_share_that_never_varies_has_no_interval():
    assert spread([1.0, 1.0, 1.0])[0] == 1.0
    assert spread([1.0, 1.0, 1.0])[1] != spread([1.0, 1.0, 1.0])[1]  # NaN
    mean, low, high = spread([0.0, 1.0, 1.0, None or float("nan")])
    assert low < mean < high


def test_test_images_among_the_training_images_are_told(tmp_path):
    def same(record):
        record["test"] = record["train"]
        record["examples"][0]["supporters"][0]["train"] = 0

    folder = influences(tmp_path)
    assert not any("among their own supporters" in said for said in page_of(folder).warnings)
    changed(folder / "influence.json", same)
    assert any("1 of 3 test images are among their own supporters" in said for said in page_of(folder).warnings)


@pytest.mark.parametrize("form", ["md", "tex", "csv"])
def test_examples_are_a_table_elsewhere(tmp_path, form):
    found = written(page_of(influences(tmp_path)), form).decode()
    if form == "csv":
        lines = list(csv.reader(io.StringIO(found)))
        assert ["Who answers for it", "test image 0: kite · grad-cam", "supporters", "", "", "",
                "6 kite (3), 7 lamp (2)"] in lines  # fmt: skip
        assert [line[3] for line in lines if line[0] == "Similarity rates"][:1] == ["0.8000000000000002"]
    else:
        assert "6 kite" in found
        assert "83.3" in found


def test_the_command_writes_a_page(tmp_path, capsys):
    torch.manual_seed(0)
    model = pl.load_model("pellucid:tiny-cnn:classes=10,channels=1", weights=None)
    pl.save_model(model, tmp_path / "net.safetensors")
    file, out = str(tmp_path / "net.safetensors"), tmp_path / "who"
    call = ["influence", "--model", file, "--train", "subset:first=40@digits", "--test", "digits", "--rows", "50,7",
            "-i", "dknn", "-i", "random", "--top", "3", "--scores", "-o", str(out)]  # fmt: skip
    assert main(call) == 0
    assert f"Open {out / 'report.html'}" in capsys.readouterr().out.replace("\n", " ")
    page = page_of(out)
    assert (out / "report.html").read_bytes() == html(page)
    assert sorted(page.command.split()) == sorted(["pellucid", *call])
    record = json.loads((out / "influence.json").read_text())
    data = pl.data.Dataset.make("digits")
    w = pl.influence(model, "subset:first=40@digits", data, "dknn")[[50, 7]]
    expected = SimilarityRate(share=0.1)(w, data.labels([50, 7]), data.labels(list(range(40))))
    assert record["similarity"][1]["most"] == pytest.approx(expected.tolist())
    assert [v is None for v in record["similarity"][0]["most"]] == [True, True]  # 1 % of 40 is nobody
    for row in record["examples"]:
        own = int(data.labels([row["test"]])[0])
        assert [near["same"] for near in row["supporters"]] == [
            int(data.labels([near["train"]])[0]) == own for near in row["supporters"]
        ]
    kept = read_pictures(out, record["pictures"]).samples
    assert [one.number for one in kept if one.why == ["test"]] == [50, 7]
    assert {one["control"] for one in record["methods"]} == {False, True}
    assert section(page, Licences).facts[0][1] == "subset:first=40@digits"
    assert section(page, Picture).title == "Side by side"
    assert record["calls"][0]["wall"] > 0


# --- latents ----------------------------------------------------------------------------------------------------------


def test_latents_say_how_alike_units_are(tmp_path):
    page = page_of(latents(tmp_path))
    assert page.verdict[0] == (
        "Of 2 encoders the units of small 0123456789abcdef two look most alike: their maps have a Pearson correlation "
        "of 0.600 (0.550 to 0.650), in the mean over 8 images; those of small 0123456789abcdef one least, 0.400 "
        "(0.300 to 0.500)."
    )
    assert "best in small 0123456789abcdef two: a mutual information gap of 1.10" in page.verdict[1]
    assert page.verdict[2].endswith("correlate by 0.300.")
    table = named(page, "How alike the units are")
    assert [row.small for row in table.rows][1] == "all pixels of all images as one"
    assert table.rows[1].cells[0].value == 0.41
    assert named(page, "Do they look at the same pixels?").rows[0].cells[1].small == "Spearman 0.300"
    by_factor = named(page, "Factor by factor: small 0123456789abcdef one")
    assert [cell.text for row in by_factor.rows for cell in row.cells] == ["–", "0.100"]


def test_overlapping_intervals_are_told(tmp_path):
    def near(record):
        record["encoders"][1]["agreement"]["pearson"] |= {"low": 0.45}

    page = page_of(changed(latents(tmp_path) / "latents.json", near))
    assert page.verdict[0].endswith("; the intervals overlap.")


def test_units_and_codes_have_grids_of_their_own(tmp_path):
    units, codes = (one for one in page_of(latents(tmp_path)).sections if isinstance(one, Grid))
    assert [(c.explainer[-3:], c.ask) for c in units.columns] == [
        ("one", "unit 0"), ("one", "unit 1"), ("two", "unit 0"), ("two", "unit 1")
    ]  # fmt: skip
    assert [c.ask for c in codes.columns] == ["none", "none"]
    assert units.columns[0].scale == units.columns[1].scale  # of one encoder
    assert units.columns[0].scale != units.columns[2].scale
    assert [m.caption for m in units.samples[0].maps] == ["1.00", "−0.500", "2.00", "−0.500"]
    assert units.samples[0].scores == [1.0, -0.5, 2.0, -0.5]
    assert "<legend>Encoders</legend>" in html(page_of(tmp_path)).decode()


def test_one_encoder_is_compared_with_nobody(tmp_path):
    page = page_of(latents(tmp_path, names=("one",)))
    assert page.verdict[0].startswith("The maps of two units of small 0123456789abcdef one have a Pearson correlation")
    titles = [one.title for one in page.sections]
    assert "Do they look at the same pixels?" not in titles
    assert "The numbers as boxes" not in titles
    assert "Factor by factor" in titles


def test_latents_write_a_page(tmp_path, run):
    torch.manual_seed(0)
    pl.save_model(pl.load_model("pellucid:conv-vae:latent=3", weights=None), tmp_path / "vae.safetensors")
    call = ("latents", "sprites", "-m", "vae.safetensors", "-e", "gradient", "--images", "4", "--codes", "20",
            "--rows", "5,300000", "-o", "seen")  # fmt: skip
    code, out, err = run(*call)
    assert code == 0, err
    assert "Open seen/report.html" in out
    page = page_of(tmp_path / "seen")
    assert (tmp_path / "seen" / "report.html").read_bytes() == html(page)
    assert sorted(page.command.split()) == sorted(["pellucid", *call])
    record = json.loads((tmp_path / "seen" / "latents.json").read_text())
    units, codes = (one for one in page.sections if isinstance(one, Grid))
    assert len(units.columns) == 3
    assert len(codes.columns) == 1
    assert [len(values) for values in record["encoders"][0]["values"]] == [3, 3]
    assert [one.number for one in units.samples] == [5, 300000]
    assert {card.name.partition(":")[0] for card in section(page, Cards).cards} >= {
        "gradient",
        "latent-agreement",
        "dci",
    }
    assert isinstance(named(page, "Does a unit stand for a factor?"), Table)


# --- what is missing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("builder", BUILDERS)
def test_damaged_pictures_and_records_are_told(tmp_path, builder):
    folder = builder(tmp_path)
    file = next(folder.glob("*.json"))
    (folder / "pictures" / "0123456789abcdef.npz").write_bytes(b"none")
    with pytest.raises(BadFile, match=r"the pictures in .* cannot be read"):
        page_of(folder)
    file.write_text("{")
    with pytest.raises(BadFile, match="run the command that wrote it again"):
        page_of(folder)
    file.write_text("{}")
    with pytest.raises(BadFile, match=r"lacks .*agreement; run pellucid"):
        page_of(folder)
