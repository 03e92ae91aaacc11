"""The command line: `pellucid COMMAND`. One file a command; what takes long to import is imported inside them.

A user's mistake is one sentence on standard error and exit code 2; 1 is a check that does not hold, 130 an
interruption. PELLUCID_TRACEBACK=1 shows where an error comes from.
"""

import os
import re
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pellucid import __version__
from pellucid.cli import check, cite, demo, explain, list
from pellucid.errors import PellucidError

# errors name Python's arguments; on a command line they are options
OPTIONS = {"network=": "--network ", "num_classes=": "--classes ", "weights=": "--weights ", "output=": "--output "}


class Commands(TyperGroup):
    """Errors as sentences, and exit codes, however the commands are called."""

    def main(self, args: Any = None, prog_name: str | None = None, *_: Any, **__: Any) -> None:
        sys.exit(_answered(lambda: super(Commands, self).main(args, prog_name or "pellucid", standalone_mode=False)))


app = typer.Typer(cls=Commands, add_completion=False, no_args_is_help=True, rich_markup_mode=None)
app.command("explain")(explain.explain)
app.command("list")(list.list_members)
app.command("cite")(cite.cite)
app.command("check")(check.check)
app.command("demo")(demo.demo)


@app.callback()
def pellucid(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)] = False,
) -> None:
    """Vision models that explain themselves: why this, and why not that?"""
    if version:
        print(f"pellucid {__version__}")
        raise typer.Exit


def main(argv: "list[str] | None" = None) -> int:
    """Run a command; its exit code."""
    try:
        app(args=argv)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    return 0


def _answered(run: Any) -> int:
    """The exit code of a run, its error said in one line."""
    try:
        return run() or 0
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    except typer.Abort:
        return _say("interrupted", 130)
    except BrokenPipeError:  # `pellucid list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except PellucidError as error:
        return _say(_in_options(str(error)), 2)
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's own, whose classes move between its versions
            return _say(f"{error.format_message()} See pellucid --help.", 2)
        if os.environ.get("PELLUCID_TRACEBACK"):
            raise
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        return _say(f"{type(error).__name__}: {reason} (PELLUCID_TRACEBACK=1 shows where)", 2)


def _in_options(sentence: str) -> str:
    return re.sub(r"\b\w+=", lambda found: OPTIONS.get(found.group(), found.group()), sentence)


def _say(sentence: str, code: int) -> int:
    if os.environ.get("PELLUCID_TRACEBACK") and sys.exc_info()[0] is not None and code == 2:
        raise
    print(f"pellucid: {sentence}", file=sys.stderr)
    return code
