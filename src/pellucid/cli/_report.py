"""What `pellucid evaluate` says: the model's own numbers, a table of the explainers, what can be told apart."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pellucid
from pellucid.cli._bounds import Bound
from pellucid.cli._console import console, note
from pellucid.report import verdicts
from pellucid.report.measured import OWN, Measured
from pellucid.report.words import ARROWS, entry, interval, is_control, valued
from pellucid.results import Results
from pellucid.results.plain import as_text


class Report(Measured):
    """Of results that are complete."""

    def __init__(self, results: Results, bounds: Sequence[Bound], out: Path, model: str, outputs: int) -> None:
        super().__init__(results, outputs)
        self.out, self.loaded_as = out, model
        self.failed = [said for bound in bounds for said in bound.broken_by(self.rows)]

    @property
    def model(self) -> str:
        """The file it came from, and what it is."""
        name = str(self.results.frame["model"].iloc[0]) if len(self.results) else self.loaded_as
        return name if name.startswith(f"{self.loaded_as} ") else f"{self.loaded_as}: {name}"

    def print(self, as_json: bool) -> None:
        """All of it on standard output; what failed on standard error."""
        if as_json:
            print(as_text(self._document()))
        else:
            self._head()
            self._table()
            self._words()
        if self.failed:
            note(f"{'; '.join(self.failed)}.")

    def _document(self) -> dict[str, Any]:
        frame: Any = self.results.frame
        return {
            "version": pellucid.__version__,
            "out": str(self.out),
            "model": self.model,
            "data": str(frame["data"].iloc[0]) if len(frame) else None,
            "samples": self.samples,
            "summary": self.rows,
            "best": [verdict.as_row() for verdict in self.bests],
            "from chance": [verdict.as_row() for verdict in self.from_chance],
            "failed": self.failed,
        }

    def _head(self) -> None:
        from rich.text import Text

        first: Any = self.results.frame.iloc[0] if len(self.results) else {"data": "", "explains": ""}
        about = {"label": "the label", "predicted": "the predicted class"}
        explains = about.get(first["explains"], f"class {first['explains']}")
        lines = [
            ("model", self.model),
            ("data", f"{first['data']} · {self.samples:,} samples · {explains} is explained"),
            ("", self.own),
        ]
        for name, line in lines:
            console().print(Text(f"{name:<7}", "bold").append(line, "not bold"), soft_wrap=True)

    def _table(self) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, header_style="bold", title_justify="left")
        for title in ("explainer · ask", "metric", "mean", "95 % interval", "n", "undefined"):
            right = title in ("mean", "n", "undefined")
            table.add_column(title, overflow="fold", justify="right" if right else "left")
        last = None
        for row in self.rows:
            if row["explainer"] == "none" and row["metric"] in OWN:
                continue
            who = "the model" if row["explainer"] == "none" else entry(row["explainer"], row["ask"])
            control = is_control(row["explainer"])
            if last not in (None, who):
                table.add_row()
            name = "" if who == last else f"{who}  (control)" if control else who
            metric = row["metric"]
            cells = [
                name, metric + ARROWS.get(row["better"], ""), valued(row["mean"], metric),
                interval(row["low"], row["high"], metric), f"{row['n']:,}", f"{row['undefined']:,}",
            ]  # fmt: skip
            table.add_row(*map(Text, cells), style="dim" if control else None)
            last = who
        if last is not None:
            console().print("", table)
            console().print(Text("↑ more is better, ↓ less is better", "dim"))

    def _words(self) -> None:
        from rich.text import Text

        lines = [verdict.sentence() for verdict in self.bests]
        warned = verdicts.warning(self.from_chance)
        if lines:
            console().print(Text("\nThe best and the second", "bold"))
        for line in lines:
            console().print(Text(line))
        if warned:
            console().print(Text(f"\n{warned}", "yellow"))
        console().print(
            Text(f"\nresults.csv, summary.csv, run.json: {self.out}\nOpen {self.out / 'report.html'}"), soft_wrap=True
        )
