"""check: do the named things of a package keep our contract?"""

import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pellucid.contracts import Outcome


def check(
    package: Annotated[
        str, typer.Argument(metavar="PACKAGE", help="An importable package or module, such as my_explainers.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Test a package's named things against our contract.

    The exit code is 1 when one of them breaks it.
    """
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` would
    from pellucid import contracts

    outcomes = contracts.check(package)
    if as_json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=2))
    else:
        _print(outcomes)
    if not all(outcome.passed for outcome in outcomes):
        raise typer.Exit(1)


def _print(outcomes: "list[Outcome]") -> None:
    from rich.table import Table
    from rich.text import Text

    from pellucid.cli._console import console

    out, table = console(), Table("member", "passed", "refused", "failed", box=None)
    for member in dict.fromkeys(outcome.member for outcome in outcomes):
        ends = Counter(_end(outcome) for outcome in outcomes if outcome.member == member)
        failed = f"[bold red]{ends['failed']}[/]" if ends["failed"] else "0"
        table.add_row(member, str(ends["passed"]), str(ends["refused"]), failed)
    out.print(table)
    failures: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        if not outcome.passed:
            failures.setdefault((outcome.member, outcome.check), []).append(outcome)
    for (member, check), failed in failures.items():
        where = " · ".join(part for part in (failed[0].network, failed[0].question) if part)
        times = f" {len(failed)} times, first" if len(failed) > 1 else ""
        out.print(Text(f"{member}: {check}:{times}{f' on {where}:' if where else ''} {failed[0].reason}", "red"))


def _end(outcome: "Outcome") -> str:
    if not outcome.passed:
        return "failed"
    return "refused" if outcome.reason else "passed"
