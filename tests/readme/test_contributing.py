"""The worked example of CONTRIBUTING.md works as it stands."""

import re
import shlex
import sys
from pathlib import Path

import pytest
import torch

import pellucid as pl
from pellucid import registry
from pellucid.contracts import check_member

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SOURCE = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL).group(1)


@pytest.fixture
def one_more_file(tmp_path, monkeypatch):
    """Adds a member to a family, as a file in its folder would; its name."""
    modules = []

    def add(family, name, source):
        home, path = getattr(pl, family), tmp_path / f"{name.replace('-', '_')}.py"
        path.write_text(source, encoding="utf-8")
        files = registry._files
        monkeypatch.setattr(registry, "_files", lambda f: files(f) + ([path] if f == family else []))
        monkeypatch.setattr(home, "__path__", [*home.__path__, str(tmp_path)])
        modules.append(f"{home.__name__}.{path.stem}")
        return name

    yield add
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def added(one_more_file):
    """The example as one more file of the family."""
    return one_more_file("explainers", "squared-gradient", SOURCE)


def test_one_file_is_enough(added):
    assert added in pl.catalog("explainers")
    assert pl.explainers.SquaredGradient(power=1).power == 1.0
    net, x = pl.load_model("pellucid:tiny-cnn"), torch.randn(2, 3, 16, 16)
    e = pl.explain(net, x, "squared-gradient:power=1")
    torch.testing.assert_close(e.maps, pl.explain(net, x, "gradient:channels=abs").maps)
    assert pl.explain(net, x, "smooth:samples=2@squared-gradient").maps.shape == (2, 16, 16)


def test_it_keeps_the_contract(added):
    failed = [o for o in check_member(pl.catalog("explainers")[added]) if not o.passed]
    assert not failed


def test_the_commands_it_names_are_there():
    named = {line.split("#")[0].strip() for line in re.findall(r"^(?:make|pellucid) .*$", TEXT, re.MULTILINE)}
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named
    for command in named:
        words = shlex.split(command)
        if words[0] == "make":
            assert words[1] in targets


METRIC = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[1]


@pytest.fixture
def metric(one_more_file):
    """The second example as one more file of its family."""
    return one_more_file("metrics", "top-mass", METRIC)


def test_a_metric_takes_one_file_too(metric):
    net, x = pl.load_model("pellucid:tiny-cnn"), torch.randn(2, 3, 32, 32)
    scores = pl.measure(net, x, "gradient", "top-mass:share=0.25")
    assert bool(((scores > 0.25) & (scores < 1)).all())
    assert not [o for o in check_member(pl.catalog("metrics")[metric]) if not o.passed]


OBJECTIVE = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[2]


@pytest.fixture
def objective(one_more_file):
    """The third example as one more file of its family."""
    return one_more_file("objectives", "confidence-penalty", OBJECTIVE)


def test_an_objective_takes_one_file_too(objective):
    net = pl.load_model("pellucid:tiny-cnn:classes=3")
    bound = pl.objectives.Objective.make("cgc+confidence-penalty:weight=0.5").bind(net)
    loss, terms = bound((torch.randn(2, 3, 32, 32), torch.tensor([0, 2])))
    assert 0 < float(terms["entropy"]) <= 1.0987
    assert float(loss.detach()) == pytest.approx(sum(bound.weights[k] * float(v) for k, v in terms.items()), rel=1e-5)
    assert not [o for o in check_member(pl.catalog("objectives")[objective]) if not o.passed]
