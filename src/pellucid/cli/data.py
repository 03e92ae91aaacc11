"""data: what a data set holds and whose it is, its records as files or on a sheet, and what is wrong with it."""

import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pellucid.data import Dataset, Record

SHEET = 24  # the most records on the sheet


def data(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="A data set in text form: cub:root=data, scenes:classes=6 …")
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FOLDER", help="Write records there: images, masks, a sheet.")
    ] = None,
    count: Annotated[int, typer.Option("-n", "--count", metavar="N", min=1, help="How many records to write.")] = SHEET,
    preview: Annotated[
        Path | None, typer.Option("--preview", metavar="FILE", help="Draw records with boxes and outlines, as a PNG.")
    ] = None,
    transform: Annotated[
        str | None,
        typer.Option("--transform", metavar="NAME", help="Draw them as this transform leaves them: imagenet:size=64 …"),
    ] = None,
    train: Annotated[bool, typer.Option("--train", help="… in training, with its chance.")] = False,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Keep the rows of a subset, to read with file=FILE.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Read every record and list all faults.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Say what a data set holds, and on what terms; draw it, write it, check it.

    pellucid data cub:root=data --preview birds.png

    pellucid data imagefolder:root=photos.zip --check

    pellucid data cub:root=data --preview seen.png --transform imagenet --train
    """
    from pellucid.data import Dataset

    made = Dataset.make(dataset)
    about = _about(made)
    if "classes" not in about:  # no folder was given: the card is all there is
        _say(about, as_json)
        return
    if check:
        _check(made, as_json)
        return
    from pellucid.data._look import summary

    about |= summary(made)
    about["written"] = [] if out is None else _written(made, out, count)
    if preview is not None:
        _previewed(made, preview, count, transform, train)
    if save is not None:
        _saved(made, save)
    _say(about, as_json)
    if as_json:
        return
    if out is not None:
        written = len(about["written"])
        what = f"{written} images, their masks" if made.kind == "images" else f"{written} series"
        print(f"\n{what} and annotations.json: {out}\nSide by side: {out / 'sheet.png'}")
    if preview is not None:
        print(f"\nSide by side: {preview}")


def _about(data: "Dataset") -> dict[str, Any]:
    """The card of a data set, and its classes where they can be known."""
    from pellucid.data._stored import Stored

    inner = data
    while hasattr(inner, "of"):
        inner = getattr(inner, "of")  # noqa: B009
    card = {
        "dataset": str(data),
        "member": inner.name,
        "says": (type(inner).__doc__ or "").strip(),
        "licence": data.licence,
        "terms": data.terms,
        "home": data.home,
        "cite": inner.cite.strip(),
    }
    if isinstance(inner, Stored) and inner.root is None and getattr(inner, "file", None) is None:
        return card
    return card | {"classes": list(data.class_names)} | ({} if data.streamed else {"records": len(data)})


def _say(about: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(about, indent=2, ensure_ascii=False))
        return
    from rich.table import Table
    from rich.text import Text

    from pellucid.cli._console import console
    from pellucid.errors import listed

    print(f"{about['dataset']}\n{about['says']}")
    if "classes" in about:
        records = f"{about['records']:,} records" if "records" in about else "A stream of records"
        print(f"{records} of {len(about['classes'])} classes: {listed(about['classes'])}")
    table = Table.grid(padding=(0, 2))
    for name, value in [*_facts(about), *((n.capitalize(), about[n]) for n in ("licence", "terms", "home"))]:
        if value:
            table.add_row(Text(name, "bold"), Text(value))
    console().print("", table)
    if about["cite"]:
        print(f"\nCite it: pellucid cite {about['member']}")
    if "classes" not in about:
        print("\nIt is read from files: add root=FOLDER to see what is in them.")


def _facts(about: dict[str, Any]) -> list[tuple[str, str]]:
    """The rows of the table about what it holds."""
    if "share with" not in about:
        return []
    rows = []
    if each := about.get("records a class"):
        same = each["least"] == each["most"]
        rows.append(("Records a class", f"{each['most']:,}" if same else f"{each['least']:,} to {each['most']:,}"))
    if about.get("without a label"):
        rows.append(("Without a label", f"{about['without a label']:,}"))
    sizes = list(dict.fromkeys(" × ".join(map(str, size)) for size in about["sizes"]))
    rows.append(("Sizes", " … ".join(sizes) + ("" if len(sizes) == 1 else "  (smallest, median, largest)")))
    have = [f"{name} {share:.0%}" for name, share in about["share with"].items() if share]
    few = f"of {about['looked at']} records looked at: " if about.get("records", 0) > about["looked at"] else ""
    return [*rows, ("Annotated", few + ", ".join(have) if have else "labels only")]


def _check(data: "Dataset", as_json: bool) -> None:
    """All faults; exit code 1 where there are some."""
    from pellucid.data._look import faults

    found: list[str] = []
    try:
        for fault in faults(data, not as_json):
            found.append(fault)
            if not as_json:
                print(fault, flush=True)
    finally:  # also of what was read before an interruption
        many = "no fault" if not found else "1 fault" if len(found) == 1 else f"{len(found):,} faults"
        if as_json:
            print(json.dumps({"dataset": str(data), "faults": found}, indent=2, ensure_ascii=False))
        else:
            print(f"{data}: {many}")
    if found:
        raise typer.Exit(1)


def _saved(data: "Dataset", path: Path) -> None:
    from pellucid.data.subset import Subset
    from pellucid.errors import BadInput

    if not isinstance(data, Subset):
        raise BadInput(f"--save keeps the rows of a subset, and {data.name} has all; write subset:shots=5@{data}.")
    data.save(path)


def _previewed(data: "Dataset", path: Path, count: int, transform: str | None, train: bool) -> None:
    from pellucid.data._preview import preview
    from pellucid.files import write_atomically
    from pellucid.show.overlay import png

    count = min(count, SHEET) if data.streamed else min(count, SHEET, len(data))
    spread = None if data.streamed else [i * len(data) // count for i in range(count)]
    records = data.take(count) if spread is None else [data[i] for i in spread]
    if transform is not None:
        from pellucid.data._batches import View
        from pellucid.data.transforms import Transform

        view = View(data, Transform.make(transform), train)
        records = [view.drawn(record, i, 0) for i, record in zip(spread or range(count), records, strict=True)]
    write_atomically(path, png(preview(records, data.said)))


def _written(data: "Dataset", out: Path, count: int) -> list[dict[str, Any]]:
    """images/, masks/ (1 the labelled class, 0 the rest), annotations.json, sheet.png."""
    from pellucid.data._preview import preview
    from pellucid.files import writable, write_atomically
    from pellucid.show.overlay import png
    from pellucid.show.progress import track

    writable(out)
    rows: list[dict[str, Any]] = []
    shown: list[Record] = []
    count = count if data.streamed else min(count, len(data))
    try:
        for i, record in enumerate(track(islice(data, count), "writing", True)):
            said = data.said(record.label) if record.label >= 0 else "no-label"
            name = f"{i:0{len(str(count - 1))}d}-{_plain(said)}.png"
            if data.kind == "images":
                write_atomically(out / "images" / name, png(_picture(record.image)))
                write_atomically(out / "masks" / name, png(_picture(record.mask[None].byte() * 255)))
            rows.append(_row(data, record, name))
            shown += [record] if len(shown) < SHEET else []
    finally:  # also of what was written before an interruption
        if rows:
            text = json.dumps({"dataset": str(data), "classes": list(data.class_names), "records": rows}, indent=2)
            write_atomically(out / "annotations.json", text.encode())
            write_atomically(out / "sheet.png", png(preview(shown, data.said)))
    return rows


def _plain(name: str) -> str:
    """A class name as part of a file's."""
    return "".join(c if c.isalnum() or c in "-." else "-" for c in name)


def _row(data: "Dataset", record: "Record", name: str) -> dict[str, Any]:
    things = zip(record.classes.tolist(), record.boxes.tolist(), strict=True)
    files = {"image": f"images/{name}", "mask": f"masks/{name}"} if data.kind == "images" else {}
    return {
        **files,
        **({} if data.kind == "images" else {"series": record.image.tolist()}),
        "label": record.label,
        "name": data.said(record.label) if record.label >= 0 else None,
        "objects": [{"class": c, "name": data.said(c), "box": box} for c, box in things],
        "facts": {k: v for k, v in record.facts.items() if isinstance(v, str | int | float | list)},
    }


def _picture(image: Any) -> Any:
    from PIL import Image

    pixels = image.permute(1, 2, 0).numpy()
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
