"""Page: what a run has to say, as plain values, before anybody decides how it looks.

A page is a title, sentences (the verdict first), sections, and what it takes to check them: provenance and the command
to repeat. It knows no HTML, no files and no torch; `render` makes a web page of it, `tables` Markdown, LaTeX and CSV.

**To write the page of another kind of run**, add `report/KIND.py` with

    MARKS = ("audit.json",)                     # the files, any of them, by which a folder of this kind is known

    def page(folder: Path) -> Page: …           # from the files of the folder alone

and its name to `KINDS` in `report/folders.py`. Sentences are made where the numbers are judged, not here: what a
command prints at its end is what the page says first. Numbers go in with `measured(…)`, which writes them as the
console does; pictures that a run kept become sections by `evaluate.shown`, cost, licences and provenance by `facts`. A
folder that is half written, or damaged, raises BadFile with what to do.

A section of a new kind is a dataclass below, and a template of its name in `templates/`.

>>> page = Page("A run", ("It went well.",), (Table("Scores", ("explainer", "insertion ↑"), (Row("grad-cam",
...     (measured(0.25, 0.125, 0.4, "insertion"),)),)),))
>>> cell = page.sections[0].rows[0].cells[0]
>>> cell.text, cell.small
('0.250', '0.125 to 0.400')
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pellucid.report.words import ABOUT, interval, valued

Tone = Literal["", "good", "bad", "soft"]


@dataclass(frozen=True)
class Cell:
    """What stands in a table: a text, and below it in small what qualifies it."""

    text: str
    small: str = ""
    tone: Tone = ""
    value: float | None = None  # as a spreadsheet wants it
    low: float | None = None
    high: float | None = None


def measured(value: float, low: float, high: float, metric: str, tone: Tone = "") -> Cell:
    """A mean and where it may lie.

    >>> measured(0.375, 0.242, 0.53, "accuracy")
    Cell(text='37.5 %', small='24.2 to 53.0 %', tone='', value=0.375, low=0.242, high=0.53)
    >>> measured(float("nan"), 0.0, 0.0, "insertion").text
    '–'
    """
    if value != value:
        return Cell(ABOUT["undefined"], tone="soft")
    small = interval(low, high, metric)
    return Cell(valued(value, metric), "" if small == "–" else small, tone, value, low, high)


def beside_paper(paper: float, ours: float, low: float, high: float, metric: str) -> tuple[Cell, Cell, Cell]:
    """paper | ours | difference: green where the paper's number lies in our interval.

    >>> [cell.text for cell in beside_paper(0.5, 0.45, 0.4, 0.52, "insertion")]
    ['0.500', '0.450', '−0.0500']
    """
    apart = ours - paper
    tone: Tone = "good" if low <= paper <= high else "bad"
    sign = "+" if apart > 0 else ""
    there = Cell(sign + valued(apart, metric), "in our interval" if tone == "good" else "outside", tone, apart)
    return Cell(valued(paper, metric), value=paper), measured(ours, low, high, metric), there


@dataclass(frozen=True)
class Row:
    """A line of a table under its first word."""

    head: str
    cells: Sequence[Cell | str]
    control: bool = False  # knows nothing of the model: what is no better says nothing
    small: str = ""  # below the first word


@dataclass(frozen=True)
class Section:
    """Abstract: a part of a page under a heading, with a sentence on how to read it."""

    kind: ClassVar[str] = ""  # its template
    title: str
    text: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class Table(Section):
    """Numbers with their intervals. columns: the first is that of the rows' heads."""

    kind: ClassVar[str] = "table"
    columns: Sequence[str] = ()
    rows: Sequence[Row] = ()
    note: str = ""


@dataclass(frozen=True)
class Scale:
    """The colours of an explainer's maps, which all of them share on a page: from start, or −limit, to limit."""

    signed: bool
    limit: float
    start: float = 0.0


@dataclass(frozen=True)
class Map:
    """One map over a picture: a palette PNG whose index is the value."""

    column: int
    png: bytes
    alt: str
    caption: str = ""
    missing: str = ""  # why there is none


@dataclass(frozen=True)
class Line:
    """A curve, of a column of the sheet or of its own."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    column: int | None = None


@dataclass(frozen=True)
class Chart:
    """Curves over the same axes."""

    title: str
    lines: Sequence[Line]
    x: str = ""
    y: str = ""
    alt: str = ""
    band: Sequence[tuple[Sequence[float], Sequence[float], Sequence[float]]] = ()  # x, from, to: one a line


@dataclass(frozen=True)
class Shown:
    """A sample: its picture, its maps, what was answered, and why it is shown."""

    number: int
    title: str
    lines: Sequence[str] = ()  # below the title
    why: Sequence[str] = ()
    picture: bytes = b""  # WebP, once a page
    size: tuple[int, int] = (1, 1)  # width and height of the maps, on which outline and pointer are counted
    outline: str = ""  # an SVG path over those pixels
    maps: Sequence[Map] = ()
    charts: Sequence[Chart] = ()
    scores: Sequence[float | None] = ()  # in the order of the section's
    wrong: bool = False


@dataclass(frozen=True)
class Column:
    """An explainer and a question."""

    explainer: str
    ask: str
    scale: Scale


@dataclass(frozen=True)
class Grid(Section):
    """Heat maps: a row a sample, a map for every explainer and question, their curves beside them."""

    kind: ClassVar[str] = "grid"
    columns: Sequence[Column] = ()
    samples: Sequence[Shown] = ()
    scores: Sequence[str] = ()  # by which they can be put in order
    worst_first: Sequence[Literal["up", "down"]] = ()  # for each score, the order in which the worst is the first
    note: str = ""
    asked: str = "Questions"  # what the second word of a column is
    order: str = "worst {} first"  # what an order by a score is called
    across: int = 0  # maps in a line, where lines mean something: 3 or 4
    named: str = "Explainers"  # what the first word of a column is


@dataclass(frozen=True)
class Near:
    """A training example beside a test example; same: whether it has its label, None where nobody knows."""

    number: int
    label: str
    same: bool | None
    score: float


@dataclass(frozen=True)
class Answer:
    """The training examples that speak most for a test example and most against it, the strongest first."""

    who: int  # of the section's
    supporters: Sequence[Near] = ()
    opponents: Sequence[Near] = ()


@dataclass(frozen=True)
class Asked:
    """A test example with everybody's answer."""

    number: int
    title: str
    picture: bytes = b""  # WebP
    answers: Sequence[Answer] = ()
    scores: Sequence[float | None] = ()  # as the section's orders are
    lines: Sequence[str] = ()  # below the title


@dataclass(frozen=True)
class Examples(Section):
    """Test examples, each beside the training examples that answer for it."""

    kind: ClassVar[str] = "examples"
    who: Sequence[str] = ()  # by which influence, of which model
    asked: Sequence[Asked] = ()
    pictures: Mapping[int, bytes] = field(default_factory=dict)  # of training examples, by number
    size: tuple[int, int] = (1, 1)  # width and height of a picture
    orders: Sequence[tuple[str, Literal["up", "down"]]] = ()  # for each score, how it is called and where it begins
    labelled: bool = True
    note: str = ""


@dataclass(frozen=True)
class Gallery(Section):
    """Failures as cards with all their scores; each leads to its row in the grid."""

    kind: ClassVar[str] = "gallery"
    samples: Sequence[Shown] = ()
    scores: Sequence[str] = ()
    written: Mapping[int, Sequence[str]] = field(default_factory=dict)  # by sample, the scores as they are read
    worst_first: Sequence[Literal["up", "down"]] = ()


@dataclass(frozen=True)
class Curves(Section):
    """Charts, such as those of a training."""

    kind: ClassVar[str] = "curves"
    charts: Sequence[Chart] = ()


@dataclass(frozen=True)
class Dotted:
    """One line of a dot plot: a dot a seed, a bar for the interval of their mean."""

    name: str
    values: Sequence[float]
    mean: float
    low: float
    high: float
    control: bool = False


@dataclass(frozen=True)
class Dots(Section):
    """Every seed as a dot, so that nobody takes a mean of two for a law."""

    kind: ClassVar[str] = "dots"
    lines: Sequence[Dotted] = ()
    metric: str = ""


@dataclass(frozen=True)
class Card:
    """A protocol: everything besides its name that decides a number."""

    name: str
    id: str
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Cards(Section):
    """How it was measured."""

    kind: ClassVar[str] = "cards"
    cards: Sequence[Card] = ()


@dataclass(frozen=True)
class Cost(Section):
    """What it took, and what is assumed where it could not be measured."""

    kind: ClassVar[str] = "facts"
    facts: Sequence[tuple[str, str]] = ()
    note: str = ""


@dataclass(frozen=True)
class Licences(Section):
    """On what terms the data may be used."""

    kind: ClassVar[str] = "facts"
    facts: Sequence[tuple[str, str]] = ()
    note: str = ""


@dataclass(frozen=True)
class Provenance(Section):
    """Versions, weights, seeds, machine."""

    kind: ClassVar[str] = "facts"
    facts: Sequence[tuple[str, str]] = ()
    note: str = ""


@dataclass(frozen=True)
class Picture(Section):
    """A picture that was drawn before, such as a contact sheet. It may be wider than a phone."""

    kind: ClassVar[str] = "picture"
    image: bytes = b""  # PNG, JPEG or WebP
    alt: str = ""
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Words(Section):
    """Sentences, as a list or as paragraphs."""

    kind: ClassVar[str] = "words"
    sentences: Sequence[str] = ()
    listed: bool = True


@dataclass(frozen=True)
class Page:
    """A run: verdict first."""

    title: str
    verdict: Sequence[str] = ()
    sections: Sequence[Section] = ()
    about: Sequence[tuple[str, str]] = ()  # under the title: model, data, how many samples
    command: str = ""  # that makes it again
    warnings: Sequence[str] = ()
    version: str = ""
