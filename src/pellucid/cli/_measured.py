"""What evaluate, audit and compare share: members and metrics by name, numbers as written, the facts of a run."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pellucid import grammar
from pellucid.errors import BadFile, UnknownName, did_you_mean
from pellucid.files import write_atomically
from pellucid.results.plain import as_text

CONTROLS = ("edges", "random-map")  # explainers that know nothing of the model
ARROWS = {"higher": " ↑", "lower": " ↓"}  # which side of a metric is better
RUN = "run.json"
NEEDED = ("model", "network", "weights", "classes", "names", "size", "transform", "dataset", "seed")


# --- as it is written -------------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Three digits that count.

    >>> number(0.25), number(-1234.5), number(100), number(-0.0), number(float("nan"))
    ('0.250', '−1.23e+03', '100', '0', '–')
    """
    if not value:
        return "0"
    return "–" if math.isnan(value) else f"{value:#.3g}".rstrip(".").replace("-", "−", 1 if value < 0 else 0)


def valued(value: float, metric: str) -> str:
    """A value of a metric: a percentage of an accuracy.

    >>> valued(0.25, "insertion"), valued(0.25, "accuracy:k=5")
    ('0.250', '25.0 %')
    """
    return f"{number(100 * value)} %" if name_of(metric) == "accuracy" else number(value)


def chance(p: float) -> str:
    """
    >>> chance(0.0001), chance(0.0123), chance(1.0)
    ('< 0.001', '0.012', '1')
    """
    return "–" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.2g}"


def interval(low: float, high: float, metric: str) -> str:
    """Where a value may lie.

    >>> interval(0.125, 0.4, "accuracy"), interval(float("nan"), 1.0, "insertion")
    ('12.5 to 40.0 %', '–')
    """
    if math.isnan(low) or math.isnan(high):
        return "–"
    return f"{valued(low, metric).removesuffix(' %')} to {valued(high, metric)}"


def entry(explainer: str, ask: str) -> str:
    """An explainer with its question.

    >>> entry("grad-cam", "logit"), entry("edges", "none")
    ('grad-cam · logit', 'edges')
    """
    return explainer if ask == "none" else f"{explainer} · {ask}"


def is_control(explainer: str) -> bool:
    """
    >>> is_control("random-map:cells=7"), is_control("smooth@edges"), is_control("grad-cam")
    (True, True, False)
    """
    if explainer == "none":
        return False
    item = grammar.read(explainer)
    while item.inner is not None:
        item = item.inner
    return item.name in CONTROLS


# --- by name ----------------------------------------------------------------------------------------------------------


def made(family: Any, texts: Sequence[str]) -> list[Any]:
    """Members from texts that may be lists, each once."""
    return list(dict.fromkeys(family.make(item) for text in texts for item in grammar.read_list(text)))


def name_of(text: str) -> str:
    """
    >>> name_of("insertion:protocol=rise")
    'insertion'
    """
    return text.partition("@")[0].partition(":")[0]


def matching(word: str, known: Iterable[str], option: str) -> list[str]:
    """The text forms that a word means: itself, or all of that name whatever their knobs.

    >>> matching("insertion", ["insertion:curve=true", "deletion"], "--metric")
    ['insertion:curve=true']
    """
    known = list(dict.fromkeys(known))
    found = [word] if word in known else [text for text in known if name_of(text) == word]
    if not found:
        raise UnknownName(f"{option} names {word!r}, which is not measured; {did_you_mean(word, known)}")
    return found


# --- the facts of a run -----------------------------------------------------------------------------------------------


def write_run(out: Path, about: Mapping[str, Any]) -> None:
    """Before the work begins, so that a killed run can be looked at."""
    write_atomically(out / RUN, as_text(about).encode())


def read_run(folder: Path) -> dict[str, Any]:
    """How a folder was measured."""
    path = folder / RUN
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        return {name: about[name] for name in NEEDED} | about
    except FileNotFoundError:
        raise BadFile(
            f"{path} is not there, so nobody knows which model to load; measure it with pellucid evaluate."
        ) from None
    except (ValueError, KeyError, TypeError, OSError) as cause:
        raise BadFile(f"{path} does not say how it was measured ({cause}); run pellucid evaluate again.") from None
