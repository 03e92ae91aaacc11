"""What `test_errors.py` does to studies to hear what they say."""

import json

import pandas as pd

from pellucid.report import errata, page_of, studies
from pellucid.studies import Claim, Study, _runner
from pellucid.studies._cells import Reading
from pellucid.studies._claims import verdicts
from pellucid.studies._runner import work
from pellucid.studies._study import found
from tests.behaviour.coins import Coins, Gone, Some
from tests.behaviour.error_cases_of_commands import command


def rows(*arms):
    table = [(arm, "", "x", seed, 0, 1.0) for arm, seed in arms]
    return pd.DataFrame(table, columns=["arm", "setting", "quantity", "seed", "sample", "value"])


def twice(folder):
    with _runner._alone(folder):
        work([Coins()], folder)


def half(folder):
    (folder / "study.json").write_text(json.dumps({"name": "coins"}))
    page_of(folder)


def none(folder):
    (folder / "studies").mkdir()
    studies.page(folder)


class Dying(Study, name="dying"):
    """Does a worker die?"""

    worlds = Coins.worlds

    def readings(self, seed):
        yield Reading(Gone(seed), seed)


OF_STUDIES = {
    "no workers for studies": lambda folder: work([Coins()], folder, 0),
    "a scale that a study lacks": lambda _: Coins(scale="small"),
    "cells of no name": lambda folder: work([Coins()], folder, only="dice"),
    "two runners of studies": twice,
    "a worker of studies that dies": lambda folder: work([Dying(seeds=2)], folder, 2),
    "cells of studies that fail": lambda folder: work([Some()], folder),
    "cells that are not done": lambda folder: found(Coins(), folder),
    "rows that a claim lacks": lambda _: verdicts([Claim("x", "a", "b", 0.1)], rows(("a", 0))),
    "sides that share no seed": lambda _: verdicts([Claim("x", "a", "b", 0.1)], rows(("a", 0), ("b", 1))),
    "a study that there is not": command("study", "run", "lico-t55"),
    "a scale that there is not": lambda _: Study.make("lico-t5:scale=huge"),
    "a report of no study": command("study", "report", "-o", "nowhere"),
    "half a record of a study": half,
    "no record of a study": none,
    "errata that were not run": lambda folder: errata.page(folder),
}
