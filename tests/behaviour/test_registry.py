"""Named things: text forms, knobs, the catalogue, and packages from outside."""

import copy
import dataclasses
import math
import pickle
import sys
import types
from typing import Annotated, Literal, Union, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid as pl
from pellucid import grammar, knobs, registry
from pellucid.contracts import check
from pellucid.errors import BadKnob, MissingExtra, PellucidError, UnknownName
from pellucid.explainers import Explainer
from pellucid.knobs import Between
from pellucid.questions import Question
from pellucid.registry import Named, catalog, families, package_of

MEMBERS = [catalog(family)[name] for family in families() for name in catalog(family)]


# --- the round trip ------------------------------------------------------------------------------------------------


def values(annotation) -> st.SearchStrategy:
    """Any value that a knob with a text takes."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        between = next(a for a in args if isinstance(a, Between))
        low = None if between.least == -math.inf else between.least
        high = None if between.most == math.inf else between.most
        if args[0] is int:
            return st.integers(None if low is None else int(low), None if high is None else int(high))
        if args[0] is float:
            return st.floats(low, high, allow_nan=False, allow_infinity=False)
        return values(args[0]).filter(lambda v: not isinstance(v, int | float) or between.least <= v <= between.most)
    if origin in (Union, types.UnionType):
        return st.one_of(*(values(a) for a in args if knobs.has_text(a) or a is type(None)))
    if origin is Literal:
        return st.sampled_from(args)
    if origin is tuple:
        if args[-1] is ...:
            return st.lists(values(args[0]), max_size=3).map(tuple)
        return st.tuples(*(values(a) for a in args))
    if isinstance(annotation, type) and issubclass(annotation, Named):
        return members(annotation.family)
    return {
        bool: st.booleans(),
        int: st.integers(),
        float: st.floats(allow_nan=False),
        str: st.text(max_size=12),
        type(None): st.none(),
        knobs.Rest: st.deferred(
            lambda: st.dictionaries(st.from_regex(r"[a-z]{2,3}", fullmatch=True), values(knobs.Free))
        ),
    }[annotation]


def members(family: str) -> st.SearchStrategy:
    """Any member of a family whose knobs have texts."""
    known = [catalog(family)[name] for name in catalog(family)]
    return st.deferred(lambda: st.one_of(*(of(m) for m in known if all(map(knobs.has_text, annotations(m).values())))))


def annotations(member) -> dict:
    return registry._annotations(member)


@st.composite
def of(draw, member):
    """A member with any knobs that go together."""
    set_ = {}
    for field in dataclasses.fields(member):
        needed = field.default is dataclasses.MISSING
        if knobs.has_text(annotations(member)[field.name]) and (needed or draw(st.booleans())):
            set_[field.name] = draw(values(annotations(member)[field.name]))
    try:
        return member(**set_)
    except PellucidError:  # knobs that do not go together
        return member(**{k: v for k, v in set_.items() if k == "of"} | dict(member.quick))


@settings(max_examples=300, deadline=None)
@given(st.one_of(members("explainers"), members("questions"), members("networks")))
def test_the_text_reads_back(thing):
    text = str(thing)
    back = type(thing).make(text)
    assert back == thing
    assert hash(back) == hash(thing)
    assert str(back) == text
    for field in dataclasses.fields(thing):
        assert getattr(back, field.name) == getattr(thing, field.name), field.name
        assert type(getattr(back, field.name)) is type(getattr(thing, field.name)), field.name
    assert pickle.loads(pickle.dumps(thing)) == copy.deepcopy(thing) == thing


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet=st.sampled_from('ab:=,@[]()" \\1.-_é\n'), max_size=30) | st.text(max_size=20))
def test_any_text_is_read_or_refused_with_a_sentence(text):
    for read in (grammar.read, grammar.read_list, Explainer.make, Question.make):
        try:
            read(text)
        except PellucidError as refusal:
            assert str(refusal).endswith((".", "?"))
            assert "\n" not in str(refusal)


@settings(max_examples=100, deadline=None)
@given(st.lists(members("explainers"), max_size=4))
def test_lists_read_back(things):
    text = "[" + ",".join(map(str, things)) + "]"
    assert [Explainer.make(item) for item in grammar.read_list(text)] == things


@pytest.mark.parametrize(
    "text, same",
    [
        ("grad-cam", pl.explainers.GradCAM()),
        ("grad-cam:layer=layer3,relu=false", pl.explainers.GradCAM(layer="layer3", relu=False)),
        ("grad-cam:layer=[layer3,layer4],fuse=mean", pl.explainers.GradCAM(layer=["layer3", "layer4"], fuse="mean")),
        ('grad-cam:layer="none"', pl.explainers.GradCAM(layer="none")),
        ("grad-cam:layer=none", pl.explainers.GradCAM()),
        ('grad-cam:layer="3"', pl.explainers.GradCAM(layer="3")),
        ("smooth:samples=7@smooth@grad-cam:grid=[3,4]",
         pl.explainers.Smooth(pl.explainers.Smooth(pl.explainers.GradCAM(grid=(3, 4))), samples=7)),
        (" contrast:against=3 ", pl.questions.Contrast(3)),
        ("integrated-gradients:baseline=1e-3", pl.explainers.IntegratedGradients(baseline=0.001)),
    ],
)  # fmt: skip
def test_text_forms(text, same):
    assert type(same).make(text) == same
    assert pl.catalog(same.family)[same.name] is type(same)


def test_a_knob_keeps_what_its_type_says():
    e = pl.explainers.IntegratedGradients(baseline=1, steps=3)
    assert isinstance(e.baseline, float)
    assert e == pl.explainers.IntegratedGradients(baseline=1.0, steps=3)
    with pytest.raises(BadKnob):
        pl.explainers.IntegratedGradients(steps=True)
    with pytest.raises(BadKnob):
        pl.explainers.IntegratedGradients(steps=0)
    with pytest.raises(AttributeError):
        e.steps = 4
    assert e.but(steps=4) == pl.explainers.IntegratedGradients(baseline=1.0, steps=4)


def test_a_knob_without_a_text_is_printed_by_its_content_and_refused_on_the_way_back():
    import torch

    a, b = (pl.questions.Towards(torch.full((4,), v)) for v in (1.0, 2.0))
    assert str(a) != str(b)
    assert str(a) == str(pl.questions.Towards(torch.ones(4)))
    with pytest.raises(PellucidError, match="has no text"):
        Question.make(str(a).replace("<Tensor ", "<Tensor_"))


def test_named_things_are_final():
    with pytest.raises(TypeError, match="final"):
        type("Mine", (pl.explainers.GradCAM,), {})
    with pytest.raises(TypeError, match="abstract"):
        Explainer()


# --- the catalogue -------------------------------------------------------------------------------------------------


def test_catalogues_name_their_members_without_importing_them():
    names = catalog("explainers")
    assert {"gradient", "grad-cam", "hires-cam", "cam", "smooth", "random-map", "edges"} <= set(names)
    assert names["grad-cam"] is pl.explainers.GradCAM
    assert len(names) == len(list(names))
    assert {"questions", "explainers", "networks"} <= set(families())


def test_a_file_may_import_a_member_of_another_family_with_its_own_name(monkeypatch):
    """The stacked capsules are a network and an objective."""
    both = types.ModuleType("both")
    both.Imported, both.Own = catalog("networks")["scae"], catalog("objectives")["scae"]
    monkeypatch.setitem(sys.modules, "both", both)
    assert registry.Catalog("objectives", {"scae": "both"})["scae"] is both.Own
    assert registry.Catalog("networks", {"scae": "both"})["scae"] is both.Imported


def test_unknown_names_are_met_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean grad-cam"):
        catalog("explainers")["grad-cm"]
    with pytest.raises(UnknownName, match="did you mean explainers"):
        catalog("explainer")
    with pytest.raises(UnknownName, match="did you mean layer"):
        Explainer.make("grad-cam:layr=x")
    with pytest.raises(AttributeError, match="did you mean GradCAM"):
        pl.explainers.GradCam2  # noqa: B018
    with pytest.raises(LookupError):
        Explainer.make("nothing-like-it")


def test_the_stubs_name_every_class():
    import stubs

    for family in families():
        text = stubs.stub(stubs.PACKAGE / package_of(family).removeprefix("pellucid.").replace(".", "/"))
        for name in catalog(family):
            member = catalog(family)[name]
            if member.__module__.startswith("pellucid."):
                assert f"import {member.__name__} as {member.__name__}" in text


# --- packages from outside -----------------------------------------------------------------------------------------

PLUGIN = '''"""{title}.

>>> {cls}().name
'{name}'
"""
from pellucid.explainers import Explainer


class {cls}(Explainer, name="{name}"):
    """{title}."""
    {facts}

    strength: float = 1.0

    def attribute(self, subject, images, score):
        return {formula}
'''


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A package that brings two explainers by entry points, one of them wrong."""
    package = tmp_path / "foreign"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name, cls, formula in (
        ("far-off", "FarOff", "self.strength * images * subject.gradient(images, score)"),
        ("far-wrong", "FarWrong", "subject.gradient(images, score) / subject.gradient(images, score).abs().max()"),
    ):
        text = PLUGIN.format(title="Far", name=name, cls=cls, facts="linear = True", formula=formula)
        (package / f"{name.replace('-', '_')}.py").write_text(text)
    info = tmp_path / "foreign-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[pellucid.explainers]\nfar-off = foreign.far_off:FarOff\nfar-wrong = foreign.far_wrong:FarWrong\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "foreign"
    for name in [m for m in sys.modules if m.split(".")[0] == "foreign"]:
        del sys.modules[name]


def test_an_outside_package_joins_and_is_checked(outside):
    import torch

    assert "far-off" in catalog("explainers")
    member = Explainer.make("smooth@far-off:strength=2")
    assert str(member) == "smooth@far-off:strength=2"
    net = pl.load_model("pellucid:tiny-cnn")
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(
        pl.explain(net, x, "far-off:strength=2").maps, 2 * pl.explain(net, x, "input-x-gradient").maps
    )
    outcomes = check(outside)
    assert {o.member for o in outcomes} == {"far-off", "far-wrong"}
    assert not [o for o in outcomes if o.member == "far-off" and not o.passed]
    failed = {o.check for o in outcomes if not o.passed}
    assert failed == {"a batch is its images", "batch size bounds the rows", "linear means linear"}
    with pytest.raises(UnknownName, match="no named thing"):
        check("json")
    with pytest.raises(UnknownName, match="no package"):
        check("no_such_package")


def test_a_broken_entry_point_says_whose_it_is(tmp_path, monkeypatch):
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pellucid.explainers]\nlost = no_such_module:Lost\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "lost" in catalog("explainers")
    with pytest.raises(MissingExtra, match=r"lost.*broken.*no_such_module"):
        Explainer.make("lost")
