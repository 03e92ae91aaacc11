"""Folders of runs that nobody measured: rows, pictures and records written by hand, the same ones every time."""

import json
from pathlib import Path

import numpy as np

from pellucid.results.kept import Pictures, Sample, write_about, write_pictures
from pellucid.results.store import Key, Store, task_id

PLAIN = {
    "classes": ["kite", "lamp", "moth"],
    "explainers": ["grad-cam", "gradient", "random-map"],
    "asks": ["logit", "contrast"],
    "data": "drawings",
    "model": "small 0123456789abcdef",
    "licence": "CC0",
    "command": "pellucid evaluate drawings --model small",
    "why": "wrong, and sure of it",
    "transform": "as given",
}
N, SIDE = 8, 12


def _tasks(words):
    """Of the model, then of every explainer with every question."""
    same = {"model": words["model"], "data": words["data"], "state": "s", "transform": words["transform"],
            "explains": "label", "seed": "0", "version": "0.1.0", "average": "samples"}  # fmt: skip
    made = [("none", "none", "accuracy", "higher"), ("none", "none", "confidence", "neither")]
    for explainer in words["explainers"]:
        asks = ["none"] if explainer == "random-map" else words["asks"]
        made += [(explainer, ask, metric, better) for ask in asks
                 for metric, better in (("insertion", "higher"), ("deletion", "lower"))]  # fmt: skip
    return [dict(zip(("explainer", "ask", "metric", "better"), one)) | same | {"protocol": "card0001"} for one in made]


def _values(task, chance):
    if task["metric"] == "accuracy":
        return [1.0, 0.0] * (N // 2)
    level = {"none": 0.6, "random-map": 0.2}.get(task["explainer"], 0.4)
    return (level + 0.1 * chance.random(N)).tolist()


def evaluation(folder, **changed):
    """What pl.evaluate leaves; words: texts in place of the plain ones."""
    words, chance = PLAIN | changed, np.random.default_rng(0)
    folder, tasks = Path(folder), _tasks(words)
    store = Store(folder)
    for task in tasks:
        name, labels = task_id(task), [i % 3 for i in range(N)]
        store.put([Key(name, 0, N)], {name: task}, {
            "task": [name] * N, "sample": list(range(N)), "label": labels, "target": labels,
            "value": _values(task, chance), "curve": [None] * N, "seconds": [0.001] * N,
        })  # fmt: skip
    pictures = drawings(tasks, words)
    write_pictures(folder, "0123456789abcdef", pictures)
    call = {"wall": 90.0, "cpu": 120.0, "device": "cpu", "peak_mib": 512.0, "gpu_peak_mib": None}
    write_about(folder, {
        "form": 1, "model": words["model"], "data": {"name": words["data"], "licence": words["licence"], "samples": N},
        "tasks": [task_id(task) for task in tasks], "classes": words["classes"], "calls": [call],
        "protocols": {"card0001": {"metric": "insertion", "step": "1/28 of the pixels"}},
        "machine": {"python": "3.11", "torch": "2.7", "cores": 2}, "pictures": "0123456789abcdef",
    })  # fmt: skip
    (folder / "run.json").write_text(json.dumps({"command": words["command"], "model": "small"}))
    return folder


def drawings(tasks, words):
    """Three samples with their maps; a square is the object."""
    entries = dict.fromkeys((t["explainer"], t["ask"]) for t in tasks if t["explainer"] != "none")
    about = [{"explainer": e, "ask": q, "signed": e == "gradient"} for e, q in entries]
    made = []
    for number in (0, 1, 5):
        outline = np.zeros((SIDE, SIDE), dtype=bool)
        outline[2:6, number + 1 : number + 5] = True
        ramp = np.arange(SIDE * SIDE, dtype=float).reshape(SIDE, SIDE) / SIDE**2
        maps = np.stack([(ramp - 0.5) if one["signed"] else ramp * (j + 1) for j, one in enumerate(about)])
        picture = np.full((SIDE, SIDE, 3), 40 * number, dtype=np.uint8)
        picture[outline] = (220, 40, 40)
        line = ([0.0, 0.5, 1.0], [0.1, 0.4, 0.9])
        made.append(Sample(
            number, number % 3, number % 3, (number % 3) if number % 2 == 0 else (number + 1) % 3, 0.75,
            [words["why"]], picture, maps, outline, {"insertion": [line] * len(about)},
        ))  # fmt: skip
    return Pictures(about, made)


def audit(folder, **changed):
    """What pellucid audit leaves."""
    from pellucid.results import Results

    folder = evaluation(folder, **changed)
    Results.load(folder).write(folder)
    words = PLAIN | changed
    one = words["explainers"][0]
    region = {"region": "object", "area": 0.1, "n": 4, one: 0.5, f"{one} low": 0.4, f"{one} high": 0.6}
    removal = {"taken out": "object", "n": 4, "kept": 0.25, "low": 0.1, "high": 0.5, "before": 0.7, "after": 0.2}
    trust = {"explainer": one, "beats": True, "sane": None, "sound": True, "words": ""}
    (folder / "audit.json").write_text(json.dumps({
        "version": "0.1.0", "sentence": f"Right for the right reasons, says {one}.", "findings": [words["why"]],
        "explainers": [trust], "regions": [region], "removals": [removal], "controls": [],
    }))  # fmt: skip
    return folder


def training(folder, seeds=(0, 1), **changed):
    """What pellucid train leaves; changed: parts of the plan, or of what was written at the end."""
    from PIL import Image

    plan = {"model": "pellucid:tiny-cnn", "data": "drawings", "objective": "ce", "recipe": "plain:epochs=3",
            "validation": "others", "classes": PLAIN["classes"], "version": "0.1.0"}  # fmt: skip
    plan |= {name: changed[name] for name in plan.keys() & changed.keys()}
    knobs = {"epochs": "3", "lr": "0.03"}
    about = {
        "recipe": {"name": "plain", "paper": "", "knobs": knobs, "usual": knobs | {"epochs": "30"}, "ours": ["lr"]},
        "objective": [{"name": "ce", "paper": "", "knobs": {}, "usual": {}}], "terms": {"ce": 1.0},
        "images": {"train": 100, "validation": 50}, "parameters": 1234, "again": True,
        "data": {"name": "drawings", "licence": changed.get("licence", "CC0")}, "machine": {"python": "3.11"},
    }  # fmt: skip
    for seed in seeds:
        home = Path(folder) / f"seed-{seed}"
        (home / "watch").mkdir(parents=True)
        Image.new("RGB", (40, 20), "red").save(home / "watch" / "learning.png")
        rows = [_epoch(i, seed) for i in (1, 2, 3)]
        record = {"plan": plan | {"seed": seed}, "finished": True, "rows": rows, "stopped": "", "about": about}
        (home / "fit.json").write_text(json.dumps(record))
    return Path(folder)


def _epoch(i, seed):
    return {
        "epoch": i, "step": 10 * i, "lr": 0.03 / i, "loss": 2.0 / i, "ce": 2.0 / i, "accuracy": 0.3 * i,
        "validation": 0.25 * i + 0.05 * seed, "validation_ce": 2.5 / i, "seconds": 60.0, "images_per_second": 10.0,
        "peak_memory_mib": 100.0, "watts_assumed": 65.0, "kwh": 65 / 60000, "co2e_g": 420 * 65 / 60000,
    }  # fmt: skip


def comparison(folder, **changed):
    """What pellucid compare -o leaves."""
    words = PLAIN | changed
    folder = Path(folder)
    tasks = [{"explainer": words["explainers"][0], "ask": side} for side in "AB"]
    pictures = drawings(tasks, words)
    write_pictures(folder, "0123456789abcdef", pictures)
    row = {"explainer": words["explainers"][0], "ask": "logit", "metric": "insertion", "a": 0.3, "b": 0.5,
           "difference": 0.2, "low": 0.1, "high": 0.3, "p": 0.0001, "p_holm": 0.0002, "n": 8, "better": "higher",
           "says": "B better", "runs_a": [0.28, 0.32], "runs_b": [0.47, 0.53]}  # fmt: skip
    same = row | {"metric": "deletion", "better": "lower", "b": 0.31, "difference": 0.01, "low": -0.1, "high": 0.12,
                  "p_holm": 0.9, "says": "not distinguishable"}  # fmt: skip
    sides = {side: {"models": [f"{words['model']} {side}"], "folders": [f"{side}-0", f"{side}-1"]} for side in "ab"}
    told = [{"number": s.number, "title": f"image {s.number}: {words['classes'][0]}", "lines": [words["why"]],
             "captions": ["insertion 0.3", "insertion 0.5"], "change": 0.2} for s in pictures.samples]  # fmt: skip
    (folder / "compare.json").write_text(json.dumps({
        **sides, "data": words["data"], "samples": N, "rows": [row, same], "warnings": [words["why"]],
        "pictures": "0123456789abcdef", "shown": told, "metric": "insertion", "note": words["why"],
        "command": words["command"], "licence": {"name": words["data"], "licence": words["licence"]},
        "version": "0.1.0",
    }))  # fmt: skip
    return folder


def demonstration(folder, **changed):
    """What pellucid demo leaves."""
    words = PLAIN | changed
    folder = Path(folder)
    for name in ("CE", "CGC"):
        home = training(folder / "made", (0, 1), licence=words["licence"])
        for seed in (0, 1):
            (folder / "runs").mkdir(parents=True, exist_ok=True)
            (home / f"seed-{seed}").rename(folder / "runs" / f"{name.lower()}-{seed}")
    (folder / "made").rmdir()
    write_pictures(
        folder, "0123456789abcdef", drawings([{"explainer": "grad-cam", "ask": n} for n in ("CE", "CGC")], words)
    )
    number = {"part": "maps", "explainer": words["explainers"][0], "metric": "sch", "better": "higher", "mean": 0.5,
              "low": 0.4, "high": 0.6, "undefined": 0.0, "difference": None, "least": None, "most": None}  # fmt: skip
    gap = number | {"difference": 0.08, "least": 0.05, "most": 0.11}
    (folder / "demo.json").write_text(json.dumps({
        "version": "0.1.0", "sentences": ["CGC is better.", words["why"]], "names": ["CE", "CGC"],
        "numbers": {"CE": [number], "CGC": [gap]}, "about": [words["why"]], "figures": [], "command": words["command"],
        "pictures": "0123456789abcdef", "provenance": [["network", words["model"]]],
        "shown": [{"number": 0, "title": words["classes"][0], "captions": [words["why"]] * 2}],
        "licence": {"name": words["data"], "licence": words["licence"]},
    }))  # fmt: skip
    return folder
