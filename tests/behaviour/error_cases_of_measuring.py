"""What `test_errors.py` does to measuring to hear what it says: every case is given a folder to work in."""

import shutil
from unittest.mock import patch

import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import pellucid as pl
from pellucid.engine import _evaluate
from pellucid.metrics import Case
from pellucid.results import Results
from pellucid.results.statistics import bca, paired, wilson
from pellucid.results.store import Key, Store
from pellucid.subject import Subject, as_batch

SCENES = "scenes:length=4,size=16,classes=3"


def net():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3))


def x(n=2):
    return torch.linspace(-1, 1, n * 768).view(n, 3, 16, 16)


MAPS = torch.rand(2, 16, 16)


def measured(metric="sparseness", maps=MAPS, images=None, model=None, **options):
    def case(_folder):
        pl.measure(model or net(), x() if images is None else images, maps, metric, **options)

    return case


def evaluated(data=SCENES, explainers="random-map", metrics="sparseness", model=None, **options):
    def case(folder):
        call = {"transform": "plain"} if isinstance(data, str) else {}
        given = {k: folder / v[1:] if isinstance(v, str) and v.startswith("+") else v for k, v in options.items()}
        pl.evaluate(model or net(), data, explainers, metrics, **(call | given))

    return case


def under_torchrun(run, rank="1", world="2"):
    def case(folder):
        with pytest.MonkeyPatch.context() as here:
            here.setenv("RANK", rank)
            here.setenv("WORLD_SIZE", world)
            here.setattr(_evaluate, "PATIENCE", 0.0)
            run(folder)

    return case


class Stream(IterableDataset):
    """Two samples, without a length."""

    def __iter__(self):
        return iter([(image, 0) for image in x()])


class Stopped:
    """A process that is killed at once."""

    exitcode = -9

    def __init__(self, **_):
        pass

    def start(self):
        pass

    def join(self):
        pass

    def is_alive(self):
        return False


def stopped(folder):
    class Context:
        Process = Stopped

        class SimpleQueue:
            def empty(self):
                return True

    with patch("torch.multiprocessing.get_context", lambda _: Context):
        evaluated(workers=2, out="+out")(folder)


def case_of(images=None, **known):
    images = x() if images is None else images
    return Case(Subject(net()), as_batch(images), torch.zeros(len(images), dtype=torch.int64), **known)


def rows(**columns):
    """Results made by hand."""
    about = {"explainer": "e", "ask": "logit", "metric": "m", "model": "a", "data": "d", "transform": "t",
             "explains": "label", "seed": "0", "better": "higher", "average": "samples"} | columns  # fmt: skip
    return Results(pd.DataFrame({"sample": [0, 1], "value": [0.0, 1.0], "target": 0}).assign(**about))


def two(first, second):
    return Results(pd.concat([first.frame, second.frame], ignore_index=True))


def damaged(folder):
    store = Store(folder)
    row = {name: [0] for name in ("sample", "label", "target", "value", "seconds")} | {"task": ["t"], "curve": [None]}
    store.put([Key("t", 0, 1)], {"t": {}}, row)
    [part] = (folder / "parts").iterdir()
    part.write_bytes(b"PAR1" + part.read_bytes()[200:])
    len(Results.of(store, ["t"]))


def gone(folder):
    found = pl.evaluate(net(), SCENES, "random-map", "sparseness", transform="plain", out=folder / "out")
    shutil.rmtree(folder / "out")
    len(found)


def no_parquet(folder):
    (folder / "a.parquet").write_text("PAR1")
    Results.load(folder / "a.parquet")


OF_MEASURING = {
    "a uniformity reversed twice": lambda _: pl.metrics.MOSU(protocol="published", reverse=True),
    "measuring what is no model": lambda _: pl.measure("resnet", x(), MAPS, "sparseness"),
    "measuring by batches of none": measured(batch_size=0),
    "measuring no images": measured(images=x()[:0], maps=MAPS[:0]),
    "measuring without what it needs": measured("ch"),
    "measuring without maps": measured(maps=None),
    "asking for maps of maps made elsewhere": measured("max-sensitivity"),
    "asking a case for maps that nobody made": lambda _: case_of().again(x()),
    "labels of other samples": measured(labels=[0, 1, 2]),
    "maps of another size": measured(maps=MAPS[:, ::2]),
    "maps of several classes": measured(maps=torch.stack([MAPS, MAPS], 1)),
    "maps that are not numbers": measured(maps=MAPS / 0 * 0),
    "masks of another size": measured("sch", masks=torch.zeros(2, 4, 4, dtype=torch.bool)),
    "masks with numbers that mean nothing": measured("sch", masks=torch.full((2, 16, 16), 7, dtype=torch.uint8)),
    "boxes of other samples": measured("ch", boxes=[[[0, 0, 2, 2]]]),
    "boxes the wrong way round": measured("ch", boxes=[[[2, 2, 0, 0]], []]),
    "a mean colour of other channels": measured(mean=[0.5, 0.5]),
    "a mean colour that nobody knows": measured("deletion", images=x().abs()),
    "a class of an encoder": measured("insertion", model=nn.Conv2d(3, 2, 1), target=0),
    "measuring a class that is none": measured("insertion", target=3),
    "a case without labels": lambda _: case_of().label,
    "evaluating what is no model": lambda _: pl.evaluate("resnet", SCENES),
    "evaluating by batches of none": evaluated(batch_size=0),
    "evaluating what is no data": evaluated(7),
    "evaluating nothing": evaluated([]),
    "data without a name": evaluated([x()], out="+out"),
    "samples that are no inputs": evaluated([(x().byte()[0], 0)]),
    "masks of samples of another size": evaluated([(x()[0], 0, {"masks": torch.zeros(4, 4)})], metrics="sch"),
    "masks of samples with halves": evaluated([(x()[0], 0, {"masks": torch.full((16, 16), 0.5)})], metrics="sch"),
    "a loader that shuffles": evaluated(DataLoader(TensorDataset(x(), torch.zeros(2)), shuffle=True)),
    "labels that are no numbers of classes": evaluated([(x(), torch.tensor([0.5, 1.0]))]),
    "evaluating without a question": evaluated(ask=[]),
    "samples of several sizes": evaluated([(x()[0], 0), (x()[0, :, 2:], 0)]),
    "explaining no class": evaluated(target="truth"),
    "processes without a folder": under_torchrun(evaluated()),
    "a stream for several processes": under_torchrun(evaluated(Stream(), name="stream", out="+out")),
    "processes that do not come": under_torchrun(evaluated(out="+out"), rank="1", world="3"),
    "a stream for several workers": evaluated(Stream(), workers=2),
    "a worker that was stopped": stopped,
    "a column that is none": lambda _: rows().only(explaner="e"),
    "a metric that was not measured": lambda _: rows(metric="insertion").only(metric="insertoin"),
    "no runs": lambda _: Results.together([]),
    "runs on other data": lambda _: Results.together([rows(), rows(data="other")]),
    "comparing several models at once": lambda _: two(rows(), rows(model="b")).compare(rows()),
    "comparing different metrics": lambda _: rows().compare(rows(metric="other")),
    "comparing on different data": lambda _: rows().compare(rows(data="other")),
    "comparing several runs with one": lambda _: Results.together([rows(), rows()]).compare(rows()),
    "results that are no file": no_parquet,
    "results that are gone": gone,
    "a folder without results": lambda folder: Results.load(folder / "nowhere"),
    "a part that is damaged": damaged,
    "a level that is none": lambda _: bca([1, 2], 95),
    "values in a table": lambda _: bca([[1, 2]]),
    "pairs of different lengths": lambda _: paired([1, 2], [1]),
    "more successes than tries": lambda _: wilson(3, 2),
}
