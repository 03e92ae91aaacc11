"""`pellucid --help` and `pellucid list`, as whole processes. Targets: 0.5 s and 4 s."""

import subprocess
import sys
from pathlib import Path

from benchmarks._timing import Row, race

PELLUCID = str(Path(sys.executable).with_name("pellucid"))


def run() -> Row:
    def process(*command: str) -> None:
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)

    return race(
        "Starting: `pellucid --help` (ours), `pellucid list`",
        {
            "floor": lambda: process(sys.executable, "-c", "import torch"),
            "ours": lambda: process(PELLUCID, "--help"),
            "list": lambda: process(PELLUCID, "list"),
        },
        floor="import torch",
        target="0.5 s, list 4 s",
    )
