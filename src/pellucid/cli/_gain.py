"""What `pellucid compare` writes: a table, a sheet, or a folder with a page and all that it is made of."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pellucid
from pellucid.cli._comparison import Comparison
from pellucid.cli._measured import optional, write_run
from pellucid.errors import PellucidError
from pellucid.files import writable
from pellucid.report import write as write_page

if TYPE_CHECKING:
    from pellucid.cli._side_by_side import SideBySide


@dataclass(eq=False)
class Gain:
    """A comparison, and where it goes."""

    comparison: Comparison
    sides: tuple[str, str]
    words: Mapping[str, Sequence[str]]  # options that were repeated
    count: int
    by: str
    seed: int
    out: Path | None
    pictures: Path | None
    written: list[Path] = field(default_factory=list)

    def write(self) -> None:
        """What was asked for; the sheet first, for it can be refused."""
        if self.pictures is not None:
            self._sheet.draw(self.pictures)
        if self.out is not None and self.out.suffix == ".csv":
            self.comparison.write(self.out)
        elif self.out is not None:
            self._folder(writable(self.out))
        page = None if self.out is None or self.out.suffix == ".csv" else self.out / "report.html"
        self.written += [path for path in (page or self.out, self.pictures) if path is not None]

    @cached_property
    def _sheet(self) -> "SideBySide":
        from pellucid.cli._side_by_side import SideBySide

        return SideBySide(self.comparison, self.count, self.by, self.seed)

    def _folder(self, folder: Path) -> None:
        from pellucid.engine._kept import Spent
        from pellucid.subject.machine import machine

        spent = Spent("cpu")
        try:
            about: dict[str, Any] = self._sheet.keep(folder)
        except PellucidError as cause:  # the numbers need no model
            about = {"pictures": None, "no pictures": str(cause)}
        command = self._command()
        write_run(folder, {"version": pellucid.__version__, "command": command, "a": self.sides[0], "b": self.sides[1]})
        more = {"command": command, "calls": [spent.figures()], "machine": machine()}
        self.comparison.keep(folder, about | more)
        write_page(folder, "compare")

    def _command(self) -> str:
        each = [word for option, some in self.words.items() for one in some for word in (option, one)]
        more = {"-n": None if self.count == 8 else self.count, "--by": None if self.by == "seed" else self.by}
        more |= {"--seed": self.seed or None, "--pictures": self.pictures}
        return shlex.join(["pellucid", "compare", *self.sides, *each, *optional(more), "-o", str(self.out)])
