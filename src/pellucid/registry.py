"""Named things: families, knobs, the text form.

A family is a subpackage (`explainers/`), a member one file in it (`grad_cam.py` is `grad-cam`). A member is a
frozen dataclass whose fields are its knobs; from that alone come its text form, its parsing, its place in the
catalogue, on the command line, in the tests and in the provenance of every number.

    class GradCAM(Explainer, name="grad-cam", paper="arXiv:1610.02391"):
        layer: str | None = None

    GradCAM.make("grad-cam:layer=layer3") == GradCAM(layer="layer3")

Members are found by file name and imported when used: a catalogue's names cost no import.
"""

import dataclasses
import importlib
import importlib.metadata
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast, dataclass_transform

from pellucid import grammar, knobs
from pellucid.errors import BadKnob, BadText, MissingExtra, UnknownName, article, did_you_mean, kind, listed
from pellucid.grammar import Item

N = TypeVar("N", bound="Named")
PACKAGE = __package__ or "pellucid"


@dataclass_transform(frozen_default=True)
class Named:
    """A frozen dataclass with a name, knobs, and one text form. Abstract until it is given a name."""

    name: ClassVar[str] = ""
    family: ClassVar[str] = ""
    paper: ClassVar[str] = ""  # "arXiv:1610.02391" or a DOI
    cite: ClassVar[str] = ""  # BibTeX of what a user of this member should cite
    quick: ClassVar[Mapping[str, Any]] = {}  # knobs for contract tests

    def __init_subclass__(cls, name: str = "", family: str = "", paper: str = "") -> None:
        super().__init_subclass__()
        parent = cls.__mro__[1]
        if issubclass(parent, Named) and parent.name:
            raise TypeError(f"{parent.__name__} is final: add a knob to it, or wrap it, instead of subclassing it.")
        cls.name, cls.paper = name, paper or cls.paper
        cls.family = family or cls.family
        dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)
        type.__setattr__(cls, "__no_type_check__", True)  # knobs check themselves, and take text forms

    def __post_init__(self) -> None:
        if not self.name:
            raise TypeError(f"{type(self).__name__} is abstract: use one of {listed(catalog(self.family))}.")
        for knob, annotation in _annotations(type(self)).items():
            value = getattr(self, knob)
            try:
                object.__setattr__(self, knob, knobs.fit(value, annotation))
            except knobs.Unfit:
                raise _bad_knob(self.name, knob, annotation, value) from None
        self._keep_apart()
        self.check()

    def _keep_apart(self) -> None:
        """What goes to somebody else has no name of ours."""
        own = {name: knob for knob in _annotations(type(self)) for name in (knob, _said(knob))}
        rest = _rest(type(self))
        for name in getattr(self, rest) if rest else ():
            if name in own:
                raise BadKnob(f"{name} is a knob of {self.name} itself; set it as {own[name]}=, not in {rest}.")

    def check(self) -> None:
        """Refuse knobs that do not fit each other."""

    @classmethod
    def make(cls: type[N], thing: "str | Item | N") -> N:
        """A member of this family from its text form; an object of the family is itself."""
        if isinstance(thing, cls):
            return thing
        if not isinstance(thing, str | Item):
            raise BadText(
                f"{article(one_of(cls.family))} was expected, {kind(thing)} was given; "
                f"write a text form or an object of pl.{cls.family}."
            )
        item = grammar.read(thing) if isinstance(thing, str) else thing
        return cast(N, _build(catalog(cls.family)[item.name], item))

    def but(self: N, **changes: Any) -> N:
        """The same with other knobs."""
        return dataclasses.replace(cast(Any, self), **changes)

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        set_: dict[str, str] = {}
        for f in _fields(type(self)):
            annotation, value = _annotations(type(self))[f.name], getattr(self, f.name)
            if annotation is knobs.Rest:
                set_ |= {key: knobs.write(one, knobs.Free) for key, one in value.items()}
            elif f.name != self._inner() and not _is_default(self, f):
                set_[_said(f.name)] = knobs.write(value, annotation)
        text = self.name + (":" + ",".join(f"{k}={v}" for k, v in set_.items()) if set_ else "")
        return f"{text}@{getattr(self, self._inner() or '')}" if self._inner() else text

    def __repr__(self) -> str:
        set_ = (f"{f.name}={getattr(self, f.name)!r}" for f in _fields(type(self)) if not _is_default(self, f))
        return f"{type(self).__name__}({', '.join(set_)})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash((type(self), str(self)))

    @classmethod
    def _inner(cls) -> str | None:
        """The knob that takes what stands behind the @ of a wrapper."""
        return "of" if "of" in _annotations(cls) and not _has_default(cls, "of") else None


def _fields(cls: type[Named]) -> tuple[Any, ...]:
    return dataclasses.fields(cast(Any, cls))


def _said(knob: str) -> str:
    """A knob as it is written: `name_` is `name`, which is the member's own in Python."""
    return knob.rstrip("_")


def _rest(cls: type[Named]) -> str | None:
    """The knob that takes all names which are no knobs."""
    return next((knob for knob, annotation in _annotations(cls).items() if annotation is knobs.Rest), None)


@cache
def _annotations(cls: type[Named]) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        hints |= inspect.get_annotations(base, eval_str=True)
    return {f.name: hints[f.name] for f in _fields(cls)}


def _has_default(cls: type[Named], knob: str) -> bool:
    return next(f for f in _fields(cls) if f.name == knob).default is not dataclasses.MISSING


def _is_default(thing: Named, field: Any) -> bool:
    value = getattr(thing, field.name)
    # True == 1 == 1.0, and a tensor compares to a tensor: the type first
    return type(value) is type(field.default) and (value is field.default or bool(value == field.default))


def _bad_knob(name: str, knob: str, annotation: Any, value: Any) -> BadKnob:
    return BadKnob(f"the knob {_said(knob)} of {name} takes {knobs.describe(annotation)}, not {value!r}.")


def _build(cls: type[Named], item: Item) -> Named:
    """The member that a tree describes."""
    annotations, values, rest = _annotations(cls), {}, {}
    own, others = {name: knob for knob in annotations for name in (knob, _said(knob))}, _rest(cls)
    for name, tree in item.knobs.items():
        if name not in own and not others:
            raise UnknownName(f"{cls.name} has no knob {name}; {did_you_mean(name, own)}")
        knob = own.get(name, name)
        try:
            if name not in own:
                rest[name] = knobs.read(tree, knobs.Free)
            else:
                values[knob] = knobs.read(tree, annotations[knob])
        except knobs.Unfit:
            if isinstance(tree, str) and tree.startswith("<"):
                raise BadKnob(
                    f"the knob {name} of {cls.name} was {tree}, which has no text; set it in Python."
                ) from None
            shown = str(tree) if isinstance(tree, str) else tree
            raise _bad_knob(cls.name, knob, annotations.get(knob, knobs.Free), shown) from None
    if others and rest:
        values[others] = knobs.Rest(rest)
    inner = cls._inner()
    if item.inner is not None:
        if not inner:
            raise BadText(f"{cls.name} wraps nothing; leave out @{item.inner.name}.")
        values[inner] = annotations[inner].make(item.inner)
    missing = [f.name for f in _fields(cls) if f.name not in values and not _has_default(cls, f.name)]
    if missing and missing == [inner]:
        raise BadText(f"{cls.name} is a wrapper; say what it wraps: {cls.name}@NAME.")
    if missing:
        raise BadKnob(f"{cls.name} needs the knob {missing[0]}; write {cls.name}:{missing[0]}=VALUE.")
    return cls(**values)


# --- the catalogue -------------------------------------------------------------------------------------------------


class Catalog(Mapping[str, type[Named]]):
    """The members of one family: names at no cost, classes imported on access."""

    def __init__(self, family: str, places: Mapping[str, str | importlib.metadata.EntryPoint]) -> None:
        self.family, self.places = family, places

    def __getitem__(self, name: str) -> type[Named]:
        if name not in self.places:
            raise UnknownName(f"there is no {one_of(self.family)} {name!r}; {did_you_mean(name, self.places)}")
        place = self.places[name]
        if not isinstance(place, str):
            return self._from_outside(place)
        module = importlib.import_module(place)
        mine = (self.family, name)  # a file may import a member of another family
        for thing in vars(module).values():
            if inspect.isclass(thing) and issubclass(thing, Named) and (thing.family, thing.name) == mine:
                return thing
        raise TypeError(f"the file {place} defines no class with name={name!r}.")

    def _from_outside(self, place: importlib.metadata.EntryPoint) -> type[Named]:
        try:
            member = place.load()
        except Exception as cause:  # a stranger's package may fail in any way
            whose = place.dist.name if place.dist else place.value
            raise MissingExtra(
                f"the {one_of(self.family)} {place.name} of the package {whose} cannot be imported ({cause}); "
                f"repair or uninstall that package."
            ) from cause
        return cast(type[Named], member)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.places))

    def __len__(self) -> int:
        return len(self.places)

    def __contains__(self, name: object) -> bool:
        return name in self.places

    def __repr__(self) -> str:
        return f"<{self.family}: {listed(self, 40)}>"


def catalog(family: str) -> Catalog:
    """The members of a family, ours by file name, others' by entry point `pellucid.<family>`."""
    if family not in families():
        raise UnknownName(f"there is no family {family!r}; {did_you_mean(family, families())}")
    home = package_of(family)
    places: dict[str, Any] = {path.stem.replace("_", "-"): f"{home}.{path.stem}" for path in _files(family)}
    for entry in _outside(f"{PACKAGE}.{family}", tuple(sys.path)):
        places.setdefault(entry.name, entry)
    return Catalog(family, places)


def families() -> tuple[str, ...]:
    """Every family there is."""
    return tuple(sorted(_folders()))


@cache
def _folders() -> dict[str, Path]:
    """Every family and its subpackage: the one whose `_base.py` declares `family="datasets"`; read, not imported."""
    found: dict[str, Path] = {}
    for path in sorted(_home().rglob("_base.py")):
        for family in re.findall(r'^class .*\bfamily="(\w+)"', path.read_text(encoding="utf-8"), re.MULTILINE):
            found[family] = path.parent
    return found


@cache
def _outside(group: str, _path: tuple[str, ...]) -> tuple[importlib.metadata.EntryPoint, ...]:
    """What other packages offer; looked for once a search path, because all installed metadata is read for it."""
    return tuple(importlib.metadata.entry_points(group=group))


def package_of(family: str) -> str:
    """datasets -> pellucid.data"""
    return ".".join((PACKAGE, *_folders()[family].relative_to(_home()).parts))


def one_of(family: str) -> str:
    """explainers -> explainer, studies -> study."""
    return family[:-3] + "y" if family.endswith("ies") else family.removesuffix("s")


def _home() -> Path:
    return Path(__file__).parent


def _files(family: str) -> list[Path]:
    return [path for path in sorted(_folders()[family].glob("*.py")) if not path.stem.startswith("_")]


def lazy(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a family's package: `pl.explainers.GradCAM` imports `grad_cam.py`."""
    folder = _home().joinpath(*package.split(".")[1:])
    family = next(name for name, place in _folders().items() if place == folder)

    def find(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        for path in _files(family):
            if path.stem.replace("_", "").lower() == attribute.lower():
                return catalog(family)[path.stem.replace("_", "-")]
        known = [class_name(path) for path in _files(family)]
        raise AttributeError(f"{package} has no {attribute}; {did_you_mean(attribute, known)}")

    def names() -> list[str]:
        return sorted(class_name(path) for path in _files(family))

    return find, names


def class_name(path: Path) -> str:
    """The class that a member's file defines, read without importing it."""
    squashed = path.stem.replace("_", "").lower()
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("class "):
            word = line[6:].partition("(")[0].strip(" :")
            if word.lower() == squashed:
                return word
    raise TypeError(f"the file {path.name} defines no class whose name, in lower case, is {squashed}.")
