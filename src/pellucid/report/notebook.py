"""Notebook: the sheet of maps of a page, in a frame of its own: neither style nor script meets the notebook's."""

from dataclasses import dataclass, replace
from html import escape
from typing import Any

from pellucid.errors import BadInput
from pellucid.report import evaluate
from pellucid.report.measured import Measured
from pellucid.report.page import Page
from pellucid.report.render import html
from pellucid.results import Results
from pellucid.results.kept import Pictures

HEIGHT = 720  # pixels; the frame can be pulled longer


@dataclass(frozen=True)
class Sheet:
    """What `results.explore()` gives; a notebook shows it."""

    page: Page

    def _repr_html_(self) -> str:
        inside = escape(html(self.page, bare=True).decode(), quote=True)
        style = f"width:100%;height:{HEIGHT}px;border:1px solid rgba(128,128,128,.35);border-radius:6px;resize:vertical"
        return f'<iframe title="{escape(self.page.title, quote=True)}" sandbox="allow-scripts" style="{style}" ' \
               f'srcdoc="{inside}"></iframe>'  # fmt: skip

    def __repr__(self) -> str:
        return f"Sheet({self.page.title}; a notebook shows it, and pellucid report FOLDER writes it as a page)"


def explored(results: Results) -> Sheet:
    """The kept pictures of these rows' explainers and questions."""
    again = "measure with pl.evaluate(..., out=FOLDER), and load it with pl.Results.load(FOLDER)"
    if results.folder is None:
        raise BadInput(f"these results have no folder, so no pictures were kept with them; {again}.")
    folder = evaluate.Folder(results.folder)
    if folder.pictures is None:
        why = folder.about.get("no pictures") or "they were measured without"
        raise BadInput(f"{results.folder} keeps no pictures ({why}); {again}.")
    frame: Any = results.frame
    folder.pictures = _only(folder.pictures, frame)
    sections = evaluate.shown(folder, Measured(results, len(folder.names)), frame)
    return Sheet(Page(f"Maps of {results.folder}", sections=sections))


def _only(pictures: Pictures, frame: Any) -> Pictures:
    """The entries that the rows have."""
    known = {(str(e), str(q)) for e, q in frame[["explainer", "ask"]].drop_duplicates().itertuples(index=False)}
    keep = [j for j, one in enumerate(pictures.entries) if (str(one["explainer"]), str(one["ask"])) in known]
    samples = [
        replace(s, maps=s.maps[keep], curves={name: [lines[j] for j in keep] for name, lines in s.curves.items()})
        for s in pictures.samples
    ]
    return Pictures([pictures.entries[j] for j in keep], samples)
