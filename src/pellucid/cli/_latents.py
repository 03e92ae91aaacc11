"""The work behind `pellucid latents`: encoder after encoder over the same records, then pictures, table and page."""

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import pellucid
from pellucid.cli import _images, _models
from pellucid.cli._console import console, note
from pellucid.cli._measured import terms
from pellucid.cli._naming import short_names
from pellucid.cli._side_by_side import shown
from pellucid.data import Dataset, Record
from pellucid.data._batches import View
from pellucid.data._factors import Factors, factors_of
from pellucid.data.transforms import Transform
from pellucid.engine import agreement
from pellucid.engine._kept import Spent, key_of
from pellucid.explainers import Explainer
from pellucid.explanation import Explanation, explain
from pellucid.files import writable, write_atomically
from pellucid.maths.maps import resize
from pellucid.metrics import Metric
from pellucid.metrics.dci import DCI, completeness, weighted
from pellucid.metrics.latent_agreement import TOLERANCE, LatentAgreement, Streamed, active, alike, entropy
from pellucid.metrics.mutual_information_gap import MutualInformationGap
from pellucid.metrics.sap import SAP
from pellucid.report import write as write_page
from pellucid.report.latents import FILE, WHOLE
from pellucid.results.kept import Pictures, Sample, write_pictures
from pellucid.results.plain import plain
from pellucid.results.statistics import bca
from pellucid.show.boxes import Box, boxes
from pellucid.show.colour import SATURATE
from pellucid.show.encoders import encoder_sheet, unit_sheet
from pellucid.show.overlay import png
from pellucid.show.progress import track
from pellucid.show.stacked import stacked
from pellucid.subject.machine import machine
from pellucid.training._about import _knobs

SHOWN, UNITS, ROWS = 8, 12, 32  # images on a sheet, units where none are named, records explained together
BY = ("pearson", "spearman", "cosine", "entropy", "active")
TITLES = dict(zip(BY, ("Pearson", "Spearman", "cosine", "entropy, nats", "active units"), strict=True))


@dataclass(frozen=True)
class Picked:
    """Which records: shown, explained, encoded."""

    data: Dataset
    shown: list[int]
    measured: list[int]
    encoded: list[int]

    @classmethod
    def of(cls, text: str, rows: str | None, images: int, codes: int, seed: int) -> "Picked":
        data = _images.records(text, "0")[0].data
        assert data is not None
        chance = random.Random(seed)
        order = chance.sample(range(len(data)), min(max(images, codes), len(data)))
        named = None if rows is None else [found.row for found in _images.records(text, rows)]
        return cls(data, named or sorted(order[:SHOWN]), order[:images], order[:codes])

    @cached_property
    def factors(self) -> Factors | None:
        """Of the encoded records, where they are known of the first."""
        first = factors_of([self.data[self.encoded[0]]])
        return None if first is None else factors_of([self.data[row] for row in self.encoded])


@dataclass(eq=False)
class Encoder:
    """One of them, and what was found."""

    wanted: _models.Wanted
    name: str
    kind: str = ""  # the objective it was trained by
    group: str = ""  # and its weight
    units: list[int] = field(default_factory=list)
    numbers: dict[str, Tensor] = field(default_factory=dict)  # by image
    pooled: dict[str, float] = field(default_factory=dict)
    factors: dict[str, float] = field(default_factory=dict)
    by_factor: dict[str, list[float]] = field(default_factory=dict)
    whole: list[Tensor] = field(default_factory=list)  # label-free maps of the measured images
    of_units: Explanation | None = None  # of the shown images
    of_code: Explanation | None = None


def encoders_of(wanted: Sequence[_models.Wanted]) -> list[Encoder]:
    """Their names, and what they were trained by, where it is known."""
    names = short_names([w.model for w in wanted])
    return [Encoder(w, name, *trained_by(w.model)) for w, name in zip(wanted, names, strict=True)]


def trained_by(model: str) -> tuple[str, str]:
    """The objective and its β, of a training's folder or a file in it."""
    from pellucid.objectives import Objective
    from pellucid.training import _plan

    path = Path(model)
    written = _plan.read(path if path.is_dir() else path.parent) if path.exists() else {}
    text = written.get("plan", {}).get("objective")
    if text is None:
        return "", ""
    objective = Objective.make(text)
    beta = getattr(objective, "beta", None)
    return objective.name, "" if beta is None else f"β {beta:g}"


@dataclass(eq=False)
class Latents:
    """One call of the command."""

    wanted: Sequence[_models.Wanted]
    picked: Picked
    explainer: str
    units: str | None
    transform: str | None
    batch_size: int | None
    out: Path
    command: str

    def __post_init__(self) -> None:
        self.spent, self.warnings = Spent(self.wanted[0].device or "cpu"), list[str]()
        self.made = Explainer.make(self.explainer)
        self.encoders = encoders_of(self.wanted)
        writable(self.out)

    def go(self, progress: bool) -> None:
        for encoder in self.encoders:
            loaded = _models.load(encoder.wanted)
            if loaded.warning:
                note(loaded.warning)
                self.warnings.append(loaded.warning)
            self._look(encoder, loaded, progress)
        self.files, self.key = self._draw(), self._keep()
        write_atomically(self.out / FILE, json.dumps(self.record, indent=2, ensure_ascii=False).encode())
        write_page(self.out, "latents")

    # --- one encoder ----------------------------------------------------------------------------------------------

    def _look(self, encoder: Encoder, loaded: _models.Loaded, progress: bool) -> None:
        named = self.transform
        view = View(self.picked.data, loaded.transform if named is None else Transform.make(named))
        encoder.units = self._units(loaded, view)
        asks = [f"unit:index={unit}" for unit in encoder.units]
        streamed, found = Streamed(TOLERANCE), {by: list[Tensor]() for by in BY}
        pieces = [self.picked.measured[i : i + ROWS] for i in range(0, len(self.picked.measured), ROWS)]
        for rows in track(pieces, f"explaining {encoder.name}", progress):
            x = _seen(view, rows)
            maps = self._explain(loaded, x, asks).maps
            maps = maps.view(len(x), len(asks), -1).abs().cpu()
            streamed.add(maps)
            for by, values in found.items():
                values.append(_alike(maps, by))
            encoder.whole.append(self._explain(loaded, x, "similarity").maps.abs().cpu())
        encoder.numbers = {by: torch.cat(values) for by, values in found.items()}
        encoder.pooled = {by: streamed.value(by) for by in BY}  # type: ignore[arg-type]
        self._told(encoder, loaded, view)
        x = _seen(view, self.picked.shown)
        encoder.of_units, encoder.of_code = (self._explain(loaded, x, ask) for ask in (asks, "similarity"))

    def _explain(self, loaded: _models.Loaded, x: Tensor, ask: Any) -> Explanation:
        seed = self.wanted[0].seed
        e = explain(loaded.model, x, self.made, ask, seed=seed, batch_size=self.batch_size)
        if isinstance(ask, list) and len(ask) == 1:  # the axis of the units stays
            e = replace(e, ask=tuple(ask), maps=e.maps.unsqueeze(1))
        return e

    def _units(self, loaded: _models.Loaded, view: View) -> list[int]:
        """Those that were named, else all, or of many those that vary most over the measured images."""
        if self.units is not None:
            return list(dict.fromkeys(_images._numbers(self.units)))  # pyright: ignore[reportPrivateUsage]
        codes = _encoded(loaded, view, self.picked.measured)
        if codes.shape[1] <= UNITS:
            return list(range(codes.shape[1]))
        return sorted(codes.std(0).topk(UNITS).indices.tolist())

    def _told(self, encoder: Encoder, loaded: _models.Loaded, view: View) -> None:
        """Whether a unit stands for a factor, where the data knows its factors."""
        factors = self.picked.factors
        if factors is None:
            return
        codes = _encoded(loaded, view, self.picked.encoded)
        known, ordered = factors.classes, list(factors.ordered)
        for name, metric in (("MIG", MutualInformationGap()), ("SAP", SAP())):
            each = metric.each(codes, known, ordered)
            encoder.factors[name], encoder.by_factor[name] = float(each.nanmean()), each.tolist()
        importance, foretold = DCI().importance(codes.double(), known, ordered)  # forests once for all three
        encoder.factors["disentanglement"] = float(weighted(importance))
        encoder.factors["completeness"] = float(completeness(importance).nanmean())
        encoder.factors["informativeness"] = float(foretold.nanmean())
        encoder.by_factor["completeness"] = completeness(importance).tolist()
        encoder.by_factor["informativeness"] = foretold.tolist()

    # --- pictures ---------------------------------------------------------------------------------------------------

    def _draw(self) -> list[str]:
        records = [self.picked.data[row] for row in self.picked.shown]
        titles = [_title(self.picked.data, row, r) for row, r in zip(self.picked.shown, records, strict=True)]
        pictures = [shown(record) for record in records]
        sheets = [(e.name, self._units_of(e, pictures, titles)) for e in self.encoders]
        whole = sheets[0][1] if len(sheets) == 1 else stacked(sheets)
        files = {"units.png": whole}
        if len(self.encoders) > 1:
            given = {e.name: e.of_code for e in self.encoders if e.of_code is not None}
            said = f"{self.made} of the similarity to each image's own code. Each encoder has its own scale."
            files["encoders.png"] = encoder_sheet(given, pictures, titles, SATURATE, said)
            files["agreement.png"] = boxes(self._panels(), self._said())
        for name, picture in files.items():
            write_atomically(self.out / name, png(picture))
        return list(files)

    def _keep(self) -> str:
        """The same maps for the page, all of one size."""
        entries: list[dict[str, Any]] = []
        stacks: list[Tensor] = []
        for e in self.encoders:
            assert e.of_units is not None
            assert e.of_code is not None
            for found, asks in ((e.of_units, [f"unit {unit}" for unit in e.units]), (e.of_code, [WHOLE])):
                entries += [{"explainer": e.name, "ask": ask, "signed": bool(found.signed)} for ask in asks]
                stacks.append(found.maps.detach().float().cpu().view(len(found), len(asks), *found.maps.shape[-2:]))
        size = (max(m.shape[-2] for m in stacks), max(m.shape[-1] for m in stacks))
        maps = torch.cat([resize(m.flatten(0, 1), size).view(*m.shape[:2], *size) for m in stacks], 1).numpy()
        samples = [self._sample(i, row, maps[i]) for i, row in enumerate(self.picked.shown)]
        key = key_of([self.command], {sample.number: sample.why for sample in samples})
        write_pictures(self.out, key, Pictures(entries, samples))
        return key

    def _sample(self, i: int, row: int, maps: Any) -> Sample:
        """A record as the first encoder sees it."""
        first, record = self.encoders[0].of_code, self.picked.data[row]
        seen = None if first is None else first.picture(i)
        picture = (shown(record) if seen is None else seen).detach().cpu()
        pixels = (picture * 255).round().byte().permute(1, 2, 0).numpy()
        return Sample(row, record.label, -1, -1, math.nan, ["shown"], pixels, maps)

    def _units_of(self, encoder: Encoder, pictures: list[Tensor], titles: list[str]) -> Any:
        said = f"{encoder.name}: what raises each unit, and under each map the unit's value. One scale for all units."
        return unit_sheet(encoder.of_units, encoder.units, pictures, titles, SATURATE, said)

    @cached_property
    def _repeated(self) -> bool:
        """Whether several encoders were trained alike: then each is one number."""
        kinds = [(e.kind, e.group or e.name) for e in self.encoders]
        return len(set(kinds)) < len(kinds)

    def _panels(self) -> dict[str, list[Box]]:
        panels: dict[str, list[Box]] = {TITLES[by]: self._boxes(by) for by in BY}
        for name in self.encoders[0].factors:
            panels[name] = self._joined([(e, [e.factors[name]]) for e in self.encoders])
        return panels

    def _boxes(self, by: str) -> list[Box]:
        if self._repeated:
            return self._joined([(e, [float(e.numbers[by].nanmean())]) for e in self.encoders])
        return self._joined([(e, e.numbers[by].tolist()) for e in self.encoders])

    def _joined(self, values: list[tuple[Encoder, list[float]]]) -> list[Box]:
        """Of encoders trained alike one box."""
        found: dict[tuple[str, str], list[float]] = {}
        for encoder, some in values:
            found.setdefault((encoder.group or encoder.name, encoder.kind), []).extend(some)
        return [Box(group, kind, some) for (group, kind), some in found.items()]

    def _said(self) -> str:
        of = "a number a training" if self._repeated else f"a number an image, {len(self.picked.measured)} of them"
        said = f"How alike the maps of the units are, by {self.made}; {of}. Neither high nor low is good in itself."
        more = f" From MIG on: how well a unit stands for a factor, of {len(self.picked.encoded)} codes; high is good."
        return said + (more if self.picked.factors else "")

    # --- words --------------------------------------------------------------------------------------------------------

    @cached_property
    def record(self) -> dict[str, Any]:
        """Everything that was found, and what it took."""
        data, factors = self.picked, self.picked.factors
        titles = [_title(data.data, row, data.data[row]) for row in data.shown]
        return self._found | plain({
            "version": pellucid.__version__, "titles": titles, "pictures": self.key, "method": _knobs(self.made),
            "protocols": {metric.card_id: metric.card for metric in _metrics(self.made, factors is not None)},
            "licence": terms(data.data), "digest": data.data.fingerprint(), "transform": self.transform,
            "seed": self.wanted[0].seed, "warnings": self.warnings, "command": self.command,
            "calls": [self.spent.figures()], "machine": machine(),
        })  # fmt: skip

    @property
    def _found(self) -> dict[str, Any]:
        data, factors = self.picked, self.picked.factors
        return {
            "dataset": str(data.data), "explainer": str(self.made), "images": len(data.measured),
            "shown": data.shown, "factors": None if factors is None else list(factors.names),
            "encoded": len(data.encoded) if factors else 0, "files": self.files,
            "encoders": [self._row(e) for e in self.encoders], "agreement": self._between,
        }  # fmt: skip

    def _row(self, e: Encoder) -> dict[str, Any]:
        agreed = {by: _interval(values) | {"pooled": e.pooled[by]} for by, values in e.numbers.items()}
        told = {"factors": e.factors, "by_factor": e.by_factor} if e.factors else {}
        about = {"encoder": e.name, "model": e.wanted.model, "objective": e.kind, "weight": e.group, "units": e.units}
        assert e.of_units is not None
        values = e.of_units.value
        shown = {} if values is None else {"values": values.reshape(len(e.of_units), -1).tolist()}
        return _finite(about | {"weights": e.of_units.model, **shown, "agreement": agreed} | told)

    @cached_property
    def _between(self) -> dict[str, Any]:
        """Between the label-free maps of every two encoders: the mean over images, or all pixels as one."""
        if len(self.encoders) < 2:
            return {}
        maps = [torch.cat(e.whole) for e in self.encoders]
        size = (min(m.shape[-2] for m in maps), min(m.shape[-1] for m in maps))
        maps, found = [resize(m, size) for m in maps], dict[str, Any]()
        for by in ("pearson", "spearman"):
            found[by] = agreement(maps, by=by).nanmean(0).tolist()
            found[f"{by} pooled"] = agreement(maps, by=by, pooled=True).tolist()
        return _finite(found)

    def print(self, as_json: bool) -> None:
        if as_json:
            print(json.dumps(self.record, indent=2, ensure_ascii=False))
            return
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, header_style="bold")
        for name in ("encoder", "units", *BY, *self.encoders[0].factors):
            table.add_column(name, justify="left" if name == "encoder" else "right", overflow="fold")
        for e in self.encoders:
            cells = [_said_of(e.numbers[by]) for by in BY] + [f"{v:.2f}" for v in e.factors.values()]
            table.add_row(Text(e.name), str(len(e.units)), *cells)
        console().print(table)
        console().print(f"\nHow alike the maps of units are: means over {len(self.picked.measured)} images, ± 95 %.")
        if self._between:
            self._print_between()
        console().print(f"{', '.join(self.files)} and {FILE}: {self.out}", soft_wrap=True)
        console().print(f"Open {self.out / 'report.html'}", soft_wrap=True)

    def _print_between(self) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, header_style="bold")
        for name in ("", *(e.name for e in self.encoders)):
            table.add_column(Text(name), overflow="fold")
        for i, e in enumerate(self.encoders):
            r, s = self._between["pearson"][i], self._between["spearman"][i]
            cells = [_two(r[j], s[j]) if j < i else "" for j in range(len(self.encoders))]
            table.add_row(Text(e.name), *cells)
        console().print("\nDo they look at the same pixels? Pearson and Spearman of their maps, means over the images.")
        console().print(table)


def _metrics(explainer: Explainer, factors: bool) -> list[Metric]:
    """Whose cards the page shows."""
    made: list[Metric] = [LatentAgreement(by=by, explainer=explainer) for by in BY]  # type: ignore[arg-type]
    return [*made, MutualInformationGap(), SAP(), DCI()] if factors else made


def _alike(maps: Tensor, by: str) -> Tensor:
    if by == "entropy":
        return entropy(maps)
    return active(maps) if by == "active" else alike(maps, by)  # type: ignore[arg-type]


def _seen(view: View, rows: Sequence[int]) -> Tensor:
    """Records as the model takes them."""
    return torch.stack([view.seen(view.data[row], row, 0).image for row in rows])


def _encoded(loaded: _models.Loaded, view: View, rows: Sequence[int]) -> Tensor:
    """The codes [n, d]."""
    pieces = [rows[i : i + 256] for i in range(0, len(rows), 256)]
    return torch.cat([_models.answer(loaded.model, _seen(view, some)).flatten(1) for some in pieces])


def _title(data: Dataset, row: int, record: Record) -> str:
    return f"{row}: {data.said(record.label)}" if record.label >= 0 else str(row)


def _interval(values: Tensor) -> dict[str, Any]:
    known = values[~values.isnan()].tolist()
    if len(known) < 2:
        return {"mean": known[0] if known else None, "n": len(known)}
    found = bca(known)
    return {"mean": found.mean, "low": found.low, "high": found.high, "n": len(known)}


def _said_of(values: Tensor) -> str:
    found = _interval(values)
    if found["mean"] is None:
        return "–"
    return f"{found['mean']:.3f}" + (f" ± {(found['high'] - found['low']) / 2:.3f}" if "low" in found else "")


def _two(pearson: float | None, spearman: float | None) -> str:
    return " · ".join("–" if value is None else f"{value:.2f}" for value in (pearson, spearman))


def _finite(thing: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(thing, dict):
        return {key: _finite(value) for key, value in thing.items()}
    if isinstance(thing, list):
        return [_finite(value) for value in thing]
    return None if isinstance(thing, float) and not math.isfinite(thing) else thing
