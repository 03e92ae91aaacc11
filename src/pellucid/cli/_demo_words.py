"""What came out of the demo, in sentences that follow from intervals.

An interval of a difference that excludes zero is called better or worse; one that has zero in it is called not
distinguishable, which is not "the same".
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pellucid.report.demo import MEANS, Number, Numbers, signed
from pellucid.report.words import valued

if TYPE_CHECKING:
    from pellucid.results import Results

SAYS = {  # what is said, with which word where it is better and where it is worse
    ("in", "accuracy"): ("it is {} right on scenes like those it learned from", "more often", "less often"),
    ("out", "accuracy"): ("it is {} right where the ground tells nothing", "more often", "less often"),
    ("maps", "sch"): ("its maps lie {} inside the thing", "more", "less"),
    ("maps", "pointing-game"): ("the strongest pixel of a map is {} in the thing", "more often", "less often"),
    ("maps", "insertion"): ("the pixels that a map ranks first bring its answer {}", "sooner", "later"),
    ("maps", "deletion"): ("without the pixels that a map ranks first its answer is lost {}", "sooner", "later"),
    ("maps", "ses"): ("its maps follow a moved picture {}", "better", "worse"),
    ("two", "mosu"): ("two things share a map {}", "more evenly", "less evenly"),
}
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
FALLS_BEHIND = 0.05  # of accuracy: who learned less is compared with care
EMPTY = 0.05  # of the maps
LEARNED = 0.85
FEW = 6  # seeds


def numbers(results: "Mapping[str, Mapping[str, Results]]") -> dict[str, list[Number]]:
    """All that was measured, by objective; the first is what the others are compared with."""
    base = next(iter(results))
    return {name: _of_one(parts, None if name == base else results[base]) for name, parts in results.items()}


def _of_one(parts: "Mapping[str, Results]", base: "Mapping[str, Results] | None") -> list[Number]:
    found = []
    for part, results in parts.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # scenes whose map is empty in every run
            gaps = {} if base is None else _by_measure(results.compare(base[part]))
        for (explainer, metric), row in _by_measure(results.summary()).items():
            if (part, metric) in SAYS and (part in ("in", "out") or explainer != "none"):
                gap = gaps.get((explainer, metric))
                more = () if gap is None else (gap["difference"], gap["low"], gap["high"])
                blank = row["undefined"] / max(1, row["n"] + row["undefined"])
                known = (row["better"], row["mean"], row["low"], row["high"], blank)
                found.append(Number(part, explainer, metric, *known, *more))
    return sorted(found, key=lambda n: list(SAYS).index((n.part, n.metric)))


def _by_measure(frame: Any) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["explainer"], row["metric"]): row for row in frame.to_dict("records")}


# --- sentences --------------------------------------------------------------------------------------------------------


def sentences(found: Numbers, seeds: int) -> list[str]:
    """What came out, the most important first."""
    base = next(iter(found))
    others = [name for name in found if name != base]
    told = [said for name in others for said in _against(name, found[name], base)]
    told += [said for name in found for said in _caveats(name, found[name], found[base], base)]
    few = _few(seeds, sum(len(found[name]) for name in others))
    return [_in_short(found, others, base, seeds), *told, _grounds(base, found[base]), few]


def _in_short(found: Numbers, others: Sequence[str], base: str, seeds: int) -> str:
    """How many measurements are better and worse, in one breath."""
    counts = []
    for name in others:
        better, worse = (sum(n.says == says for n in found[name]) for says in ("better", "worse"))
        known = ((better, "better"), (worse, "worse"))
        said = " and ".join(f"{word} than {base} in {spelled(count)}" for count, word in known if count)
        counts.append(f"{name} is {said or f'not distinguishable from {base} in any'}")
    of = spelled(max((len(found[name]) for name in others), default=0))
    return (
        f"With {counted(seeds)}, of {of} measurements: {'; '.join(counts)}." if counts else f"Only {base} was trained."
    )


def _against(name: str, mine: Sequence[Number], base: str) -> list[str]:
    """One objective beside CE: what is better, what is worse, what cannot be told apart."""
    better, worse, same = ([n for n in mine if n.says == says] for says in ("better", "worse", "not distinguishable"))
    told = []
    for numbers, which, head in ((better, 0, "better"), (worse, 1, "worse")):
        words = [
            f"{SAYS[key][0].format(SAYS[key][which + 1])}, {_gaps(some)}" for key, some in _grouped(numbers).items()
        ]
        told += [f"{name}, {head} than {base}: {'; '.join(words)}."] if words else []
    if told and same:
        every = _grouped(mine)
        words = [_unclear(key, some, len(every[key])) for key, some in _grouped(same).items()]
        told.append(f"{name}, not distinguishable from {base}: {'; '.join(words)}.")
    return told


def _unclear(key: tuple[str, str], some: Sequence[Number], of: int) -> str:
    """What cannot be told apart; by which explainers, where it is not all."""
    return MEANS[key] if len(some) == of else f"{MEANS[key]}, by {' and '.join(n.who for n in some)}"


def _grouped(some: Sequence[Number]) -> dict[tuple[str, str], list[Number]]:
    made: dict[tuple[str, str], list[Number]] = {}
    for number in some:
        made.setdefault((number.part, number.metric), []).append(number)
    return made


def _gaps(some: Sequence[Number]) -> str:
    """The differences; where they may lie is in the table."""
    said = [(n.who, signed(n.difference, n.metric)) for n in some]
    return ", ".join(gap if who == "none" else f"{who} {gap}" for who, gap in said)


def _caveats(name: str, mine: Sequence[Number], theirs: Sequence[Number], base: str) -> list[str]:
    """Who did not learn, and whose maps are empty."""
    said = []
    own, other = (next((n for n in some if (n.part, n.metric) == ("in", "accuracy")), None) for some in (mine, theirs))
    if own and name == base and own.mean < LEARNED:
        said.append(
            f"{name} names only {own.mean:.0%} of scenes like those it learned from: it was trained too shortly to "
            f"compare much."
        )
    if own and other and name != base and own.mean < other.mean - FALLS_BEHIND:
        said.append(
            f"{name} learned less: it names {own.mean:.0%} of scenes like those it learned from and {base} "
            f"{other.mean:.0%}, so that its maps are those of a weaker network."
        )
    blank = [n for n in mine if n.metric == "sch" and n.undefined > EMPTY]
    if blank:
        shares = ", ".join(f"{n.undefined:.0%} of {n.who}'s" for n in blank)
        said.append(
            f"Of {name} some maps are empty ({shares}): nothing speaks for the class there, and these scenes are left "
            f"out where a map is needed."
        )
    return said


def _grounds(name: str, mine: Sequence[Number]) -> str:
    """Whether what it learned is partly the ground."""
    like, fresh = (next(n for n in mine if n.part == part and n.metric == "accuracy") for part in ("in", "out"))
    shares = f"{name} names {valued(like.mean, 'accuracy')} of scenes like those it learned from and "
    shares += f"{valued(fresh.mean, 'accuracy')} where the ground tells nothing: "
    if like.low > fresh.high:
        return shares + "a part of what it learned is the ground."
    return shares + "that it learned from the ground cannot be told by this."


def _few(seeds: int, count: int) -> str:
    """How much may be made of it."""
    if seeds == 1:
        return "One seed tells nothing of other trainings: the intervals are of the scenes alone."
    said = f"The intervals are for other seeds and other scenes; of {count} at 95 %, about {max(1, round(count / 20))} "
    said += "would exclude zero by chance."
    few = f" With {counted(seeds)} they are wide, and not distinguishable does not mean the same."
    return said + (few if seeds < FEW else "")


def counted(seeds: int) -> str:
    """
    >>> counted(1), counted(3), counted(12)
    ('one seed', 'three seeds', '12 seeds')
    """
    return f"{spelled(seeds)} seed{'s' if seeds > 1 else ''}"


def spelled(number: int) -> str:
    """
    >>> spelled(3), spelled(14)
    ('three', '14')
    """
    return NUMBERS[number] if number < len(NUMBERS) else str(number)
