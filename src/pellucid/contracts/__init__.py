"""The contract that every named thing signs, for our members and for anybody's: `pellucid check PACKAGE`.

A check is a function that raises AssertionError with a sentence. Names are checked for every family, of data sets the
records, of explainers, questions, metrics and objectives what they do to tiny models, of text encoders what they read,
of influences what they find again.
A member may refuse a question or a network with an error of ours, as long as it answers somewhere.
"""

import importlib
import importlib.metadata
import inspect
import pkgutil
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

from pellucid.contracts import datasets, encoders, explainers, influences, metrics, names, objectives, questions
from pellucid.contracts.case import Case, Refused, cases
from pellucid.contracts.objectives import Binding, bindings
from pellucid.errors import PellucidError, UnknownName
from pellucid.registry import Named

OF_FAMILY: Mapping[str, Iterable[Callable[[type[Named]], None]]] = {
    "questions": questions.CHECKS,
    "datasets": datasets.CHECKS,
    "metrics": metrics.CHECKS,
    "encoders": encoders.CHECKS,
    "influences": influences.CHECKS,
}


@dataclass(frozen=True)
class Outcome:
    """What came of one check."""

    member: str
    check: str
    network: str
    question: str
    passed: bool
    reason: str = ""


def check(package: str) -> list[Outcome]:
    """The contract over every named thing that a package defines."""
    members = list(members_of(package))
    if not members:
        raise UnknownName(f"the package {package} defines no named thing; subclass a family of Pellucid with name=....")
    return [outcome for member in members for outcome in check_member(member)]


def members_of(package: str) -> Iterator[type[Named]]:
    """The named classes that a package's modules define."""
    seen: set[type[Named]] = set()
    for module in _modules(package):
        for thing in vars(module).values():
            if not inspect.isclass(thing) or not issubclass(thing, Named) or thing.__module__ != module.__name__:
                continue
            if thing.name and thing not in seen:
                seen.add(thing)
                yield thing


def check_member(member: type[Named]) -> Iterator[Outcome]:
    """Every check that concerns a member."""
    for one in names.CHECKS:
        yield _outcome(member.name, one, lambda one=one: one(member))
    for one in OF_FAMILY.get(member.family, ()):
        yield _outcome(member.name, one, lambda one=one: one(member))
    if member.family == "explainers":
        yield from _in_every_case(member, cases(member), explainers.CHECKS, "every question on every network")
    if member.family == "objectives":
        yield from _in_every_case(member, bindings(member), objectives.CHECKS, "every network")


def _in_every_case(
    member: type[Named], all_: Iterable[Case | Binding], checks: Iterable[Callable[..., None]], everything: str
) -> Iterator[Outcome]:
    """Every check in every case; and whether the member answers in any."""
    answered = False
    for case in all_:
        for one in checks:
            outcome = _outcome(member.name, one, lambda one=one, case=case: one(case), case)
            answered |= outcome.passed and not outcome.reason
            yield outcome
    reason = "" if answered else f"{member.name} refuses {everything}"
    yield Outcome(member.name, "answers", "", "", answered, reason)


def _outcome(
    member: str, one: Callable[..., None], run: Callable[[], None], case: Case | Binding | None = None
) -> Outcome:
    network = case.network if case else ""
    question = str(case.question) if isinstance(case, Case) else ""
    passed, reason = True, ""
    try:
        run()
    except Refused as refusal:
        reason = f"refused: {refusal}"
    except AssertionError as failure:
        passed, reason = False, str(failure) or traceback.format_exc(limit=-1).strip()
    except PellucidError as failure:
        passed, reason = False, f"{type(failure).__name__}: {failure}"
    except Exception as failure:  # what a stranger's code raises is part of the outcome
        passed, reason = False, f"{type(failure).__name__}: {failure}"
    return Outcome(member, one.__name__.replace("_", " "), network, question, passed, reason)


def _modules(package: str) -> Iterator[ModuleType]:
    try:
        root = importlib.import_module(package)
    except ModuleNotFoundError as cause:
        if cause.name != package.partition(".")[0] and cause.name != package:
            raise
        raise UnknownName(
            f"there is no package {package!r} to check; install it, or run where it can be imported."
        ) from None
    yield root
    for info in pkgutil.walk_packages(getattr(root, "__path__", []), prefix=f"{root.__name__}."):
        if not info.name.endswith("__main__"):
            yield importlib.import_module(info.name)
