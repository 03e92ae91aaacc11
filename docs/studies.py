"""What came out of the studies: python docs/studies.py FOLDER...    (writes docs/studies.json, for the page)

Each FOLDER is where some were run: pellucid study run papers --workers 2 -o FOLDER
"""

import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pellucid.studies._study import FILE

HOME = Path(__file__).with_name("studies.json")
TOGETHER = ("pellucid", "torch", "torchvision", "transformers")


def kept(study: dict[str, Any]) -> dict[str, Any]:
    """Of a study its verdicts, with four digits."""
    names = ("name", "kind", "of", "where", "title", "claim", "scale", "seeds", "outcome", "defect", "effect")
    said = {name: study[name] for name in names if name in study}
    said |= {"effect": _rounded(said["effect"])} if "effect" in said else {}
    return said | {"seconds": round(study["seconds"]), "verdicts": [_verdict(one) for one in study["verdicts"]]}


def _verdict(one: dict[str, Any]) -> dict[str, Any]:
    difference = {end: _rounded(one["difference"][end]) for end in ("mean", "low", "high")}
    sides = {side: one[side] and {"mean": _rounded(one[side]["mean"])} for side in ("more", "less")}
    return {"claim": one["claim"], "outcome": one["outcome"], "difference": difference, **sides}


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def main(folders: Sequence[Path]) -> None:
    """docs/studies.json"""
    found: list[dict[str, Any]] = []
    for folder in folders:
        here = [json.loads(path.read_bytes()) for path in sorted(folder.glob(f"studies/*/{FILE}"))]
        if not here:
            sys.exit(f"{folder} holds no study that was run; run: pellucid study run papers --workers 2 -o {folder}.")
        found += here
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    record = {
        "machine": machine,
        "versions": {name: version(name) for name in TOGETHER},
        "studies": sorted((kept(one) for one in found), key=lambda one: (one["name"], one["scale"] != "tiny")),
    }
    HOME.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main([Path(folder) for folder in sys.argv[1:]])
