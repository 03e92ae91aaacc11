"""What `test_errors.py` does to influences to hear what they say: every case is given a folder to work in."""

import errno
import os
from unittest.mock import patch

import torch
from torch import nn

import pellucid as pl
from pellucid.cli.main import main
from pellucid.influences import Case, Held, Influence
from pellucid.show.gallery import gallery

TRAIN, TEST = torch.linspace(-1, 1, 96).view(6, 16), torch.linspace(0, 1, 32).view(2, 16)
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


class Labelled(Influence, name="labelled"):
    supervised = True

    def score(self, case):
        return case.test.labels[:, None].float() + case.train.labels


def net(outputs=3):
    torch.manual_seed(0)
    return nn.Linear(16, outputs)


class Pairs(nn.Module):
    """An encoder, as contrastive learning makes it."""

    def forward(self, x):
        return x[:, :3]


class Late(nn.Module):
    """Answers in one number fewer for the last batch."""

    def forward(self, x):
        return x[:, : len(x)]


def asked(influence="dknn", train=TRAIN, test=TEST, model=None, **options):
    def case(folder):
        given = {k: folder / v[1:] if isinstance(v, str) and v.startswith("+") else v for k, v in options.items()}
        pl.influence(model or net(), train, test, influence, **given)

    return case


def again(change, name="influence.npy", **options):
    """The same question after something happened to its folder."""

    def case(folder):
        call = asked(out=folder / "kept", **options)
        call(folder)
        change(folder / "kept" / name)
        call(folder)

    return case


def full(folder):
    def write(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with patch.object(os, "pwrite", write):
        asked(out=folder / "full")(folder)


def other_question(folder):
    asked(out=folder / "kept")(folder)
    asked("dknn:k=2", out=folder / "kept")(folder)


def of_epochs(content):
    def case(folder):
        path = folder / "epoch.safetensors"
        path.write_bytes(content)
        asked("tracin", (TRAIN, LABELS), (TEST, LABELS[:2]), checkpoints=[path])(folder)

    return case


def command(*words):
    def case(folder):
        given = ["--model", "pellucid:tiny-cnn:channels=1", "--train", "digits", "--out", f"{folder}/who"]
        with patch.dict(os.environ, {"PELLUCID_TRACEBACK": "1"}):
            main(["influence", *given, *words])

    return case


STATE = {"weight": torch.zeros(2)}
NAN = torch.where(torch.arange(6)[:, None] == 4, torch.nan, TRAIN)

OF_INFLUENCES = {
    "influence: unknown": asked("dkn"),
    "influence: a batch of none": asked(batch_size=0),
    "influence: top of none": asked(top=0),
    "influence: no examples": asked(train=TRAIN[:0]),
    "influence: an empty list": asked(test=[]),
    "influence: a number": asked(train=3),
    "influence: whole numbers": asked(train=TRAIN.long()),
    "influence: labels that do not fit": asked(train=(TRAIN, LABELS[:2])),
    "influence: other shapes": asked(test=TEST[:, :8]),
    "influence: NaN": asked(train=NAN),
    "influence: a stream": asked(test="wds:path=shards.tar"),
    "influence: NaN from the model": asked(model=nn.Sequential(net(), nn.Threshold(9, float("nan")))),
    "influence: other features in another batch": asked(model=Late(), batch_size=4),
    "influence: no penultimate layer": asked("dknn:layer=penultimate", model=Pairs()),
    "influence: no such layer": asked("dknn:layer=fc"),
    "influence: published with k": asked("dknn:k=3,protocol=published"),
    "influence: faiss without k": asked("dknn:search=faiss"),
    "influence: unknown loss": asked("tracin", loss="hinge"),
    "influence: no loss of one example": asked("tracin", model=Pairs()),
    "influence: a code or classes": asked("gradient-cosine", (TRAIN, LABELS), (TEST, LABELS[:2]), model=net(8)),
    "influence: one loss of all": asked("gradient-cosine", loss=lambda o, x, y: o.sum()),
    "influence: no loss in the case": lambda _: Case(net(), Held(TRAIN), Held(TEST), why="nobody said one").losses,
    "influence: no checkpoints": asked("tracin", (TRAIN, LABELS), (TEST, LABELS[:2])),
    "influence: checkpoints of another model": asked(
        "tracin", (TRAIN, LABELS), (TEST, LABELS[:2]), checkpoints=[STATE]
    ),
    "influence: a checkpoint that is none": of_epochs(b"nothing"),
    "influence: labels are missing": asked(Labelled()),
    "influence: another question": other_question,
    "influence: a plan that is none": again(lambda path: path.write_text("{"), "plan.json"),
    "influence: another matrix": again(lambda path: path.write_bytes(b"nothing")),
    "influence: a matrix that is gone": again(lambda path: path.unlink()),
    "influence: other strongest": again(lambda path: path.write_bytes(b"nothing"), "top.safetensors", top=2),
    "influence: a full disk": full,
    "gallery: nothing": lambda _: gallery([]),
    "pellucid influence: twice": command("--test", "digits", "-i", "dknn", "-i", "dknn"),
    "pellucid influence: a stream": command("--test", "wds:path=shards.tar"),
    "pellucid influence: no such record": command("--test", "digits", "--rows", "5000"),
}
