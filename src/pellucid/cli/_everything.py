"""`-e all`: every explainer there is, the cheapest first; and a sheet of their answers, group by group."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import get_args

from PIL.Image import Image as Picture
from torch import Tensor

from pellucid.explainers import Explainer
from pellucid.explainers._base import Group
from pellucid.registry import catalog
from pellucid.show.layout import MARGIN
from pellucid.show.paragraphs import paragraphs
from pellucid.show.sheet import Column, contact_sheet
from pellucid.show.stacked import stacked
from pellucid.show.text import font, wrapped

WORDS = ("all", "all:quick")
ACROSS = 8  # the most maps beside each other

# what a pass costs, in forwards; the number of what is not a knob is a guess that orders well enough
UNITS = {"F": 1.0, "B": 2.0, "b": 0.5, "t": 0.5, "K": 512.0, "windows": 225.0, "segments": 49.0}


def every(quick: bool) -> list[Explainer]:
    """Every explainer that needs no word of the user's, the cheapest first; wrappers around what they usually wrap."""
    members = catalog("explainers")
    made = [_made(members[name], quick) for name in members]
    return sorted((one for one in made if isinstance(one, Explainer)), key=passes)


def _made(member: type, quick: bool) -> object:
    inner = member._inner()
    must = {f.name for f in dataclasses.fields(member) if f.default is dataclasses.MISSING} - {inner}
    if must:
        return None
    knobs = dict(member.quick) if quick else {}
    if inner and inner not in knobs:
        wrapped = member.quick.get(inner, "gradient")
        knobs[inner] = wrapped if quick else wrapped.partition(":")[0]
    return member(**knobs)


def passes(explainer: Explainer) -> float:
    """About how many forwards an image costs, by what its class says.

    >>> passes(Explainer.make("gradient")), passes(Explainer.make("smooth:samples=10@gradient"))
    (3.0, 30.0)
    """
    try:
        text = compile(explainer.cost.replace("·", "*"), explainer.name, "eval")
        return float(eval(text, {"__builtins__": {}}, _Numbers(explainer)))
    except (SyntaxError, TypeError, NameError):
        return float("inf")  # not in these words


class _Numbers(dict[str, float]):
    """What the letters and knobs in a cost stand for."""

    def __init__(self, explainer: Explainer) -> None:
        super().__init__(UNITS)
        self.explainer = explainer

    def __missing__(self, word: str) -> float:
        if word == "inner":
            return passes(getattr(self.explainer, "of"))  # noqa: B009
        return getattr(self.explainer, word)


def short(explainer: Explainer) -> str:
    """Its name, and those of what it wraps; all knobs are as the catalogue has them.

    >>> short(Explainer.make("smooth:samples=3@gradient"))
    'smooth@gradient'
    """
    inner = getattr(explainer, explainer._inner() or "", None)
    return f"{explainer.name}@{short(inner)}" if isinstance(inner, Explainer) else explainer.name


def duration(seconds: float) -> str:
    """
    >>> duration(0.0024), duration(3.14159)
    ('2 ms', '3.1 s')
    """
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def reasons(refused: Mapping[str, str], width: int) -> list[tuple[str, str]]:
    """Who had no answer, and under them why; those of one reason together.

    >>> reasons({"gwar": "no attention", "cam": "no head", "attention-rollout": "no attention"}, 400)
    [('gwar, attention-rollout', ''), ('', 'no attention'), ('cam', ''), ('', 'no head')]
    """
    said: list[tuple[str, str]] = []
    for why in dict.fromkeys(refused.values()):
        names = ", ".join(name for name in refused if refused[name] == why)
        said += [(line, "") for line in wrapped(names, font(11, bold=True), width - 2 * MARGIN)] + [("", why)]
    return said


def sheet_of_all(
    answers: Mapping[Explainer, Sequence[Column]],
    pictures: Sequence[Tensor | None],
    rows: Sequence[str],
    saturate: float,
    outlines: Sequence[Tensor | None],
    note: str,
    refused: Mapping[str, str],
) -> Picture:
    """Bands of maps, group by group, a few beside each other; at the end who had no answer, and why."""
    groups = get_args(Group)
    columns = [answers[e] for e in sorted(answers, key=lambda e: groups.index(e.group))]
    across = max(1, ACROSS // max(map(len, columns)))  # the questions of an explainer stay together
    bands: list[tuple[str, Picture]] = []
    for first in range(0, len(columns), across):
        band = [column for mine in columns[first : first + across] for column in mine]
        bands.append(("", contact_sheet(band, pictures, rows, saturate=saturate, outlines=outlines)))
    width = max(band.width for _, band in bands)
    if refused:
        bands.append(("No answer", paragraphs(reasons(refused, width), width)))
    return stacked([*bands, ("", paragraphs([("", note)], width))])
