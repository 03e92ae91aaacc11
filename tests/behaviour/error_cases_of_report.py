"""What `test_errors.py` does to folders of runs to hear what a report says."""

import json

import pellucid as pl
from pellucid.report import page_of
from tests.behaviour.error_cases_of_commands import command
from tests.behaviour.small_runs import audit, comparison, demonstration, evaluation, influences, latents, training


def of(spoil, builder=evaluation):
    """The page of a run after something was done to its folder."""

    def case(folder):
        made = builder(folder / "run")
        page_of(spoil(made) or made)

    return case


def holding(name, content):
    def spoil(folder):
        (folder / name).write_text(content)

    return spoil


def replaced(name, key, value):
    def spoil(folder):
        file = folder / name
        file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))

    return spoil


def emptied(folder):
    for path in (folder / "parts").iterdir():
        path.unlink()


def halfway(folder):
    (folder / "report.json").unlink()


def rowless(folder):
    """Of an evaluation of nothing."""
    from pellucid.results import Results

    halfway(folder)
    results = Results.load(folder)
    Results(results.frame.iloc[:0]).write(folder)


def bare(folder):
    (folder / "bare").mkdir()
    return folder / "bare"


def unfinished(folder):
    for file in folder.glob("seed-*/fit.json"):
        file.write_text(file.read_text().replace('"finished": true', '"finished": false'))


def exploring(spoil):
    def case(folder):
        made = evaluation(folder / "run")
        results = pl.Results.load(made)
        (pl.Results(results.frame) if spoil is None else spoil(made) or results).explore()

    return case


def without_pictures(folder):
    path = folder / "report.json"
    path.write_text(path.read_text().replace('"0123456789abcdef"', "null"))


OF_REPORT = {
    "page of a training that was stopped": of(unfinished, training),
    "page of a damaged training": of(holding("seed-0/fit.json", "{}"), training),
    "page with a damaged picture": of(holding("seed-0/watch/learning.png", "none"), training),
    "page of half a comparison": of(holding("compare.json", "{}"), comparison),
    "page of half an influence": of(holding("influence.json", "{}"), influences),
    "page of an influence of nothing": of(replaced("influence.json", "examples", []), influences),
    "page of damaged influences": of(
        replaced("influence.json", "examples", [{"model": "m", "influence": "i"}]), influences
    ),
    "page of half a look at latents": of(holding("latents.json", "{}"), latents),
    "page of latents without encoders": of(replaced("latents.json", "encoders", []), latents),
    "page of half a demo": of(holding("demo.json", "{}"), demonstration),
    "exploring results without a folder": exploring(None),
    "exploring results without pictures": exploring(without_pictures),
    "report of no folder": of(lambda folder: folder / "nowhere"),
    "report of an empty folder": of(bare),
    "report of a run that was stopped": of(halfway),
    "report of a run whose rows are gone": of(emptied),
    "report of a run without rows": of(rowless),
    "report of a damaged record": of(holding("report.json", "{")),
    "report of a record that is none": of(holding("report.json", "[]")),
    "report of a damaged run.json": of(holding("run.json", "{")),
    "report of a run.json that is none": of(holding("run.json", "[]")),
    "report with damaged pictures": of(holding("pictures/0123456789abcdef.json", "{")),
    "report of half an audit": of(holding("audit.json", "{}"), audit),
    "report in another format": command("report", "+runs", "--format", "pdf"),
    "fewer pictures than none": lambda folder: pl.evaluate(None, "scenes", pictures=-1),
}
