"""Progress, on a terminal only."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def track(steps: Iterable[T], what: str, wanted: bool, total: int | None = None) -> Iterator[T]:
    """The same steps, with a bar on standard error while they run."""
    if not wanted or not sys.stderr.isatty():
        yield from steps
        return
    from rich.console import Console
    from rich.progress import track as bar

    yield from bar(steps, total=total, description=what, console=Console(stderr=True), transient=True)
