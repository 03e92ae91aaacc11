"""Run studies, and say what came out.

found = pl.study("lico-t5", out="runs/studies")
found.outcome, found.verdicts, found.frame
"""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pellucid._version import __version__
from pellucid.errors import BadFile, Unfinished
from pellucid.files import write_atomically
from pellucid.studies._base import Study, ordered
from pellucid.studies._cells import Cell, Lab, Reading, Train
from pellucid.studies._claims import Outcome, Sides, Verdict, overall, verdicts
from pellucid.studies._pictures import keep
from pellucid.studies._runner import Progress, prices, work

FILE, ROWS = "study.json", "rows.parquet"
RESAMPLES = 999  # of means, which decide nothing


@dataclass(frozen=True)
class Found:
    """A study that was run: its rows, and a verdict for every claim."""

    study: Study
    frame: Any
    """A row a sample: arm, setting, quantity, seed, sample, value."""
    folder: Path | None = None

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """Of every claim, in their order."""
        return verdicts(list(self.study.claims()), self.frame)

    @property
    def outcome(self) -> Outcome:
        """holds, does not hold, or inconclusive."""
        return overall(self.verdicts)

    def means(self) -> list[dict[str, Any]]:
        """An entry a quantity, setting and arm: the mean over seeds, where it may lie, and the mean of each seed."""
        made = []
        for (quantity, setting, arm), part in self.frame.groupby(["quantity", "setting", "arm"], sort=False):
            table = part.pivot_table(index="sample", columns="seed", values="value", dropna=False)
            runs = [table[seed].to_numpy(float) for seed in table.columns]
            where = Sides(runs, RESAMPLES).at(0.95)
            each = [float(mean) for mean in table.mean()]
            made.append({"quantity": quantity, "setting": setting, "arm": arm, "mean": where.mean, "low": where.low,
                         "high": where.high, "n": where.n, "seeds": each})  # fmt: skip
        return made

    def __repr__(self) -> str:
        lines = [f"Found({self.study}: {self.outcome})", *(f"  {one.sentence}" for one in self.verdicts)]
        return "\n".join(lines)


def study(
    name: "str | Study",
    out: str | Path,
    *,
    workers: int = 1,
    each: Callable[[Progress], None] | None = None,
) -> Found:
    """Run a study, or what of it is not done yet in `out`."""
    return several([name], out, workers=workers, each=each)[0]


def several(
    names: "Sequence[str | Study]",
    out: str | Path,
    *,
    workers: int = 1,
    only: str = "",
    each: Callable[[Progress], None] | None = None,
) -> list[Found]:
    """Some studies; cells that they share are done once. only: the cells in whose line this stands, and what they build
    on; the verdicts are then of the studies that are complete. So they are where cells fail, before that is raised."""
    chosen = [Study.make(name) for name in names]
    try:
        work(chosen, out, workers, each, only)
    except Unfinished:
        _whole(chosen, out)
        raise
    return _whole(chosen, out) if only else [found(one, out) for one in chosen]


def _whole(chosen: Sequence[Study], out: str | Path) -> list[Found]:
    """What the studies have found that are complete."""
    lab = Lab(Path(out))
    return [found(one, out) for one in chosen if all(cell.done(lab) for cell in one.cells())]


def found(study: Study, out: str | Path) -> Found:
    """What a study's cells have found, with its page in out/studies."""
    import pandas as pd

    lab = Lab(Path(out))
    readings = study.all_readings()
    cells = ordered(one.cell for one in readings)
    missing = [one for one in cells if not one.done(lab)]
    if missing:
        raise BadFile(f"{len(missing)} cells of {study} are not done in {out}; run it: {command(study, lab.out)}.")
    frame = pd.concat([one.frame(lab) for one in readings], ignore_index=True)
    frame = frame.drop_duplicates(["arm", "setting", "quantity", "seed", "sample"], ignore_index=True)
    result = Found(study, frame, lab.out / "studies" / folder_of(study))
    _write(result, cells, lab, [one for one in readings if one.seed == 0])
    return result


def folder_of(study: Study) -> str:
    """lico-t5-tiny; with its seeds where they are not the scale's own."""
    return f"{study.name}-{study.scale}" + (f"-{study.seeds}" if study.seeds else "")


def command(study: Study, out: Path) -> str:
    """That runs it."""
    seeds = ["--seeds", str(study.seeds)] if study.seeds else []
    return shlex.join(["pellucid", "study", "run", study.name, "--scale", study.scale, *seeds, "-o", str(out)])


def _write(result: Found, cells: Sequence[Cell], lab: Lab, first: Sequence[Reading]) -> None:
    """Rows and verdicts, and the pictures of the first seed, from which its page is made."""
    import io

    from pellucid.results.plain import as_text

    assert result.folder is not None
    study = result.study
    table = io.BytesIO()
    result.frame.to_parquet(table, index=False)
    write_atomically(result.folder / ROWS, table.getvalue())
    trained = [cell for cell in cells if isinstance(cell, Train)]
    record = {
        "study": str(study), "name": study.name, "scale": study.scale, "seeds": study.runs, "title": study.title,
        "where": study.where, "claim": study.claim, "paper": study.paper, "of": study.of, "seen": study.seen,
        "outcome": result.outcome, "verdicts": [asdict(one) | {"sentence": one.sentence} for one in result.verdicts],
        "means": result.means(), "published": study.published,
        "made of": made_of(cells),
        "cells": {"trained": len(trained), "measured": len(cells) - len(trained), "all": len(cells)},
        "seconds": sum(one or 0.0 for one in prices(cells, lab)), "version": __version__,
        "command": command(study, lab.out), "kind": study.kind, **study.more(result.frame),
        **keep(first, lab, result.folder, _before(result.folder)),
    }  # fmt: skip
    write_atomically(result.folder / FILE, as_text(record).encode())


def made_of(cells: Sequence[Cell]) -> dict[str, list[str]]:
    """What cells have in their fields: data, networks, objectives, recipes; each once."""
    found: dict[str, list[str]] = {}
    for cell in cells:
        of = "trained on" if isinstance(cell, Train) else "measured on"
        words = {"data": of, "corpus": of, "asked": of, "network": "networks", "model": "networks",
                 "objective": "objectives", "recipe": "recipes"}  # fmt: skip
        for name, word in words.items():
            if isinstance(value := getattr(cell, name, None), str):
                found.setdefault(word, []).append(value)
    return {word: list(dict.fromkeys(values)) for word, values in found.items()}


def _before(folder: Path) -> dict[str, Any]:
    """What was written when the study was told the last time; nothing where that cannot be read."""
    from pellucid.report.facts import read_json

    try:
        return read_json(folder / FILE)
    except BadFile:
        return {}
