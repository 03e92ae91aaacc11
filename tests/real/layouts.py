"""The folder of real data in the layouts in which the data sets are published, so that our readers read real files."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def _read(folder: str, name: str) -> tuple[Path, dict]:
    root = Path(folder) / name
    return root, json.loads((root / "annotations.json").read_text())


def cub(folder: str, out: Path) -> str:
    """Birds of ten classes, with their boxes and parts."""
    source, about = _read(folder, "cub_200_2011_mini")
    top = out / "CUB_200_2011"
    (top / "parts").mkdir(parents=True)
    (top / "images").symlink_to(source / "images")
    rows = about["images"]
    tables = {
        "images.txt": [f"{r['id']} {r['file'].removeprefix('images/')}" for r in rows],
        "image_class_labels.txt": [f"{r['id']} {r['label'] + 1}" for r in rows],
        "train_test_split.txt": [f"{r['id']} {int(r['split'] == 'train')}" for r in rows],
        "bounding_boxes.txt": [f"{r['id']} {' '.join(map(str, r['bbox']))}" for r in rows],
        "classes.txt": [f"{i} {name}" for i, name in enumerate(about["classes"], 1)],
        "parts/part_locs.txt": [f"{r['id']} {p + 1} {x} {y} 1" for r in rows for p, x, y in r["parts"]],
    }
    for name, lines in tables.items():
        (top / name).write_text("\n".join(lines) + "\n")
    return f"cub:root={out}"


BREEDS = {"Abyssinian": 1, "Bengal": 6, "american_bulldog": 2}  # the class numbers of the published list


def pets(folder: str, out: Path) -> str:
    """Cats and dogs of three breeds, with trimaps and boxes of heads."""
    source, about = _read(folder, "oxford_pets_mini")
    top = out / "oxford-iiit-pet"
    (top / "annotations" / "xmls").mkdir(parents=True)
    (top / "images").symlink_to(source / "images")
    (top / "annotations" / "trimaps").symlink_to(source / "trimaps")
    lines = []
    for row in about["images"]:
        name = Path(row["file"]).stem
        lines.append(f"{name} {BREEDS[name.rpartition('_')[0]]} {1 if row['species'] == 'cat' else 2} 1")
        if row["head_bbox"]:
            sides = "".join(
                f"<{side}>{value}</{side}>"
                for side, value in zip(("xmin", "ymin", "xmax", "ymax"), row["head_bbox"], strict=True)
            )
            (top / "annotations" / "xmls" / f"{name}.xml").write_text(
                f"<annotation><size><width>{row['width']}</width><height>{row['height']}</height></size>"
                f"<object><name>{row['species']}</name><bndbox>{sides}</bndbox></object></annotation>"
            )
    (top / "annotations" / "trainval.txt").write_text("\n".join(lines) + "\n")
    return f"pets:root={out}"


def tiny(folder: str, out: Path) -> str:
    """Tiny ImageNet of 25 classes, the pictures out of their archives."""
    source, about = _read(folder, "tiny_imagenet_mini")
    top = out / "tiny-imagenet-200"
    (top / "val" / "images").mkdir(parents=True)
    wnids = [c["wnid"] for c in about["classes"]]
    (top / "wnids.txt").write_text("\n".join(reversed(wnids)))  # in no order, as theirs
    (top / "words.txt").write_text("\n".join(f"{c['wnid']}\t{c['name']}" for c in about["classes"]))
    with zipfile.ZipFile(source / "val.zip") as archive:
        for name in archive.namelist():
            (top / "val" / "images" / Path(name).name).write_bytes(archive.read(name))
    lines = ("\t".join([Path(f).name, wnids[label], *map(str, box)]) for f, label, *box in about["val"])
    (top / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    return f"tiny-imagenet:root={out}"


def coco(folder: str, out: Path) -> str:
    """Scenes of COCO; things as runs, which is how crowds are written there, and all boxes."""
    source, about = _read(folder, "coco_mini")
    (out / "annotations").mkdir(parents=True)
    (out / "images").symlink_to(source / "images")
    images, things = [], []
    for row in about["images"]:
        if "val2017" not in row["file"]:
            continue
        size = {"height": row["height"], "width": row["width"]}
        images.append({"id": row["id"], "file_name": Path(row["file"]).name, **size, "license": row.get("license")})
        whole = np.asarray(Image.open(source / row["segments_file"])) if "segments_file" in row else None
        for one in row.get("segments", ()):
            if one["isthing"]:
                runs = {"counts": _runs(whole == one["index"]), "size": [row["height"], row["width"]]}
                things.append(_thing(len(things), row["id"], one, runs))
        if whole is None:
            things += [_thing(len(things) + i, row["id"], b | {"area": 1}, []) for i, b in enumerate(row["boxes"])]
    categories = [{"id": 3 * i + 1, "name": name} for i, name in enumerate(about["categories"])]  # with gaps
    kept = {"images": images, "annotations": things, "categories": categories}
    (out / "annotations" / "instances_val2017.json").write_text(json.dumps(kept))
    return f"coco:root={out}"


def _thing(number: int, image: int, one: dict, segmentation: object) -> dict:
    fields = {"id": number, "image_id": image, "category_id": 3 * one["category"] + 1, "bbox": one["bbox"]}
    return fields | {"area": one["area"], "iscrowd": one.get("iscrowd", 0), "segmentation": segmentation}


def _runs(mask: np.ndarray) -> list[int]:
    """Lengths of runs down the columns, zeros first."""
    flat = mask.T.flatten().astype(int)
    ends = [*np.flatnonzero(np.diff(flat)) + 1, len(flat)]
    return [0] * int(flat[0]) + np.diff([0, *ends]).tolist()


def imagenet_table(folder: str, out: Path) -> str:
    """One picture a class of ImageNet, as a table."""
    out.mkdir(parents=True, exist_ok=True)
    files = sorted((Path(folder) / "imagenet_samples" / "images").iterdir())
    lines = [f"{path},{int(path.name.partition('_')[0])}" for path in files]
    (out / "samples.csv").write_text("path,label\n" + "\n".join(lines) + "\n")
    return f"csv:root={out / 'samples.csv'}"


def heartbeats(folder: str, out: Path) -> str:
    """The training beats, as the archive's tables have them."""
    out.mkdir(parents=True, exist_ok=True)
    arrays = np.load(Path(folder) / "ecg5000" / "ecg5000_2000.npz")
    for part, name in (("train", "TRAIN"), ("test", "TEST")):
        rows = zip(arrays[f"y_{part}"].tolist(), arrays[f"x_{part}"].tolist(), strict=True)
        lines = ("\t".join([str(y + 1), *map(repr, x)]) for y, x in rows)
        (out / f"ECG5000_{name}.tsv").write_text("\n".join(lines) + "\n")
    return f"ecg5000:root={out}"


def mnist(folder: str, out: Path) -> str:
    """The packed files, where torchvision would put them."""
    (out / "MNIST" / "raw").mkdir(parents=True)
    for path in (Path(folder) / "mnist").iterdir():
        shutil.copy(path, out / "MNIST" / "raw")
    return f"mnist:root={out}"
