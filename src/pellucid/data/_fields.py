"""Random fields that repeat at their borders: what the grounds of scenes are made of.

A 1/f field has the amplitude spectrum

    a(k) = max(|k|, k₀)^(-s/2),   k rotated and stretched

so that its power falls as 1/|k|^s, as that of photographs does with s ≈ 2, and is even below k₀.

>>> white = np.random.default_rng(0).random((32, 32))
>>> field = coloured(white, slope=2)
>>> field.shape, round(float(field.mean()), 3), round(float(field.std()), 3)
((32, 32), 0.0, 1.0)
"""

import math

import numpy as np

from pellucid.data._chance import Floats, Ints


def coloured(white: Floats, slope: float, stretch: float = 1.0, angle: float = 0.0, least: float = 1.0) -> Floats:
    """White noise made 1/f^slope, mean 0 and variance 1; features are `stretch` times longer along `angle`."""
    side = len(white)
    ky, kx = np.fft.fftfreq(side, 1 / side)[:, None], np.arange(side // 2 + 1)[None]
    along = kx * math.cos(angle) + ky * math.sin(angle)
    across = ky * math.cos(angle) - kx * math.sin(angle)
    k = np.hypot(along * math.sqrt(stretch), across / math.sqrt(stretch))
    spectrum = np.fft.rfft2(white - white.mean()) * np.maximum(k, least) ** (-slope / 2)
    field = np.fft.irfft2(spectrum, s=(side, side))
    return ((field - field.mean()) / field.std()).astype(np.float32)


def relief(height: Floats) -> Floats:
    """How a height field looks in light from the upper left: its slope towards it, variance 1."""
    light = np.roll(height, 1, 0) + np.roll(height, 1, 1) - np.roll(height, -1, 0) - np.roll(height, -1, 1)
    return light / (light.std() + 1e-6)


def smooth_step(x: Floats, low: float, high: float) -> Floats:
    """0 below low, 1 above high, 3t² - 2t³ between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def palette(t: Floats, *colours: tuple[int, int, int]) -> Floats:
    """Values of 0 to 1 as colours of 0 to 255, along a line of colours: [3,h,w]."""
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(t, stops, channel).astype(np.float32) for channel in zip(*colours)])


def cells(side: int, count: int, jitter: Floats) -> list[tuple[Floats, Floats, Ints]]:
    """A jittered grid of count × count points: for each of the 9 around a pixel, the way to it and its number.

    The way is measured in cells; jitter [count,count,2] of 0 to 1.
    """
    at = (np.arange(side, dtype=np.float32) + 0.5) * (count / side)
    home = at.astype(int)
    ways: list[tuple[Floats, Floats, Ints]] = []
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            row, column = (home + dy)[:, None], (home + dx)[None]
            point = jitter[row % count, column % count].astype(np.float32)
            y, x = at[:, None] - row - point[..., 0], at[None] - column - point[..., 1]
            ways.append((y, x, row % count * count + column % count))
    return ways
