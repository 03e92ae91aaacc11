"""Reports: the folder of a run in, one HTML file out, or tables in Markdown, LaTeX and CSV. No torch.

page_of(folder)      what the run has to say, as plain values
html(page)           one file that needs nothing else and asks nobody
markdown(page) …     the same sentences and tables elsewhere
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.report.folders import page_of as page_of
    from pellucid.report.folders import write as write
    from pellucid.report.render import html as html

_HOME = {"page_of": "folders", "write": "folders", "html": "render"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"pellucid.report.{_HOME[name]}"), name)
