"""Audit: is the model right for the right reasons?

a = pl.audit(model, "scenes:correlation=0.95,length=200", out="audit")
print(a.sentence)       Right, but for the wrong reasons: …
a.write("audit")        audit.json, results.csv, regions.csv, worst.png, …

It measures explainers beside two controls, sees in which regions of the picture their evidence lies, and then, because
maps may mislead, asks the model itself: what does it answer when the object, everything but the object, the border, the
other objects or one suspicious place is taken out of the picture? The verdict rests on these answers. All numbers are
kept in `out`: an audit that was stopped goes on, and one more explainer costs that explainer.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from PIL.Image import Image as Picture
from torch import nn

from pellucid._version import __version__
from pellucid.data.subset import Subset
from pellucid.engine._evaluate import (
    Called,
    Options,
    Share,
    _by_workers,
    _finished,
    _model_text,
    _run,
    _several,
    called,
    folder_of,
    keep_pictures,
    plan_of,
    seen_by,
)  # fmt: skip
from pellucid.engine._findings import findings_of, regions_of, removals_of
from pellucid.engine._kept import Spent, about, drawable, key_of, numbers_of
from pellucid.engine._places import proposed
from pellucid.engine._regions import LOOKS, REGIONS, First, Places, Shown, Where, Zoned
from pellucid.engine._source import Named
from pellucid.engine._trust import Trust, agreement_of, trusted
from pellucid.engine._verdict import Facts, Tried, Verdict, judged
from pellucid.engine._worst import ANSWER, PLACE, WHY_NOT, Sample, Seen, worst_of
from pellucid.errors import BadInput, PellucidError
from pellucid.explainers import Explainer
from pellucid.explanation import explain
from pellucid.files import write_atomically
from pellucid.metrics import Metric
from pellucid.networks._load import Model, as_model, card_of
from pellucid.results import Results
from pellucid.results.kept import ABOUT, PICTURES, write_pictures
from pellucid.results.plain import as_text, plain
from pellucid.results.store import Store
from pellucid.subject import size_of
from pellucid.subject.state import unwrapped

AUDITED = ("grad-cam", "integrated-gradients:steps=16", "input-x-gradient")
"""What is audited where nothing is said. All three say what contributes, so that a share of their evidence has a
meaning; all pass the sanity checks; and they look from two ends: one at features, two at pixels, of which one is
complete. Those two need nothing but a gradient, so any network is answered for. Together they cost 20 passes a
picture, most of them those of the integral, which sixteen points of Gauss give to a few thousandths."""
CONTROLS = ("random-map", "edges")
ALWAYS = ("insertion", "deletion", "border-mass", "ses")
OF_MASKS = ("sch", "auc", "iou", "relevance-rank", "pointing-game:truth=masks")
OF_BOXES = ("ch", "pointing-game", "energy-in-box")
OF_SEVERAL = ("mosu",)
CHECKED = ("sanity-cascading:layers=6", "random-logit", "max-sensitivity", "completeness")  # on few samples: they cost
COSTLY = tuple(text.partition(":")[0] for text in (*CHECKED, "sanity-independent", "local-lipschitz"))
STILL = 0.5  # of its probability: an answer that is given by a hair, among equals, does not stay
SHOWN = 6  # of the worst of each kind, on the page
PROBED = 2  # samples on which everything is tried first
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Audit:
    """A verdict, and everything that it rests on."""

    verdict: Verdict
    findings: list[str]
    results: Results
    regions: pd.DataFrame  # where the evidence lies: region, area, and a share and a lift an explainer
    removals: pd.DataFrame  # what stays when a part of the picture is taken out
    samples: pd.DataFrame  # the answers, one by one
    worst: list[Sample]
    trust: list[Trust]
    about: dict[str, Any] = field(default_factory=dict)
    sheet: Picture | None = None  # of the worst
    kept: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # files of its page: pictures, data card, cost

    @property
    def sentence(self) -> str:
        """The verdict in a sentence."""
        return self.verdict.sentence

    @property
    def sound(self) -> list[str]:
        """The explainers against which nothing speaks."""
        return [one.explainer for one in self.trust if one.sound]

    def __repr__(self) -> str:
        return f"Audit({self.sentence})"

    def write(self, folder: str | Path) -> Path:
        """audit.json, regions.csv, removals.csv, samples.csv, worst.png, and the results' own files."""
        from pellucid.show.overlay import png

        folder = self.results.write(folder)
        for name in ("regions", "removals", "samples"):
            write_atomically(folder / f"{name}.csv", getattr(self, name).to_csv(index=False).encode())
        if self.sheet is not None:
            write_atomically(folder / "worst.png", png(self.sheet))
        else:
            (folder / "worst.png").unlink(missing_ok=True)  # of an audit before
        for name, content in self.kept.items():
            write_atomically(folder / name, content)
        write_atomically(folder / "audit.json", as_text(self.record()).encode())
        return folder

    def record(self) -> dict[str, Any]:
        """What audit.json says."""
        verdict = asdict(self.verdict) | {"numbers": {k: asdict(v) for k, v in self.verdict.numbers.items()}}
        return plain({
            **self.about, "sentence": self.sentence, "findings": self.findings, "verdict": verdict,
            "explainers": [asdict(one) | {"sound": one.sound} for one in self.trust],
            "regions": self.regions.to_dict("records"), "removals": self.removals.to_dict("records"),
            "metrics": self.results.summary().to_dict("records"), "worst": [asdict(one) for one in self.worst],
        })  # fmt: skip


def audit(
    model: Model,
    dataset: Any,
    explainers: str | Explainer | Sequence[str | Explainer] = AUDITED,
    metrics: str | Metric | Sequence[str | Metric] | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    *,
    target: str | int = "label",
    transform: Any = None,
    batch_size: int | None = None,
    workers: int = 1,
    loaders: int = 0,
    name: str | None = None,
    mean: Sequence[float] | None = None,
    worst: int = 12,
    checks: int = 32,
    device: str | torch.device | None = None,
    input: str | int | None = None,
    output: Any = None,
    progress: bool = False,
) -> Audit:
    """Is the model right for the right reasons?

    explainers: beside them two controls are measured always; one that refuses the model is left out, with a note.
    metrics: none for all that the annotations of the data allow. worst: how many of the worst samples of each kind are
    shown; checks: on how many samples the costly checks of explainers are made. The others are as in pl.evaluate.
    """
    if worst < 0 or checks < 0:
        raise BadInput(f"worst is {worst} and checks {checks}; give numbers of samples from 0.")
    if isinstance(dataset, Iterator):
        raise BadInput("the data can be read once, and an audit reads it several times; give a list or a data set.")
    name = name or (type(dataset).__name__ if out is None else None)  # kept for the time of the call, or refused
    with folder_of(out) as folder:
        call = _Call(unwrapped(as_model(model)), dataset, folder, {
            "seed": seed, "target": target, "transform": transform, "batch_size": batch_size, "workers": workers,
            "loaders": loaders, "name": name, "device": device, "input": input, "output": output, "progress": progress,
            "mean": mean,
        }, Spent(str(device or "cpu")))  # fmt: skip
        called(call.model, dataset, (), (), out=folder, **call.options)  # refuses what there is to refuse
        if call.head is None:
            raise BadInput("the data holds no samples, so there is nothing to audit; give at least one.")
        return _audited(call, explainers, metrics, worst, checks)


@dataclass(frozen=True, eq=False)
class _Call:
    """What stays the same over the parts of an audit."""

    model: nn.Module
    dataset: Any
    out: Path
    options: Mapping[str, Any]  # of evaluate
    spent: Spent

    @cached_property
    def source(self) -> Zoned:
        """As evaluate reads it, and with zones."""
        o = self.options
        source = seen_by(self.model, self.dataset, o["transform"], o["name"], o["loaders"])
        if not source.name:
            source.name = type(self.dataset).__name__
        return Zoned(source)

    @cached_property
    def head(self) -> Any:
        """The first samples, as they are."""
        return next(iter(self.source.of.ranges([0])), None)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes, as the model or the data has them."""
        card, data = card_of(self.model), getattr(self.source.of, "data", None)
        return tuple((card.classes if card else ()) or (data.class_names if data is not None else ()))

    @property
    def numbers(self) -> tuple[Any, Any]:
        """Mean and std of the inputs, for showing them."""
        return numbers_of(self.model, self.source.of, self.options["transform"] is None)

    @property
    def asking(self) -> dict[str, Any]:
        """The options of explain."""
        return {name: self.options[name] for name in ("batch_size", "seed", "device", "input", "output")}

    def measured(
        self, source: Any, explainers: Sequence[Explainer], metrics: Sequence[Metric], out: bool = True
    ) -> Any:
        """The rows of some metrics on a source of our own, by the machinery of evaluate."""
        o = self.options
        options = Options(*(o[f.name] for f in fields(Options)))
        plan = plan_of(self.model, source, explainers, metrics, None, options)
        share = Share.of_environment()
        if out and o["workers"] > 1 and share.of == 1:
            return _by_workers(self.model, source, plan, options, self.out, o["workers"], o["progress"]).frame
        share = share if out else Share()
        store = Store(self.out if out else None)
        _run(self.model, source, plan, options, store, share, out and o["progress"])
        return _finished(source, plan, store, share).frame


def _audited(call: _Call, explainers: Any, metrics: Any, worst: int, checks: int) -> Audit:
    texts = [*_several(explainers), *CONTROLS]
    made, notes = _answering(
        dict.fromkeys(Explainer.make(one) for one in texts),
        lambda one: call.measured(First(call.source, PROBED), [one], [Where()], out=False),
    )
    wanted, more = _answering(
        _wanted(call, metrics), lambda one: call.measured(First(call.source.of, PROBED), made, [one], out=False)
    )
    results = _results(call, made, wanted, checks)
    looked = call.measured(call.source, made, [Where(curve=True), Places(curve=True), *LOOKS.values()])
    answers = _answers(looked)
    audited = [str(one) for one in made if one.asked]
    trust = trusted(results, audited, CONTROLS[0])
    sound = [one.explainer for one in trust if one.sound]
    shares = {str(one): _evidence(looked, str(one)) for one in made}
    tried = _tried(call, looked, answers, sound or audited)
    mean = _mean([shares[one] for one in sound])
    facts = Facts(answers, mean, tried, call.names, beats=not trust or any(one.beats is not False for one in trust))
    verdict = judged(facts)
    inside = np.full(len(answers), np.nan) if mean is None else mean["object"].to_numpy(dtype=float)
    samples = worst_of(answers, inside, worst)
    shown = [one for one in made if str(one) in (sound or audited)]
    seen = Seen(call.model, call.source, shown, call.names, call.numbers, call.asking)
    why_not, kept = _keep_shown(call, shown, cheap_of(wanted), results, samples, seen)
    findings = [*findings_of(facts, verdict, trust), *_agreeing(call, shown, checks), *notes, *more]
    return Audit(
        verdict, findings, results, regions_of(facts, shares), removals_of(facts), answers.assign(inside=inside),
        samples, trust, _about(call, made) | {"why not": why_not}, seen.drawn(samples), kept,
    )  # fmt: skip


# --- for its page -----------------------------------------------------------------------------------------------------


def cheap_of(metrics: Sequence[Metric]) -> list[Metric]:
    """Those that are measured on all samples."""
    return [one for one in metrics if one.name not in COSTLY]


def _keep_shown(
    call: _Call,
    explainers: Sequence[Explainer],
    metrics: Sequence[Metric],
    results: Results,
    samples: Sequence[Sample],
    seen: Seen,
) -> tuple[str | None, dict[str, bytes]]:
    """Pictures of the worst, some of each kind, and of the first; and what all of it cost: as files, by their names.
    First the name of those pictures that say why a wrong answer was not the label, where there are any."""
    o, source = call.options, call.source.of
    options = Options(*(o[f.name] for f in fields(Options)))
    plan = plan_of(call.model, source, [*explainers, *CONTROLS], metrics, None, options)
    some = [s for kind in (PLACE, ANSWER) for s in [one for one in samples if one.kind == kind][:SHOWN]]
    count = source.count() or 0
    wanted = {number: ["one of the first"] for number in range(min(2, count))} | {s.number: [s.kind] for s in some}
    wanted = dict(sorted(wanted.items())) if drawable(source) else {}
    made = Called(call.model, source, plan, options, results, True)
    key, own = key_of(list(plan.tasks), wanted), o["transform"] is None
    found = keep_pictures(made, call.out, wanted, key, own) if wanted else None
    wrong = seen.wrong(samples, SHOWN) if found else None
    why_not = key_of(list(plan.tasks), wanted, WHY_NOT) if wrong is not None else None
    if found and wrong is not None and why_not is not None:
        write_pictures(call.out, why_not, wrong, beside=[found])
    about(call.out, call.model, source, plan, call.spent, found)
    names = [f"{PICTURES}/{name}{end}" for name in (found, why_not) if name for end in (".npz", ".json")]
    return why_not, {name: (call.out / name).read_bytes() for name in (ABOUT, *names)}


# --- what is measured -------------------------------------------------------------------------------------------------


def _answering(things: Iterable[T], tried: Callable[[T], Any]) -> tuple[list[T], list[str]]:
    """The explainers, or metrics, that have a meaning here, and why others have none."""
    kept: list[T] = []
    notes: list[str] = []
    for one in things:
        try:
            tried(one)
            kept.append(one)
        except PellucidError as error:
            notes.append(f"{one} is left out: {error}")
    return kept, notes


def _wanted(call: _Call, metrics: Any) -> list[Metric]:
    """The metrics as they were said, or all that the annotations of the first samples allow."""
    if metrics is not None:
        return list(dict.fromkeys(Metric.make(one) for one in _several(metrics)))
    texts, part = [*ALWAYS, *CHECKED], call.head
    if part is not None and part.records:
        masks, boxes = part.masks(part.labels), part.boxes(part.labels)
        texts += OF_MASKS if bool((masks == 1).any()) else ()
        texts += OF_BOXES if any(map(len, boxes)) else ()
        texts += OF_SEVERAL if any(len(one) > 1 for one in boxes) else ()
    return [Metric.make(text) for text in texts]


def _results(call: _Call, explainers: Sequence[Explainer], metrics: Sequence[Metric], checks: int) -> Results:
    """All metrics on all samples, but for those that cost much."""
    costly, cheap = [one for one in metrics if one.name in COSTLY], cheap_of(metrics)
    frames = [called(call.model, call.dataset, explainers, cheap, out=call.out, **call.options).results.frame]
    if costly and checks:
        found = _few(call, explainers, costly, checks)
        frames.append(found[found["metric"].isin([str(one) for one in costly])])
    return Results(frames[0] if len(frames) == 1 else _together(frames), call.out)


def _few(call: _Call, explainers: Sequence[Explainer], metrics: Sequence[Metric], count: int) -> Any:
    """On the first samples: of data of ours a subset, which has its own name in the rows."""
    source = call.source.of
    if isinstance(source, Named) and not source.data.streamed:
        few = Subset(source.data, first=count)
        return called(call.model, few, explainers, metrics, out=call.out, **call.options).results.frame
    return call.measured(First(source, count), explainers, metrics)


def _together(frames: Sequence[Any]) -> Any:
    """One table; columns of names stay so."""
    return pd.concat([f.astype({c: str for c in f if f[c].dtype == "category"}) for f in frames], ignore_index=True)


def _rows(looked: Any, metric: Metric, explainer: str = "none") -> Any:
    mine = (looked["metric"] == str(metric)) & (looked["explainer"] == explainer)
    return looked[mine].sort_values("sample", ignore_index=True)


def _answers(looked: Any) -> pd.DataFrame:
    """A row a sample: what is answered to the picture, and whether that stays without a part of it."""
    intact = _rows(looked, LOOKS["nothing"])
    predicted, sure = np.stack(intact["curve"].to_list()).T
    frame = pd.DataFrame({
        "sample": intact["sample"], "label": intact["label"], "predicted": predicted.astype(int), "sure": sure,
        "probability": intact["value"],
    })  # fmt: skip
    for what, shown in LOOKS.items():
        if what != "nothing":
            _add(frame, what, _rows(looked, shown))
    return frame


def _add(frame: pd.DataFrame, what: str, rows: Any) -> None:
    """Whether the answer stays, which one it is then, and the probability of the label."""
    frame[f"kept {what}"] = _kept(frame, rows)
    frame[f"predicted {what}"] = np.stack(rows["curve"].to_list())[:, 0]
    frame[f"probability {what}"] = rows["value"]


def _kept(answers: Any, rows: Any) -> Any:
    """1 where the answer is the same, and the model at least half as sure of it; NaN where nothing was taken out."""
    then, sure = np.stack(rows["curve"].to_list()).T
    same = (then == answers["predicted"].to_numpy()) & (sure >= STILL * answers["sure"].to_numpy())
    return np.where(np.isnan(then), np.nan, same.astype(float))


def _evidence(looked: Any, explainer: str) -> pd.DataFrame:
    """[samples, regions]: the shares of one explainer's evidence, then of the area."""
    curves = np.stack(_rows(looked, Where(curve=True), explainer)["curve"].to_list()).astype(float)
    return pd.DataFrame(curves, columns=[*REGIONS, *(f"area of {region}" for region in REGIONS)])


def _mean(tables: Sequence[pd.DataFrame]) -> pd.DataFrame | None:
    """Over explainers, of each sample; one whose map says nothing for it does not count."""
    if not tables:
        return None
    stack = np.stack([table.to_numpy(dtype=float) for table in tables])
    known = ~np.isnan(stack)
    total = np.where(known, stack, 0).sum(0)
    return pd.DataFrame(np.where(known.any(0), total / known.sum(0).clip(1), np.nan), columns=tables[0].columns)


def _tried(call: _Call, looked: Any, answers: pd.DataFrame, explainers: Sequence[str]) -> list[Tried]:
    """The places that the maps propose, and what is answered without them."""
    if call.head is None or not explainers:
        return []
    cells = {
        one: np.stack(_rows(looked, Places(curve=True), one)["curve"].to_list()).astype(float) for one in explainers
    }
    labels, predicted = (answers[name].to_numpy() for name in ("label", "predicted"))
    places = proposed(cells, labels, (labels == predicted) & (labels >= 0), size_of(call.head.images))
    pairs = [[Shown("place", places=p.boxes, elsewhere=e, curve=True) for e in (False, True)] for p in places]
    if not places:
        return []
    found = call.measured(call.source, [], [shown for pair in pairs for shown in pair])
    lost = [[1 - _kept(answers, _rows(found, shown)) for shown in pair] for pair in pairs]
    return [Tried(place, *pair) for place, pair in zip(places, lost, strict=True)]


def _agreeing(call: _Call, explainers: Sequence[Explainer], checks: int) -> list[str]:
    """How alike the maps of the first samples are."""
    if call.head is None or len(explainers) < 2 or not checks:
        return []
    images, labels = call.head.images[:checks], call.head.labels[:checks]
    known = labels if bool((labels >= 0).all()) else None
    try:
        maps = {
            str(one): explain(call.model, images, one, target=known, **call.asking).maps.cpu() for one in explainers
        }
    except PellucidError:
        return []  # what asks other questions
    said = agreement_of(maps)
    return [said] if said else []


def _about(call: _Call, explainers: Sequence[Explainer]) -> dict[str, Any]:
    return {
        "version": __version__, "model": _model_text(call.model), "data": call.source.name,
        "transform": call.source.transform, "explains": str(call.options["target"]), "seed": call.options["seed"],
        "controls": [str(one) for one in explainers if not one.asked],
    }  # fmt: skip
