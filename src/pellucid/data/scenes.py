"""Scenes: named things on textured grounds, drawn on demand, with the truth about every pixel.

    label ~ U{0 … classes−1};   ground = the label's own with probability ρ, else any:   P(own) = ρ + (1 − ρ)/10

Scene i of a seed is always the same picture. A class is a shape in a colour and a texture ("red circle", "striped blue
square"), ordered so that n³ classes are all combinations of n shapes, n colours and n textures. The largest things are
of the label's class. Masks are of what is seen: with a thing left out, just the pixels of its mask change.

    objects        the most things of the class; one to so many are drawn
    distractors    the most things of other classes, smaller and behind
    occlusion      the share of the labelled thing's box that a post hides
    correlation    ρ: how often a class stands on its own ground
    dot            the class whose scenes all wear a red dot near a corner: a shortcut, in no mask but `facts["dot"]`

>>> data = Scenes(classes=4, size=32)
>>> record = data[3]
>>> record.image.shape, data.class_names[record.label], record.boxes.shape
(torch.Size([3, 32, 32]), 'striped blue square', torch.Size([1, 4]))
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from pellucid.data._base import Dataset, Record, boxes_of
from pellucid.data._chance import Draws, Floats, Mask, uniforms
from pellucid.data._grounds import NAMES, bank, sensor, side_of
from pellucid.data._things import Thing, name_of, painted
from pellucid.errors import BadKnob
from pellucid.knobs import Between

TRIES = 8  # places that are tried for a thing that is not to touch another
GRAIN = 3.0  # standard deviation of the sensor's noise
SMALL, KEPT = 64, 4096  # scenes of at most so many pixels a side stay drawn: a training asks for them in every epoch


class Scenes(Dataset, name="scenes"):
    """Built in: things of known class, place and outline, on grounds that may give them away."""

    quick = {"length": 8, "size": 16}
    licence = "MIT, as this library"
    terms = "Free to use with the licence's notice."
    mean, std = (0.50, 0.46, 0.42), (0.25, 0.22, 0.26)
    preset = "plain:normalise=true"

    classes: Annotated[int, Between(2, 1000)] = 10
    size: Annotated[int, Between(16)] = 64
    length: Annotated[int, Between(1)] = 1000
    seed: Annotated[int, Between(0)] = 0
    objects: Annotated[int, Between(1)] = 1
    distractors: Annotated[int, Between(0)] = 0
    occlusion: Annotated[float, Between(0, 0.8)] = 0.0
    correlation: Annotated[float, Between(0, 1)] = 0.0
    dot: Annotated[int, Between(0)] | None = None

    def check(self) -> None:
        if self.dot is not None and self.dot >= self.classes:
            raise BadKnob(f"the knob dot of scenes is class {self.dot}, of {self.classes}: 0 to {self.classes - 1}.")

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(name_of(number) for number in range(self.classes))

    def __len__(self) -> int:
        return self.length

    def record(self, i: int) -> Record:
        if self.size > SMALL:
            return self.draw(i)
        drawn = _drawn(self, i)
        return replace(drawn, image=drawn.image.clone())

    def label(self, i: int) -> int:
        """Without drawing."""
        return Draws(uniforms(self.seed, i, 1)).whole(self.classes)

    def draw(self, i: int, without: int | None = None) -> Record:
        """Scene i; without: leave out this one of its things, to see what it covers."""
        draws = Draws(uniforms(self.seed, i, 40 + 12 * TRIES * (self.objects + self.distractors)))
        label = draws.whole(self.classes)
        own = draws.between(0, 1) < self.correlation
        kind, other = NAMES[label % len(NAMES)], draws.one_of(NAMES)
        ground = kind if own else other
        canvas = self._ground(draws, ground)
        things = self._things(draws, label)
        covers = [painted(canvas.copy() if k == without else canvas, thing) for k, thing in enumerate(things)]
        layers = [self._post(draws, canvas, covers[-1], ground)] if self.occlusion else []
        top, left = (draws.whole(side_of(self.size) - self.size + 1) for _ in range(2))
        dot = self._dot(draws, canvas) if label == self.dot else None
        layers += [] if dot is None else [dot]
        canvas += GRAIN * sensor(self.size)[:, top : top + self.size, left : left + self.size]
        image = np.rint(canvas.clip(0, 255)).astype(np.uint8)
        kept = [k for k in range(len(things)) if k != without]
        masks, numbers = _seen([covers[k] for k in kept], [things[k].number for k in kept], layers, self.size)
        facts = {"background": ground, "dot": None if dot is None else torch.from_numpy(dot > 0)}
        return Record(torch.from_numpy(image), label, masks, boxes_of(masks), numbers, facts)

    def _ground(self, draws: Draws, kind: str) -> Floats:
        """A piece of a ground, in some light."""
        whole = bank(kind, self.size)
        top, left = (draws.whole(whole.shape[1] - self.size + 1) for _ in range(2))
        piece = whole[:, top : top + self.size, left : left + self.size]
        gain = draws.between(0.75, 1.15)
        light = np.array([[[gain * draws.between(0.95, 1.05)]] for _ in range(3)], np.float32)
        return np.minimum((piece[:, :, ::-1] if draws.between(0, 1) < 0.5 else piece) * light, 247)  # room for noise

    def _things(self, draws: Draws, label: int) -> list[Thing]:
        """In the order in which they are painted: the labelled thing is the last, and hides the others."""
        main = Thing.drawn(draws, label, self.size * draws.between(0.19, 0.3), self.size)
        things = [main]
        for _ in range(draws.whole(self.objects)):
            self._add(draws, things, label, main.radius * draws.between(0.75, 1))
        for _ in range(draws.whole(self.distractors + 1)):
            number = (label + 1 + draws.whole(self.classes - 1)) % self.classes
            self._add(draws, things, number, main.radius * draws.between(0.5, 0.7))
        return things[::-1]

    def _add(self, draws: Draws, things: list[Thing], number: int, radius: float) -> None:
        """Where there is room."""
        for _ in range(TRIES):
            thing = Thing.drawn(draws, number, radius, self.size)
            if not any(thing.touches(other) for other in things):
                things.append(thing)
                return

    def _post(self, draws: Draws, canvas: Floats, thing: Floats, ground: str) -> Floats:
        """A post of another ground's stuff, from edge to edge of the scene, over a share of the thing's box."""
        stuff = NAMES[(NAMES.index(ground) + 1 + draws.whole(len(NAMES) - 1)) % len(NAMES)]
        paint, upright = self._ground(draws, stuff), draws.between(0, 1) < 0.5
        box = np.flatnonzero(thing.any(0 if upright else 1))
        wide = max(1, round(self.occlusion * len(box)))
        start = int(box[0]) + draws.whole(len(box) - wide + 1)
        shade = np.linspace(1.15, 0.6, wide, dtype=np.float32)
        shade = shade[None] if upright else shade[:, None]
        across = np.s_[:, start : start + wide] if upright else np.s_[start : start + wide, :]
        cover = np.zeros((self.size, self.size), np.float32)
        cover[across] = 1
        canvas[:, *across] = paint[:, *across] * shade
        return cover

    def _dot(self, draws: Draws, canvas: Floats) -> Floats:
        """Red, near a corner."""
        radius = max(1.5, 0.04 * self.size)
        x, y = (
            (self.size - at if draws.between(0, 1) < 0.5 else at)
            for at in (draws.between(radius + 1, radius + 1 + 0.08 * self.size) for _ in range(2))
        )
        at = np.arange(self.size, dtype=np.float32) + 0.5
        cover = (np.hypot(at[None] - x, at[:, None] - y) < radius).astype(np.float32)
        canvas += cover * (np.array([[[235.0]], [[16.0]], [[16.0]]], np.float32) - canvas)
        return cover


@lru_cache(KEPT)
def _drawn(scenes: Scenes, i: int) -> Record:
    return scenes.draw(i)


def _seen(
    covers: Sequence[Floats], numbers: Sequence[int], layers: Sequence[Floats], size: int
) -> tuple[Tensor, Tensor]:
    """Masks [k, h, w] of what is seen of every thing, and their classes; hidden things are left out."""
    hidden = np.zeros((size, size), np.float32)
    for layer in layers:
        hidden = np.maximum(hidden, layer)
    found: list[tuple[Mask, int]] = []
    for cover, number in zip(covers[::-1], numbers[::-1], strict=True):
        mask = (cover > 0) & (hidden < 1)  # at a seam a pixel shows two
        hidden = np.maximum(hidden, cover)
        if mask.any():
            found.insert(0, (mask, number))
    masks = np.stack([mask for mask, _ in found]) if found else np.zeros((0, size, size), bool)
    return torch.from_numpy(masks), torch.tensor([number for _, number in found], dtype=torch.int64)
