"""The run behind `pellucid explain`: images in small batches, each written when it is done."""

import hashlib
import json
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image as Picture
from torch import Tensor

import pellucid
from pellucid import grammar
from pellucid.cli import _classes, _everything, _images, _models
from pellucid.cli._console import note
from pellucid.cli._images import Found, outline
from pellucid.data import Record
from pellucid.data._batches import View as Seen
from pellucid.data._pictures import read
from pellucid.errors import BadFile, BadInput, PellucidError
from pellucid.explainers import Explainer
from pellucid.explanation import Explanation, explain
from pellucid.files import writable, write_atomically
from pellucid.questions import Question
from pellucid.show.colour import SATURATE, limit_of, scale_text, start_of
from pellucid.show.contrast import CONTRASTS, contrast_sheet
from pellucid.show.overlay import png, tile, tile_size
from pellucid.show.progress import track
from pellucid.show.sheet import Column, contact_sheet

SHEET = 40  # the most images on a contact sheet
FORGETTING = 6  # and on a sanity sheet


@dataclass(frozen=True)
class Asked:
    """What the command line asks."""

    explainers: list[Explainer]
    questions: list[Question]  # none: each explainer's own
    targets: list[str]  # none: the predicted class
    against: str | None
    top: int
    contrasts: bool = False
    sanity: bool = False
    all: bool = False  # of the catalogue: who has no answer says why

    @classmethod
    def read(
        cls,
        explainers: Sequence[str],
        asks: Sequence[str] | None,
        targets: Sequence[str] | None,
        against: str | None,
        top: int | None,
        contrasts: bool = False,
        sanity: bool = False,
    ) -> "Asked":
        everything = [text for text in explainers if text in _everything.WORDS]
        named = [text for text in explainers if text not in _everything.WORDS]
        made = [Explainer.make(item) for text in named for item in grammar.read_list(text)]
        made += [one for text in everything for one in _everything.every(text.endswith(":quick"))]
        if contrasts:  # what is clipped cannot be compared with what is not
            clips = {e: [k for k in ("relu", "rectify", "clamp") if getattr(e, k, True) is None] for e in made}
            made = [e.but(**dict.fromkeys(clips[e], False)) for e in made]
        texts = CONTRASTS if contrasts else asks or ()
        questions = [Question.make(item) for text in texts for item in grammar.read_list(text)]
        top = top or (3 if contrasts else 1)
        return cls(
            list(dict.fromkeys(made)),
            list(dict.fromkeys(questions)),
            list(targets or ()),
            against,
            top,
            contrasts,
            sanity,
            bool(everything),
        )


@dataclass(frozen=True, eq=False)
class View:
    """One map of one image, and everything that is said about it."""

    map: Tensor
    explainer: str
    ask: str
    target: int | None
    rank: int  # of the target among those asked about
    value: float | None
    error: float | None  # of completeness
    signed: bool
    limit: float
    seconds: float
    start: float = 0.0  # of an unsigned scale


@dataclass(eq=False)
class Run:
    """One call of the command."""

    files: list[Found]
    asked: Asked
    wanted: _models.Wanted
    batch_size: int | None
    out: Path
    rows: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    shown: list[tuple[str, Tensor, list[View]]] = field(default_factory=list)
    truths: dict[str, Record] = field(default_factory=dict)  # of records of a data set: what is known about them
    outlines: list[Tensor | None] = field(default_factory=list)
    inputs: list[tuple[str, Tensor]] = field(default_factory=list)  # the first, for the sanity sheets
    done: int = 0
    refused: dict[str, str] = field(default_factory=dict)  # of all explainers: who has no answer here, and why
    made_by: dict[str, Explainer] = field(default_factory=dict)  # by the name in the views

    def __post_init__(self) -> None:
        writable(self.out)
        loaded = _models.load(self.wanted)
        self.loaded = loaded.named(self.files[0].data.class_names if self.files[0].data is not None else ())
        self.questions, self.targets = self.asked.questions, None
        number = lambda word: _classes.number(word, self.loaded.names, self.loaded.outputs)  # noqa: E731
        if self.asked.targets:
            self.targets = [number(word) for word in self.asked.targets]
        if self.asked.against is not None:
            contrast = Question.make(f"contrast:against={number(self.asked.against)}")
            self.questions = [*self.questions, contrast]
        if self.asked.top > max(1, self.loaded.outputs):
            raise BadInput(f"--top {self.asked.top} is more than the {self.loaded.outputs} classes of this model.")

    def go(self, progress: bool) -> dict[str, Any]:
        """Every image; what is finished stays, whatever happens."""
        record: dict[str, Any] = {
            "version": pellucid.__version__,
            "model": "",
            "warning": self.loaded.warning or None,
            "seed": self.wanted.seed,
            "sheet": None,
            "skipped": self.skipped,
            "explanations": self.rows,
        }
        written = time.monotonic()
        try:
            for batch in track(self._batches(), "explaining", progress):
                record["model"] = self._explain(batch, progress) or record["model"]
                if time.monotonic() - written > 1:
                    self._write(record)
                    written = time.monotonic()
            if self.asked.all:
                record["refused"] = [{"explainer": name, "reason": why} for name, why in self.refused.items()]
            if self.rows:
                record["sheet"] = self._sheet()
            if self.asked.sanity and self.inputs:
                sane = [e for e in self.asked.explainers if str(e) not in self.refused]
                record["sanity"] = [self._sanity(explainer) for explainer in sane]
        except KeyboardInterrupt:
            note(f"{self.done} of {len(self.files)} images are finished, in {self.out}")
            raise
        finally:
            if self.rows:
                self._write(record)
        if not self.rows:
            raise BadFile(f"{_images.skipped([f.path for f in self.files])[:-1]}, and there were no others.")
        return record

    def _write(self, record: dict[str, Any]) -> None:
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(self.out / "explanations.json", text.encode())

    def _batches(self) -> list[list[Found]]:
        device = next(self.loaded.model.parameters()).device.type
        size = self.batch_size or (1 if device == "cpu" else 16)
        return [self.files[i : i + size] for i in range(0, len(self.files), size)]

    # --- one batch -------------------------------------------------------------------------------------------------

    def _explain(self, batch: list[Found], progress: bool) -> str:
        """Explain and write some images; the model's name."""
        files, pictures = self._opened(batch)
        if not files:
            return ""
        images = torch.stack(pictures)
        self.inputs += [(file.name, x) for file, x in zip(files, pictures)][: FORGETTING - len(self.inputs)]
        output = _models.answer(self.loaded.model, images)
        try:
            asked = track(self.asked.explainers, "explainers", progress and self.asked.all)
            answers = [self._answer(explainer, images, output) for explainer in asked]
        except PellucidError as error:
            if len(files) == 1 < len(self.files):
                raise type(error)(f"{files[0].path}: {error}") from None
            raise
        explanations = [answer for answer in answers if answer is not None]
        if not explanations:
            name, why = next(iter(self.refused.items()))
            raise BadInput(f"no explainer has an answer; {name}: {why}")
        for i, file in enumerate(files):
            views = [view for e, explainer in explanations for view in self._views(e, explainer, i)]
            self._save(file, explanations[0][0].picture(i), views, output[i])
            if self.asked.contrasts:
                self._contrast(file, [e for e, explainer in explanations if explainer.asked], i, output)
        return explanations[0][0].model

    def _opened(self, batch: list[Found]) -> tuple[list[Found], list[Tensor]]:
        files, pictures = [], []
        for file in batch:
            try:
                pictures.append(self._input(file))
                files.append(file)
            except BadFile as error:
                if file.given:
                    raise
                self.skipped.append({"image": str(file.path), "reason": str(error)})
        return files, pictures

    def _input(self, file: Found) -> Tensor:
        """A file as the model takes it; a record with all that is known about it."""
        if file.data is None:
            return self.loaded.transform(read(file.path))
        record = Seen(file.data, self.loaded.transform).seen(file.data[file.row], file.row, 0)
        self.truths[file.name] = record.with_image(record.image[:0])
        return record.image

    def _answer(self, explainer: Explainer, images: Tensor, output: Tensor) -> tuple[Explanation, Explainer] | None:
        """What an explainer says; of all of them, one may have no answer."""
        if not self.asked.all:
            return self._one(explainer, images, output)
        if str(explainer) in self.refused:
            return None
        try:
            answer = self._one(explainer, images, output)
        except PellucidError as error:
            self.refused[str(explainer)] = str(error)
            return None
        self.made_by[answer[0].explainer] = explainer
        return answer

    def _one(self, explainer: Explainer, images: Tensor, output: Tensor) -> tuple[Explanation, Explainer]:
        target = None
        if self.targets:
            target = torch.tensor(self.targets).expand(len(images), -1)
        elif self.asked.top > 1:
            target = output.topk(self.asked.top).indices
        asks: list[Any] = [*self.questions] or [explainer.asks]
        options: dict[str, Any] = {"batch_size": self.batch_size, "seed": self.wanted.seed}
        return explain(self.loaded.model, images, explainer, ask=asks, target=target, **options), explainer

    def _views(self, e: Explanation, explainer: Explainer, i: int) -> Iterator[View]:
        """The maps of image i: a control's once, a question without a class once."""
        questions = self.questions or [Question.make(explainer.asks)]
        maps = e.maps[i].cpu().reshape(-1, len(questions), *e.maps.shape[-2:])
        values = e.value[i].reshape(-1, len(questions)) if e.value is not None else torch.zeros(maps.shape[:2])
        targets = e.target[i].reshape(-1) if e.target is not None else torch.full((len(maps),), -1)
        errors = None if e.error is None else e.error[i].reshape(-1, len(questions))
        limit, signed = limit_of([maps], SATURATE), bool(e.signed)
        start = start_of([maps], signed, limit)
        seconds = e.seconds / len(e) / maps[..., 0, 0].numel()
        if not explainer.asked:
            yield View(maps[0, 0], e.explainer, "none", None, 0, None, None, signed, limit, seconds, start)
            return
        for q, question in enumerate(questions):
            for k in range(len(maps) if question.targeted else 1):
                value = float(values[k, q])
                target = int(targets[k]) if question.targeted else None
                error = None if errors is None else _finite(float(errors[k, q]))
                seen = (_finite(value), error, signed, limit, seconds, start)
                yield View(maps[k, q], e.explainer, str(question), target, k, *seen)

    # --- files -----------------------------------------------------------------------------------------------------

    def _save(self, file: Found, picture: Tensor | None, views: list[View], output: Tensor) -> None:
        rows = [self._row(file, view, output) for view in views]
        for view, row in zip(views, rows, strict=True):
            size = tile_size(view.map if picture is None else picture)
            image = tile(picture, view.map - view.start, size, view.signed, view.limit - view.start)
            write_atomically(self.out / row["file"], png(image))
        self.rows += rows
        self.done += 1
        if len(self.shown) < SHEET and picture is not None:
            predicted, probability = self._prediction(output)
            said = "" if predicted is None else f"\n{self._label(predicted)} {probability:.0%}"
            title = file.path.name if file.data is None else f"{file.name}: {self._truth(file)[1] or 'no label'}"
            self.shown.append((title + said, picture, views))
            truth = self.truths.get(file.name)
            self.outlines.append(None if truth is None else outline(truth))

    def _truth(self, file: Found) -> tuple[int | None, str | None]:
        """The label of a record, and its name."""
        label = self.truths[file.name].label if file.name in self.truths else -1
        return (None, None) if label < 0 or file.data is None else (label, file.data.said(label))

    def _contrast(self, file: Found, explanations: list[Explanation], i: int, output: Tensor) -> None:
        """The classes it wavers between, and four ways to ask about each."""
        names = [self._label(number) for number in range(self.loaded.outputs)]
        for e in explanations:
            sheet = contrast_sheet(e, None, names, output.softmax(1), sample=i, saturate=SATURATE)
            write_atomically(self.out / _file_name([file.name, e.explainer, "contrasts"]), png(sheet))

    def _row(self, file: Found, view: View, output: Tensor) -> dict[str, Any]:
        several = view.target is not None and self._several()
        parts = [file.name, view.explainer, view.ask, *([f"class-{view.target}"] if several else [])]
        predicted, probability = self._prediction(output)
        label, said = self._truth(file)
        known = {} if file.data is None else {"row": file.row, "label": label, "label_name": said}
        return {
            "image": str(file.path),
            **known,
            "predicted": predicted,
            "predicted_name": self._name(predicted),
            "probability": probability,
            "explainer": view.explainer,
            "ask": view.ask,
            "target": view.target,
            "target_name": self._name(view.target),
            "value": view.value,
            "error": view.error,
            "scale": scale_text(view.signed, view.limit, view.start),
            "seconds": round(view.seconds, 6),
            "file": _file_name(parts),
        }

    def _prediction(self, output: Tensor) -> tuple[int | None, float | None]:
        """The class and its probability, where classes are asked about."""
        questions = self.questions or [Question.make(e.asks) for e in self.asked.explainers]
        if output.ndim != 1 or not any(q.targeted for q in questions):
            return None, None
        sigmoid = len(output) == 1 or any(getattr(q, "link", "") == "sigmoid" for q in questions)
        p = output.sigmoid() if sigmoid else output.softmax(0)
        return int(p.argmax()), float(p.max())

    def _name(self, target: int | None) -> str | None:
        return None if target is None or not self.loaded.names else _classes.short(target, self.loaded.names)

    def _label(self, target: int) -> str:
        return _classes.short(target, self.loaded.names)

    def _sanity(self, explainer: Explainer) -> str:
        """What the maps of the first images become while the model forgets."""
        from pellucid.engine import sanity_sheet

        names, images = zip(*self.inputs, strict=True)
        ask = self.questions[0] if self.questions else None
        target = self.targets[0] if self.targets else None
        sheet = sanity_sheet(
            self.loaded.model, torch.stack(images), explainer, target, seed=self.wanted.seed, ask=ask, rows=names,
            batch_size=self.batch_size,
        )  # fmt: skip
        name = _file_name(["sanity", str(explainer)])
        write_atomically(self.out / name, png(sheet))
        return name

    def _sheet(self) -> str | None:
        """One picture of everything, where there is more than one map to see."""
        titles, pictures, views = zip(*self.shown, strict=True) if self.shown else ((), (), ())
        if len(self.rows) < 2 or not views:
            return None
        if self.asked.all:
            picture = self._sheet_of_all(titles, pictures, views)
            write_atomically(self.out / "sheet.png", png(picture))
            return "sheet.png"
        columns = [
            Column(
                first.explainer,
                self._heading(first),
                torch.stack([row[j].map for row in views]),
                first.signed,
                tuple(self._caption(row[j]) for row in views),
            )
            for j, first in enumerate(views[0])
        ]
        sheet = contact_sheet(columns, pictures, titles, saturate=SATURATE, note=self._note(), outlines=self.outlines)
        write_atomically(self.out / "sheet.png", png(sheet))
        return "sheet.png"

    def _note(self) -> str:
        notes = [self.loaded.warning] if self.loaded.warning else []
        if len(self.shown) < self.done:
            notes.append(f"The first {len(self.shown)} of {self.done} images.")
        notes.append(f"One colour scale an explainer; {SATURATE:.1%} of its values lie beyond the ends.")
        return " ".join(notes)

    def _sheet_of_all(self, titles: Any, pictures: Any, views: Sequence[list[View]]) -> Picture:
        """The group and the seconds an image at every name; only who answered for every image."""
        columns: dict[Explainer, list[Column]] = {}
        for name, explainer in self.made_by.items():
            if str(explainer) in self.refused:
                continue
            mine = [[view for view in row if view.explainer == name] for row in views]
            took = sum(view.seconds for row in mine for view in row) / len(mine)
            title = f"{_everything.short(explainer)}\n{_everything.duration(took)}"
            for of_rows in zip(*mine, strict=True):
                said = f"{explainer.group}: {self._heading(of_rows[0]).strip('()')}"
                maps = torch.stack([view.map for view in of_rows])
                column = Column(title, said, maps, of_rows[0].signed, tuple(map(self._caption, of_rows)))
                columns.setdefault(explainer, []).append(column)
        about = (SATURATE, self.outlines, self._note(), self.refused)
        return _everything.sheet_of_all(columns, pictures, titles, *about)

    def _heading(self, view: View) -> str:
        """The question, and by name the class that it is about or against."""
        if view.ask == "none":
            return "(whatever is asked)"
        against = re.search(r"against=(\d+)", view.ask)
        name = self._name(int(against.group(1))) if against else None
        text = f"{view.ask} ({name})" if name else view.ask
        if view.target is None or not self._several():
            return text
        return f"{text}\n" + (self._label(view.target) if self.targets else f"predicted {_ordinal(view.rank + 1)}")

    def _several(self) -> bool:
        """Whether more than one class is asked about."""
        return max(len(self.targets or ()), self.asked.top) > 1

    def _caption(self, view: View) -> str:
        if view.value is None:
            return ""
        about = "" if view.target is None else f"{self._label(view.target)}: "
        return f"{about}{view.value:.3g}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th, … 11th."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{'th' if n % 100 in (11, 12, 13) else ending}"


def _file_name(parts: Sequence[str]) -> str:
    """Parts that make a file name on any system, of at most 255 bytes."""
    text = ".".join(re.sub(r"[^\w.=-]+", "-", part).strip("-") for part in parts)
    if len(text.encode()) > 200:
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        text = f"{text.encode()[:190].decode(errors='ignore')}-{digest}"
    return f"{text}.png"
