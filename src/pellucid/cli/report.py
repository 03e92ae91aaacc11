"""report: the folder of a run in; one HTML file out, or its tables for a paper, a wiki, a spreadsheet."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid.errors import BadInput

FORMS = ("html", "md", "tex", "csv")


def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What a command of pellucid wrote.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Where to write it; - is the terminal. [in the folder]"),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help="html, md, tex (for booktabs), csv. [by the name of FILE]"),
    ] = None,
) -> None:
    """Make the page of a run, from the files that it left.

    pellucid report runs/a

    pellucid report runs/a --format tex -o table.tex

    The page is one file that asks nobody for anything. Nothing is measured again.
    """
    said = form or (out.suffix.removeprefix(".") if out is not None and out.suffix else "html")
    if said not in FORMS:
        raise BadInput(f"--format is {said!r}; write {', '.join(FORMS[:-1])} or {FORMS[-1]}.")
    from pellucid.files import write_atomically
    from pellucid.report.folders import name_of, page_of
    from pellucid.report.tables import written

    page = page_of(folder)
    path, made = out or folder / (name_of(folder) if said == "html" else f"report.{said}"), written(page, said)
    if str(path) == "-":
        print(made.decode(), end="")
        return
    write_atomically(path, made)
    print(f"Written: {path}")
