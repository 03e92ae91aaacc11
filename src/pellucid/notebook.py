"""Notebook: how our things show themselves in one: small, alone, in the colours that are there, every word escaped."""

from collections.abc import Sequence
from html import escape

HEAD = "font-weight:600;margin-bottom:2px"
SOFT = "opacity:.75;margin-bottom:2px"
LINE = "border-bottom:1px solid rgba(128,128,128,.35)"
CELL = f"padding:2px 14px 2px 0;background:none;{LINE}"
MOST = 60  # rows


def card(title: str, facts: Sequence[str], body: str = "") -> str:
    """A title, lines below it, then what is HTML already.

    >>> "&lt;b&gt;" in card("<b>", [])
    True
    """
    lines = "".join(f'<div style="{SOFT}">{escape(fact)}</div>' for fact in facts)
    return f'<div style="line-height:1.45;overflow-x:auto"><div style="{HEAD}">{escape(title)}</div>{lines}{body}</div>'


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """left: how many columns are words; the others are numbers."""
    top = "".join(_cell("th", text, i < left) for i, text in enumerate(heads))
    some = ["".join(_cell("td", text, i < left) for i, text in enumerate(row)) for row in rows[:MOST]]
    more = f'<div style="{SOFT}">… {len(rows) - MOST:,} rows more</div>' if len(rows) > MOST else ""
    body = "".join(f'<tr style="background:none">{row}</tr>' for row in some)
    return f'<table style="border-collapse:collapse"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>{more}'


def _cell(tag: str, text: str, words: bool) -> str:
    side = "left" if words else "right;font-variant-numeric:tabular-nums"
    scope = ' scope="col"' if tag == "th" else ""
    return f'<{tag}{scope} style="{CELL};text-align:{side}">{escape(text)}</{tag}>'


def image(png: bytes, alt: str) -> str:
    """A picture with its words."""
    import base64

    text = base64.b64encode(png).decode()
    return f'<img style="max-width:100%" alt="{escape(alt, quote=True)}" src="data:image/png;base64,{text}">'
