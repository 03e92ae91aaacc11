"""Folders: which kind of run a folder holds, and its page."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from pellucid.errors import BadFile
from pellucid.report.page import Page

KINDS = ("study", "studies", "errata", "audit", "compare", "demo", "influence", "latents", "train", "evaluate")
"""In the order in which a folder is tried: an audit holds results too, and a training may have been measured there."""
HTML = "report.html"


def page_of(folder: str | Path, kind: str | None = None) -> Page:
    """The page of a run, from the files that it left. kind: of which, where a folder holds several."""
    page: Page = builder_of(folder, kind).page(Path(folder))
    return page


def builder_of(folder: str | Path, kind: str | None = None) -> ModuleType:
    """Who writes the page."""
    folder = Path(folder)
    if not folder.is_dir():
        raise BadFile(f"{folder} is no folder; give the one that a command of pellucid wrote.")
    for name in (kind,) if kind else KINDS:
        builder = import_module(f"pellucid.report.{name}")
        if any(any(folder.glob(mark)) for mark in builder.MARKS):
            return builder
    raise BadFile(
        f"{folder} holds no run; give the folder that pellucid evaluate, audit, compare, influence, latents, train or "
        f"demo wrote."
    )


def name_of(folder: str | Path) -> str:
    """What its page is called: index.html of a demo."""
    return str(getattr(builder_of(folder), "HTML", HTML))


def write(folder: str | Path, kind: str | None = None) -> Path:
    """The page in the folder of a run."""
    from pellucid.files import write_atomically
    from pellucid.report.render import html

    path = Path(folder) / str(getattr(builder_of(folder, kind), "HTML", HTML))
    return write_atomically(path, html(page_of(folder, kind)))
