"""The run behind `pellucid audit`: what can be refused is refused first, then the work, then the words."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pellucid
from pellucid.cli import _measured, _models
from pellucid.cli._bounds import Bound, read_bounds
from pellucid.cli._console import console, note
from pellucid.cli._measured import made
from pellucid.data import Dataset
from pellucid.data.transforms import Transform
from pellucid.engine import _audit as auditing
from pellucid.engine import audit
from pellucid.engine._audit import Audit
from pellucid.engine._evaluate import ALWAYS
from pellucid.engine._regions import REGIONS
from pellucid.explainers import Explainer
from pellucid.files import writable
from pellucid.metrics import Metric
from pellucid.report import write as write_page
from pellucid.report.words import ARROWS, is_control, valued
from pellucid.results.plain import as_text

POSSIBLE = (*auditing.ALWAYS, *auditing.CHECKED, *auditing.OF_MASKS, *auditing.OF_BOXES, *auditing.OF_SEVERAL)


@dataclass(frozen=True)
class Wish:
    """What the command line asks."""

    data: Dataset
    explainers: list[Explainer] | None  # None: the usual ones
    metrics: list[Metric] | None  # None: all that the data allows
    target: str
    transform: Transform | None
    bounds: list[Bound]
    worst: int
    checks: int

    @classmethod
    def read(
        cls,
        dataset: str,
        explainers: Sequence[str] | None,
        metrics: Sequence[str] | None,
        target: str,
        transform: str | None,
        bounds: Sequence[str] | None,
        worst: int,
        checks: int,
    ) -> "Wish":
        wanted = None if not metrics else made(Metric, metrics)
        measured = [*map(Metric.make, ALWAYS), *(wanted or map(Metric.make, POSSIBLE))]
        return cls(
            Dataset.make(dataset), made(Explainer, explainers) if explainers else None, wanted, target,
            None if transform is None else Transform.make(transform),
            read_bounds(bounds or (), {str(m): m.better or "neither" for m in measured}), worst, checks,
        )  # fmt: skip


@dataclass(eq=False)
class Auditing:
    """One call of the command."""

    wish: Wish
    wanted: _models.Wanted
    out: Path
    batch_size: int | None
    workers: int
    loaders: int

    def __post_init__(self) -> None:
        data = self.wish.data
        if not data.streamed:
            len(data)  # a folder that is missing is found out here
        writable(self.out)
        self.loaded = _models.load(self.wanted).named(() if data.streamed else data.class_names)
        self.target = self.loaded.target(self.wish.target)
        if self.loaded.warning:
            note(self.loaded.warning)

    def go(self, as_json: bool) -> list[str]:
        """Audit, write, say; what does not hold."""
        wish = self.wish
        a = audit(
            self.loaded.model, wish.data, wish.explainers or auditing.AUDITED, wish.metrics, self.out,
            self.wanted.seed, target=self.target, transform=wish.transform, batch_size=self.batch_size,
            workers=self.workers, loaders=self.loaders, worst=wish.worst, checks=wish.checks,
            device=self.wanted.device, progress=not as_json,
        )  # fmt: skip
        a.write(self.out)
        _measured.write_run(self.out, {"version": pellucid.__version__, "command": self._command(),
                                       "model": str(self.wanted.model)})  # fmt: skip
        write_page(self.out, "audit")
        failed = [said for bound in wish.bounds for said in broken(bound, a)]
        if as_json:
            print(as_text({"out": str(self.out), **a.record(), "failed": failed}))
        else:
            _print(a, self.out)
        if failed:
            note(f"{'; '.join(failed)}.")
        return failed

    def _command(self) -> str:
        """That audits all of it again."""
        wish = self.wish
        each = {"-e": wish.explainers or (), "-m": wish.metrics or ()}
        words = [word for option, some in each.items() for one in some for word in (option, str(one))]
        more = {"--target": wish.target if wish.target != "label" else None, "--transform": wish.transform}
        more |= {"--batch-size": self.batch_size, "--worst": None if wish.worst == 12 else wish.worst}
        more |= {"--checks": None if wish.checks == 32 else wish.checks}
        words += [*_measured.optional(more), "-o", str(self.out)]
        return _measured.again("audit", wish.data, self.wanted, words)


def broken(bound: Bound, a: Audit) -> list[str]:
    """What is to be said where the best of the sound explainers is on the wrong side, or there is none."""
    rows = [row for row in a.results.summary().to_dict("records") if row["metric"] == bound.metric]
    mine = [row for row in rows if row["explainer"] in ("none", *a.sound) and row["n"]]
    if not mine:
        return [f"{bound.metric} has no value of a sound explainer"]
    best = sorted(mine, key=lambda row: row["mean"], reverse=bound.better != "lower")[0]
    return bound.broken_by([{str(key): value for key, value in best.items()}])


# --- words ------------------------------------------------------------------------------------------------------------


def _print(a: Audit, out: Path) -> None:
    from rich.text import Text

    shown = console()
    shown.print(Text(a.sentence, "bold"), "")
    for finding in a.findings:
        shown.print(Text(f"· {finding}"))
    shown.print("", _regions(a), "", _metrics(a))
    shown.print(Text("↑ more is better, ↓ less is better; intervals are in summary.csv", "dim"))
    sheet = "worst.png, " if a.sheet is not None else ""
    files = f"{sheet}audit.json, samples.csv, summary.csv …: {out}"
    shown.print(Text(f"\n{files}\nOpen {out / 'report.html'}"), soft_wrap=True)


def _table(first: str, titles: Sequence[str], dim: Sequence[bool]) -> Any:
    from rich.table import Table

    table = Table(box=None, header_style="bold", title_justify="left")
    table.add_column(first, overflow="fold")
    for title, control in zip(titles, dim, strict=True):
        table.add_column(title, justify="right", overflow="fold", style="dim" if control else None)
    return table


def _regions(a: Audit) -> Any:
    """A row an explainer, a column a region."""
    from rich.text import Text

    found: dict[str, Any] = {row["region"]: row for row in a.regions.to_dict("records")}
    known = [region for region in REGIONS if region in found and found[region]["n"]]
    table = _table("where the evidence lies", known, [False] * len(known))
    table.add_row("share of the area", *(_share(found[region]["area"]) for region in known))
    for name in _explainers(a):
        cells = [Text(_share(found[region].get(name))) for region in known]
        dim = is_control(name)
        table.add_row(Text(f"{name}  (control)" if dim else name), *cells, style="dim" if dim else None)
    stays: dict[str, Any] = {row["taken out"]: row for row in a.removals.to_dict("records")}
    table.add_row("right answers that stay without it", *(_share(stays[region]["kept"]) for region in known))
    return table


def _explainers(a: Audit) -> list[str]:
    return [one.explainer for one in a.trust] + [name for name in a.about["controls"] if name in a.regions]


def _share(value: float | None) -> str:
    return "–" if value is None or value != value else f"{100 * value:.0f} %"


def _metrics(a: Audit) -> Any:
    """A row a metric, a column an explainer."""
    from rich.text import Text

    rows: list[dict[str, Any]] = [{str(k): v for k, v in row.items()} for row in a.results.summary().to_dict("records")]
    names = _explainers(a)
    table = _table("metric", [f"{n}\n(control)" if is_control(n) else n for n in names], [is_control(n) for n in names])
    better = {row["metric"]: row["better"] for row in rows if row["explainer"] != "none"}
    means = {(row["explainer"], row["metric"]): row["mean"] for row in rows}
    for metric, side in better.items():
        values = [means.get((name, metric), float("nan")) for name in names]
        table.add_row(Text(metric + ARROWS.get(side, "")), *(Text(valued(value, metric)) for value in values))
    return table
