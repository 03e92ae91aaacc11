"""Where tables and notes go."""

import sys

from rich.console import Console


def console() -> Console:
    """Standard output: as wide as the terminal, and wide enough for any table where there is none."""
    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 160)


def note(sentence: str) -> None:
    """A sentence beside the result, on standard error."""
    print(f"pellucid: {sentence}", file=sys.stderr)
