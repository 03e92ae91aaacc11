"""Every error text, held against `errors.txt`; rewrite that with: python -m tests.behaviour.test_errors

Every `raise` of ours is reached by a case here: a new one without a case fails.
"""

import ast
import json
import re
import sys
import tempfile
import traceback
from pathlib import Path
from unittest.mock import patch

import jaxtyping
import pytest
import torch
from PIL import Image
from torch import nn

import pellucid as pl
from pellucid import errors, grammar
from pellucid.cli.main import main
from pellucid.contracts import check
from pellucid.data import Dataset
from pellucid.errors import PellucidError, need
from pellucid.explainers import Explainer
from pellucid.explanation import Explanation
from pellucid.files import writable, write_atomically
from pellucid.networks import load_model, save_model
from pellucid.questions import Question
from pellucid.show.colour import colours, limit_of
from pellucid.show.contrast import contrast_sheet
from pellucid.show.curves import CurveRow, curves
from pellucid.show.sheet import Column, contact_sheet
from pellucid.subject import Subject
from tests.behaviour.error_cases_of_attention import OF_ATTENTION
from tests.behaviour.error_cases_of_audit import OF_AUDIT
from tests.behaviour.error_cases_of_cgc import OF_CGC
from tests.behaviour.error_cases_of_commands import OF_COMMANDS
from tests.behaviour.error_cases_of_contrast import OF_CONTRAST
from tests.behaviour.error_cases_of_data import OF_DATA
from tests.behaviour.error_cases_of_ensemble import OF_ENSEMBLE
from tests.behaviour.error_cases_of_faithfulness import OF_FAITHFULNESS
from tests.behaviour.error_cases_of_gradients import OF_GRADIENTS
from tests.behaviour.error_cases_of_influences import OF_INFLUENCES
from tests.behaviour.error_cases_of_inputs import OF_INPUTS
from tests.behaviour.error_cases_of_latents import OF_LATENTS
from tests.behaviour.error_cases_of_learners import OF_LEARNERS
from tests.behaviour.error_cases_of_localisation import OF_LOCALISATION
from tests.behaviour.error_cases_of_measuring import OF_MEASURING
from tests.behaviour.error_cases_of_objectives import OF_OBJECTIVES
from tests.behaviour.error_cases_of_paths import OF_PATHS
from tests.behaviour.error_cases_of_perturbation import OF_PERTURBATION
from tests.behaviour.error_cases_of_report import OF_REPORT
from tests.behaviour.error_cases_of_robustness import OF_ROBUSTNESS
from tests.behaviour.error_cases_of_scae import OF_SCAE
from tests.behaviour.error_cases_of_studies import OF_STUDIES
from tests.behaviour.error_cases_of_text import OF_TEXT
from tests.behaviour.error_cases_of_training import OF_TRAINING

FURTHER = (
    OF_DATA, OF_MEASURING, OF_LOCALISATION, OF_FAITHFULNESS, OF_ROBUSTNESS, OF_CONTRAST, OF_COMMANDS, OF_AUDIT,
    OF_OBJECTIVES, OF_CGC, OF_TEXT, OF_TRAINING, OF_ENSEMBLE,
    OF_ATTENTION, OF_INPUTS, OF_PATHS, OF_PERTURBATION, OF_REPORT,
    OF_INFLUENCES, OF_GRADIENTS, OF_LATENTS, OF_LEARNERS, OF_SCAE,
    OF_STUDIES,
)  # fmt: skip
GOLDEN = Path(__file__).parent / "errors.txt"
PACKAGE = Path(errors.__file__).parent
TEMPORARY = Path(tempfile.gettempdir())


# --- models that do what they should not -----------------------------------------------------------------------------


class Net(nn.Module):
    """A small CNN whose answer a test may spoil."""

    def __init__(self, after=lambda y: y, classes=3):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.twice = nn.Conv2d(4, 4, 3, padding=1)
        self.idle = nn.Conv2d(4, 4, 1)
        self.flat = nn.Flatten()
        self.head = nn.Linear(4, classes)
        self.tuples = _Pair()
        self.after = after

    def forward(self, x):
        self.aside = self.idle(x.repeat(1, 2, 1, 1)[:, :4]).sum()
        a = self.conv(x)
        self.tuples(a)
        a = self.twice(self.twice(a)).relu()
        return self.after(self.head(a.mean((2, 3))))


class _Pair(nn.Module):
    def forward(self, x):
        return "no tensor"


class Later(Explainer, name="later"):
    accepts = ("similarity",)

    def attribute(self, subject, images, score):
        return images[:, :1]


class Shapeless(Explainer, name="shapeless"):
    def attribute(self, subject, images, score):
        return images[:, :1]


def net(*args, **kwargs):
    torch.manual_seed(0)
    return Net(*args, **kwargs).eval()


def x(*shape):
    return torch.linspace(-1, 1, torch.Size(shape or (2, 3, 8, 8)).numel()).view(shape or (2, 3, 8, 8))


def explain(explainer="gradient", model=None, images=None, **options):
    return pl.explain(net() if model is None else model, x() if images is None else images, explainer, **options)


def spoil(tensor, value):
    out = tensor.clone()
    out[1, 0] = value
    return out


def vit():
    torch.manual_seed(0)
    return load_model("pellucid:tiny-vit:classes=3")


def streamed(**options):
    return list(pl.explain(net(), [x(), x()], "gradient", **options))


class Folder:
    """A folder that is gone afterwards."""

    def __enter__(self):
        self.held = tempfile.TemporaryDirectory(prefix="golden-")
        return Path(self.held.__enter__())

    def __exit__(self, *error):
        self.held.__exit__(*error)


def in_folder(run):
    def case():
        with Folder() as folder:
            run(folder)

    return case


def half_saved(folder, what):
    Explanation(maps=x(1, 4, 4)).save(folder)
    if what == "missing":
        (folder / "explanation.json").unlink()
    else:
        (folder / "explanation.safetensors").write_bytes(b"1234")
    Explanation.load(folder)


def checkpoint(folder, content, name="weights.pt", **options):
    if isinstance(content, bytes):
        (folder / name).write_bytes(content)
    else:
        torch.save(content, folder / name)
    return load_model(folder / name, **options)


def unreachable(name, **options):
    with patch("timm.create_model", side_effect=OSError("the hub does not answer\nat all")):
        load_model(name, **options)


def foreign(folder):
    info = folder / "foreign-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pellucid.explainers]\nlost = no_such_module:Lost\n")
    with patch.object(sys, "path", [str(folder), *sys.path]):
        Explainer.make("lost")


def command(*words, **files):
    """The error of a command, in a folder with an image and these files."""

    def case():
        with Folder() as folder:
            Image.new("RGB", (40, 40)).save(folder / "image.png")
            for name, content in files.items():
                (folder / name).write_text(content)
            (folder / "empty").mkdir()
            given = [str(folder / word[1:]) if word.startswith("+") else word for word in words]
            out = ["--out", str(folder / "out")] if words[0] == "explain" else []
            with patch.dict("os.environ", {"PELLUCID_TRACEBACK": "1"}):
                main([*given, *out])

    return case


def asked(*words, network="pellucid:tiny-cnn", **files):
    return command("explain", "+image.png", "--model", network, *words, **files)


COLUMN = Column("grad-cam", "logit", x(1, 4, 4), True)

CASES = {
    # records of a data set on the command line
    "neither images nor data": command("explain", "--model", "pellucid:tiny-cnn"),
    "a series to explain": command(
        "explain", "--data", "ecg5000", "--model", "pellucid:tiny-cnn", **{"ECG5000_TRAIN.tsv": "1\t0.5"}
    ),
    "the rows of what is no subset": command("data", "digits", "--save", "+split.json"),
    "records of a stream": command("explain", "--data", "hf:a/b", "--model", "pellucid:tiny-cnn"),
    "a record that is not there": command(
        "explain", "--data", "digits", "--rows", "1797", "--model", "pellucid:tiny-cnn"
    ),
    "records by a word": command("explain", "--data", "digits", "--rows", "first", "--model", "pellucid:tiny-cnn"),
    # text forms
    "an empty text": lambda: grammar.read(""),
    "a colon and no knob": lambda: grammar.read("grad-cam:"),
    "a knob and no value": lambda: grammar.read("grad-cam:layer="),
    "a knob twice": lambda: grammar.read("grad-cam:layer=a,layer=b"),
    "an open list": lambda: grammar.read("grad-cam:layer=[a,b"),
    "an open quote": lambda: grammar.read('grad-cam:layer="a'),
    "more behind the end": lambda: grammar.read("grad-cam]"),
    "an unknown explainer": lambda: explain("grad-cm"),
    "an unknown explainer like no other": lambda: explain("zzz"),
    "an unknown question": lambda: explain(ask="contrasts"),
    "an unknown family": lambda: pl.catalog("explainer"),
    "an unknown knob": lambda: explain("grad-cam:layr=conv"),
    "a knob of a member without knobs": lambda: Explainer.make("later:a=1") if "later" in pl.catalog("explainers")
    else Explainer.make("edges:a=1"),
    "a number that is no number": lambda: explain("integrated-gradients:steps=many"),
    "a number out of range": lambda: explain("integrated-gradients:steps=0"),
    "a choice that is none": lambda: explain("integrated-gradients:rule=simpson"),
    "a wrong type in Python": lambda: pl.explainers.GradCAM(layer=3),
    "a knob that had no text": lambda: Question.make("towards:reference=<Tensor_8201b00a>"),
    "an inner of no wrapper": lambda: explain("grad-cam@gradient"),
    "a wrapper of nothing": lambda: explain("smooth"),
    "a knob that is needed": lambda: explain(ask="unit"),
    "no text and no member": lambda: explain(3),
    "a member of another family": lambda: explain(Question.make("logit")),
    "a package that is not there": lambda: check("no_such_package"),
    "a package without members": lambda: check("json"),
    "an outside member that is broken": in_folder(foreign),
    "an extra that is missing": lambda: need("no_such_module.part", "text", "hf:vit"),
    # what is given to explain
    "no model": lambda: pl.explain("resnet50", x()),
    "no images": lambda: explain(images=3),
    "a list of numbers for a batch": lambda: list(pl.explain(net(), [3], "gradient")),
    "a dict without an image": lambda: explain(images={"ids": torch.ones(2, 3)}),
    "an input that is not there": lambda: explain(images={"pixels": x()}, input="pixel"),
    "an empty batch": lambda: explain(images=x()[:0]),
    "one image without a batch": lambda: explain(images=x()[0]),
    "five axes": lambda: explain(images=x()[None]),
    "no pixels": lambda: explain(images=x()[:, :, :0]),
    "bytes": lambda: explain(images=(x() * 100).byte()),
    "a dict of bytes": lambda: explain(images={"image": (x() * 100).byte()}),
    "integers named as the image": lambda: explain(images={"image": (x() * 100).byte()}, input="image"),
    "NaN in an image": lambda: explain(images=spoil(x(), torch.nan)),
    "infinity in an image": lambda: explain(images=spoil(x(), torch.inf)),
    "a batch size of none": lambda: explain(batch_size=0),
    "an empty list of questions": lambda: explain(ask=[]),
    "a target out of range": lambda: explain(target=3),
    "a negative target": lambda: explain(target=[0, -1]),
    "a target a half": lambda: explain(target=torch.tensor([0.5, 1.0])),
    "a target that is true": lambda: explain(target=True),
    "three targets for two images": lambda: explain(target=[0, 1, 2]),
    "targets that run out": lambda: streamed(target=[0, 1, 2]),
    "a device that is not there": lambda: explain(device="cuda:99"),
    "a device that is none": lambda: explain(device="warp"),
    # the model
    "NaN in the output": lambda: explain(model=net(lambda y: spoil(y, torch.nan))),
    "an output without a tensor": lambda: explain(model=net(lambda y: "yes")),
    "whole numbers as output": lambda: explain(model=net(lambda y: y.argmax(1))),
    "an unknown part of the output": lambda: explain(model=net(lambda y: {"logits": y}), output="logit"),
    "another number of answers": lambda: explain(model=net(lambda y: y[:1])),
    "no way back to the input": lambda: explain(model=net(lambda y: y.detach())),
    "a sequence as output": lambda: explain(model=net(lambda y: y[:, None].expand(-1, 5, -1))),
    # layers
    "an unknown layer": lambda: explain("grad-cam:layer=con"),
    "a layer that runs twice": lambda: explain("grad-cam:layer=twice"),
    "a layer that does not run": lambda: explain("grad-cam:layer=flat"),
    "a layer without a tensor": lambda: explain("grad-cam:layer=tuples"),
    "a layer without a say": lambda: explain("grad-cam:layer=idle"),
    "a layer without a grid": lambda: explain("grad-cam:layer=head"),
    "a layer that only the class token reads": lambda: explain("grad-cam:layer=blocks.1", vit(), x(2, 3, 32, 32)),
    "no layer with a grid": lambda: explain("grad-cam", nn.Sequential(nn.Flatten(), nn.Linear(192, 3))),
    "cam of two layers": lambda: explain("cam:layer=[conv,idle]"),
    "cam of another head": lambda: explain("cam", net(lambda y: y * 2)),
    "a baseline that does not fit": lambda: explain(pl.explainers.IntegratedGradients(baseline=torch.ones(3, 5, 5))),
    "a baseline of several images": lambda: explain(pl.explainers.IntegratedGradients(baseline=torch.ones(2, 3, 8, 8))),
    "a baseline of NaN": lambda: explain("integrated-gradients:baseline=nan"),
    "black that is nowhere": lambda: explain("integrated-gradients:baseline=black"),
    "guided backprop of a GELU": lambda: explain("guided-backprop", vit(), x(2, 3, 32, 32)),
    "guided backprop without a ReLU": lambda: explain(
        "guided-backprop", nn.Sequential(nn.Flatten(), nn.Linear(192, 3))),
    "guided backprop to train on": lambda: Subject(net(), trainable=True).gradients(
        x(), [Question.make("logit").bind(torch.ones(2, 3), None, lambda x: x)], relu=lambda g, _: g),
    "fullgrad of what is not complete": lambda: explain("fullgrad", vit(), x(2, 3, 32, 32)),
    "a score bound to other outputs": lambda: Subject(net()).gradient(
        x(), Question.make("logit").bind(torch.ones(2, 5), None, lambda x: x)),
    # questions
    "a scale the explainer does not take": lambda: explain(Later(), ask="logit"),
    "contrast of one class": lambda: explain(model=net(classes=1), ask="contrast"),
    "contrast with a class that is none": lambda: explain(ask="contrast:against=7"),
    "contrast of a class with itself": lambda: explain(ask="contrast:against=1", target=1),
    "contrast of sigmoids with their softmax": lambda: explain(ask="contrast:link=sigmoid"),
    "a unit that is not there": lambda: explain(ask="unit:index=3"),
    "a region of a classifier": lambda: explain(ask=pl.questions.Region(torch.ones(8, 8))),
    "a region of five axes": lambda: explain(
        model=nn.Conv2d(3, 2, 1), ask=pl.questions.Region(torch.ones(1, 1, 1, 8, 8))),
    "too many regions": lambda: explain(model=nn.Conv2d(3, 2, 1), ask=pl.questions.Region(torch.ones(3, 8, 8))),
    "a reference that does not fit": lambda: explain(ask=pl.questions.Towards(torch.ones(5))),
    "a reference that is not finite": lambda: explain(ask=pl.questions.Towards(torch.full((3,), torch.nan))),
    "a function of the wrong shape": lambda: explain(ask=lambda y: y),
    "a function without a gradient": lambda: explain(ask=lambda y: y.argmax(1).float()),
    # explanations
    "an explainer of a wrong shape": lambda: explain(Shapeless()),
    "maps that are no tensor": lambda: Explanation(maps=[1, 2]),
    "maps of one axis": lambda: Explanation(maps=x(4)),
    "targets of other maps": lambda: Explanation(maps=x(4, 2, 2), target=torch.ones(3, dtype=torch.int64)),
    "a folder without an explanation": in_folder(lambda folder: half_saved(folder, "missing")),
    "a corrupt explanation": in_folder(lambda folder: half_saved(folder, "corrupt")),
    "a sheet without columns": lambda: contact_sheet([]),
    "a sheet with too few pictures": lambda: contact_sheet([Explanation(maps=x(2, 4, 4))], [x(3, 4, 4)]),
    "a sheet with too few titles": lambda: contact_sheet([Explanation(maps=x(2, 4, 4))], rows=["one"]),
    "a sheet with too few outlines": lambda: contact_sheet(
        [Explanation(maps=x(2, 4, 4))], outlines=[x(4, 4) > 0]),
    "an outline that is no mask": lambda: contact_sheet(
        [Explanation(maps=x(2, 4, 4))], outlines=[x(4, 4), None]),
    "a contrast sheet of a sample that is not there": lambda: contrast_sheet(Explanation(maps=x(2, 4, 4)), sample=2),
    "a contrast sheet with too few pictures": lambda: contrast_sheet(Explanation(maps=x(2, 4, 4)), [x(3, 4, 4)]),
    "a contrast sheet with other probabilities": lambda: contrast_sheet(
        Explanation(maps=x(2, 4, 4), target=torch.tensor([3, 1])), probabilities=torch.ones(2, 3)),
    "curves without rows": lambda: curves([]),
    "curves of other columns": lambda: curves([CurveRow(None, [])]),
    "a curve of two lengths": lambda: curves([CurveRow(None, [COLUMN], {"a": {"b": ([1, 2], [1])}})]),
    "a curve of nothing": lambda: curves([CurveRow(None, [COLUMN], {"a": {"b": ([1], [torch.nan])}})]),
    "a colour for NaN": lambda: colours(torch.full((2, 2), torch.nan), True, 1.0),
    "a scale for NaN": lambda: limit_of([torch.full((2, 2), torch.nan)]),
    # data
    "no such data set": lambda: Dataset.make("scene"),
    "a dot on a class that is none": lambda: Dataset.make("scenes:dot=10"),
    "no records": lambda: Dataset.make("scenes").images([]),
    # files
    "a path that cannot be written": in_folder(
        lambda folder: ((folder / "file").touch(), write_atomically(folder / "file" / "inside", b""))),
    "a folder that cannot be made": in_folder(
        lambda folder: ((folder / "file").touch(), writable(folder / "file" / "inside"))),
    "no such model": lambda: load_model("resnet50"),
    "no such source": lambda: load_model("tim:resnet50"),
    "no such timm model": lambda: load_model("timm:resnet5O"),
    "no such torchvision model": lambda: load_model("torchvision:resnet5"),
    "no such network": lambda: load_model("pellucid:tiny-cn"),
    "a hub that is not reached": lambda: unreachable("timm:resnet18"),
    "a checkpoint that is not there": lambda: load_model("nowhere.pt"),
    "a bare state dict": in_folder(lambda folder: checkpoint(folder, net().state_dict())),
    "a corrupt checkpoint": in_folder(lambda folder: checkpoint(folder, b"no checkpoint", network="timm:resnet18")),
    "a checkpoint with code in it": in_folder(
        lambda folder: checkpoint(folder, nn.Linear(2, 2), network="timm:resnet18")),
    "a checkpoint without tensors": in_folder(lambda folder: checkpoint(folder, {"epoch": 3}, network="timm:resnet18")),
    "a checkpoint of something else": in_folder(
        lambda folder: checkpoint(folder, net().state_dict(), network="pellucid:tiny-cnn")),
    "a checkpoint of other classes": in_folder(
        lambda folder: checkpoint(
            folder, load_model("pellucid:tiny-cnn:classes=3").state_dict(), network="pellucid:tiny-cnn")),
    "a card without a network": in_folder(
        lambda folder: (_carded(folder / "w.safetensors"), load_model(folder / "w.safetensors"))),
    "a model without a transform": lambda: pl.transform_of(net()),
    # the command line
    "no image": command("explain", "+nothing.png", "--model", "pellucid:tiny-cnn"),
    "an empty folder of images": command("explain", "+empty", "--model", "pellucid:tiny-cnn"),
    "an image that is none": command("explain", "+text", "--model", "pellucid:tiny-cnn", text="no image"),
    "a folder without images": in_folder(lambda folder: ((folder / "a").write_text("a"), command(
        "explain", str(folder), "--model", "pellucid:tiny-cnn")())),
    "why without not": asked("--why", "1"),
    "three ways to say the class": asked("--top", "2", "--target", "1"),
    "contrasts of a class": asked("--contrasts", "--target", "1"),
    "more classes than there are": asked("--top", "11"),
    "a class by number that is none": asked("--target", "10"),
    "a class by name without names": asked("--target", "cat"),
    "a class by name that is none": asked("--target", "cta", "--names", "+names", names="cat\n" + "dog\n" * 9),
    "a class by name that two have": asked("--target", "dog", "--names", "+names", names="cat\n" + "dog\n" * 9),
    "names of other classes": asked("--names", "+names", names="cat\ndog"),
    "names that are none": asked("--names", "+names.json", **{"names.json": "{"}),
    "a class of no classes": asked(
        "--target", "1", "--weights", "none", network="torchvision:lraspp_mobilenet_v3_large"),
    "a device of no kind": asked("--device", "warp"),
    "images too small": asked("--size", "1", "--weights", "none", network="torchvision:alexnet"),
    "nothing of that name to list": command("list", "explainer"),
    "nothing of that name to cite": command("cite", "grad-cm"),
    "no file to cite": command("cite", "nowhere.json"),
    "no record to cite": command("cite", "+file.json", **{"file.json": "[]"}),
    "a model without a card": in_folder(lambda folder: save_model(net(), folder / "w.safetensors")),
    **{case: in_folder(run) for some in FURTHER for case, run in some.items()},
}  # fmt: skip


def _carded(path):
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, path, {"pellucid": json.dumps({"size": [3, 3]})})


def caught(case) -> tuple[str, set[tuple[str, int]]]:
    """The sentence, and the lines of ours that raised on the way."""
    try:
        CASES[case]()
    except PellucidError as error:
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        lines = [n for _, n in traceback.walk_tb(error.__traceback__)]
        at = {(frame.f_code.co_filename, n) for frame, n in zip(frames, lines, strict=True)}
        return f"{type(error).__name__}: {plain(str(error))}", at
    raise AssertionError(f"{case}: nothing was raised")


def plain(text: str) -> str:
    """Without what differs from machine to machine."""
    text = re.sub(re.escape(str(TEMPORARY)) + r"/golden-\w+", "FOLDER", text)
    text = re.sub(r"\((?=Weights only|Found no NVIDIA|CUDA|Torch not|Expected one of).*\)", "(…)", text)
    return re.sub(r"\(Error while deserializing.*?\)", "(…)", text)


def golden() -> dict[str, str]:
    lines = GOLDEN.read_text(encoding="utf-8").split("\n\n")
    return dict(line.strip().split("\n    ", 1) for line in lines if line.strip())


@pytest.fixture(autouse=True)
def _as_users_run_it():
    """Without the type checker of the tests, which would be first to complain."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.parametrize("case", CASES)
def test_the_sentence(case):
    text, _ = caught(case)
    assert text == golden()[case]
    assert text.endswith((".", "?")), "a sentence ends with a full stop"
    assert "\n" not in text
    assert len(text) < 360


def test_no_old_sentences():
    assert list(golden()) == list(CASES)


OURS = {name for name, thing in vars(errors).items() if isinstance(thing, type) and issubclass(thing, PellucidError)}


def raises(path: Path) -> list[range]:
    """The lines of every statement that raises an error of ours."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            name = ast.unparse(node.exc.func)
            if name in OURS or name in ("self.fail", "_bad_knob", "_no_device"):
                found.append(range(node.lineno, node.end_lineno + 1))
    return found


def test_every_raise_is_reached():
    visited = set().union(*(caught(case)[1] for case in CASES))
    missed = [
        f"{path.relative_to(PACKAGE)}:{lines.start}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for lines in raises(path)
        if not any((str(path), line) in visited for line in lines)
    ]
    assert not missed, f"raised, but by no case here: {missed}"


def test_errors_are_of_the_kind_that_a_caller_expects():
    tree = re.findall(r"[├└]── (\w+) +(\w+) ", errors.__doc__)
    assert {name for name, _ in tree} == OURS - {"PellucidError"}
    for name, builtin in tree:
        assert issubclass(getattr(errors, name), getattr(__builtins__, builtin, None) or __builtins__[builtin]), name


if __name__ == "__main__":
    GOLDEN.write_text("\n\n".join(f"{case}\n    {caught(case)[0]}" for case in CASES) + "\n", encoding="utf-8")
