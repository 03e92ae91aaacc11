"""Tables: the sentences and tables of a page as Markdown, LaTeX (booktabs) or CSV, each escaped for where it goes."""

import csv as lines
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pellucid.report.page import (
    Cards,
    Cell,
    Cost,
    Dots,
    Examples,
    Licences,
    Near,
    Page,
    Provenance,
    Row,
    Section,
    Table,
    Words,
)  # fmt: skip
from pellucid.report.render import html, sound
from pellucid.report.words import number, score

MARKED = re.compile(r"([\\`*_{}\[\]<>()#+!|~$])")
TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "−": "$-$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\to$",
    "·": r"$\cdot$", "±": r"$\pm$", "–": "--", "×": r"$\times$", "≥": r"$\geq$", "≤": r"$\leq$", "₂": r"$_2$",
}  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with which a spreadsheet begins to compute


def written(page: Page, form: str) -> bytes:
    """In html, md, tex or csv."""
    makers: dict[str, Any] = {"html": html, "md": markdown, "tex": latex, "csv": csv}
    made = makers[form](page)
    return made if isinstance(made, bytes) else made.encode()


def _tables(page: Page) -> Iterator[Table]:
    """All that is a table, or can be read as one."""
    for section in page.sections:
        if isinstance(section, Table):
            yield section
        elif isinstance(section, Dots):
            rows = [
                Row(d.name, (Cell(number(d.mean), "", "", d.mean, d.low, d.high), ", ".join(map(number, d.values))))
                for d in section.lines
            ]
            yield Table(section.title, ("", "mean", "each seed"), rows)
        elif isinstance(section, Examples):
            yield _strongest(section)


def _strongest(section: Examples) -> Table:
    """A line a test example and who answers."""
    several = len(section.who) > 1
    rows = [
        Row(
            f"{one.title} · {section.who[answer.who]}" if several else one.title,
            (_listed(answer.supporters), _listed(answer.opponents)),
        )
        for one in section.asked
        for answer in one.answers
    ]
    return Table(section.title, ("test example", "supporters", "opponents"), rows, section.note)


def _listed(found: Sequence[Near]) -> str:
    return ", ".join(f"{one.number} {one.label}".strip() + f" ({score(one.score)})" for one in found)


# --- Markdown ---------------------------------------------------------------------------------------------------------


def markdown(page: Page) -> str:
    """A page for a wiki or a pull request.

    >>> print(markdown(Page("A *run*", ("Fine.",), (Table("T", ("who", "sch ↑"), (Row("a|b", ("0.5",)),)),))))
    # A \\*run\\*
    <BLANKLINE>
    Fine.
    <BLANKLINE>
    ## T
    <BLANKLINE>
    | who | sch ↑ |
    |---|---|
    | a\\|b | 0.5 |
    <BLANKLINE>
    """
    parts = [f"# {marked(page.title)}", *map(marked, page.verdict)]
    parts += [f"**Beware.** {marked(sentence)}" for sentence in page.warnings]
    if page.about:
        parts.append("\n".join(f"- {marked(word)}: {marked(what)}" for word, what in page.about))
    for section in page.sections:
        parts += _in_markdown(section)
    if page.command:
        parts += ["## Make it again", _fenced(page.command)]
    return "\n\n".join(parts) + "\n"


def _in_markdown(section: Section) -> list[str]:
    head = f"## {marked(section.title)}"
    if isinstance(section, Table | Dots | Examples):
        [table] = _tables(Page("", sections=(section,)))
        return [head, _marked_table(table), *([marked(table.note)] if table.note else [])]
    if isinstance(section, Cost | Licences | Provenance):
        facts = "\n".join(f"- {marked(word)}: {marked(what)}" for word, what in section.facts)
        return [head, facts, *([marked(section.note)] if section.note else [])]
    if isinstance(section, Cards):
        cards = [f"- {marked(c.name)} ({marked(c.id)}): " + marked("; ".join(f"{k} {v}" for k, v in c.facts.items()))
                 for c in section.cards]  # fmt: skip
        return [head, "\n".join(cards)]
    if isinstance(section, Words):
        return [head, "\n".join(f"- {marked(sentence)}" for sentence in section.sentences)]
    return []  # pictures stay on the page


def _marked_table(table: Table) -> str:
    rows = [f"| {' | '.join(map(marked, table.columns))} |", f"|{'---|' * len(table.columns)}"]
    for row in table.rows:
        head = f"{row.head} ({row.small})" if row.small else row.head
        rows.append(f"| {' | '.join(marked(text) for text in (head, *map(_said, row.cells)))} |")
    return "\n".join(rows)


def marked(text: str) -> str:
    """Text that Markdown takes for nothing else.

    >>> marked("<b>[x](y)_z")
    '\\\\<b\\\\>\\\\[x\\\\]\\\\(y\\\\)\\\\_z'
    """
    line = " ".join(str(sound(text)).split())
    return re.sub(r"^(\d+)\.(?=\s|$)", r"\1\\.", re.sub(r"^-", r"\\-", MARKED.sub(r"\\\1", line.replace("&", "&amp;"))))


def _fenced(text: str) -> str:
    longest = max((len(found) for found in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{sound(text)}\n{fence}"


def _said(cell: Cell | str) -> str:
    """As one line."""
    if isinstance(cell, str):
        return cell
    return f"{cell.text} ({cell.small})" if cell.small else cell.text


# --- LaTeX ------------------------------------------------------------------------------------------------------------


def latex(page: Page) -> str:
    """A table environment for every table; \\usepackage{booktabs} above."""
    made = [f"% {_commented(page.title)}", r"% needs \usepackage{booktabs}"]
    made += [f"% {_commented(sentence)}" for sentence in (*page.verdict, *page.warnings)]
    return "\n\n".join(["\n".join(made), *(_in_latex(table) for table in _tables(page))]) + "\n"


def _in_latex(table: Table) -> str:
    numbers = [any(isinstance(r.cells[i], Cell) and r.cells[i].value is not None for r in table.rows  # type: ignore[union-attr]
                   if i < len(r.cells)) for i in range(len(table.columns) - 1)]  # fmt: skip
    spec = "l" + "".join("r" if right else "l" for right in numbers)
    rows = [" & ".join(map(tex, (row.head, *map(_said, row.cells)))) + r" \\" for row in table.rows]
    note = tex(" ".join(filter(None, (table.title + ".", table.note))))
    return "\n".join([
        r"\begin{table}", r"\centering", rf"\caption{{{note}}}", rf"\begin{{tabular}}{{{spec}}}", r"\toprule",
        " & ".join(map(tex, table.columns)) + r" \\", r"\midrule", *rows, r"\bottomrule", r"\end{tabular}",
        r"\end{table}",
    ])  # fmt: skip


def tex(text: str) -> str:
    """Text that LaTeX sets as it is.

    >>> tex("50 % of_all {x} ↑")
    '50 \\\\% of\\\\_all \\\\{x\\\\} $\\\\uparrow$'
    """
    return "".join(TEX.get(sign, sign) for sign in " ".join(str(sound(text)).split()))


def _commented(text: str) -> str:
    return " ".join(str(sound(text)).split())


# --- CSV --------------------------------------------------------------------------------------------------------------


def csv(page: Page) -> str:
    """A line a number: table, row, column, value, low, high; text where there is no number."""
    file = io.StringIO()
    writer = lines.writer(file, lineterminator="\n")
    writer.writerow(["table", "row", "column", "value", "low", "high", "text"])
    for table in _tables(page):
        for row in table.rows:
            for name, cell in zip(table.columns[1:], row.cells, strict=False):
                writer.writerow(_line(table.title, row.head, name, cell))
    return file.getvalue()


def _line(table: str, row: str, column: str, cell: Cell | str) -> Sequence[str]:
    one = Cell(cell) if isinstance(cell, str) else cell
    values = ["" if v is None or v != v else repr(float(v)) for v in (one.value, one.low, one.high)]
    return [inert(table), inert(row), inert(column), *values, inert(_said(one))]


def inert(text: str) -> str:
    """Text that a spreadsheet does not compute.

    >>> inert("=1+1"), inert("grad-cam")
    ("'=1+1", 'grad-cam')
    """
    said = str(sound(text))
    return f"'{said}" if said.startswith(FORMULA) else said
