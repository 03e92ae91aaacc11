"""Machine: on what it ran, as a page says it."""

import os
import platform
from typing import Any

import torch

from pellucid._version import __version__


def machine() -> dict[str, Any]:
    """System, cores, GPU, versions."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "system": f"{platform.system()} {platform.machine()}", "cores": os.cpu_count(), "gpu": gpu,
        "python": platform.python_version(), "torch": torch.__version__, "pellucid": __version__,
    }  # fmt: skip
