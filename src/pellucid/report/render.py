"""Render: a page as one HTML file that asks nobody for anything.

Style and script are files of this package and go in whole; the pictures of samples become rules of a style sheet, so
that each is there once however often it lies below a map. The page forbids itself every request, and every script and
style but its own, which it knows by their digests. All text is escaped by the templates; what no file may hold, such as
half a character, is replaced.
"""

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pellucid.report import chart, sheets, words
from pellucid.report.page import Examples, Gallery, Grid, Page, Section, Shown
from pellucid.show.scale import number

HOME = Path(__file__).parent
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")  # signs that would turn round what stands behind them


def html(page: Page, bare: bool = False) -> bytes:
    """The file. bare: the sections alone, for a frame.

    >>> b"&lt;script&gt;alert(1)&lt;/script&gt;" in html(Page("<script>alert(1)</script>"))
    True
    """
    styles = [asset("report.css"), _rules(page)]
    scripts = [asset("report.js")]
    made = _templates().get_template("bare.html.j2" if bare else "page.html.j2").render(
        page=page, styles=[Markup(s) for s in styles], scripts=[Markup(s) for s in scripts],
        policy=_policy(styles, scripts), sections=list(_named(page)),
    )  # fmt: skip
    return made.encode()


def asset(name: str) -> str:
    """A file that goes in whole."""
    return (HOME / "assets" / name).read_text(encoding="utf-8").strip()


def _policy(styles: list[str], scripts: list[str]) -> str:
    allowed = (("style-src", styles), ("script-src", scripts))
    rules = [f"{name} {' '.join(map(_digest, texts))}" for name, texts in allowed]
    return "; ".join(["default-src 'none'", "img-src data:", *rules, "base-uri 'none'", "form-action 'none'"])


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _rules(page: Page) -> str:
    """A rule for every picture."""
    pictures = {s.number: s for section in page.sections for s in _samples(section) if s.picture}
    made = [f".p{n}::before{{background-image:url({uri(s.picture)})}}" for n, s in sorted(pictures.items())]
    small = [f".p{n}::before" for n, s in sorted(pictures.items()) if max(s.size) <= 64]
    for name, picture, size in _examples(page):
        made.append(f".{name}::before{{background-image:url({uri(picture)})}}")
        small += [f".{name}::before"] if max(size) <= 64 else []
    return "\n".join([*made, f"{','.join(small)}{{image-rendering:pixelated}}" if small else ""])


def _samples(section: Section) -> list[Shown]:
    return list(section.samples) if isinstance(section, Grid | Gallery) else []


def _examples(page: Page) -> Iterator[tuple[str, bytes, tuple[int, int]]]:
    """Test examples are t3, training examples n17."""
    for section in page.sections:
        if isinstance(section, Examples):
            yield from ((f"t{one.number}", one.picture, section.size) for one in section.asked if one.picture)
            yield from ((f"n{n}", picture, section.size) for n, picture in sorted(section.pictures.items()))


def _named(page: Page) -> Iterator[tuple[str, Section]]:
    """Every section with the name by which it is linked."""
    for i, section in enumerate(page.sections, 1):
        word = re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-")
        yield f"s{i}-{word}"[:40], section


# --- what templates may ask -------------------------------------------------------------------------------------------


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HOME / "templates"), autoescape=True, undefined=StrictUndefined, finalize=sound,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    more: Any = {
        "drawn": chart.drawn, "dotted": chart.dotted, "ramp": sheets.ramp, "shades": shades, "shade_of": shade_of,
        "explainers": explainers, "questions": questions, "number": number, "score": words.score,
    }  # fmt: skip
    made.filters.update(uri=uri, numbers=numbers, soft=soft)
    made.globals.update(more)
    return made


def sound(thing: Any) -> Any:
    """Text without what HTML does not allow, or what would turn the line round.

    >>> sound("a\\x00b"), sound("photo\\udce9"), sound("x\\u202egpj")
    ('a\ufffdb', 'photo\ufffd', 'x\ufffdgpj')
    """
    if thing is None:
        return ""
    if isinstance(thing, Markup) or not isinstance(thing, str):
        return thing
    return TURNING.sub("\ufffd", FORBIDDEN.sub("\ufffd", thing))


def soft(text: Any) -> Markup:
    """A text form that may be broken behind its signs, so that no word of it is cut.

    >>> soft("grad-cam:layer=x")
    Markup('grad-cam:<wbr>layer=<wbr>x')
    """
    parts = re.split(r"(?<=[:=,@/])(?=[^\s:=,@/])", str(sound(text)))
    return Markup("<wbr>").join(escape(part) for part in parts)


def uri(file: bytes) -> Markup:
    """A picture as an address of its own.

    >>> uri(b"\\x89PNG")
    Markup('data:image/png;base64,iVBORw==')
    """
    kinds = {b"\x89PNG": "png", b"RIFF": "webp", b"\xff\xd8\xff": "jpeg"}
    kind = next((kind for start, kind in kinds.items() if file.startswith(start)), "png")
    return Markup(f"data:image/{kind};base64,{base64.b64encode(file).decode()}")


def numbers(values: Any) -> str:
    """Scores for the script; what is unknown is null.

    >>> numbers([0.25, None, float("nan")])
    '[0.25, null, null]'
    """
    return json.dumps([None if v is None or not math.isfinite(v) else float(f"{v:.6g}") for v in values])


def explainers(grid: Grid) -> list[str]:
    """Each once."""
    return list(dict.fromkeys(column.explainer for column in grid.columns))


def questions(grid: Grid) -> list[str]:
    """Each once."""
    return list(dict.fromkeys(column.ask for column in grid.columns if column.ask != "none"))


def shade_of(grid: Grid) -> dict[int, int]:
    """The colour of every column that has a line, the same in every chart; the last is left for what has no column."""
    drawn = {line.column for one in grid.samples for c in one.charts for line in c.lines if line.column is not None}
    return {column: i % (chart.SHADES - 1) for i, column in enumerate(sorted(drawn))}


def shades(lines: Any, known: dict[int, int]) -> list[int]:
    """The colours of a chart's lines."""
    return [chart.SHADES - 1 if line.column is None else known[line.column] for line in lines]
