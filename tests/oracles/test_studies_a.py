"""What the studies of LICO, its reproduction and CGC count themselves, told again slowly."""

from dataclasses import replace

import pytest

from pellucid.data import Dataset
from pellucid.studies import Study
from pellucid.studies._cells import Lab, Measure, Train
from pellucid.studies._training import FINE, few_shots, labels, shots
from pellucid.studies._worlds import TINY
from pellucid.studies.lico_inference_cost import Forwards, by_turns
from pellucid.studies.relico_appA import OfClass
from pellucid.studies.relico_appD import Energy
from pellucid.studies.relico_t1 import Steps

DATA = "scenes:classes=3,size=16,length=12"
NET = "pellucid:tiny-cnn:depth=2"
PLAIN = Train(NET, DATA, "ce", "plain:batch=6,epochs=2")
LICO = replace(PLAIN, objective="lico:text=random-words,contexts=2")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("lab"))
    PLAIN.run(lab)
    LICO.run(lab)
    return lab


def table(rows):
    return {(row.get("arm", ""), row["quantity"], row.get("sample", 0)): float(row["value"]) for row in rows}


def test_turns_go_there_and_back_after_a_warm_up(monkeypatch):
    clock, seen = [0.0], []

    def action(name, seconds):
        def go():
            seen.append(name)
            clock[0] += seconds

        return go

    monkeypatch.setattr("pellucid.studies.lico_inference_cost.time.perf_counter", lambda: clock[0])
    rounds = list(by_turns([action("a", 1.0), action("b", 3.0)], 2, times=3))
    assert rounds == [[1.0, 3.0], [1.0, 3.0]]
    assert "".join(seen) == "ab" + "abbaab" * 2


def test_a_slow_moment_does_not_count(monkeypatch):
    times = iter([0, 1, 1, 2, 2, 9])  # one second, one second, seven
    monkeypatch.setattr("pellucid.studies.lico_inference_cost.time.perf_counter", lambda: next(times))
    assert list(by_turns([lambda: None], 1, times=3)) == [[1]]


def test_nothing_of_lico_is_left(lab):
    found = table(Forwards(PLAIN, LICO, side=16, batch=2, rounds=3).rows(lab))
    assert found["lico", "same-parts", 0] == 1
    assert len(found) == 4
    assert all(value > 0 for value in found.values())


def test_parts_that_differ_are_seen(lab):
    other = replace(PLAIN, network="pellucid:tiny-cnn:depth=3")
    other.run(lab)
    assert table(Forwards(PLAIN, other, side=16, batch=2, rounds=1).rows(lab))["lico", "same-parts", 0] == 0


def test_steps_are_compared_with_the_first_of_their_round(lab):
    objectives = (("ce", "ce"), ("lico", LICO.objective))
    found = table(Steps(NET, DATA, objectives, batch=6, rounds=2).rows(lab))
    assert len(found) == 8
    for i in (0, 1):
        ratio = found["lico", "seconds-per-step", i] / found["ce", "seconds-per-step", i]
        assert found["lico", "times-as-long", i] == pytest.approx(ratio)
        assert found["ce", "times-as-long", i] == 1


def test_the_class_with_the_dot_is_told_from_all(lab):
    measured = Measure(PLAIN, f"red-dot:dot=1,side=3@{DATA}", ("gradient",), ("deletion", "insertion"))
    measured.run(lab)
    found = table(OfClass(measured, 1).rows(lab))
    data, own, every = Dataset.make(DATA), {}, {}
    for row in measured.frame(lab).to_dict("records"):
        every.setdefault(row["metric"], []).append(row["value"])
        if data[row["sample"]].label == 1:
            own.setdefault(row["metric"], []).append(row["value"])
    assert 0 < len(own["deletion"]) < len(every["deletion"]) == 12
    for metric in ("deletion", "insertion"):
        for arm, values in {"class with the dot": own, "all classes": every}.items():
            assert found[arm, metric, 0] == pytest.approx(sum(values[metric]) / len(values[metric]))


def test_energy_is_power_times_time(lab):
    found = table(Energy((("ce", PLAIN), ("lico", LICO))).rows(lab))
    assert found["as computed", "energy", 0] == pytest.approx(111.1, abs=0.05)  # 400 W for 10000 s, a hundred times
    assert found["as computed", "emission", 0] == pytest.approx(46.8, abs=0.05)
    for arm, run in {"ce": PLAIN, "lico": LICO}.items():
        joules = sum(row["watts_assumed"] * row["seconds"] for row in run.told(lab)["rows"])
        assert found[arm, "watt-hours-per-run", 0] == pytest.approx(joules / 3600)
        assert found[arm, "energy", 0] == pytest.approx(100 * joules / 3.6e6)


def test_energy_needs_the_runs_that_it_counts():
    assert Energy((("ce", PLAIN), ("lico", LICO))).needs == (PLAIN, LICO)


def test_few_labels_are_of_the_same_pictures():
    few = labels(TINY, 60, epochs=20)
    assert few.train == f"subset:balanced=60@{TINY.train}"
    assert "epochs=20" in few.recipe
    assert "epochs=8" not in few.recipe
    assert len(Dataset.make(few.train)) == 60
    assert shots(FINE["cub"], 5).recipe == "lico-finegrained"
    for setting, at in few_shots("tiny").items():
        assert len(Dataset.make(at.train)) == 12 * int(setting.split()[2])


def test_appendices_have_capital_letters():
    assert Study.make("relico-appA").published["relico-appA"]["where"] == Study.make("relico-appA").where
    assert type(Study.make("relico-appD")).__name__ == "RelicoAppD"


def test_papers_protocols_stand_under_plain_names():
    of_maps = [one for one in Study.make("lico-t1:scale=paper").readings(0) if "rise" in one.cell.explainers]
    assert of_maps[0].cell.metrics[0] == "insertion:protocol=paper"
    assert of_maps[0].names["insertion:protocol=paper"] == "insertion"
    assert "protocol=paper" in of_maps[-1].cell.model.objective
