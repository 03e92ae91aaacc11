"""The command line: `pellucid COMMAND`. One file a command; what takes long to import is imported inside them.

A user's mistake is one sentence on standard error and exit code 2; 1 is a check that does not hold, 130 an
interruption. PELLUCID_TRACEBACK=1 shows where an error comes from.
"""

import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pellucid import __version__
from pellucid.cli import (
    audit,
    check,
    cite,
    compare,
    data,
    demo,
    evaluate,
    explain,
    influence,
    latents,
    list,
    report,
    study,
    train,
)  # fmt: skip
from pellucid.errors import PellucidError

# errors name Python's arguments; on a command line they are options
OPTIONS = {name: f"--{name}" for name in ("network", "weights", "out", "validation", "device", "processes")}
OPTIONS["num_classes"] = "--classes"


class Commands(TyperGroup):
    """Errors as sentences, and exit codes, however the commands are called."""

    def main(self, args: Any = None, prog_name: str | None = None, *_: Any, **__: Any) -> None:
        words = (sys.argv[1:] if args is None else args) or ["--help"]
        sys.exit(_answered(lambda: super(Commands, self).main(words, prog_name or "pellucid", standalone_mode=False)))


app = typer.Typer(cls=Commands, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
app.command("explain")(explain.explain)
app.command("audit")(audit.audit)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("influence")(influence.influence)
app.command("latents")(latents.latents)
app.command("train")(train.train)
app.command("report")(report.report)
app.add_typer(study.app, name="study")
app.command("data")(data.data)
app.command("list")(list.list_members)
app.command("cite")(cite.cite)
app.command("check")(check.check)
app.command("demo")(demo.demo)


def _version(asked: bool) -> bool:
    if asked:
        print(f"pellucid {__version__}")
        raise typer.Exit
    return asked


@app.callback()
def pellucid(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Vision models that explain themselves: why this, and why not that?"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    try:
        app(args=argv)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    return 0


def _answered(run: Callable[[], Any]) -> int:
    """The exit code of a run, its error said in one line."""
    try:
        code = run() or 0
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except Exception as error:
        if os.environ.get("PELLUCID_TRACEBACK"):
            raise
        print(f"pellucid: {_sentence(error)}", file=sys.stderr)
        return 2
    if code == 130:
        print("pellucid: interrupted", file=sys.stderr)
    return code


def _sentence(error: Exception) -> str:
    if isinstance(error, PellucidError):
        return re.sub(rf"\b({'|'.join(OPTIONS)})=(\w?)", _option, str(error))
    format_message = getattr(error, "format_message", None)
    if format_message:  # typer's own, whose classes move between its versions
        return f"{format_message().rstrip('.')}; see pellucid --help."
    reason = (str(error).strip().splitlines() or ["no reason given"])[0]
    return f"{type(error).__name__}: {reason} (PELLUCID_TRACEBACK=1 shows where)"


def _option(found: re.Match[str]) -> str:
    return f"{OPTIONS[found.group(1)]} {found.group(2)}".rstrip()
