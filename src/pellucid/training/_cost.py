"""What an epoch costs: seconds, images a second, memory, and the energy of a stated wattage.

    kWh = W · s / 3.6e6,   CO₂e = kWh · g/kWh

Nothing is measured at the plug: the wattage is an assumption, and is written beside every figure that is made of it.
"""

import resource
import sys
import time
from dataclasses import dataclass, field

import torch

WATTS = {"cuda": 400.0, "cpu": 65.0}  # the reproduction study's card; a desktop's processor
GRAMS = 420.0  # of CO₂e a kWh, the reproduction study's


def energy(seconds: float, watts: float) -> float:
    """kWh.

    >>> energy(3600, 400)
    0.4
    """
    return watts * seconds / 3.6e6


@dataclass
class Meter:
    """Of one epoch."""

    device: torch.device
    watts: float
    images: int = 0
    started: float = field(default_factory=time.perf_counter)

    def figures(self, processes: int = 1) -> dict[str, float]:
        seconds = time.perf_counter() - self.started
        used = energy(seconds, self.watts * processes)
        return {
            "seconds": seconds,
            "images_per_second": self.images / seconds if seconds else 0.0,
            "peak_memory_mib": peak(self.device),
            "watts_assumed": self.watts * processes,
            "kwh": used,
            "co2e_g": used * GRAMS,
        }


def peak(device: torch.device) -> float:
    """MiB: of the device, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
