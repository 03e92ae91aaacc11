"""What `pellucid influence` does: every influence of every model, their strongest examples, and the sheets."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.cli._models import Wanted, _random
from pellucid.cli._naming import file_name, short_names
from pellucid.errors import BadInput
from pellucid.files import writable, write_atomically

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pellucid.data import Dataset
    from pellucid.engine import Top
    from pellucid.influences import Case, Influence
    from pellucid.show.gallery import Shown

COUNT = 8  # test examples, where none are asked for
PICTURED = 24  # of more than that there are numbers alone


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

    def go(self, progress: bool) -> dict[str, Any]:
        """Everything is computed and written; what is told of it."""
        from pellucid.data import Dataset
        from pellucid.influences import Influence

        members = [Influence.make(text) for text in self.members]
        data = Dataset.make(self.train), Dataset.make(self.test)
        writable(self.out)
        self.names = dict(zip(self.models, short_names(self.models), strict=True))
        self.chosen = self._rows(data[1])
        record: dict[str, Any] = {"train": str(data[0]), "test": str(data[1]), "examples": [], "agreement": []}
        best: dict[str, dict[int, int]] = {}
        for text in self.models:
            for member, top, shown in self._asked(text, members, data, progress):
                name = self.names[text] if len(members) == 1 else f"{self.names[text]} · {member}"
                best[name if len(self.models) > 1 else str(member)] = {
                    row: int(top.supporters[i, 0]) for i, row in enumerate(self.chosen[:PICTURED])
                }
                self._told(record, text, str(member), top, data)
                self._pictured(text, member, top, shown)
        self._side_by_side(best, data, record)
        content = json.dumps(record, indent=2, ensure_ascii=False).encode()
        write_atomically(self.out / "influence.json", content)
        return record

    def _asked(
        self, text: str, members: "Sequence[Influence]", data: "tuple[Dataset, Dataset]", progress: bool
    ) -> "Iterator[tuple[Influence, Top, tuple[Shown, Shown]]]":
        """What each member says of one model, whose features are computed once."""
        import torch

        from pellucid.engine._influence import _checkpoints, answered, prepared

        torch.manual_seed(self.seed)  # random weights, where there are no others
        model = self._model(text)
        ready = prepared(
            model, *data, self.loss, rows=self.chosen, checkpoints=_checkpoints(text), transform=self.transform,
            batch_size=self.batch_size, seed=self.seed, device=self.device,
        )  # fmt: skip
        with ready as case:
            for member in members:
                place = self.out / f"{file_name(self.names[text])}-{file_name(str(member))}"
                if self.scores:
                    answered(case, member, None, place, progress)
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
        labels = data[0].labels()
        own = data[1].labels(self.chosen)
        for i, row in enumerate(self.chosen):
            record["examples"].append({
                "model": model, "influence": member, "test": row, "label": _said(data[1], int(own[i])),
                "supporters": _listed(data[0], labels, top.supporters[i], top.scores[i]),
                "opponents": _listed(data[0], labels, top.opponents[i], top.low[i]),
            })  # fmt: skip
        if bool((own >= 0).all() & (labels >= 0).all()):
            record["agreement"].append(
                {
                    "model": model,
                    "influence": member,
                    "supporters": float((labels[top.supporters] == own[:, None]).double().mean()),
                    "opponents": float((labels[top.opponents] == own[:, None]).double().mean()),
                    "chance": float((labels == own[:, None]).double().mean()),
                }
            )

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
        self.kept = getattr(self, "kept", {}) | of_train
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


def _listed(data: "Dataset", labels: "Tensor", which: "Tensor", values: "Tensor") -> list[dict[str, Any]]:
    return [
        {"train": i, "label": _said(data, int(labels[i])), "score": score}
        for i, score in zip(which.tolist(), values.tolist(), strict=True)
    ]


def _said(data: "Dataset", label: int) -> str:
    return data.said(label) if label >= 0 else ""
