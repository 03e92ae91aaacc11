"""Every error Pellucid raises, on one screen.

    PellucidError
    ├── UnknownName     LookupError    no such member, knob, layer, class: with the nearest ones
    ├── BadText         ValueError     a text form that cannot be read
    ├── BadKnob         ValueError     a knob's value outside what the knob takes
    ├── BadInput        ValueError     images, targets, maps, masks that do not fit
    ├── BadLayer        ValueError     a layer with no map, or with no say in the answer
    ├── BadQuestion     ValueError     a question with no meaning for this output
    ├── BadModel        RuntimeError   a model that does not do what the explainer needs
    ├── BadExplainer    TypeError      an explainer that breaks its promise
    ├── BadFile         OSError        a file that is missing, corrupt or cannot be written
    ├── Unfinished      RuntimeError   work of which a part failed
    └── MissingExtra    ImportError    an optional package, and how to get it

One sentence each: what was asked, what there is, what to write instead.
"""

import importlib
from collections.abc import Iterable
from difflib import get_close_matches
from types import ModuleType


class PellucidError(Exception):
    """The root: catch this to catch everything of ours."""


class UnknownName(PellucidError, LookupError):
    """A name that is in no list."""


class BadText(PellucidError, ValueError):
    """A text form that cannot be read."""


class BadKnob(PellucidError, ValueError):
    """A value that a knob does not take."""


class BadInput(PellucidError, ValueError):
    """Data that does not fit."""


class BadLayer(PellucidError, ValueError):
    """A layer that cannot carry an explanation."""


class BadQuestion(PellucidError, ValueError):
    """A question without a meaning here."""


class BadModel(PellucidError, RuntimeError):
    """A model that cannot be explained this way."""


class BadExplainer(PellucidError, TypeError):
    """An explainer that does not return what explainers return."""


class BadFile(PellucidError, OSError):
    """A file that cannot be read or written."""


class Unfinished(PellucidError, RuntimeError):
    """Work of which a part failed; the rest is done."""


class MissingExtra(PellucidError, ImportError):
    """An optional package that is not installed."""


def article(noun: str) -> str:
    """
    >>> article("int"), article("str")
    ('an int', 'a str')
    """
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def kind(thing: object) -> str:
    """What a thing is, for an error: "an int"."""
    return article(type(thing).__name__)


def listed(names: Iterable[object], most: int = 12) -> str:
    """Names as they are read: "a, b, c", the tail counted.

    >>> listed("abc"), listed("abcd", most=2)
    ('a, b, c', 'a, b and 2 more')
    """
    all_ = [str(name) for name in names]
    head = ", ".join(all_[:most])
    return head if len(all_) <= most else f"{head} and {len(all_) - most} more"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The half sentence that helps: the nearest names, or all of them.

    >>> did_you_mean("grad-cm", ["grad-cam", "rise"])
    'did you mean grad-cam?'
    >>> did_you_mean("xyz", ["grad-cam", "rise"])
    'there are grad-cam, rise.'
    """
    known = sorted(known)
    lower = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), lower, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(lower[name] for name in near)}?"
    return f"there are {listed(known, 24)}." if known else "there are none."


def need(module: str, extra: str, wanted_by: str) -> ModuleType:
    """Import an optional package where it is used, or say what to install."""
    try:
        return importlib.import_module(module)
    except ImportError as cause:
        raise MissingExtra(
            f"{wanted_by} needs the package {module.partition('.')[0]}, which is not installed; "
            f"run: pip install 'pellucid[{extra}]'."
        ) from cause
