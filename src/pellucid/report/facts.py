"""Facts: what a run cost, on what terms its data may be used, and what it takes to make it again."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pellucid._version import __version__
from pellucid.errors import BadFile
from pellucid.report.page import Cost, Licences, Provenance
from pellucid.report.words import span

WATTS = {"cuda": 400.0, "cpu": 65.0}  # assumed, as in training: a server's card, a desktop's processor
GRAMS = 420.0  # of CO₂e a kWh


def read_json(path: Path) -> dict[str, Any]:
    """A record; empty where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as cause:
        raise BadFile(
            f"{path} cannot be read ({(str(cause).splitlines() or ['damaged'])[0]}); run the command that wrote it "
            f"again."
        ) from None
    if not isinstance(found, dict):
        raise BadFile(f"{path} holds no record of a run; run the command that wrote it again.")
    return found


def record(path: Path, needed: Sequence[str], again: str) -> dict[str, Any]:
    """A record that a page is made of, with everything that is needed in it. again: the command that writes it."""
    found = read_json(path)
    if lacks := [name for name in needed if name not in found]:
        raise BadFile(f"{path} lacks {', '.join(lacks)}; run pellucid {again}.")
    return found


def about(
    kept: Mapping[str, Any], run: Mapping[str, Any], row: Mapping[str, Any], samples: int, own: str
) -> list[tuple[str, str]]:
    """Under the title: which model, which data, what the model itself can do."""
    explains = {"label": "the label", "predicted": "the predicted class"}
    what = explains.get(str(row.get("explains", "")), f"class {row.get('explains', '')}")
    loaded = str(run.get("model") or "")
    name = Path(loaded).name if loaded.startswith(("/", "\\")) else loaded
    model = str(row["model"])
    return [
        ("model", model if not name or model.startswith(f"{name} ") else f"{name}: {model}"),
        ("data", f"{row['data']} · {samples:,} samples · {what} is explained"),
        ("the model itself", own),
    ]


def command(run: Mapping[str, Any]) -> str:
    """That makes the folder again."""
    return str(run.get("command") or "")


def cost(kept: Mapping[str, Any]) -> Cost | None:
    """Time, memory and energy, of all calls that filled the folder."""
    calls = [call for call in kept.get("calls") or [] if isinstance(call, Mapping)]
    if not calls:
        return None
    wall, cpu = (sum(float(call.get(name) or 0) for call in calls) for name in ("wall", "cpu"))
    gpu = sum(float(call.get("wall") or 0) for call in calls if str(call.get("device", "")).startswith("cuda"))
    kwh = sum(float(c.get("wall") or 0) * _watts(c) for c in calls) / 3.6e6
    peak = max(float(call.get("peak_mib") or 0) for call in calls)
    card = max((float(call.get("gpu_peak_mib") or 0) for call in calls), default=0.0)
    rows = [("time on the clock", span(wall)), ("time of processor cores", span(cpu))]
    rows += [("time of the GPU", f"{span(gpu)}, where it waited too")] if gpu else []
    rows += [("most memory", f"{peak:,.0f} MiB")]
    rows += [("most memory of the GPU", f"{card:,.0f} MiB")] if card else []
    rows += [("energy", f"{kwh:.2g} kWh"), ("CO₂e", f"{GRAMS * kwh:.2g} g")]
    watts = " and ".join(f"{w:g} W" for w in sorted({_watts(call) for call in calls}))
    several = f" Of {len(calls)} calls that filled the folder." if len(calls) > 1 else ""
    note = (
        f"Energy is not measured at the plug: {watts} are assumed for as long as the clock ran, and {GRAMS:g} g of "
        f"CO₂e a kWh. What a call took that was stopped is not known.{several}"
    )
    return Cost("What it cost", rows, note)


def _watts(call: Mapping[str, Any]) -> float:
    return WATTS["cuda" if str(call.get("device", "")).startswith("cuda") else "cpu"]


def licences(kept: Mapping[str, Any]) -> Licences | None:
    """Of the data."""
    data = kept.get("data") or {}
    rows = [(word, str(data[name])) for word, name in (
        ("data", "name"), ("licence", "licence"), ("terms", "terms"), ("published at", "home"),
    ) if data.get(name)]  # fmt: skip
    if not rows:
        return None
    known = any(word == "licence" for word, _ in rows)
    note = "" if known else "Nothing is known of its licence: it was given from Python."
    return Licences("Licences", rows, f"{note} The pictures on this page are of this data.".strip())


def provenance(kept: Mapping[str, Any], run: Mapping[str, Any], row: Mapping[str, Any]) -> Provenance:
    """Versions, weights, seeds, machine."""
    rows = [("model and digest of its weights", str(row["model"])), ("data", str(row["data"]))]
    rows += [("digest of the data", str(row["state"]))] if row.get("state") else []
    rows += [(word, str(row[name])) for word, name in (("transform", "transform"), ("seed", "seed")) if row.get(name)]
    return Provenance("Where it comes from", [*rows, *written_by(kept, str(row.get("version", "")))])


def written_by(kept: Mapping[str, Any], version: str) -> list[tuple[str, str]]:
    """Who measured, on what machine, and who wrote the page."""
    rows = [("measured by", f"pellucid {version}".strip())]
    computer = kept.get("machine") or {}
    for word, name in (("Python", "python"), ("torch", "torch"), ("system", "system"), ("cores", "cores")):
        rows += [(word, str(computer[name]))] if computer.get(name) else []
    rows += [("GPU", str(computer["gpu"]))] if computer.get("gpu") else []
    return [*rows, ("page written by", f"pellucid {__version__}")]
