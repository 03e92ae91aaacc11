"""The one text form: `name:knob=value,knob=value@inner`.

    item  = name [":" knob ("," knob)*] ["@" item]
    knob  = key "=" value
    value = "[" [value ("," value)*] "]" | "(" item ")" | json string | bare
    bare  = any characters but  , [ ] ( ) " @  and space

A wrapper takes what stands behind its @. Quotes keep a string a string: `"none"`, `"a,b"`. Objectives may be a sum of
items, `a+b`.

>>> read("smooth:samples=10@rise:layer=[a,b]")
Item(name='smooth', knobs={'samples': '10'}, inner=Item(name='rise', knobs={'layer': ['a', 'b']}, inner=None))
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, Union

from pellucid.errors import BadText

T = TypeVar("T")

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NEXT_KNOB = re.compile(r",(?=[A-Za-z_][A-Za-z0-9_]*=)")
BARE = re.compile(r'[^,\[\]()"@\s]+')
MARKS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]()]|\+(?=\s*[A-Za-z]|\s*$)')  # the plus of 1e+5 stands before a digit


class Quoted(str):
    """A value that stood in quotes: text, whatever it looks like."""

    __slots__ = ()


@dataclass
class Item:
    """A name with its knobs as they were written, and what it wraps."""

    name: str
    knobs: "dict[str, Value]" = field(default_factory=dict)
    inner: "Item | None" = None


Value = Union[str, list["Value"], Item]


class _Reader:
    """A cursor over the text."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def fail(self, wanted: str) -> BadText:
        found = f"has {self.text[self.at]!r} at character {self.at + 1}," if self.at < len(self.text) else "ends"
        return BadText(
            f"the text form {self.text!r} {found} where {wanted} was expected; write name:knob=value,knob=value@inner."
        )

    def take(self, mark: str) -> bool:
        if self.text.startswith(mark, self.at):
            self.at += len(mark)
            return True
        return False

    def match(self, pattern: re.Pattern[str], wanted: str) -> str:
        found = pattern.match(self.text, self.at)
        if not found:
            raise self.fail(wanted)
        self.at = found.end()
        return found.group()

    def close(self, mark: str) -> None:
        if not self.take(mark):
            raise self.fail(repr(mark))

    def item(self) -> Item:
        item = Item(self.match(NAME, "a name"))
        if self.take(":"):
            while True:
                key = self.match(KEY, "a knob")
                self.close("=")
                if key in item.knobs:
                    raise BadText(f"the text form {self.text!r} sets the knob {key} twice; set it once.")
                item.knobs[key] = self.value()
                # in a list, a comma may also begin the next item
                if not NEXT_KNOB.match(self.text, self.at):
                    break
                self.take(",")
        if self.take("@"):
            item.inner = self.item()
        return item

    def value(self) -> Value:
        if self.take("["):
            return self.several("]", self.value)
        if self.take("("):
            item = self.item()
            self.close(")")
            return item
        if self.text.startswith('"', self.at):
            try:
                text, self.at = json.JSONDecoder().raw_decode(self.text, self.at)
            except ValueError:
                raise self.fail("a string closed by a quote") from None
            return Quoted(text)
        return self.match(BARE, "a value")

    def several(self, end: str, one: Callable[[], T]) -> list[T]:
        values: list[T] = []
        while not self.take(end):
            if values:
                self.close(",")
            values.append(one())
        return values

    def finish(self) -> None:
        if self.at != len(self.text):
            raise self.fail("the end")


def read(text: str) -> Item:
    """The tree of one text form."""
    reader = _Reader(text.strip())
    item = reader.item()
    reader.finish()
    return item


def read_list(text: str) -> list[Item]:
    """One text form, or several as `[a,b]`.

    >>> [item.name for item in read_list("[grad-cam,smooth@rise]")]
    ['grad-cam', 'smooth']
    """
    text = text.strip()
    if not text.startswith("["):
        return [read(text)]
    reader = _Reader(text)
    reader.close("[")
    items = reader.several("]", reader.item)
    reader.finish()
    return items


def summands(text: str) -> list[str]:
    """The parts of a sum: a + stands before a name, outside of quotes and brackets.

    >>> summands('lico:words="a+b"+cgc:weight=1e+2')
    ['lico:words="a+b"', 'cgc:weight=1e+2']
    """
    parts, first, depth = [], 0, 0
    for mark in MARKS.finditer(text):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(mark.group(), 0)
        if mark.group() == "+" and depth == 0:
            parts.append(text[first : mark.start()])
            first = mark.end()
    return [*parts, text[first:]]


def quote(text: str) -> str:
    """A string that reads back as itself, whatever is in it."""
    return json.dumps(text, ensure_ascii=False)


def is_bare(text: str) -> bool:
    """Whether a string may stand without quotes, in a sum too."""
    return bool(BARE.fullmatch(text)) and len(summands(text)) == 1
