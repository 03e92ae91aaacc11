"""Knobs: the typed fields of a named thing, from text and back.

A knob's annotation says everything: what values it takes, how its text is read, and the sentence
that refuses the rest.

>>> read("0.5", float), read(["layer3", "layer4"], str | tuple[str, ...]), read("none", str | None)
(0.5, ('layer3', 'layer4'), None)
>>> write(0.5, float), write("none", str | None), write(True, bool)
('0.5', '"none"', 'true')
"""

import functools
import hashlib
import math
import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pellucid import grammar
from pellucid.errors import article
from pellucid.grammar import Item, Quoted


class Unfit(Exception):
    """A value that an annotation does not take; whoever knows the knob's name writes the sentence."""


@dataclass(frozen=True)
class Between:
    """The range of a number: `samples: Annotated[int, Between(1)]`."""

    least: float = -math.inf
    most: float = math.inf

    def __str__(self) -> str:
        if self.most == math.inf:
            return f"of at least {self.least:g}"
        return f"from {self.least:g} to {self.most:g}"

    def check(self, value: float) -> None:
        if not self.least <= value <= self.most:
            raise Unfit


Scalar = bool | int | float | str | None
Free = Scalar | tuple[Scalar, ...] | tuple[tuple[Scalar, ...], ...]  # whatever its text looks like


class Rest(Mapping[str, Any]):
    """The annotation of a knob that takes all names which are no knobs: what somebody else will understand.

    >>> Rest({"b": [1, 2], "a": "x"})
    Rest({'a': 'x', 'b': (1, 2)})
    """

    def __init__(self, said: Mapping[str, Any] | None = None) -> None:
        self._said = {key: _tupled(value) for key, value in sorted((said or {}).items())}

    def __getitem__(self, key: str) -> Any:
        return self._said[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._said)

    def __len__(self) -> int:
        return len(self._said)

    def __hash__(self) -> int:
        return hash(tuple(self._said))

    def __repr__(self) -> str:
        return f"Rest({self._said or ''!s})"


def _tupled(value: Any) -> Any:
    return tuple(map(_tupled, value)) if isinstance(value, list | tuple) else value


def _options(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of a union, or the one there is."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _parse_of(annotation: Any) -> Callable[[Any], Any] | None:
    """Named families know how to make themselves out of a text form."""
    return getattr(annotation, "make", None) if isinstance(annotation, type) else None


def fit(value: Any, annotation: Any) -> Any:
    """The value as the knob keeps it (a list as a tuple, 3 as 3.0 for a float), or Unfit."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        value = fit(value, args[0])
        for constraint in args[1:]:
            # of a union, only the numbers have a range
            if isinstance(constraint, Between) and isinstance(value, int | float) and not isinstance(value, bool):
                constraint.check(value)
        return value
    if origin in (Union, types.UnionType):
        for option in sorted(args, key=lambda a: type(value) is not a):
            try:
                return fit(value, option)
            except Unfit:
                pass
        raise Unfit
    if annotation is Any:
        return value
    if annotation is Rest:
        named = isinstance(value, Mapping) and all(isinstance(k, str) and grammar.KEY.fullmatch(k) for k in value)
        return Rest(value) if named else _refuse()
    if annotation is None or annotation is type(None):
        ok = value is None
    elif origin is Literal:
        ok = any(type(value) is type(a) and value == a for a in args)
    elif annotation is bool:
        ok = isinstance(value, bool)
    elif annotation is int:
        ok = isinstance(value, int) and not isinstance(value, bool)
    elif annotation is float:
        ok = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if ok else _refuse()
    elif origin is tuple:
        return _fit_tuple(value, args)
    elif annotation is Callable or origin is Callable or getattr(annotation, "__name__", "") == "Callable":
        ok = callable(value)
    elif (make := _parse_of(annotation)) and isinstance(value, str):
        return make(value)
    else:
        ok = isinstance(value, annotation)
    return value if ok else _refuse()


def _refuse() -> Any:
    raise Unfit


def _fit_tuple(value: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise Unfit
    if len(args) == 2 and args[1] is ...:
        return tuple(fit(v, args[0]) for v in value)
    if len(args) != len(value):
        raise Unfit
    return tuple(fit(v, a) for v, a in zip(value, args, strict=True))


def read(tree: grammar.Value, annotation: Any) -> Any:
    """The value that a piece of text stands for, or Unfit."""
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is Free and isinstance(tree, str) and not isinstance(tree, Quoted) and tree.startswith("<"):
        raise Unfit  # stands for what has no text
    if origin is Annotated:
        return fit(read(tree, args[0]), annotation)
    if origin in (Union, types.UnionType):
        # a string takes anything, so it is asked last
        for option in sorted(args, key=lambda a: a is str):
            try:
                return read(tree, option)
            except Unfit:
                pass
        raise Unfit
    if make := _parse_of(annotation):
        return make(tree) if isinstance(tree, Item | str) and not isinstance(tree, Quoted) else _refuse()
    if isinstance(tree, list):
        inner = args[0] if len(args) == 2 and args[1] is ... else None
        if origin is not tuple or (inner is None and len(args) != len(tree)):
            raise Unfit
        return tuple(read(t, inner if inner is not None else a) for t, a in zip(tree, args if inner is None else tree))
    if isinstance(tree, Item):
        raise Unfit
    if annotation is str:
        return str(tree)
    if isinstance(tree, Quoted):
        return fit(str(tree), annotation)
    return fit(_scalar(tree, annotation), annotation)


def _scalar(text: str, annotation: Any) -> Any:
    if annotation in (None, type(None)) and text == "none":
        return None
    if annotation is bool and text in ("true", "false"):
        return text == "true"
    if annotation is int and re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    if annotation is float:
        try:
            return float(text)
        except ValueError:
            raise Unfit from None
    if get_origin(annotation) is Literal:
        for option in get_args(annotation):
            if str(option) == text:
                return option
    raise Unfit


def write(value: Any, annotation: Any) -> str:
    """The text of a value: `read(write(v)) == v`, or `<name sha8>` where there is no text."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        text = next(t for t in (f"{value:g}", repr(value)) if float(t) == value or math.isnan(value))
        return text if annotation not in (Free, Scalar) or isinstance(read(text, Scalar), float) else repr(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        element = next((get_args(o)[0] for o in _flat(annotation) if get_origin(o) is tuple), str)
        return "[" + ",".join(write(v, element) for v in value) + "]"
    if isinstance(value, str):
        return value if grammar.is_bare(value) and _stays_text(value, annotation) else grammar.quote(value)
    if isinstance(value, Rest):
        return repr(value)  # of the knob itself; a text form says what is in it
    if _parse_of(type(value)):
        text = str(value)
        return text if grammar.is_bare(text) and ":" not in text else f"({text})"
    return f"<{fingerprint(value)}>"


def _stays_text(text: str, annotation: Any) -> bool:
    """Whether the bare text is read as this text, and not as a number, a truth value or none."""
    back = read(text, annotation)
    return isinstance(back, str) and back == text and not text.startswith("<")


def _flat(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _flat(get_args(annotation)[0])
    options = _options(annotation)
    return [o for option in options for o in (_flat(option) if option is not annotation else [option])]


def describe(annotation: Any) -> str:
    """What a knob takes, in words for an error.

    >>> describe(Annotated[int, Between(1)] | Literal["all"] | None), describe(tuple[int, int])
    ('a whole number of at least 1, all or none', 'a list of 2 (each a whole number)')
    """
    return either(_words(annotation))


def _words(annotation: Any) -> list[str]:
    """One entry an alternative."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return [" ".join([describe(args[0]), *(str(c) for c in args[1:])])]
    if origin in (Union, types.UnionType):
        return [word for a in args for word in _words(a)]
    if origin is Literal:
        return [str(a) for a in args]
    if origin is tuple:
        size = "a list" if args[-1] is ... else f"a list of {len(args)}"
        return [f"{size} (each {describe(args[0])})"]
    words = {bool: ["true", "false"], int: ["a whole number"], float: ["a number"], str: ["a text"]}
    if annotation in words:
        return words[annotation]
    if annotation is type(None):
        return ["none"]
    if getattr(annotation, "__name__", "") == Rest.__name__:
        return ["any other name=value"]
    if _parse_of(annotation):
        return [article(annotation.__name__.lower())]
    return [f"{article(getattr(annotation, '__name__', str(annotation)).lower())} (from Python only)"]


def either(words: list[str]) -> str:
    """
    >>> either(["a", "b", "c"])
    'a, b or c'
    """
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def has_text(annotation: Any) -> bool:
    """Whether any value of the knob can be written on a command line."""
    return any(
        o in (bool, int, float, str)
        or get_origin(o) in (Literal, tuple)
        or _parse_of(o)
        or getattr(o, "__name__", "") == Rest.__name__
        for o in _flat(annotation)
    )


def fingerprint(value: Any) -> str:
    """A name and eight hex digits of the content, for knobs that have no text.

    >>> fingerprint(len)
    'len a581f2ee'
    """
    name = getattr(value, "__name__", type(value).__name__)
    digest = hashlib.sha256()
    for part in _content(value):
        digest.update(part)
    return f"{re.sub(r'[^A-Za-z0-9_.-]', '', name) or 'value'} {digest.hexdigest()[:8]}"


def _content(value: Any) -> Iterator[bytes]:
    if hasattr(value, "state_dict"):
        yield addressless(value)  # a module without weights is told by its settings alone
        for key, tensor in value.state_dict().items():
            yield key.encode()
            yield from _content(tensor)
    elif hasattr(value, "detach"):
        import torch

        array = value.detach().cpu().contiguous()
        yield f"{array.dtype}{tuple(array.shape)}".encode()
        yield array.flatten().view(torch.uint8).numpy().tobytes()
    elif isinstance(value, functools.partial):
        for part in (value.func, *value.args, *value.keywords.items()):
            yield from _content(part)
    elif hasattr(value, "__code__"):
        code = value.__code__
        yield code.co_code + repr((code.co_names, [c for c in code.co_consts if not hasattr(c, "co_code")])).encode()
        for cell in value.__closure__ or ():
            yield from _content(cell.cell_contents)
    else:
        yield addressless(value)


def addressless(value: Any) -> bytes:
    """How a thing shows itself, without where it is in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value)).encode()
