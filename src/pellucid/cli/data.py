"""data: what a data set holds, and its first records as files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pellucid.data import Dataset, Record

SHEET = 24  # the most records on the sheet


def data(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="A data set in text form, such as scenes:classes=6,size=128.")
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FOLDER", help="Write records there: images, masks, a sheet.")
    ] = None,
    count: Annotated[int, typer.Option("-n", "--count", metavar="N", min=1, help="How many records to write.")] = SHEET,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Say what a data set holds; with -o, write its first records.

    pellucid data scenes:classes=8,objects=2 -o scenes -n 40
    """
    from pellucid.data import Dataset

    made = Dataset.make(dataset)
    rows = [] if out is None else _written(made, out, min(count, len(made)))
    about = {"dataset": str(made), "records": len(made), "classes": list(made.class_names), "written": rows}
    if as_json:
        print(json.dumps(about, indent=2, ensure_ascii=False))
        return
    from pellucid.errors import listed

    says = (type(made).__doc__ or "").strip()
    print(f"{made}\n{says}\n{len(made):,} records of {len(made.class_names)} classes: {listed(made.class_names)}")
    if made.paper or made.cite:
        print(f"Cite it: pellucid cite {made.name}")
    if out is not None:
        print(f"\n{len(rows)} images, their masks and annotations.json: {out}\nSide by side: {out / 'sheet.png'}")


def _written(data: "Dataset", out: Path, count: int) -> list[dict[str, Any]]:
    """images/, masks/ (1 the labelled class, 0 the rest), annotations.json, sheet.png."""
    from pellucid.files import writable, write_atomically
    from pellucid.show.overlay import png
    from pellucid.show.progress import track

    writable(out)
    rows: list[dict[str, Any]] = []
    shown: list[Record] = []
    try:
        for i in track(range(count), "writing", True):
            record = data[i]
            name = f"{i:0{len(str(count - 1))}d}-{data.class_names[record.label].replace(' ', '-')}.png"
            write_atomically(out / "images" / name, png(_picture(record.image)))
            write_atomically(out / "masks" / name, png(_picture(record.mask[None].byte() * 255)))
            rows.append(_row(data, record, name))
            shown += [record] if len(shown) < SHEET else []
    finally:  # also of what was written before an interruption
        if rows:
            text = json.dumps({"dataset": str(data), "classes": list(data.class_names), "records": rows}, indent=2)
            write_atomically(out / "annotations.json", text.encode())
            write_atomically(out / "sheet.png", png(_sheet(data, shown)))
    return rows


def _row(data: "Dataset", record: "Record", name: str) -> dict[str, Any]:
    things = zip(record.classes.tolist(), record.boxes.tolist(), strict=True)
    return {
        "image": f"images/{name}",
        "mask": f"masks/{name}",
        "label": record.label,
        "name": data.class_names[record.label],
        "objects": [{"class": c, "name": data.class_names[c], "box": box} for c, box in things],
        "facts": {k: v for k, v in record.facts.items() if isinstance(v, str | int | float)},
    }


def _picture(image: Any) -> Any:
    from PIL import Image

    pixels = image.permute(1, 2, 0).numpy()
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _sheet(data: "Dataset", records: "list[Record]") -> Any:
    """Pictures with the outlines of the labelled class, in rows of six."""
    from PIL import Image, ImageDraw

    from pellucid.show.outline import outlined
    from pellucid.show.overlay import plain, tile_size
    from pellucid.show.text import font, line_height, wrapped

    face, gap = font(11), 6
    width, height = tile_size(records[0].image)
    names = [wrapped(data.class_names[r.label], face, width) for r in records]
    below = max(map(len, names)) * line_height(face) + gap
    across = min(6, len(records))
    down = -(-len(records) // across)
    sheet = Image.new("RGB", (across * (width + gap) + gap, down * (height + below + gap) + gap), "white")
    pen = ImageDraw.Draw(sheet)
    for i, (record, lines) in enumerate(zip(records, names, strict=True)):
        left, top = gap + (i % across) * (width + gap), gap + (i // across) * (height + below + gap)
        picture = plain((record.image.float() / 255).expand(3, -1, -1), (width, height))
        sheet.paste(outlined(picture, record.mask), (left, top))
        pen.text((left, top + height + 1), "\n".join(lines), "#1a1a1a", face)
    return sheet
