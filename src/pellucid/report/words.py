"""Words: numbers as they are written on the console and on a page, and what an explainer is called."""

import math
from collections.abc import Sequence
from typing import Any

from pellucid import grammar
from pellucid.show.scale import number as plain

CONTROLS = ("edges", "random-map")  # explainers that know nothing of the model
ARROWS = {"higher": " ↑", "lower": " ↓"}  # which side of a metric is better
ABOUT = {
    "undefined": "–",
    "sides": "↑ more is better, ↓ less is better.",
    "controls": "A control knows nothing of the model: what is no better than it says nothing.",
}


def number(value: float) -> str:
    """Three digits that count; none of what rounding left of zero.

    >>> number(0.25), number(-1234.5), number(100), number(-0.0), number(-9e-20), number(float("nan"))
    ('0.250', '−1.23e+03', '100', '0', '0', '–')
    """
    if abs(value) < 1e-15:
        return "0"
    return "–" if math.isnan(value) else f"{value:#.3g}".rstrip(".").replace("-", "−", 1 if value < 0 else 0)


def or_nan(value: Any) -> float:
    """A number that files have none of where there is none.

    >>> or_nan(2), or_nan(None)
    (2.0, nan)
    """
    return math.nan if value is None else float(value)


def score(value: float) -> str:
    """Three digits, and powers of ten only where they are needed.

    >>> score(1698.2), score(-0.0123), score(float("nan"))
    ('1700', '−0.0123', '–')
    """
    return "–" if math.isnan(value) else f"{'−' * (value < 0)}{plain(abs(value))}"


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


def name_of(text: str) -> str:
    """
    >>> name_of("insertion:protocol=rise")
    'insertion'
    """
    return text.partition("@")[0].partition(":")[0]


def span(seconds: float) -> str:
    """A time as one says it.

    >>> span(0.25), span(75), span(7300)
    ('0.25 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def bill(seconds: Sequence[float | None]) -> str:
    """What all of it costs, where some may be unknown.

    >>> bill([60, 15]), bill([60, None]), bill([None])
    ('1 min 15 s', 'more than 1 min 0 s', '–')
    """
    known = [one for one in seconds if one is not None]
    if seconds and not known:
        return "–"
    return ("" if len(known) == len(seconds) else "more than ") + span(sum(known))
