"""The published numbers, against the arithmetic that their own papers state."""

import json
import re
from collections import Counter
from importlib.resources import files
from itertools import product

import pytest

from pellucid.explainers import Explainer
from pellucid.metrics import Metric
from pellucid.objectives import Objective
from pellucid.registry import catalog

DATA = json.loads(files("pellucid").joinpath("studies", "published.json").read_text(encoding="utf-8"))
PAPERS = DATA["papers"]
TABLES = {name: table for name, table in DATA.items() if name != "papers"}

COUNTED = """
    lico-t1 34, lico-t2 16, lico-t3 38, lico-t4 48, lico-t5 16, lico-t6 24, lico-t7 10, lico-t8 12, lico-t9 6
    lico-t10 8, lico-t11 32, lico-t12 12, lico-t13 15, relico-t1 17, relico-t2 12, relico-t3 9, relico-t4 20
    relico-t5 15, relico-appA 6, relico-appD 8, cgc-sup-t1 6, cgc-web 5, gcc-readme-t1 40, lico-resp-t1 3
    lico-resp-t2 12, lico-resp-t3 54, recc-t1 78, recc-t2 13, recc-f1a 108, recc-f1b 108, recc-f1c 108, recc-f1x 48
    recc-f1-i1 2, recc-f1-i2 2, recc-f1-i3 2, recc-f1-i4 3, recc-f1-i5 4, recc-f1-i6 1, recc-f1-i7 2, recc-f1-i8 2
    recc-t1-i1 4, recc-t1-i2 8, recc-t1-i3 3, recc-t1-i4 1, recc-t2-i1 5, recc-f2-i1 2, recc-f2-i2 0, recc-f3-i1 2
    recc-f4-i1 13, recc-f5-i1 8, recc-f6-i1 8, relf-t1-lower 11, relf-t1-upper 11, relf-t2 10, relf-t3 19
    relf-t4 12, relf-f1a 7, relf-f1b 1, relf-f1c 1, relf-f2a 2, relf-f2b 1, relf-f2c 0, relf-f3a 0, relf-f3b 2
    relf-f4 0, relf-f5 2, relf-f6 0, relf-f7 0, relf-i1 2
"""
ROWS = {name: int(rows) for name, rows in re.findall(r"(\S+) (\d+)", COUNTED)}
MUST, MAY = {"setting", "arm", "quantity", "value"}, {"spread", "n", "unit", "corrected", "read_off", "erratum"}
WORDS = {
    *("seconds-per-epoch", "memory", "gpu-hours", "pearson", "probability", "logit"),
    *("power-of-gpu", "power-of-the-rest", "power", "seconds-per-run", "runs"),
    *("energy", "emission-per-kwh", "emission"),
    *("intact-relative-probability:of=first", "intact-relative-probability:of=second"),
}  # for what is no metric of ours
NEW = {"mobilenet_v3_large · v2", "efficientnet_b1 · v2"}  # of the newer recipe
FIGURES = {"recc-f1a": "", "recc-f1b": "steps=10", "recc-f1c": "epsilon=0.001,steps=10"}


def cells(name, field="value", **given):
    """{(setting, arm, quantity): number} of the rows that are as given."""
    rows = (row for row in TABLES[name]["rows"] if all(row[key] == value for key, value in given.items()))
    return {(row["setting"], row["arm"], row["quantity"]): row[field] for row in rows if field in row}


def value(name, setting, arm, quantity):
    return cells(name)[setting, arm, quantity]


def gains(figure, change):
    """{network: {along: gain}}"""
    wanted = Metric.make(f"sign-perturbation:change={change}" + (f",{FIGURES[figure]}" if FIGURES[figure] else ""))
    found = {}
    for (network, along, _), gain in cells(figure, quantity=str(wanted)).items():
        found.setdefault(network, {})[along] = gain
    return found


def masked(name, explainer, arm, keep, of, baseline, p2="above"):
    metric = Metric.make(f"relative-probability:keep={keep},of={of},baseline={baseline},p2={p2}")
    return value(name, explainer, arm, str(metric))


def all_masked(keep, of=("first", "second")):
    """(explainer, of, baseline, original, weighted)"""
    for explainer, which, baseline in product(("hires-cam", "grad-cam", "xgrad-cam"), of, ("blur", "zeros", "mean")):
        pair = (masked("recc-t1", explainer, arm, keep, which, baseline) for arm in ("original", "weighted"))
        yield explainer, which, baseline, *pair


# --- the shape -----------------------------------------------------------------------------------------------------


def test_every_table_is_there_with_all_its_rows():
    assert {name: len(table["rows"]) for name, table in TABLES.items()} == ROWS


def test_every_table_says_whence_it_is():
    assert {table["paper"] for table in TABLES.values()} == set(PAPERS)
    for table in TABLES.values():
        assert set(table) - {"notes"} == {"paper", "where", "title", "unit", "errata", "rows"}
        assert all(isinstance(table[key], str) and table[key] for key in ("where", "title", "unit"))
        assert all(said.endswith(".") for said in [*table["errata"], *table.get("notes", [])])
    for paper in PAPERS.values():
        assert set(paper) == {"title", "authors", "year", "id"}
        assert len(paper["authors"]) >= 2
        assert 2021 <= paper["year"] <= 2025


@pytest.mark.parametrize("name", TABLES)
def test_every_row_is_a_cell(name):
    for row in TABLES[name]["rows"]:
        assert set(row) >= MUST
        assert set(row) <= MUST | MAY
        for key in ("setting", "arm", "quantity", *({"unit", "erratum"} & set(row))):
            assert isinstance(row[key], str)
            assert row[key].strip() == row[key] != ""
        numbers = [row[key] for key in ("value", "spread", "corrected") if key in row]
        assert all(type(number) in (int, float) for number in numbers)
        assert row.get("spread", 0) >= 0
        assert row.get("n", 1) in (1, 3, 5)
        assert row.get("read_off", True) is True
        assert ("corrected" not in row) or "erratum" in row
    seen = Counter((row["setting"], row["arm"], row["quantity"]) for row in TABLES[name]["rows"])
    assert not [cell for cell, times in seen.items() if times > 1]


def test_shares_are_shares():
    for table in TABLES.values():
        top = {"%": 100, "fraction": 1, "correlation": 1}
        for row in table["rows"]:
            limit = top.get(row.get("unit", table["unit"]))
            assert limit is None or -limit <= row["value"] <= limit, row


@pytest.mark.parametrize("name", [name for name in TABLES if not re.search(r"-i\d|relf-f", name)])
def test_quantities_are_our_metrics_as_rows_of_ours_name_them(name):
    for quantity in {row["quantity"] for row in TABLES[name]["rows"]} - WORDS:
        assert str(Metric.make(quantity)) == quantity


def test_arms_are_objectives_that_can_be_made():
    arms = {row["arm"] for name, table in TABLES.items() if "lico" in name for row in table["rows"]}
    made = {str(Objective.make(arm)) for arm in arms if arm.startswith("lico:")}
    assert len([arm for arm in arms if arm.startswith("lico:")]) == 15
    assert {"lico:contexts=0", "lico:distance=cosine", "lico:prompts=random", "lico:class_at=front"} <= made
    assert {"ce", "gcc", "cgc", "lico"} <= arms & set(catalog("objectives"))


def test_explainers_have_our_names():
    named = {
        row["setting"].split(" · ")[0]
        for name in ("lico-t1", "lico-t8", "lico-resp-t3", "recc-t1", "recc-t2")
        for row in TABLES[name]["rows"]
    }
    assert {str(Explainer.make(one)) for one in named - {"cgc"}} == named - {"cgc"}


# --- LICO, its reproductions and its rivals ------------------------------------------------------------------------


@pytest.mark.parametrize("name, rounding", [("lico-t1", 1e-9), ("relico-t2", 0.001), ("lico-resp-t3", 0.011)])
def test_overall_is_insertion_minus_deletion_but_for_the_errata(name, rounding):
    errata, plain = 0, 0
    for row in (row for row in TABLES[name]["rows"] if row["quantity"] == "overall"):
        true = value(name, row["setting"], row["arm"], "insertion") - value(
            name, row["setting"], row["arm"], "deletion"
        )
        if "erratum" in row:
            errata += 1
            assert abs(row["value"] - true) > rounding + 1e-9
            assert f"{true:.4g}" in row["erratum"] or f"{true:.2f}" in row["erratum"]
            assert row.get("corrected", true) == pytest.approx(true)
        else:
            plain += 1
            assert row["value"] == pytest.approx(true, abs=rounding + 1e-9)
    assert (errata, plain) == {"lico-t1": (2, 9), "relico-t2": (1, 3), "lico-resp-t3": (3, 15)}[name]


def test_the_errata_of_table_1_are_each_other():
    first, second = (
        row for row in TABLES["lico-t1"]["rows"] if row["setting"] in ("rise", "score-cam") and "erratum" in row
    )
    assert (first["value"], second["value"]) == (second["corrected"], first["corrected"])


def test_lico_says_the_same_of_one_network_in_every_table():
    for quantity in ("accuracy", "accuracy:k=5", "insertion", "deletion"):
        whole = value("lico-t5", "resnet50 · imagenet", "lico", quantity)
        assert whole == value("lico-t6", "resnet50 · imagenet", "lico:contexts=12", quantity)
        if quantity != "accuracy:k=5":
            assert whole == value("lico-t13", "imagenet", "lico:prompts=learnable", quantity)
        for arm in ("ce", "lico"):
            other = ("lico-t2", "resnet50") if "accuracy" in quantity else ("lico-t1", "grad-cam")
            assert value("lico-t5", "resnet50 · imagenet", arm, quantity) == value(*other, arm, quantity)
    assert value("lico-t10", "imagenet", "lico:dynamic=true", "accuracy") == value(
        "lico-t2", "resnet50", "lico", "accuracy"
    )


@pytest.mark.parametrize("field", ["value", "spread"])
def test_shuffled_tokens_are_lico_of_fine_grained_classes(field):
    shuffled = {key[0]: got for key, got in cells("lico-t11", field, arm="lico:dynamic=true").items()}
    assert shuffled == {key[0]: got for key, got in cells("lico-t4", field, arm="lico").items()}
    assert len(shuffled) == 16


@pytest.mark.parametrize("table, network", [("lico-t3", "wrn · "), ("lico-t4", "")])
def test_the_euclidean_column_is_lico_with_all_labels(table, network):
    ours = ("cifar10", "cifar100", "svhn") if table == "lico-t3" else ("cub", "flowers102")
    for data in ours:
        finer = value("lico-t7", data, "lico:distance=euclidean", "accuracy")
        assert finer == pytest.approx(
            value(table, f"{network}{data} · all labels", "lico", "accuracy"), abs=0.05 + 1e-9
        )


def test_encoders_and_prompts_agree_with_few_labels():
    for labels in ("4000 labels", "all labels"):
        lico = value("lico-t3", f"wrn · cifar10 · {labels}", "lico", "accuracy")
        assert lico == value("lico-t12", labels, "clip", "accuracy")
        assert lico == value("lico-t13", f"cifar10 · {labels}", "lico:prompts=learnable", "accuracy")
    plain = {labels: value("lico-t12", labels, "none", "accuracy") for labels in ("4000 labels", "all labels")}
    assert plain["all labels"] == value("lico-t3", "wrn · cifar10 · all labels", "ce", "accuracy")
    assert plain["4000 labels"] - value("lico-t3", "wrn · cifar10 · 4000 labels", "ce", "accuracy") == pytest.approx(
        0.1
    )
    assert [row["setting"] for row in TABLES["lico-t12"]["rows"] if "erratum" in row] == ["4000 labels"]


def test_where_lico_loses():
    lost = [
        data
        for (data, arm, _), got in cells("lico-t3").items()
        if arm == "lico" and got < value("lico-t3", data, "ce", "accuracy")
    ]
    assert lost == ["preact-resnet18 · cifar100 · 2500 labels"]
    worse = [value("lico-t5", "resnet50 · imagenet", arm, "deletion") for arm in ("lico", "lico-mm", "lico-ot")]
    assert min(worse) > value("lico-t5", "resnet50 · imagenet", "ce", "deletion")
    assert value("lico-t4", "aircraft · all labels", "cgc", "accuracy") > value(
        "lico-t4", "aircraft · all labels", "lico", "accuracy"
    )


def test_what_others_publish_of_gcc_and_cgc_agrees():
    for network in ("resnet18", "resnet50"):
        assert value("gcc-readme-t1", network, "gcc", "accuracy") == value("lico-t2", network, "gcc", "accuracy")
    assert value("gcc-readme-t1", "resnet50", "ce", "accuracy") == value("lico-t2", "resnet50", "ce", "accuracy")
    assert value("gcc-readme-t1", "resnet18", "ce", "accuracy") < value("lico-t2", "resnet18", "ce", "accuracy")
    for (data, _, _), got in cells("cgc-web", quantity="accuracy").items():
        assert round(got, 1) == value("lico-t4", f"{data} · all labels", "cgc", "accuracy")


def test_gridding_raises_what_it_is_for():
    for quantity in ("ch", "pointing-game:points=100"):
        before, after = (cells("gcc-readme-t1", arm=arm, quantity=quantity) for arm in ("ce", "gcc"))
        assert len(before) == 5
        assert all(after[net, "gcc", quantity] > got for (net, _, _), got in before.items())


def test_the_reply_quotes_one_baseline():
    assert value("lico-resp-t1", "wrn · cifar10", "neither", "accuracy") == value(
        "lico-resp-t2", "cifar10 · authors", "ce", "accuracy"
    )


@pytest.mark.parametrize(
    "arm, setting, ratios",
    [
        ("lico", "cifar100 · batch 64", (4.3, 2.5)),
        ("lico", "imagenet-s · batch 64", (3.0, 2.6)),
        ("lico", "imagenet-s · batch 128", (2.4,)),
        ("cgc", "cifar100 · batch 64", (4.7, 3.6)),
        ("cgc", "imagenet-s · batch 64", (3.2, 3.6)),
        ("cgc", "imagenet-s · batch 128", (3.1,)),
    ],
)
def test_what_lico_and_cgc_cost(arm, setting, ratios):
    networks = ("resnet18", "resnet50")[: len(ratios)]
    seconds = [
        [value("relico-t1", f"{net} · {setting}", one, "seconds-per-epoch") for one in (arm, "ce")] for net in networks
    ]
    assert tuple(round(slow / plain, 1) for slow, plain in seconds) == ratios
    if len(ratios) == 1:
        assert (f"resnet50 · {setting}", arm, "seconds-per-epoch") not in cells("relico-t1")


def test_the_reproduction_prints_lico_twice():
    for field in ("value", "spread"):
        assert cells("relico-t4", field, arm="lico") == cells("relico-t5", field, arm="lico")


def test_the_code_and_the_report_have_one_deletion():
    for (setting, _, _), got in cells("relico-appA", quantity="deletion").items():
        if "code" not in setting:
            assert got == round(value("relico-appA", f"{setting} · code", "ce", "deletion"), 3)


def test_energy_is_power_times_time():
    spent = {quantity: got for (_, _, quantity), got in cells("relico-appD").items()}
    assert spent["power"] == (spent["power-of-gpu"] + spent["power-of-the-rest"]) / 1000
    assert spent["energy"] == round(spent["power"] * spent["seconds-per-run"] * spent["runs"] / 3600)
    assert spent["emission"] == round(spent["energy"] * spent["emission-per-kwh"] / 1000, 1)


# --- class-contrastive explanations --------------------------------------------------------------------------------


def test_weighted_keeps_more_for_and_less_against():
    for keep, better in (("positive", 1), ("negative", -1)):
        wins = sum(better * (weighted - original) > 0 for *_, original, weighted in all_masked(keep))
        assert wins == value("recc-t1-i1", f"keep={keep}", "weighted", "holds")
        assert value("recc-t1-i1", f"keep={keep}", "weighted", "of") == len(list(all_masked(keep))) == 18


def test_weighted_moves_from_the_intact_picture_as_it_should():
    intact = {
        of: value("recc-t1", "grad-cam", "none", f"intact-relative-probability:of={of}") for of in ("first", "second")
    }
    assert sum(intact.values()) == pytest.approx(1)
    right, fails = 0, Counter()
    for keep, up in (("positive", 1), ("negative", -1)):
        for explainer, of, _, original, weighted in all_masked(keep):
            assert intact[of] == value("recc-t1", explainer, "none", f"intact-relative-probability:of={of}")
            right += up * (weighted - intact[of]) > 0
            fails[explainer, of, keep] += up * (original - intact[of]) < 0
    assert right == value("recc-t1-i2", "all", "weighted", "holds")
    assert +fails == {
        **{(name, "second", "negative"): 3 for name in ("hires-cam", "grad-cam", "xgrad-cam")},
        ("hires-cam", "first", "positive"): value(
            "recc-t1-i2", "hires-cam · first · keep=positive", "original", "fails"
        ),
        ("xgrad-cam", "first", "positive"): value(
            "recc-t1-i2", "xgrad-cam · first · keep=positive", "original", "fails"
        ),
    }
    assert value("recc-t1-i2", "second · keep=negative", "original", "fails") == 9


def test_which_explainer_is_best_at_what():
    best, lowest = Counter(), Counter()
    for of, baseline in product(("first", "second"), ("blur", "zeros", "mean")):
        kept, against = (
            {e: w for e, o, b, _, w in all_masked(keep) if (o, b) == (of, baseline)}
            for keep in ("positive", "negative")
        )
        best[max(kept, key=kept.get), of] += 1
        lowest[min(against, key=against.get)] += 1
    claim = cells("recc-t1-i3")
    assert best["grad-cam", "first"] == claim["grad-cam · first · keep=positive", "weighted", "highest-in"]
    assert best["xgrad-cam", "second"] == claim["xgrad-cam · second · keep=positive", "weighted", "highest-in"]
    assert lowest["xgrad-cam"] == claim["xgrad-cam · both · keep=negative", "weighted", "lowest-in"]


def test_original_says_the_same_against_both_classes():
    firsts, seconds = ([original for *_, original, _ in all_masked("negative", (of,))] for of in ("first", "second"))
    widest = max(abs(a - b) for a, b in zip(firsts, seconds, strict=True))
    assert widest == pytest.approx(value("recc-t1-i4", "all", "original", "at-most"))


def test_one_dominating_class_leaves_little_between_the_two():
    def apart(name, keep, p2):
        pairs = (
            [masked(name, "grad-cam", arm, keep, "first", b, p2) for arm in ("original", "weighted")]
            for b in ("blur", "zeros", "mean")
        )
        return [round(original - weighted, 3) for original, weighted in pairs]

    claim = cells("recc-t2-i1")
    assert max(map(abs, apart("recc-t2", "positive", "below"))) == claim["keep=positive", "difference", "at-most"]
    for name, p2, setting in (
        ("recc-t2", "below", "keep=negative"),
        ("recc-t1", "above", "keep=negative · table 1, grad-cam, first"),
    ):
        found = apart(name, "negative", p2)
        assert (min(found), max(found)) == tuple(
            claim[setting, "difference", limit] for limit in ("at-least", "at-most")
        )


def test_figure_1_has_nine_networks_and_every_number_was_read_off():
    for figure, change in product(FIGURES, ("accuracy", "probability", "logit")):
        assert len(gains(figure, change)) == 9
        assert all(set(along) == {"weighted", "original", "mean", "max"} for along in gains(figure, change).values())
    assert all(row["read_off"] for figure in FIGURES for row in TABLES[figure]["rows"])
    logits = [row for figure in FIGURES for row in TABLES[figure]["rows"] if row.get("unit") == "logit"]
    assert len(logits) == 108


def test_along_weighted_probability_gains_most_everywhere():  # i1, 27 of its 54 settings
    won = sum(
        gain["weighted"] >= max(gain.values()) for figure in FIGURES for gain in gains(figure, "probability").values()
    )
    assert won == 27
    assert len(set(cells("recc-f1-i1").values())) == 1


def test_along_weighted_accuracy_gains_most_but_once():  # i2
    lost = [
        (figure, network)
        for figure in FIGURES
        for network, gain in gains(figure, "accuracy").items()
        if gain["weighted"] < max(gain.values())
    ]
    assert lost == [("recc-f1c", "alexnet")]
    claim = {quantity: got for (_, _, quantity), got in cells("recc-f1-i2").items()}
    assert claim["of"] - claim["holds"] == len(lost)


def test_along_original_the_logit_gains_most():  # i3
    for figure in FIGURES:
        assert all(gain["original"] > max(gain["weighted"], gain["max"]) for gain in gains(figure, "logit").values())
    assert len(set(cells("recc-f1-i3").values())) == 1


def test_mean_is_original_but_for_one_network():  # i4
    apart = {"small": [], "rest": []}
    for figure, change in product(FIGURES, ("accuracy", "probability")):
        for network, gain in gains(figure, change).items():
            apart["small" if network == "mobilenet_v3_small" else "rest"].append(
                round(gain["original"] - gain["mean"], 3)
            )
    claim = cells("recc-f1-i4")
    assert max(map(abs, apart["rest"])) <= claim["8 networks", "mean", "largest-difference"]
    assert min(apart["small"]) == claim["mobilenet_v3_small", "mean", "smallest-difference"]
    assert max(apart["small"]) == claim["mobilenet_v3_small", "mean", "largest-difference"]


def test_max_does_not_always_beat_original():  # i5
    accuracy = {
        (figure, network)
        for figure in FIGURES
        for network, gain in gains(figure, "accuracy").items()
        if gain["max"] <= gain["original"]
    }
    assert accuracy == {("recc-f1a", network) for network in NEW}
    below = Counter(
        network
        for figure in FIGURES
        for network, gain in gains(figure, "probability").items()
        if gain["max"] < gain["original"]
    )
    assert {network: below[network] for network in NEW} == dict.fromkeys(NEW, 3)
    assert below["googlenet"] == 2
    assert below["mobilenet_v3_small"] == 1
    assert sum(below.values()) == 9


def test_max_moves_the_logit_less_than_weighted_but_thrice():  # i6
    more = [
        (f, network) for f in FIGURES for network, gain in gains(f, "logit").items() if gain["max"] >= gain["weighted"]
    ]
    assert more == [("recc-f1b", network) for network in ("vgg16", "densenet161", "mnasnet1_0")]
    assert len(more) == value("recc-f1-i6", "ε = 0.003 · 10 steps", "max", "exceptions")


def test_weights_of_the_newer_recipe_hardly_tell_the_two_apart():  # i7
    claim = cells("recc-f1-i7")
    for figure in FIGURES:
        for network, gain in gains(figure, "logit").items():
            ratio = gain["weighted"] / gain["original"]
            if network in NEW:
                assert ratio >= claim["v2 weights", "weighted", "at-least"]
            else:
                assert ratio <= claim["other weights", "weighted", "at-most"]


def test_ten_steps_reach_almost_every_picture():  # i8
    clean = cells("recc-f1x", arm="clean", quantity="accuracy")
    reached = {
        network: clean[network, "clean", "accuracy"] + gain["weighted"]
        for network, gain in gains("recc-f1b", "accuracy").items()
        if (network, "clean", "accuracy") in clean
    }
    assert len(reached) == 6
    claim = cells("recc-f1-i8")
    assert reached.pop("alexnet") >= claim["alexnet", "weighted", "at-least"]
    assert all(claim["8 networks", "weighted", "at-least"] <= end <= 1 for end in reached.values())


def test_what_was_read_off_agrees_with_the_exact_run():
    shared = 0
    for (network, along, quantity), exact in cells("recc-f1x").items():
        if network in ("vgg16", "resnet18") and along != "clean":
            shared += 1
            assert value("recc-f1b", network, along, quantity) == pytest.approx(
                exact, abs=0.1 if "logit" in quantity else 0.002
            )
    assert shared == 18


def test_greater_logits_have_greater_gradients():
    norms = [norm for (_, _, quantity), norm in cells("recc-f6-i1").items() if quantity == "gradient-norm"]
    assert norms == sorted(norms)
    assert len(norms) == 6
    assert value("recc-f6-i1", "logit 30", "original", "gradient-norm") > 3 * value(
        "recc-f6-i1", "logit 0", "original", "gradient-norm"
    )


def test_probabilities_of_pictures_fall_and_sum_to_less_than_one():
    for name in ("recc-f4-i1", "recc-f5-i1"):
        pictures = {}
        for (picture, _, _), got in cells(name, quantity="probability").items():
            pictures.setdefault(picture, []).append(got)
        assert len(pictures) == 4
        assert all(some == sorted(some, reverse=True) and sum(some) <= 1 for some in pictures.values())
    third = [got for (_, arm, _), got in cells("recc-f4-i1").items() if arm == "p3"]
    assert min(third) > 0.1


# --- explanations without labels -----------------------------------------------------------------------------------


@pytest.mark.parametrize("triangle, without_scae", [("lower", 0.417), ("upper", 0.365)])
def test_the_means_of_the_triangles(triangle, without_scae):
    pairs = {pair: got for (_, pair, _), got in cells(f"relf-t1-{triangle}").items()}
    mean = pairs.pop("mean of the ten")
    assert len(pairs) == 10
    assert sum(pairs.values()) / 10 == pytest.approx(mean, abs=1e-9)
    rest = [got for pair, got in pairs.items() if "scae" not in pair]
    assert round(sum(rest) / 6 + 1e-9, 3) == without_scae


def test_the_three_triangles_are_of_the_same_pairs():
    lower, upper, examples = (
        {row["arm"] for row in TABLES[name]["rows"]} for name in ("relf-t1-lower", "relf-t1-upper", "relf-t2")
    )
    assert lower == upper == examples | {"mean of the ten"}
    assert all(
        row["n"] == 5
        for name in ("relf-t1-lower", "relf-t1-upper", "relf-t2", "relf-t4")
        for row in TABLES[name]["rows"]
    )


def test_maps_agree_more_than_examples():
    maps = [got for triangle in ("lower", "upper") for got in cells(f"relf-t1-{triangle}").values()]
    examples = list(cells("relf-t2").values())
    assert sum(examples) / 10 == pytest.approx(0.1)
    claim = cells("relf-i1")
    assert min(maps) == claim["mnist", "maps", "at-least"] == value("relf-f3b", "mnist", "all pairs", "at-least")
    assert max(examples) == claim["mnist · dknn", "examples", "at-most"]
    assert max(maps) == value("relf-f3b", "mnist", "all pairs", "at-most")


def test_gpu_hours_add_up():
    hours = {(setting, arm): got for (setting, arm, _), got in cells("relf-t3").items()}
    whole = {arm: hours.pop(("all · total", arm)) for arm in ("reproduction", "added")}
    totals = {key: hours.pop(key) for key in list(hours) if key[0].endswith("total")}
    for (setting, arm), total in totals.items():
        parts = [
            got for (one, of), got in hours.items() if of == arm and one.split(" · ")[0] == setting.split(" · ")[0]
        ]
        assert sum(parts) == pytest.approx(total)
    sums = {arm: sum(got for (_, of), got in totals.items() if of == arm) for arm in whole}
    assert sums == pytest.approx({"reproduction": 68.047, "added": 4.492})
    assert {arm: round(got, 0 if arm == "reproduction" else 1) for arm, got in sums.items()} == whole
    assert max(hours, key=hours.get) == ("disentangled vaes · dsprites", "reproduction")
    assert max(hours.values()) > 32


def test_pearson_grows_with_beta_from_end_to_end_but_once():
    curves = {}
    for (setting, arm, _), got in cells("relf-t4").items():
        data, beta = setting.split(" · beta ")
        curves.setdefault((arm, data), {})[int(beta)] = got
    assert {key for key, curve in curves.items() if curve[10] < curve[1]} == {("tc-vae", "mnist")}
    assert {key for key, curve in curves.items() if curve[1] < curve[5] < curve[10]} == {
        ("beta-vae", "mnist"),
        ("tc-vae", "dsprites"),
    }
    lowest = {
        data: min((got, key, beta) for key, c in curves.items() if key[1] == data for beta, got in c.items())
        for data in ("mnist", "dsprites")
    }
    assert lowest == {"mnist": (0.018717, ("tc-vae", "mnist"), 10), "dsprites": (0.237737, ("beta-vae", "dsprites"), 5)}
