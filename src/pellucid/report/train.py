"""The page of a training: what was learned and how surely, whether the terms fell, whose settings they were, the cost.

One run, or several that differ in their seed alone: then every curve is a mean in a band from the lowest to the highest
seed, every seed a dot, and the interval of a mean is Student's over the seeds.
"""

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from pellucid._version import __version__
from pellucid.errors import BadFile
from pellucid.report import facts
from pellucid.report.page import (
    Card,
    Cards,
    Cell,
    Chart,
    Cost,
    Curves,
    Dots,
    Dotted,
    Line,
    Page,
    Picture,
    Provenance,
    Row,
    Section,
    Table,
    measured,
)  # fmt: skip
from pellucid.report.pictures import picture
from pellucid.report.words import interval, number, span, valued
from pellucid.results.statistics import wilson

FIT = "fit.json"
MARKS = (FIT, f"seed-*/{FIT}")
SHARES = {"validation": "validation", "held_out": "held out", "accuracy": "training"}  # the fairest first
CROSS = {"ce": "training", "held_out_ce": "held out", "validation_ce": "validation"}
COSTS = ("seconds", "images_per_second", "peak_memory_mib", "watts_assumed", "kwh", "co2e_g")
TITLES = {"loss": "The whole loss", "lr": "Learning rate", "kl_names": "KL(text ‖ image) to fixed names",
          "kl_prompts": "KL(text ‖ image) to LICO's own prompts", "mm": "Manifold (mm)",
          "ot": "Transport (ot)"}  # fmt: skip
WATCHED = {
    "learning.png": ("Where it looks, epoch by epoch", "The curves of one run, and where Grad-CAM lies for the label."),
    "tsne.png": ("Which pictures it takes for alike", "Features before and after the training, laid flat by t-SNE."),
}
MANY = 6  # seeds: more are dots only
MOVED = 0.01  # of its first value: less is standing still
RISEN = 1.05  # above its lowest: learning by heart
ABOUT_SEEDS = "A line is the mean of the seeds, its band from the lowest to the highest."


@dataclass(eq=False)
class Run:
    """One seed."""

    path: Path
    record: dict[str, Any]

    @property
    def plan(self) -> Mapping[str, Any]:
        return self.record["plan"]

    @property
    def rows(self) -> list[dict[str, Any]]:
        return self.record["rows"]

    @property
    def seed(self) -> str:
        return str(self.plan.get("seed", ""))

    @property
    def ended(self) -> bool:
        return bool(self.record.get("finished")) and bool(self.record.get("rows"))

    def values(self, column: str) -> list[float]:
        """By epoch."""
        return [_float(row.get(column)) for row in self.rows]

    def total(self, column: str) -> float:
        return math.fsum(v for v in self.values(column) if math.isfinite(v))


@dataclass(eq=False)
class Runs:
    """All seeds of a training that ended, and who did not."""

    path: Path
    some: list[Run]
    waiting: list[str]  # seeds

    @classmethod
    def of(cls, path: Path) -> "Runs":
        """The run of a folder, or those of its seeds, in their order."""
        files = [path / FIT] if (path / FIT).exists() else sorted(path.glob(f"seed-*/{FIT}"), key=_order)
        every = [Run(file.parent, read(file)) for file in files]
        some = [run for run in every if run.ended]
        if not some:
            raise BadFile(f"{path} holds a training that has not come to its end; give its command again: it goes on.")
        return cls(path, some, [run.seed for run in every if not run.ended])

    @property
    def plan(self) -> Mapping[str, Any]:
        return self.some[0].plan

    @cached_property
    def about(self) -> dict[str, Any]:
        """What was written at the end; empty for a run of before that."""
        return dict(self.some[0].record.get("about") or {})

    @cached_property
    def columns(self) -> list[str]:
        """Of the log, without what a page says elsewhere."""
        seen = dict.fromkeys(name for run in self.some for row in run.rows for name in row)
        return [name for name in seen if name not in ("epoch", "step", *COSTS)]

    @property
    def epochs(self) -> int:
        return max(len(run.rows) for run in self.some)

    @cached_property
    def signed(self) -> set[str]:
        """What has been below zero."""
        return {name for name in self.columns if any(v < 0 for run in self.some for v in run.values(name))}

    def last(self, column: str) -> list[float]:
        """A value a seed: of the last epoch."""
        return [values[-1] for run in self.some if (values := run.values(column)) and math.isfinite(values[-1])]

    def ends(self, column: str) -> list[tuple[float, float]]:
        """The first and the last value of every seed."""
        found = [[v for v in run.values(column) if math.isfinite(v)] for run in self.some]
        return [(values[0], values[-1]) for values in found if values]

    def share(self, column: str) -> "Share | None":
        """An accuracy, and where it may lie."""
        values = self.last(column)
        return Share.of(values, (self.about.get("images") or {}).get(column)) if values else None

    @property
    def fairest(self) -> str:
        """The accuracy that says most of other pictures; none of what names no classes."""
        return next((name for name in SHARES if self.last(name)), "")


@dataclass(frozen=True)
class Share:
    """A mean over seeds with Student's interval; of one seed Wilson's, where the number of pictures is known."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float], images: int | None) -> "Share":
        if len(values) > 1:
            return cls(*spread(values, 0.0, 1.0))
        if not images:
            return cls(values[0], math.nan, math.nan)
        known = wilson(round(values[0] * images), images)
        return cls(values[0], known.low, known.high)

    @property
    def cell(self) -> Cell:
        return measured(self.mean, self.low, self.high, "accuracy")

    @property
    def said(self) -> str:
        """
        >>> Share(0.5, 0.25, 0.75).said
        '50.0 % (25.0 to 75.0 %)'
        """
        where = interval(self.low, self.high, "accuracy")
        return valued(self.mean, "accuracy") + ("" if where == "–" else f" ({where})")


def spread(values: Sequence[float], least: float = -math.inf, most: float = math.inf) -> tuple[float, float, float]:
    """Mean and Student's interval over seeds, within what is possible.

    >>> [round(v, 2) for v in spread([0.4, 0.5, 0.6])]
    [0.5, 0.25, 0.75]
    """
    mean = fmean(values)
    if len(values) < 2:
        return mean, math.nan, math.nan
    from scipy.special import stdtrit

    half = float(stdtrit(len(values) - 1, 0.975)) * stdev(values) / math.sqrt(len(values))
    return mean, max(least, mean - half), min(most, mean + half)


def page(folder: Path) -> Page:
    """Of a folder that `pellucid train` or pl.fit wrote."""
    runs = Runs.of(Path(folder))
    sections = [
        table(runs), curves(runs), dots(runs), *watched(runs), cards(runs), cost(runs), facts.licences(runs.about),
        provenance(runs),
    ]  # fmt: skip
    return Page(
        "What was learned?", sentences(runs), [one for one in sections if one is not None], under_title(runs),
        command(runs), warnings(runs), str(runs.plan.get("version", "")),
    )  # fmt: skip


# --- sentences --------------------------------------------------------------------------------------------------------


def sentences(runs: Runs) -> list[str]:
    """What it can, whether that is more than it learned by heart, whether the terms fell."""
    return [said for said in (_learned(runs), _by_heart(runs), *_terms(runs)) if said]


def _learned(runs: Runs) -> str:
    start = f"After {_epochs(runs)} towards {runs.plan.get('objective')}, "
    name = runs.fairest
    share = runs.share(name) if name else None
    if share is None:
        return start + _moved(runs, "loss", "the loss") + "."
    whom = {"validation": "the validation images", "held_out": "the images that were held out",
            "accuracy": "the images that it learned from"}[name]  # fmt: skip
    mean = f", in the mean of {len(runs.some)} seeds" if len(runs.some) > 1 else ""
    more = "; how it does on others is not known, for none were held out" if name == "accuracy" else ""
    return f"{start}the network names {share.said} of {whom} rightly{mean}{more}."


def _epochs(runs: Runs) -> str:
    return "one epoch" if runs.epochs == 1 else f"{runs.epochs} epochs"


def _by_heart(runs: Runs) -> str:
    """How much better it is on what it learned from."""
    known, new = runs.last("accuracy"), runs.last(runs.fairest) if runs.fairest != "accuracy" else []
    if not known or not new:
        return ""
    apart = 100 * (fmean(known) - fmean(new))
    than = f"{abs(apart):.1f} points {'more' if apart > 0 else 'fewer'}" if abs(apart) >= 0.05 else "as many"
    return (
        f"Of those that it learned from, as they were drawn for learning, it names {valued(fmean(known), 'accuracy')}: "
        f"{than}."
    )


def _terms(runs: Runs) -> list[str]:
    """Whether every term of the loss went where it was sent."""
    weights = runs.about.get("terms") or {}
    names = [name for name in weights if name in runs.columns and weights[name]] or ["loss"]
    if runs.epochs < 2 or (names == ["loss"] and not runs.fairest):
        return []
    said = [_moved(runs, name, name) for name in names if runs.ends(name)]
    return [f"Epoch 1 to {runs.epochs}: {'; '.join(said)}."] if said else []


def _moved(runs: Runs, column: str, name: str) -> str:
    """Fell, rose, or neither, where all seeds agree."""
    ends = runs.ends(column)
    if not ends:
        return f"{name} is not known"
    before, after = (fmean(side) for side in zip(*ends, strict=True))
    steps = {_step(*pair) for pair in ends}
    word = steps.pop() if len(steps) == 1 else "fell in some runs and rose in others,"
    return f"{name} {word} from {number(before)} to {number(after)}"


def _step(before: float, after: float) -> str:
    """
    >>> _step(2.0, 1.0), _step(1.0, 1.001), _step(0.0, 0.5)
    ('fell', 'stood still,', 'rose')
    """
    if abs(after - before) <= MOVED * abs(before):
        return "stood still,"
    return "fell" if after < before else "rose"


def warnings(runs: Runs) -> list[str]:
    """What speaks against it."""
    said = [_no_better_than_guessing(runs), _more_by_heart(runs)]
    said += [f"Seed {run.seed} stopped {run.record['stopped']}." for run in runs.some if run.record.get("stopped")]
    if runs.waiting:
        said.append(f"Not yet at their end, and not on this page: seeds {', '.join(runs.waiting)}.")
    if len(runs.some) == 1:
        said.append("One seed tells nothing of other trainings; repeat --seed for several.")
    return [one for one in said if one]


def _no_better_than_guessing(runs: Runs) -> str:
    share, classes = runs.share(runs.fairest) if runs.fairest else None, len(runs.plan.get("classes") or ())
    if share is None or not classes or math.isnan(share.low) or share.low > 1 / classes:
        return ""
    return (
        f"That cannot be told from guessing among {classes} classes, which is right in {100 / classes:.1f} % where all "
        f"are as frequent."
    )


def _more_by_heart(runs: Runs) -> str:
    """Where the cross-entropy on other pictures has turned."""
    name = next((one for one in ("validation_ce", "held_out_ce") if runs.last(one)), "")
    if not name:
        return ""
    mean = _mean(runs, name)[1]
    lowest = min(range(len(mean)), key=mean.__getitem__)
    if mean[-1] < RISEN * mean[lowest]:
        return ""
    return (
        f"The cross-entropy of {CROSS[name]} images was lowest after epoch {lowest + 1} ({number(mean[lowest])}) and "
        f"has risen to {number(mean[-1])}: since then it learns by heart, or grows too sure."
    )


# --- numbers ----------------------------------------------------------------------------------------------------------


def table(runs: Runs) -> Table:
    """The last epoch, seed by seed."""
    names = [name for name in (*SHARES, *CROSS, "loss") if runs.last(name)]
    names += [name for name in runs.columns if name not in names and name != "lr" and runs.last(name)]
    several, some = len(runs.some) > 1, runs.some if len(runs.some) <= MANY else []
    rows = [
        Row(f"accuracy, {SHARES[name]}" if name in SHARES else _title(name),
            [*([_mean_cell(runs, name)] if several else []), *(_cell(run.values(name)[-1], name) for run in some)])
        for name in names
    ]  # fmt: skip
    text = "Training accuracy and terms are means over the epoch, on pictures as they were drawn for learning."
    heads = [*(["mean (95 %)"] if several else []), *(f"seed {run.seed}" for run in some)]
    return Table("The last epoch", ("", *heads), rows, text=text)


def _cell(value: float, name: str) -> Cell:
    return measured(value, math.nan, math.nan, "accuracy" if name in SHARES else name)


def _mean_cell(runs: Runs, name: str) -> Cell:
    if name in SHARES:
        share = runs.share(name)
        return share.cell if share else Cell("–", tone="soft")
    least = -math.inf if name in runs.signed else 0.0
    return measured(*spread(runs.last(name), least), name)


def _title(name: str) -> str:
    return f"cross-entropy, {CROSS[name]}" if name in CROSS else TITLES.get(name, name)


def curves(runs: Runs) -> Curves | None:
    """Accuracies, cross-entropies, then a chart a column."""
    groups = {"Accuracy": list(reversed(SHARES)), "Cross-entropy": list(CROSS)}
    taken = {name for names in groups.values() for name in names}
    groups |= {TITLES.get(name, name): [name] for name in runs.columns if name not in taken}
    charts = [_chart(runs, title, [n for n in names if n in runs.columns]) for title, names in groups.items()]
    made = [chart for chart in charts if chart is not None]
    several = f"{ABOUT_SEEDS} " if len(runs.some) > 1 else ""
    return Curves("How it learned", made, text=f"{several}Across: epochs.") if made and runs.epochs > 1 else None


def _chart(runs: Runs, title: str, names: Sequence[str]) -> Chart | None:
    words = SHARES | CROSS if len(names) > 1 else {}
    found = [(name, *_mean(runs, name)) for name in names]
    lines = [Line(words.get(name, name), x, mean) for name, x, mean, _, _ in found if x]
    band = [(x, low, high) for _, x, _, low, high in found if x] if len(runs.some) > 1 else []
    return Chart(title, lines, "epoch", band=band) if lines else None


def _mean(runs: Runs, name: str) -> tuple[list[float], list[float], list[float], list[float]]:
    """Epochs, mean, lowest, highest; of the seeds that came so far."""
    return over_seeds([run.values(name) for run in runs.some])


def over_seeds(runs: Sequence[Sequence[float]]) -> tuple[list[float], list[float], list[float], list[float]]:
    """
    >>> over_seeds([[1.0, 2.0], [3.0]])
    ([1.0, 2.0], [2.0, 2.0], [1.0, 2.0], [3.0, 2.0])
    """
    made: list[tuple[float, float, float, float]] = []
    for i in range(max(map(len, runs), default=0)):
        here = [values[i] for values in runs if i < len(values) and math.isfinite(values[i])]
        if here:
            made.append((i + 1.0, fmean(here), min(here), max(here)))
    x, mean, low, high = ([row[j] for row in made] for j in range(4))
    return x, mean, low, high


def dots(runs: Runs) -> Dots | None:
    """Every seed's accuracies."""
    if len(runs.some) < 2:
        return None
    lines = []
    for name, said in SHARES.items():
        share = runs.share(name)
        if share is not None:
            values = [100 * v for v in runs.last(name)]
            lines.append(Dotted(f"{said}, %", values, 100 * share.mean, 100 * share.low, 100 * share.high))
    text = "Accuracy of the last epoch, in percent."
    return Dots("Every seed", lines, "accuracy", text=text) if lines else None


# --- pictures ---------------------------------------------------------------------------------------------------------


def watched(runs: Runs) -> list[Section]:
    """What --watch drew, of the first seed."""
    made: list[Section] = []
    for name, (title, text) in WATCHED.items():
        file = runs.some[0].path / "watch" / name
        if file.is_file():
            more = f" Of seed {runs.some[0].seed}; the others' lie in their folders." if len(runs.some) > 1 else ""
            content, size = picture(file)
            made.append(Picture(title, content, f"{title}: {text}", size, text=text + more))
    return made


# --- how it was done --------------------------------------------------------------------------------------------------


def cards(runs: Runs) -> Cards | None:
    """The recipe and the objective: every knob, and whose it is."""
    recipe, parts = runs.about.get("recipe"), runs.about.get("objective") or []
    if not isinstance(recipe, Mapping):
        return None
    known = {"objective": str(runs.plan.get("objective")), "network": str(runs.plan.get("model"))}
    made = [Card(f"recipe {recipe.get('name')}", str(recipe.get("paper") or ""), _facts(recipe, known))]
    weights = runs.about.get("terms") or {}
    for part in parts:
        made.append(Card(f"objective {part.get('name')}", str(part.get("paper") or ""), _facts(part, {})))
    if weights:
        made.append(Card("terms of the loss", "", {name: f"× {weight:g}" for name, weight in weights.items()}))
    text = "Whose a setting is stands beside it: the paper's, ours where the paper leaves it open, or changed here."
    return Cards("How it was trained", made, text=text)


def _facts(card: Mapping[str, Any], instead: Mapping[str, str]) -> dict[str, str]:
    """Knob by knob. instead: what was said outside the recipe, and wins."""
    now, usual, ours = card.get("knobs") or {}, card.get("usual") or {}, card.get("ours") or ()
    owner = "the paper's" if card.get("paper") else "as usual"
    made = {}
    for name, value in now.items():
        said = instead.get(name, str(value))
        standard = str(usual.get(name, said))
        if said != standard:
            whose = f"changed; {'the recipe' if 'ours' in card else 'usual'}: {standard}"
        else:
            whose = "ours" if name in ours else owner
        made[str(name)] = f"{_short(said)} · {_short(whose)}"
    return made


def _short(text: str) -> str:
    """Numbers without the digits that nobody wrote.

    >>> _short("0.75, 1.3333333333333333")
    '0.75, 1.333'
    """
    return re.sub(r"\d+\.\d{6,}(?!\d*e)", lambda found: f"{float(found[0]):.4g}", text)


def cost(runs: Runs, what: str = "seeds") -> Cost | None:
    """As the logs have it. what: the runs are, that are added."""
    seconds, kwh, grams = (math.fsum(run.total(name) for run in runs.some) for name in ("seconds", "kwh", "co2e_g"))
    if not seconds:
        return None
    peak = max((v for run in runs.some for v in run.values("peak_memory_mib") if math.isfinite(v)), default=math.nan)
    speed = [v for run in runs.some for v in run.values("images_per_second") if math.isfinite(v)]
    rows = [(f"time on the clock, all {what} added" if len(runs.some) > 1 else "time on the clock", span(seconds))]
    rows += [("images a second", number(fmean(speed)))] if speed else []
    rows += [("most memory", f"{peak:,.0f} MiB")] if math.isfinite(peak) else []
    rows += [("energy", f"{kwh:.2g} kWh"), ("CO₂e", f"{grams:.2g} g")]
    watts = sorted({v for run in runs.some for v in run.values("watts_assumed") if math.isfinite(v)})
    note = (
        f"Energy is not measured at the plug: {' and '.join(f'{w:g} W' for w in watts)} are assumed for as long as the "
        f"clock ran"
    )
    return Cost("What it cost", rows, f"{note}{f', and {grams / kwh:.0f} g of CO₂e a kWh' if kwh else ''}.")


def provenance(runs: Runs) -> Provenance:
    """What decides what comes out, and where it ran."""
    plan, about = runs.plan, runs.about
    rows = [(word, str(plan[name])) for word, name in (
        ("network", "model"), ("data", "data"), ("objective", "objective"), ("recipe", "recipe"),
        ("validation", "validation"),
    ) if plan.get(name)]  # fmt: skip
    rows.append(("seeds" if len(runs.some) > 1 else "seed", ", ".join(run.seed for run in runs.some)))
    for word, count in (about.get("images") or {}).items():
        rows += [(f"images, {SHARES.get(word, 'training')}", f"{count:,}")] if count else []
    rows += [("trained by", f"pellucid {plan.get('version', '')}".strip())]
    computer = about.get("machine") or {}
    for word, name in (("Python", "python"), ("torch", "torch"), ("system", "system"), ("cores", "cores"),
                       ("GPU", "gpu")):  # fmt: skip
        rows += [(word, str(computer[name]))] if computer.get(name) else []
    return Provenance("Where it comes from", [*rows, ("page written by", f"pellucid {__version__}")])


def under_title(runs: Runs) -> list[tuple[str, str]]:
    """Network, data, objective."""
    size = runs.about.get("parameters")
    network = str(runs.plan.get("model")) + (f" · {size:,} parameters" if size else "")
    images = (runs.about.get("images") or {}).get("train")
    data = str(runs.plan.get("data")) + (f" · {images:,} images" if images else "")
    seeds = f"{len(runs.some)} seeds" if len(runs.some) > 1 else f"seed {runs.some[0].seed}"
    return [("network", network), ("data", data), ("towards", f"{runs.plan.get('objective')} · {seeds}")]


def command(runs: Runs) -> str:
    """That trains all of it again; none where a part was given as an object."""
    plan = runs.plan
    if not runs.about.get("again", ":" in str(plan.get("model"))):
        return ""
    words = ["pellucid", "train", str(plan.get("data")), "--model", str(plan.get("model"))]
    words += ["--objective", str(plan.get("objective")), "--recipe", str(plan.get("recipe"))]
    seeds = sorted({*(run.seed for run in runs.some), *runs.waiting}, key=_number)
    words += [word for seed in seeds for word in ("--seed", seed)]
    words += ["--validation", str(plan["validation"])] if plan.get("validation") else []
    words += ["--watch"] if (runs.some[0].path / "watch").is_dir() else []
    return shlex.join([*words, "-o", str(runs.path)])


def read(file: Path) -> dict[str, Any]:
    """fit.json"""
    found = facts.read_json(file)
    rows = found.get("rows", [])
    sound = isinstance(found.get("plan"), dict) and isinstance(rows, list) and all(isinstance(r, dict) for r in rows)
    if not sound:
        raise BadFile(f"{file} does not say how it was trained; delete its folder and train again.")
    return found


def _order(file: Path) -> tuple[float, str]:
    return _number(file.parent.name.removeprefix("seed-")), file.parent.name


def _number(text: str) -> float:
    return float(text) if text.lstrip("-").isdecimal() else math.inf


def _float(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
