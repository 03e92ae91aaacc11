"""What `pellucid influence` does: every influence of every model, their strongest examples, the sheets and the page."""

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pellucid
from pellucid.cli._measured import optional, terms
from pellucid.cli._models import Wanted, _random
from pellucid.cli._naming import file_name, short_names
from pellucid.errors import BadInput
from pellucid.files import writable, write_atomically
from pellucid.report import write as write_page
from pellucid.report.influence import FILE, PICTURED, TEST, TRAIN
from pellucid.results.plain import as_text

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pellucid.data import Dataset
    from pellucid.engine import Top
    from pellucid.influences import Case, Influence
    from pellucid.results.kept import Sample
    from pellucid.show.gallery import Shown

COUNT = 8  # test examples, where none are asked for
SHARES = (0.01, 0.1)  # of the training examples, whose similarity rates are told where all scores are there
SIDE = 128  # pixels of a picture that is kept, at most
ENTRIES = 2**22  # of a matrix that are looked at together


@dataclass
class Influencing:
    """One call of the command."""

    models: Sequence[str]
    train: str
    test: str
    members: Sequence[str]
    loss: str | None
    rows: str | None
    top: int
    scores: bool
    transform: str | None
    network: str | None
    weights: str | None
    batch_size: int
    device: str | None
    seed: int
    out: Path
    warnings: list[str] = field(default_factory=list)
    kept: "dict[int, Tensor]" = field(default_factory=dict)  # pictures of training examples, by number
    asked: "dict[int, Tensor]" = field(default_factory=dict)  # and of test examples

    def go(self, progress: bool) -> dict[str, Any]:
        """Everything is computed and written; what is told of it."""
        from pellucid.data import Dataset
        from pellucid.engine._kept import Spent
        from pellucid.influences import Influence
        from pellucid.subject.machine import machine

        self.spent = Spent("cpu")
        members = [Influence.make(text) for text in self.members]
        data = Dataset.make(self.train), Dataset.make(self.test)
        writable(self.out)
        self.names = dict(zip(self.models, short_names(self.models), strict=True))
        self.chosen = self._rows(data[1])
        self.labels, self.own = data[0].labels(), data[1].labels(self.chosen)
        record: dict[str, Any] = {
            "version": pellucid.__version__, "train": str(data[0]), "test": str(data[1]),
            "what": "images" if data[0].kind == "images" else "examples", "top": self.top, "models": [], "methods": [],
            "examples": [], "agreement": [], "similarity": [],
        }  # fmt: skip
        best: dict[str, dict[int, int]] = {}
        for text in self.models:
            for member, top, shown in self._asked(record, text, members, data, progress):
                name = self.names[text] if len(members) == 1 else f"{self.names[text]} · {member}"
                best[name if len(self.models) > 1 else str(member)] = {
                    row: int(top.supporters[i, 0]) for i, row in enumerate(self.chosen[:PICTURED])
                }
                self._told(record, text, str(member), top, data)
                self._pictured(text, member, top, shown)
        self._side_by_side(best, data, record)
        record |= {
            "pictures": self._keep(), "licences": [terms(one) for one in data], "transform": self.transform,
            "digests": [one.fingerprint() for one in data], "seed": self.seed, "warnings": self.warnings,
            "command": self.command, "calls": [self.spent.figures()], "machine": machine(),
        }  # fmt: skip
        write_atomically(self.out / FILE, as_text(record).encode())
        write_page(self.out, "influence")
        return record

    @property
    def command(self) -> str:
        """That makes all of it again."""
        each = {"--model": self.models, "--train": [self.train], "--test": [self.test], "-i": self.members}
        words = [word for option, some in each.items() for one in some for word in (option, one)]
        words += optional({
            "--loss": self.loss, "--rows": self.rows, "--top": self.top, "--transform": self.transform,
            "--network": self.network, "--weights": self.weights,
            "--batch-size": None if self.batch_size == 64 else self.batch_size, "--device": self.device,
            "--seed": self.seed or None,
        })  # fmt: skip
        return shlex.join(["pellucid", "influence", *words, *["--scores"] * self.scores, "-o", str(self.out)])

    def _asked(
        self,
        record: dict[str, Any],
        text: str,
        members: "Sequence[Influence]",
        data: "tuple[Dataset, Dataset]",
        progress: bool,
    ) -> "Iterator[tuple[Influence, Top, tuple[Shown, Shown]]]":
        """What each member says of one model, whose features are computed once."""
        import torch

        from pellucid.engine._influence import _checkpoints, answered, prepared
        from pellucid.explanation import model_name

        torch.manual_seed(self.seed)  # random weights, where there are no others
        model = self._model(text)
        ready = prepared(
            model, *data, self.loss, rows=self.chosen, checkpoints=_checkpoints(text), transform=self.transform,
            batch_size=self.batch_size, seed=self.seed, device=self.device,
        )  # fmt: skip
        with ready as case:
            self.spent.device = str(case.place)
            record["models"].append({"model": text, "name": self.names[text], "weights": model_name(case.model)})
            for member in members:
                record["methods"].append({"model": text, **_method(member, case)})
                place = self.out / f"{file_name(self.names[text])}-{file_name(str(member))}"
                if self.scores:
                    every = answered(case, member, None, place, progress)
                    record["similarity"] += [{"model": text, "influence": str(member), **r} for r in self._rates(every)]
                top = answered(case, member, self.top, None, progress)
                yield member, top, self._shown(case, top, model, data)

    def _model(self, text: str) -> "nn.Module":
        from pellucid.networks import load_model

        warning = _random(Wanted(text, self.network, self.weights))
        self.warnings += [warning] if warning and warning not in self.warnings else []
        weights = "default" if self.weights is None else None if self.weights.lower() == "none" else self.weights
        return load_model(text, network=self.network, weights=weights)

    def _rows(self, data: "Dataset") -> list[int]:
        from pellucid.cli._images import _numbers

        if data.streamed:
            raise BadInput(f"{data.name} is a stream, whose records have no numbers; give another --test.")
        if self.rows is None:
            count = min(COUNT, len(data))
            return [i * len(data) // count for i in range(count)]
        wanted = range(len(data)) if self.rows == "all" else dict.fromkeys(_numbers(self.rows))
        strange = [row for row in wanted if not 0 <= row < len(data)]
        if strange:
            raise BadInput(
                f"--rows has {strange[0]}, and {data.name} has records 0 to {len(data) - 1}; give one of them."
            )
        return list(wanted)

    # --- what comes of it ------------------------------------------------------------------------------------------

    def _told(
        self, record: dict[str, Any], model: str, member: str, top: "Top", data: "tuple[Dataset, Dataset]"
    ) -> None:
        """A row a test example; and how many examples have the label of theirs."""
        labels, own, said = self.labels, self.own, {"model": model, "influence": member}
        for i, row in enumerate(self.chosen):
            record["examples"].append({
                **said, "test": row, "label": _said(data[1], int(own[i])),
                "supporters": _listed(data[0], labels, int(own[i]), top.supporters[i], top.scores[i]),
                "opponents": _listed(data[0], labels, int(own[i]), top.opponents[i], top.low[i]),
            })  # fmt: skip
        if self.labelled:
            alike = {
                name: (labels[which] == own[:, None]).double().mean(1)
                for name, which in (("supporters", top.supporters), ("opponents", top.opponents))
            }
            means = {name: float(share.mean()) for name, share in alike.items()}
            chance = float((labels == own[:, None]).double().mean())
            each = {name: share.tolist() for name, share in alike.items()}
            record["agreement"].append({**said, **means, "chance": chance, "each": each})

    @property
    def labelled(self) -> bool:
        return bool((self.own >= 0).all() & (self.labels >= 0).all())

    def _rates(self, w: "Tensor") -> Iterator[dict[str, Any]]:
        """Similarity rates of both ends, a number a test example."""
        import torch

        from pellucid.metrics.similarity_rate import SimilarityRate

        rows = max(1, ENTRIES // w.shape[1])
        for share in SHARES if self.labelled else ():
            ends: dict[str, Any] = {"share": share}
            for side in ("most", "least"):
                rate = SimilarityRate(share=share, side=side)
                parts = [rate(w[i : i + rows], self.own[i : i + rows], self.labels) for i in range(0, len(w), rows)]
                ends |= {side: torch.cat(parts).tolist(), "card": rate.card_id, "facts": dict(rate.card)}
            yield ends

    def _shown(
        self, case: "Case", top: "Top", model: "nn.Module", data: "tuple[Dataset, Dataset]"
    ) -> "tuple[Shown, Shown]":
        """The pictures that are shown, as the model sees them."""
        from pellucid.networks._load import card_of
        from pellucid.show.gallery import Shown, picture_of

        card = card_of(model)
        scale = (card.mean, card.std) if card and self.transform is None else (None, None)
        wanted = sorted({int(i) for i in top.supporters[:PICTURED].flatten()} | {
            int(i) for i in top.opponents[:PICTURED].flatten()
        })  # fmt: skip
        of_train = {i: picture_of(case.train[i : i + 1].read()[0][0], *scale) for i in wanted}
        rows = list(enumerate(self.chosen[:PICTURED]))
        of_test = {row: picture_of(case.test[i : i + 1].read()[0][0], *scale) for i, row in rows}
        said = {i: _said(data[0], data[0].label(i)) for i in wanted}
        self.kept |= of_train
        self.asked = of_test
        return Shown(of_test, {row: _said(data[1], data[1].label(row)) for _, row in rows}), Shown(of_train, said)

    def _pictured(self, model: str, member: "Influence", top: "Top", shown: "tuple[Shown, Shown]") -> None:
        """A sheet: every test example beside its strongest."""
        from pellucid.show.gallery import strongest
        from pellucid.show.overlay import png

        def pairs(which: "Tensor", values: "Tensor") -> dict[int, list[tuple[int, float]]]:
            return {
                row: list(zip(which[i].tolist(), values[i].tolist(), strict=True))
                for i, row in enumerate(self.chosen[:PICTURED])
            }

        supporters, opponents = pairs(top.supporters, top.scores), pairs(top.opponents, top.low)
        name = self.names[model]
        note = f"{member} · {name}. Below each its label and score; a green frame has the test example's label."
        sheet = strongest(*shown, supporters, opponents, note)
        write_atomically(self.out / f"{file_name(name)}-{file_name(str(member))}.png", png(sheet))

    def _side_by_side(
        self, best: dict[str, dict[int, int]], data: "tuple[Dataset, Dataset]", record: dict[str, Any]
    ) -> None:
        """One sheet of the first example that each of several found."""
        if len(best) < 2:
            return
        from pellucid.show.gallery import Shown, first_of_each
        from pellucid.show.overlay import png

        test = Shown(self.asked, {row: _said(data[1], data[1].label(row)) for row in self.asked})
        train = Shown(self.kept, {i: _said(data[0], data[0].label(i)) for i in self.kept})
        sheet = first_of_each(
            test, train, best, "The most important training example for each test example; a green frame has its label."
        )
        write_atomically(self.out / "side-by-side.png", png(sheet))
        record["sheet"] = "side-by-side.png"

    def _keep(self) -> str:
        """The pictures for the page, made small."""
        from pellucid.engine._kept import key_of
        from pellucid.results.kept import Pictures, write_pictures

        own = dict(zip(self.chosen, self.own.tolist(), strict=True))
        samples = [_kept(row, own[row], TEST, picture) for row, picture in self.asked.items()]
        samples += [_kept(i, int(self.labels[i]), TRAIN, picture) for i, picture in sorted(self.kept.items())]
        key = key_of([self.command], {sample.number: sample.why for sample in samples})
        write_pictures(self.out, key, Pictures([], samples))
        return key


def _kept(number: int, label: int, why: str, picture: "Tensor") -> "Sample":
    """A picture [3, h, w] without maps."""
    import numpy as np

    from pellucid.results.kept import Sample
    from pellucid.show.overlay import plain

    h, w = picture.shape[1:]
    ratio = min(1.0, SIDE / max(h, w))
    size = max(1, round(w * ratio)), max(1, round(h * ratio))
    return Sample(number, label, -1, -1, math.nan, [why], np.asarray(plain(picture, size)), np.empty((0, *size[::-1])))


def _method(member: "Influence", case: "Case") -> dict[str, Any]:
    """Everything that decides its scores."""
    from pellucid.training._about import _knobs

    told: dict[str, Any] = {"influence": str(member), **_knobs(member), "control": not member.sees}
    told |= {"loss": case.loss.name} if case.loss and "loss" in member.needs else {}
    return told | ({"checkpoints": len(case.checkpoints)} if "checkpoints" in member.needs else {})


def _listed(data: "Dataset", labels: "Tensor", own: int, which: "Tensor", values: "Tensor") -> list[dict[str, Any]]:
    return [
        {
            "train": i, "label": _said(data, int(labels[i])), "score": score,
            "same": bool(labels[i] == own) if own >= 0 and labels[i] >= 0 else None,
        }
        for i, score in zip(which.tolist(), values.tolist(), strict=True)
    ]  # fmt: skip


def _said(data: "Dataset", label: int) -> str:
    return data.said(label) if label >= 0 else ""
