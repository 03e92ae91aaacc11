"""What autodoc reads is our docstrings: plain text, in which a name between backticks is code."""

import re
from typing import Any


def plain(_app: Any, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """`x` becomes ``x``; what the text says literally stays as it is; indented blocks are kept as they stand."""
    text = "\n".join(lines)
    text = re.sub(r"(?<!`)`([^`\n]+)`(?!`)", r"``\1``", text)
    text = re.sub(r"(?<=\w)\*(?=[\s,.)])|(?<!\w)\*(?=\w)|\|", lambda m: "\\" + m.group(), text)
    lines[:] = literal(text.split("\n"))


def literal(lines: list[str]) -> list[str]:
    """An indented block behind a blank line is a literal one."""
    found: list[str] = []
    inside = False
    for i, line in enumerate(lines):
        indented = line.startswith("    ")
        if indented and not inside and (i == 0 or not lines[i - 1].strip()):
            found += ["::", ""]
            inside = True
        elif line.strip() and not indented:
            inside = False
        found.append(line)
    return found


def setup(app: Any) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", plain)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
