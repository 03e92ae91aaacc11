"""The demo's page and its summary: one file that asks for nothing from outside, and the same in Markdown."""

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from pellucid.cli._demo_words import BASE, Number, Numbers
from pellucid.cli._measured import ARROWS, interval, valued

if TYPE_CHECKING:
    from PIL.Image import Image

    from pellucid.cli._demo_pictures import Compared, Shown

PARTS = {
    "in": "like those it learned from",
    "out": "the ground tells nothing",
    "maps": "",
    "two": "scenes of two things",
}
STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --soft: #666; --line: #ddd; --paper: #fff; --good: #10672f;
  --bad: #a3261b }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --soft: #a0a0a0; --line: #3a3a3a; --paper: #16181b;
  --good: #6fcf8b; --bad: #ff8d80 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1rem; max-width: 62rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .6rem 0 }
h2 { font-size: 1.15rem; margin: 2rem 0 .4rem }
p { max-width: 46rem; margin: .5rem 0 }
p.lead { font-size: 1.05rem }
.soft, small { color: var(--soft) }
.wide { overflow-x: auto; margin: .6rem 0 }
.wide > img { display: block; border-radius: 4px }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line) }
td { white-space: nowrap }
td small, th small { display: block; font-weight: normal }
.better { color: var(--good) } .worse { color: var(--bad) }
.tiles { display: grid; gap: .35rem; max-width: 40rem; font-size: .8rem; line-height: 1.25 }
.tiles img { width: 100%; display: block; image-rendering: auto }
.tiles b { align-self: end }
.scale { display: flex; gap: .5rem; align-items: center; max-width: 22rem; font-size: .8rem; margin: .5rem 0 }
.scale i { flex: 1; height: .6rem; border: 1px solid var(--line) }
@media (max-width: 40rem) { th, td { padding-right: .5rem; font-size: .9rem } td { white-space: normal } }
"""
RAMPS = {True: "#00f, #fff, #f00", False: "#000004, #57106e, #bc3754, #f98e09, #fcffa4"}


# --- the table --------------------------------------------------------------------------------------------------------


def lines_of(found: Numbers) -> list[tuple[str, str, list[Number]]]:
    """Measure, where and by which explainer, and a number for every objective."""
    first = next(iter(found.values()))
    made = []
    for number in first:
        key = number.part, number.explainer, number.metric
        row = [next(n for n in some if (n.part, n.explainer, n.metric) == key) for some in found.values()]
        about = [PARTS[number.part], "" if number.explainer == "none" else number.explainer]
        made.append((number.metric + ARROWS.get(number.better, ""), ", ".join(filter(None, about[::-1])), row))
    return made


def markdown(
    sentences: Sequence[str], found: Numbers, about: Sequence[str], pictures: Sequence[tuple[str, str]]
) -> str:
    """summary.md"""
    head = ["measure", "where", *found]
    table = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for metric, where, row in lines_of(found):
        table.append(f"| {metric} | {where} | {' | '.join(_cell(n) for n in row)} |")
    images = [f"![{said}]({name})" for name, said in pictures]
    return "\n\n".join([*sentences, "\n".join(table), *about, *images]) + "\n"


def _cell(n: Number) -> str:
    mean = valued(n.mean, n.metric)
    return f"{mean} ({interval(n.low, n.high, n.metric)})" if n.says_nothing else f"{mean}; {n.gap} {_word(n)}"


def _word(n: Number) -> str:
    return f"**{n.says}**" if n.says in ("better", "worse") else n.says


def _table(found: Numbers) -> str:
    rows = ["".join(f"<th>{escape(name)}</th>" for name in ("", *found))]
    for metric, where, row in lines_of(found):
        rows.append(f"<th>{escape(metric)}<small>{escape(where)}</small></th>" + "".join(map(_td, row)))
    return f"<div class=wide><table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table></div>"


def _td(n: Number) -> str:
    mean = escape(valued(n.mean, n.metric))
    if n.says_nothing:
        return f"<td>{mean}<small>{escape(interval(n.low, n.high, n.metric))}</small></td>"
    kind = n.says if n.says in ("better", "worse") else ""
    return f"<td>{mean}<small>{escape(n.gap)}</small><small class='{kind}'>{n.says}</small></td>"


# --- the page ---------------------------------------------------------------------------------------------------------


def page(sentences: Sequence[str], found: Numbers, about: Sequence[str], parts: Sequence[str]) -> str:
    """index.html. parts: what is below the table."""
    lead = "".join(f"<p{' class=lead' if i < len(found) - 1 else ''}>{escape(s)}</p>" for i, s in enumerate(sentences))
    note = (
        f"Means over seeds and scenes with their 95 % intervals; below those of the others the difference to {BASE} on "
        "the same scenes. ↑ more is better, ↓ less is better."
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Pellucid: better reasons?</title>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<link rel=icon href='data:,'><style>{STYLE}</style>"
        f"<h1>Does training towards better reasons give them?</h1>{lead}"
        f"<h2>What was measured</h2><p class=soft>{escape(note)}</p>{_table(found)}"
        f"{''.join(parts)}<h2>How it was done</h2>{''.join(f'<p>{escape(text)}</p>' for text in about)}</html>\n"
    )


def tiles(compared: "Compared", shown: "Shown", answers: Sequence[Sequence[str]]) -> str:
    """Scenes in rows, networks in columns, with what each says it is."""
    names = ["scene", *compared.maps]
    cells = [f"<b>{escape(name)}</b>" for name in names]
    for i, row in enumerate(compared.tiles(shown)):
        said = [shown.names[i], *(one[i] for one in answers)]
        for name, picture, text in zip(names, row, said, strict=True):
            alt = escape(f"{name}: {text}", quote=True)
            cells.append(f"<div><img alt='{alt}' src='{uri(picture)}'><span class=soft>{escape(text)}</span></div>")
    low = f"−{compared.limit:.2g}" if compared.signed else "0"
    ramp = f"<i style='background: linear-gradient(90deg, {RAMPS[compared.signed]})'></i>"
    grid = f"<div class=tiles style='grid-template-columns: repeat({len(names)}, 1fr)'>{''.join(cells)}</div>"
    scale = f"<div class=scale><span>{low}</span>{ramp}<span>{compared.limit:.2g} ‰ of a map</span></div>"
    return f"<h2>Where they look: {escape(compared.explainer)}</h2>{scale}{grid}"


def figure(title: str, text: str, picture: "Image", alt: str) -> str:
    """A picture that may be wider than a phone: it is moved sideways there."""
    image = f"<img alt='{escape(alt, quote=True)}' width={picture.width} height={picture.height} src='{uri(picture)}'>"
    return f"<h2>{escape(title)}</h2><p class=soft>{escape(text)}</p><div class=wide>{image}</div>"


def uri(picture: "Image") -> str:
    """The picture itself, as an address.

    >>> from PIL import Image
    >>> uri(Image.new("RGB", (8, 8)))[:23]
    'data:image/jpeg;base64,'
    """
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=86, subsampling=0, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
