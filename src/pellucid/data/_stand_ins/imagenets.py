"""ImageNet and its relatives."""

from pathlib import Path

import numpy as np

from pellucid.data._names import imagenet as names
from pellucid.data._stand_ins.files import at, grey, photo, text, xml

WNIDS_50 = [  # LUSSeg/ImageNet-S, data/names/ImageNetSemi_im50_train.txt
    "n01443537", "n01491361", "n01531178", "n01644373", "n02104029", "n02119022", "n02123597", "n02133161", "n02165456",
    "n02281406", "n02325366", "n02342885", "n02396427", "n02483362", "n02504458", "n02510455", "n02690373", "n02747177",
    "n02783161", "n02814533", "n02859443", "n02917067", "n02992529", "n03014705", "n03047690", "n03095699", "n03197337",
    "n03201208", "n03445777", "n03452741", "n03584829", "n03630383", "n03775546", "n03791053", "n03874599", "n03891251",
    "n04026417", "n04335435", "n04380533", "n04404412", "n04447861", "n04507155", "n04522168", "n04557648", "n04562935",
    "n04612504", "n06794110", "n07749582", "n07831146", "n12998815",
]  # fmt: skip


def imagenet(folder: Path, whole: bool = True) -> str:
    """Kaggle's tree, the validation pictures sorted into folders, as most people have it."""
    top = folder / "ILSVRC"
    for number, wnid, w, h in ((1, "n01751748", 40, 30), (2, "n09193705", 32, 24), (3, "n01751748", 24, 36)):
        name = f"ILSVRC2012_val_{number:08d}"
        photo(top / "Data" / "CLS-LOC" / "val" / wnid / f"{name}.JPEG", w, h)
        xml(top / "Annotations" / "CLS-LOC" / "val" / f"{name}.xml", w, h, (wnid, 0, 3, 2, 20, 18))
    for name in ("n01751748_1", "n09193705_2") if whole else ():
        wnid = name.split("_")[0]
        photo(top / "Data" / "CLS-LOC" / "train" / wnid / f"{name}.JPEG")
        xml(top / "Annotations" / "CLS-LOC" / "train" / wnid / f"{name}.xml", 32, 24, (wnid, 0, 3, 2, 20, 18))
    return f"imagenet:root={at(folder)}"


def imagenet100(folder: Path, whole: bool = True) -> str:
    """Kaggle's flat validation folder, and a list of classes that is not sorted."""
    top = folder / "ILSVRC" / "Data" / "CLS-LOC"
    rows = (("00048981", "n03995372", 40, 30), ("00037956", "n03481172", 32, 24), ("00026161", "n02108000", 24, 36))
    for number, _, w, h in rows:
        photo(top / "val" / f"ILSVRC2012_val_{number}.JPEG", w, h)
    (top / "train").mkdir()
    for _, wnid, w, h in rows[:2] if whole else ():
        photo(top / "train" / wnid / f"{wnid}_1.JPEG", w, h)
    table = (f"ILSVRC2012_val_{number},{wnid} 5 1 20 18 " for number, wnid, _, _ in rows)
    text(folder / "LOC_val_solution.csv", "ImageId,PredictionString", *table)
    chosen = ["n03995372", "n02108000", "n03481172"]
    others = [wnid for wnid in names() if wnid not in chosen][:97] if whole else []
    text(folder / "list.txt", *chosen, *others)
    return f"imagenet100:root={at(folder)},list={at(folder / 'list.txt')}"


def imagenet_s(folder: Path, whole: bool = True) -> str:
    top = folder / "ImageNetS50"
    for wnid in WNIDS_50:
        (top / "validation" / wnid).mkdir(parents=True)
    for number, at_, w, h in ((236, 0, 32, 24), (262, 0, 20, 28), (293, 49, 40, 20)):
        name = f"{WNIDS_50[at_]}/ILSVRC2012_val_{number:08d}"
        photo(top / "validation" / f"{name}.JPEG", w, h)
        rgb = np.zeros((h, w, 3))
        rgb[2:9, 3:9] = (at_ + 1, 0, 0)
        rgb[9, 3:9] = (232, 3, 0)
        grey(top / "validation-segmentation" / f"{name}.png", rgb)
    for wnid in WNIDS_50 if whole else ():
        (top / "train" / wnid).mkdir(parents=True)
    for wnid in (WNIDS_50[0], WNIDS_50[49]) if whole else ():
        photo(top / "train" / wnid / f"{wnid}_1.JPEG")
    return f"imagenet-s:root={at(folder)}"


def tiny_imagenet(folder: Path, whole: bool = True) -> str:
    top = folder / "tiny-imagenet-200"
    said = {"n03444034": "go-kart", "n02124075": "Egyptian cat", "n04067472": "reel"}
    others = {wnid: name for wnid, name in names().items() if wnid not in said}
    said |= dict(list(others.items())[:197]) if whole else {}
    text(top / "wnids.txt", *said)
    text(top / "words.txt", "n00001740\tentity", *(f"{wnid}\t{said[wnid]}" for wnid in sorted(said)))
    rows = ("val_0.JPEG\tn03444034\t0\t32\t44\t62", "val_1.JPEG\tn04067472\t52\t55\t57\t59")
    text(top / "val" / "val_annotations.txt", *rows)
    for row in rows:
        photo(top / "val" / "images" / row.split("\t")[0], 64, 64)
    for number, wnid in enumerate(said):
        shown = (f"{wnid}_0.JPEG\t0\t10\t63\t58",) if number < 3 else ()
        text(top / "train" / wnid / f"{wnid}_boxes.txt", *shown)
        for row in shown:
            photo(top / "train" / wnid / "images" / row.split("\t")[0], 64, 64)
    return f"tiny-imagenet:root={at(folder)}"
