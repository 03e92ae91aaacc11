"""Awkward pictures, and awkward folders of them."""

import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from pellucid.data import Dataset
from pellucid.data._pictures import numbers, pixels, read
from pellucid.data._stand_ins.files import at, grey, made, palette, photo, text
from tests.formats.fixtures import cub, tar

ORIENTATION = 0x0112


def folder_of(path):
    return Dataset.make(f"imagefolder:root={at(path)}")


def only(tmp_path, image, name, **options):
    """The pixels of one picture in a folder."""
    image.save(made(tmp_path / "cat" / name), **options)
    (record,) = folder_of(tmp_path)
    assert record.image.dtype == torch.uint8
    return record.image


# --- colours -------------------------------------------------------------------------------------------------------


def test_a_grey_jpeg(tmp_path):
    image = only(tmp_path, Image.fromarray(np.full((6, 9), 77, np.uint8)), "a.jpg")
    assert image.shape == (3, 6, 9)
    assert image.unique().tolist() == [77]


def test_a_cmyk_jpeg(tmp_path):
    """No cyan, all magenta and yellow: red."""
    image = only(tmp_path, Image.new("CMYK", (16, 8), (0, 255, 255, 0)), "a.jpg", quality=100)
    assert image.shape == (3, 8, 16)
    assert (image.float().mean((1, 2)) - torch.tensor([255.0, 0, 0])).abs().max() < 4


def test_a_palette(tmp_path):
    levels = np.array([[0, 1, 2], [2, 1, 0]])
    palette(tmp_path / "cat/a.png", levels)
    (record,) = folder_of(tmp_path)
    colours = torch.tensor([[0, 37, 74], [111, 148, 185], [222, 3, 40]])  # 37 x mod 256, as it is written
    assert torch.equal(record.image.permute(1, 2, 0).long(), colours[torch.from_numpy(levels)])
    assert torch.equal(numbers(tmp_path / "cat/a.png"), torch.from_numpy(levels))


def test_a_palette_with_transparency(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    found = only(tmp_path, image, "a.png", transparency=1)
    assert found[:, 0].T.tolist() == [[255, 0, 0], [255, 255, 255]]


@pytest.mark.parametrize("mode, colour, seen", [("RGBA", (0, 0, 255, 51), [204, 204, 255]), ("LA", (0, 51), [204] * 3)])
def test_transparency_is_on_white(tmp_path, mode, colour, seen):
    image = only(tmp_path, Image.new(mode, (3, 2), colour), "a.png")
    assert image.flatten(1).T.tolist() == [seen] * 6


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    values = np.array([[0, 257, 32896, 65535]], np.uint16)  # 257 · level
    image = only(tmp_path, Image.fromarray(values), "a.png")
    assert image.tolist() == [[[0, 1, 128, 255]]] * 3


@pytest.mark.parametrize(
    "values, seen",
    [
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[0, 51, 255]], np.int32), [0, 51, 255]),
    ],
)
def test_numbers_as_pictures(tmp_path, values, seen):
    assert only(tmp_path, Image.fromarray(values), "a.tif")[0, 0].tolist() == seen


def test_one_bit_a_pixel(tmp_path):
    image = only(tmp_path, Image.fromarray(np.array([[True, False]])), "a.png")
    assert image[:, 0].tolist() == [[255, 0]] * 3


def test_the_first_picture_of_a_film(tmp_path):
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    image = only(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert image[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    "picture, seen",
    [
        (Image.new("RGBA", (3, 2), (0, 0, 255, 51)), [204, 204, 255]),
        (Image.fromarray(np.full((2, 3), 32896, np.uint16)), [128, 128, 128]),
    ],
)
def test_streams_see_what_folders_see(picture, seen, tmp_path):
    pytest.importorskip("webdataset")
    content = io.BytesIO()
    picture.save(content, "PNG")
    tar(tmp_path / "shard.tar", a__png=content.getvalue(), a__cls=b"0")
    (record,) = Dataset.make(f"wds:path={at(tmp_path / 'shard.tar')},classes=1").take(1)
    assert only(tmp_path / "folder", picture, "a.png").flatten(1).T.tolist() == [seen] * 6
    assert record.image.flatten(1).T.tolist() == [seen] * 6


# --- turned cameras ------------------------------------------------------------------------------------------------


def turned(path, w=40, h=20):
    """The left half is red; the camera says: turn it by a quarter, clockwise."""
    image = Image.new("RGB", (w, h), "blue")
    image.paste("red", (0, 0, w // 2, h))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    image.save(made(path), exif=exif, quality=100, subsampling=0)


def halves(image):
    """The colours of the corners, upper left and lower left: 0 red, 2 blue."""
    return [int(image[:, y, 1].argmax()) for y in (1, -2)]


def test_ones_own_photographs_are_turned_upright(tmp_path):
    turned(tmp_path / "cat/a.jpg")
    text(tmp_path / "table.csv", "path,label,box", "cat/a.jpg,cat,0 0 20 20")
    for form in (f"imagefolder:root={at(tmp_path)}", f"csv:root={at(tmp_path / 'table.csv')}"):
        record = Dataset.make(form)[0]
        assert record.image.shape == (3, 40, 20)
        assert halves(record.image) == [0, 2]
    assert record.boxes.tolist() == [[0, 0, 20, 20]]


def test_published_pictures_are_as_their_boxes(tmp_path):
    form = cub(tmp_path)
    file = Dataset.make(form).index.files[0]
    turned(tmp_path / "CUB_200_2011" / file, 32, 24)
    record = Dataset.make(form)[0]
    assert record.image.shape == (3, 24, 32)
    assert halves(record.image) == [0, 0]
    assert record.boxes.tolist() == [[5, 4, 16, 14]]
    assert read(tmp_path / "CUB_200_2011" / file).size == (24, 32)
    assert pixels(tmp_path / "CUB_200_2011" / file, upright=False).shape == (3, 24, 32)


# --- folders -------------------------------------------------------------------------------------------------------


def test_names_in_any_alphabet(tmp_path):
    names = ("größe.jpg", "猫 1.png", "a b  c.jpg", "it's #1, 50%.jpg", "ça.va.JPG")
    for name in names:
        photo(tmp_path / "Ваза, ok" / name)
    (tmp_path / "空 白").mkdir()
    photo(tmp_path / "空 白" / "x.jpg")
    data = folder_of(tmp_path)
    assert data.class_names == ("Ваза, ok", "空 白")
    assert sorted(r.facts["file"] for r in data) == sorted([*(f"Ваза, ok/{name}" for name in names), "空 白/x.jpg"])
    assert data.labels().tolist() == [0] * 5 + [1]
    assert len(Dataset.make(str(data))) == 6


def test_a_root_with_odd_letters(tmp_path):
    root = tmp_path / "my photos, 2nd @home [ä]"
    photo(root / "cat/1.jpg")
    assert len(Dataset.make(f"imagefolder:root={at(root)}")) == 1


def zipped(path, folder):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path


def test_an_archive_is_read_in_place(tmp_path):
    for name in ("cat/größe 1.png", "cat/2.png", "big dog/a/3.png", "__MACOSX/cat/._2.png", "cat/.hidden.png"):
        photo(tmp_path / "tree" / name)
    archive = zipped(tmp_path / "photos.zip", tmp_path / "tree")
    packed, loose = folder_of(archive), folder_of(tmp_path / "tree")
    assert packed.class_names == loose.class_names == ("big dog", "cat")
    assert [r.facts["file"] for r in packed] == ["big dog/a/3.png", "cat/2.png", "cat/größe 1.png"]
    assert all(torch.equal(a.image, b.image) for a, b in zip(packed, loose, strict=True))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos.zip", "tree"]


def test_a_table_of_pictures_in_an_archive(tmp_path):
    photo(tmp_path / "tree/a/1.png")
    grey(tmp_path / "tree/a/1-mask.png", np.eye(24, 32) * 255)
    zipped(tmp_path / "photos.zip", tmp_path / "tree")
    text(tmp_path / "table.csv", "path,label,mask", "photos.zip/a/1.png,cat,photos.zip/a/1-mask.png")
    record = Dataset.make(f"csv:root={at(tmp_path / 'table.csv')}")[0]
    assert int(record.mask.sum()) == 24


def test_folders_that_are_numbers(tmp_path):
    for name in ("26", "3", "101"):
        photo(tmp_path / name / "a.jpg")
    assert folder_of(tmp_path).class_names == ("3", "26", "101")
    text_order = Dataset.make(f"imagefolder:root={at(tmp_path)},order=text")
    assert text_order.class_names == ("101", "26", "3")
    assert [r.facts["file"] for r in text_order] == ["101/a.jpg", "26/a.jpg", "3/a.jpg"]
    photo(tmp_path / "x" / "a.jpg")
    assert folder_of(tmp_path).class_names == ("101", "26", "3", "x")


def test_a_single_folder_around_all_classes(tmp_path):
    for name in ("cat/1.jpg", "cat/deep/er/2.jpg", "dog/3.jpg"):
        photo(tmp_path / "photos" / "all" / name)
    data = folder_of(tmp_path)
    assert data.class_names == ("cat", "dog")
    assert [(r.label, r.facts["file"]) for r in data] == [
        (0, "photos/all/cat/1.jpg"),
        (0, "photos/all/cat/deep/er/2.jpg"),
        (1, "photos/all/dog/3.jpg"),
    ]


def test_one_class_alone_is_a_class(tmp_path):
    photo(tmp_path / "cat/1.jpg")
    assert folder_of(tmp_path).class_names == ("cat",)


def test_what_is_hidden_or_no_picture_is_left_out(tmp_path):
    for name in ("cat/1.jpg", "dog/2.PNG"):
        photo(tmp_path / name)
    for name in (".DS_Store", "cat/._1.jpg", ".git/x.jpg", "__MACOSX/cat/._1.jpg", "Thumbs.db", "cat/notes.txt"):
        made(tmp_path / name).write_bytes(b"?")
    (tmp_path / "empty").mkdir()
    data = folder_of(tmp_path)
    assert [r.facts["file"] for r in data] == ["cat/1.jpg", "dog/2.PNG"]
    faults = "\n".join(data.lasting_faults())
    assert "empty holds no picture" in faults
    assert "notes.txt" in faults
    assert "DS_Store" not in faults


def test_names_of_classes_from_those_of_folders(tmp_path):
    for name in ("001.Black_footed_Albatross", "002.air_plane"):
        photo(tmp_path / "a" / name / "1.jpg")
    assert folder_of(tmp_path / "a").class_names == ("Black footed Albatross", "air plane")
    photo(tmp_path / "d" / "3-door_car" / "1.jpg")
    photo(tmp_path / "d" / "van" / "1.jpg")
    assert folder_of(tmp_path / "d").class_names == ("3-door car", "van")
    for name in ("n01440764", "n01443537"):
        photo(tmp_path / "b" / name / "1.jpg")
    assert folder_of(tmp_path / "b").class_names == ("tench", "goldfish")
    for name in ("1_x", "2_x"):
        photo(tmp_path / "c" / name / "1.jpg")
    assert len(set(folder_of(tmp_path / "c").class_names)) == 2


def test_a_link_to_a_folder_above_is_not_followed_round(tmp_path):
    photo(tmp_path / "cat/1.jpg")
    photo(tmp_path / "elsewhere/2.jpg")
    (tmp_path / "set/dog").mkdir(parents=True)
    (tmp_path / "set/cat").symlink_to(tmp_path / "cat")
    (tmp_path / "set/dog/all").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "cat/round").symlink_to(tmp_path / "cat")
    assert [r.facts["file"] for r in folder_of(tmp_path / "set")] == ["cat/1.jpg", "dog/all/2.jpg"]


# --- tables --------------------------------------------------------------------------------------------------------


def test_a_table_of_objects(tmp_path):
    for name, w, h in (("a.jpg", 32, 24), ("b b.jpg", 20, 28), ("c.jpg", 24, 24)):
        photo(tmp_path / name, w, h)
    grey(tmp_path / "m.png", np.eye(24, 32))
    (tmp_path / "table.csv").write_text(
        "path,label,x0,y0,x1,y1,mask\r\n"
        "a.jpg,dog,1,2,10,12,\r\n"
        'a.jpg,cat,4,0,40,24,"m.png"\r\n'
        '"b b.jpg",cat,,,,,\r\n'
        "c.jpg,,,,,,\r\n",
        encoding="utf-8-sig",
    )
    data = Dataset.make(f"csv:root={at(tmp_path / 'table.csv')}")
    assert data.class_names == ("cat", "dog")
    assert data.labels().tolist() == [1, 0, -1]
    record = data[0]
    assert record.boxes.tolist() == [[1, 2, 10, 12], [4, 0, 32, 24]]
    assert record.classes.tolist() == [1, 0]
    assert record.mask_classes.tolist() == [0]
    assert int(record.masks.sum()) == 24
    assert len(data[2].boxes) == 0


def test_a_table_with_boxes_in_one_cell_and_names_in_a_file(tmp_path):
    photo(tmp_path / "photos/a.jpg")
    text(tmp_path / "table.csv", "label,path,box", "2,a.jpg,1 2 10 12; 4 0 32 24")
    text(tmp_path / "names.json", '["cat", "dog", "owl"]')
    form = f"csv:file={at(tmp_path / 'table.csv')},root={at(tmp_path / 'photos')},names={at(tmp_path / 'names.json')}"
    data = Dataset.make(form)
    assert (data[0].label, data.class_names[2]) == (2, "owl")
    assert data[0].boxes.tolist() == [[1, 2, 10, 12], [4, 0, 32, 24]]
    assert data[0].classes.tolist() == [2, 2]
