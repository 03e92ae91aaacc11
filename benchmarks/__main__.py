"""The table. python -m benchmarks [ROW ...] [--write]"""

import argparse
import importlib
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks._timing import ROUNDS, Row
from pellucid.files import write_atomically

HERE = Path(__file__).parent
ROWS = [path.stem for path in sorted(HERE.glob("[!_]*.py"))]
PACKAGES = ("pellucid", "torch", "torchvision", "captum", "grad-cam")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and print a table.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"one or more of {', '.join(ROWS)}; all by default")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    wanted = parser.parse_args()
    unknown = [name for name in wanted.rows if name not in ROWS]
    if unknown:
        parser.error(f"there is no row {unknown[0]}; there are {', '.join(ROWS)}.")
    if wanted.write and wanted.rows:
        parser.error("--write writes the whole table; leave out the rows.")
    lines = ["| | ours | floor | ours / floor | others / floor | target |", "|---|---|---|---|---|---|"]
    print("\n".join(lines))
    for name in wanted.rows or ROWS:
        start = time.perf_counter()
        lines.append(line(importlib.import_module(f"benchmarks.{name}").run()))
        print(lines[-1], flush=True)
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    if wanted.write:
        text = "# Measured speed\n\n" + about() + "\n\n" + "\n".join(lines) + "\n"
        print(f"written: {write_atomically(HERE / 'RESULTS.md', text.encode())}")
    return 0


def line(row: Row) -> str:
    """One row as Markdown."""
    others = "; ".join(
        f"{name} {ratio:.2f} ({row.figures[name]:.3g} {row.unit})"
        for name, ratio in row.ratios.items()
        if name != "ours"
    )
    cells = [
        row.what,
        f"{row.figures['ours']:.3g} {row.unit}",
        f"{row.figures['floor']:.3g} {row.unit} ({row.floor})",
        f"**{row.ratios['ours']:.2f}**",
        others,
        row.target,
    ]
    return f"| {' | '.join(cells)} |"


def about() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    cores = f"{torch.get_num_threads()} of {os.cpu_count()} cores"
    return (
        f"Medians of {ROUNDS} rounds in which the contenders take turns; ratios are taken round by round. Machines are "
        f"noisy: trust the ratios.\n\n{cpu()}, {cores}, Python {platform.python_version()}, {versions}."
    )


def cpu() -> str:
    info = Path("/proc/cpuinfo")
    names = [row for row in info.read_text().splitlines() if row.startswith("model name")] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
