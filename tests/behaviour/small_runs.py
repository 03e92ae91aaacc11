"""Folders of runs that nobody measured: rows, pictures and records written by hand, the same ones every time."""

import json
from dataclasses import replace
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
        "asks": {"insertion": "How much comes back?"},
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
    wrong = drawings([{"explainer": words["explainers"][1], "ask": "why not the label?"}], words)
    wrong = Pictures(wrong.entries, [replace(s, curves={}) for s in wrong.samples if s.predicted != s.label])
    write_pictures(folder, "fedcba9876543210", wrong, ["0123456789abcdef"])
    removal = {"taken out": "object", "n": 4, "kept": 0.25, "low": 0.1, "high": 0.5, "before": 0.7, "after": 0.2}
    trust = {"explainer": one, "beats": True, "sane": None, "sound": True, "words": ""}
    (folder / "audit.json").write_text(json.dumps({
        "version": "0.1.0", "sentence": f"Right for the right reasons, says {one}.", "findings": [words["why"]],
        "explainers": [trust], "regions": [region], "removals": [removal], "controls": [],
        "why not": "fedcba9876543210",
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
    grids = {"networks": ["CE", "CGC"], "explainers": ["logit", "contrast"], "contrasts": ["logit", "contrast"]}
    keys = {name: f"{i}123456789abcdef" for i, name in enumerate(grids)}
    for name, asks in grids.items():
        pictures = drawings([{"explainer": words["explainers"][0], "ask": ask} for ask in asks], words)
        if name != "explainers":
            again = 6 if name == "contrasts" else 1  # a class after the other
            samples = [replace(s, curves={}, maps=np.tile(s.maps, (again, 1, 1))) for s in pictures.samples]
            pictures = Pictures(pictures.entries * again, samples)
        write_pictures(folder, keys[name], pictures, list(keys.values()))
    for part in ("in", "maps"):
        home = folder / "runs" / "ce-0" / "measured" / part
        home.mkdir(parents=True)
        write_about(home, {"calls": [{"wall": 60.0, "cpu": 50.0, "device": "cpu", "peak_mib": 256.0}]})
    number = {"part": "maps", "explainer": words["explainers"][0], "metric": "sch", "better": "higher", "mean": 0.5,
              "low": 0.4, "high": 0.6, "undefined": 0.0, "difference": None, "least": None, "most": None}  # fmt: skip
    gap = number | {"difference": 0.08, "least": 0.05, "most": 0.11}
    (folder / "demo.json").write_text(json.dumps({
        "version": "0.1.0", "sentences": ["CGC is better.", words["why"]], "names": ["CE", "CGC"],
        "numbers": {"CE": [number], "CGC": [gap]}, "about": [words["why"]], "command": words["command"],
        "provenance": [["network", words["model"]]],
        "grids": [{"name": name, "pictures": key, "shown": [
            {"number": 0, "title": words["classes"][0], "captions": [words["why"]] * 2, "lines": [words["why"]]},
        ]} for name, key in keys.items()],
        "licence": {"name": words["data"], "licence": words["licence"]},
    }))  # fmt: skip
    return folder


def influences(folder, labelled=True, pictures=True, **changed):
    """What pellucid influence leaves: two influences of one model, three test images."""
    words, folder, entries = PLAIN | changed, Path(folder), []
    models, members = [words["model"]], [words["explainers"][0], "random"]
    for member in members:
        for row in (0, 1, 5):
            label = words["classes"][row % 3] if labelled else ""
            near = [{"train": i, "label": words["classes"][i % 3] if labelled else "", "score": 9.0 - i,
                     "same": i % 3 == row % 3 if labelled else None} for i in (6, 7, 8)]  # fmt: skip
            entries.append({"model": models[0], "influence": member, "test": row, "label": label,
                            "supporters": near[:2], "opponents": near[2:]})  # fmt: skip
    same = {"model": models[0], "influence": members[0]}
    each = {"supporters": [0.5, 1.0, 1.0], "opponents": [0.0, 0.0, 0.5]}
    agreement = [same | {"supporters": 2.5 / 3, "opponents": 0.5 / 3, "chance": 0.1, "each": each},
                 same | {"influence": "random", "supporters": 0.2, "opponents": 0.1, "chance": 0.1,
                         "each": {"supporters": [0.0, 0.1, 0.5], "opponents": [0.0, 0.1, 0.2]}}]  # fmt: skip
    rates = [same | {"share": 0.1, "most": [0.9, 0.8, 0.7], "least": [0.1, 0.0, None], "card": "card0001",
                     "facts": {"metric": "similarity-rate", "ties": words["why"]}}]  # fmt: skip
    samples = [Sample(row, row % 3, -1, -1, float("nan"), [why], np.full((SIDE, SIDE, 3), 20 * row, dtype=np.uint8),
                      np.empty((0, SIDE, SIDE))) for why, rows in (("test", (0, 1, 5)), ("train", (6, 7, 8)))
               for row in rows]  # fmt: skip
    if pictures:
        write_pictures(folder, "0123456789abcdef", Pictures([], samples))
    terms = {"name": words["data"], "licence": words["licence"]}
    call = {"wall": 90.0, "cpu": 120.0, "device": "cpu", "peak_mib": 512.0, "gpu_peak_mib": None}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "influence.json").write_text(json.dumps({
        "version": "0.1.0", "train": words["data"], "test": f"{words['data']} test", "what": "images", "top": 2,
        "models": [{"model": models[0], "name": models[0], "weights": words["model"]}],
        "methods": [same | {"name": words["explainers"][0], "paper": "", "knobs": {"k": "3"}, "usual": {"k": "none"}},
                    same | {"influence": "random", "name": "random", "knobs": {}, "usual": {}, "control": True}],
        "examples": entries, "agreement": agreement if labelled else [], "similarity": rates if labelled else [],
        "pictures": "0123456789abcdef" if pictures else None, "licences": [terms, terms], "calls": [call],
        "command": words["command"], "warnings": [words["why"]], "machine": {"python": "3.11"}, "seed": 0,
    }))  # fmt: skip
    return folder


def latents(folder, names=("one", "two"), **changed):
    """What pellucid latents leaves, of encoders with two units."""
    from PIL import Image

    words, folder = PLAIN | changed, Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    asks = ("unit 0", "unit 1", "the whole code")
    tasks = [{"explainer": f"{words['model']} {name}", "ask": ask} for name in names for ask in asks]
    write_pictures(folder, "0123456789abcdef", drawings(tasks, words))
    mean = {"mean": 0.4, "low": 0.3, "high": 0.5, "n": 8, "pooled": 0.41}
    encoders = [{
        "encoder": f"{words['model']} {name}", "model": name, "objective": words["why"], "weight": "", "units": [0, 1],
        "weights": words["model"], "values": [[1.0 + i, -0.5]] * 3,
        "agreement": {by: mean | ({"mean": 0.6, "low": 0.55, "high": 0.65} if i else {})
                      for by in ("pearson", "spearman", "cosine", "entropy", "active")},
        "factors": {"MIG": 0.1 + i, "SAP": 0.2}, "by_factor": {"MIG": [None, 0.1]},
    } for i, name in enumerate(names)]  # fmt: skip
    matrix = [[1.0, 0.3], [0.3, 1.0]] if len(names) > 1 else []
    if matrix:
        Image.new("RGB", (40, 20), "red").save(folder / "agreement.png")
    (folder / "latents.json").write_text(json.dumps({
        "version": "0.1.0", "dataset": words["data"], "explainer": words["explainers"][0], "images": 8, "encoded": 40,
        "shown": [0, 1, 5], "titles": [words["classes"][0]] * 3, "factors": [words["why"], "size"],
        "files": ["units.png", "agreement.png"] if matrix else ["units.png"], "encoders": encoders,
        "agreement": {"pearson": matrix, "spearman": matrix} if matrix else {}, "pictures": "0123456789abcdef",
        "method": {"name": words["explainers"][0], "paper": "", "knobs": {"k": words["why"]}, "usual": {}},
        "protocols": {"card0001": {"metric": "sap", "better": words["why"]}}, "seed": 0, "command": words["command"],
        "licence": {"name": words["data"], "licence": words["licence"]}, "warnings": [words["why"]],
        "calls": [{"wall": 90.0, "cpu": 120.0, "device": "cpu", "peak_mib": 512.0}], "machine": {"python": "3.11"},
    }))  # fmt: skip
    return folder


def studies(folder, **changed):
    """What pellucid study run leaves of a claim, with maps, and of an erratum."""
    words, folder = PLAIN | changed, Path(folder)
    arms = {"ce": 0.4, "lico": 0.5, "as published": 0.3, "sound": 0.6}

    def side(name):
        return {"mean": arms[name], "low": arms[name] - 0.1, "high": arms[name] + 0.1, "n": 10}

    def verdict(more, less, outcome, setting="", same=False):
        gap = round(arms[more] - arms[less], 3)
        claim = {"quantity": "insertion", "more": more, "less": less, "margin": 0.01, "setting": setting,
                 "same": same, "main": not setting}  # fmt: skip
        difference = {"mean": gap, "low": gap - 0.05, "high": gap + 0.05}
        return {"claim": claim, "outcome": outcome, "difference": difference, "more": side(more),
                "less": side(less), "seeds": 2, "sentence": f"insertion: {more} {outcome}"}  # fmt: skip

    claim = [verdict("lico", "ce", "holds")]
    erratum = [verdict("as published", "sound", "does not hold", same=True)]
    erratum += [verdict("lico", "ce", said, f"{at} · grad-cam") for at, said in
                (("as published", "holds"), ("sound", "does not hold"))]  # fmt: skip
    for name, kind, found, shown in (("lico-x", "claim", claim, ("ce", "lico")), ("err-x", "erratum", erratum, ())):
        own = folder / "studies" / f"{name}-tiny"
        own.mkdir(parents=True)
        if shown:
            tasks = [{"explainer": arm, "ask": words["explainers"][0]} for arm in shown]
            write_pictures(own, "0123456789abcdef", drawings(tasks, words))
        about = [{"number": number, "title": words["classes"][0], "lines": [], "captions": [words["why"]] * 2}
                 for number in (0, 1, 5)]  # fmt: skip
        grid = {"key": "0123456789abcdef", "data": words["data"], "arms": "Networks", "asked": "Explainers", "by": "",
                "scale": words["why"], "shown": about}  # fmt: skip
        named = [name for name in arms if any(name in (one["claim"]["more"], one["claim"]["less"]) for one in found)]
        means = [{"quantity": "insertion", "setting": "", "arm": arm, **side(arm),
                  "seeds": [arms[arm], arms[arm] + 0.1]} for arm in named]  # fmt: skip
        (own / "study.json").write_text(json.dumps({
            "name": name, "kind": kind, "of": "lico", "paper": "arXiv:0", "where": "Table 1", "title": words["why"],
            "claim": words["why"], "defect": words["why"], "effect": -1.5, "changed": [["a.knob", "1", words["why"]]],
            "scale": "tiny", "seeds": 2, "outcome": found[0]["outcome"], "verdicts": found, "means": means,
            "seen": words["why"], "pictures": [grid] if shown else [], "no pictures": "", "seconds": 90.0,
            "published": {"lico-x": {"title": words["why"], "where": "Table 1", "unit": "%", "errata": [words["why"]],
                                     "rows": [{"arm": "lico", "setting": "", "quantity": "insertion", "value": 50.0}]}},
            "cells": {"trained": 2, "measured": 4},
            "made of": {"trained on": [words["data"]], "objectives": ["ce", "lico"]},
            "version": "0.1.0", "command": words["command"],
        }))  # fmt: skip
    return folder
