"""The catalogue read from its files, none of which is imported: torch would take three seconds."""

import ast
import builtins
import importlib.util
import re
import typing
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pellucid
from pellucid import knobs
from pellucid.registry import catalog, families, package_of


@dataclass(frozen=True)
class Knob:
    """A knob as a reader needs it."""

    name: str
    takes: str
    default: str | None  # None: it must be given
    python: bool = False  # has no text form


@dataclass(frozen=True)
class Member:
    """A line of the catalogue."""

    family: str
    name: str
    title: str  # the first line of its file
    says: str  # the first sentence of its class
    paper: str
    knobs: list[Knob] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)  # what an explainer declares of itself


def members(family: str) -> list[Member]:
    """The members of a family, by name."""
    return [_member(family, name, place) for name, place in sorted(catalog(family).places.items())]


def _member(family: str, name: str, place: str | EntryPoint) -> Member:
    module = place if isinstance(place, str) else place.module
    file = _read(module)
    cls = next((c for c in file.classes.values() if _keyword(c, "name") == name), None)
    if cls is None:
        raise TypeError(f"the file {module} defines no class with name={name!r}.")
    line = _docstring(file.tree).splitlines() or [""]
    found = [_knob(knob, *where) for knob, where in _fields(file, cls).items()]
    facts = _facts(file, cls) if family == "explainers" else {}
    return Member(family, name, line[0], _sentence(_docstring(cls)), _inherited(file, cls, "paper"), found, facts)


# --- files ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _File:
    """What a module defines and imports, by name."""

    module: str
    tree: ast.Module
    classes: dict[str, ast.ClassDef]
    values: dict[str, ast.expr]
    imports: dict[str, tuple[str, str]]


@cache
def _read(module: str) -> _File:
    tree = ast.parse(_path(module).read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    values = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    imports = {
        alias.asname or alias.name: (_absolute(node, module), alias.name)
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return _File(module, tree, classes, values, imports)


def _path(module: str) -> Path:
    root, *rest = module.split(".")
    top = importlib.util.find_spec(root)  # of the top package alone, because finding a submodule imports its parents
    if top is None or top.origin is None:
        raise FileNotFoundError(f"the package {root} has no file.")
    path = Path(top.origin).parent.joinpath(*rest) if rest else Path(top.origin)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _absolute(node: ast.ImportFrom, module: str) -> str:
    """The module that is imported from, also where it is said with leading dots."""
    if not node.level:
        return node.module or ""
    parts = module.split(".") + (["__init__"] if _path(module).name == "__init__.py" else [])
    return ".".join([*parts[: -node.level], *([node.module] if node.module else [])])


def _root(module: str) -> str:
    return module.partition(".")[0]


def _home(file: _File, name: str) -> tuple[_File, str]:
    """The file in which a name is defined, where that is one of ours or of the member's own package."""
    while name in file.imports:
        module, original = file.imports[name]
        if _root(module) not in (_root(file.module), pellucid.__name__):
            break  # torch is large
        try:
            file, name = _read(module), original
        except OSError:
            break  # a module's attribute, no file
    return file, name


def _bases(file: _File, cls: ast.ClassDef) -> list[tuple[_File, ast.ClassDef]]:
    found = []
    for base in cls.bases:
        # `class Mine(pl.explainers.Explainer)` is found by its last word
        name = base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""
        home, original = _home(file, name)
        for family in families():
            if isinstance(base, ast.Attribute) and original not in home.classes:
                home, original = _home(_read(package_of(family)), name)
        if original in home.classes and original != "Named":
            found.append((home, home.classes[original]))
    return found


def _keyword(cls: ast.ClassDef, word: str) -> str:
    value = next((k.value for k in cls.keywords if k.arg == word), None)
    return str(value.value) if isinstance(value, ast.Constant) else ""


def _inherited(file: _File, cls: ast.ClassDef, word: str) -> str:
    return _keyword(cls, word) or next((p for b in _bases(file, cls) if (p := _inherited(*b, word))), "")


def groups() -> tuple[str, ...]:
    """The groups of explainers, in the order in which they are shown."""
    value = _read(f"{package_of('explainers')}._base").values["Group"]
    assert isinstance(value, ast.Subscript)
    return ast.literal_eval(value.slice)


def _facts(file: _File, cls: ast.ClassDef) -> dict[str, Any]:
    """Its group and cost, and whether its map depends on the class, falls below zero, is linear in the question."""
    said = {word: _fact(file, cls, word) for word in ("group", "cost", "asked", "linear")}
    return {
        "group": said["group"] or "outside",
        "cost": said["cost"] or "as there",
        "class_specific": said["asked"] is not False,
        "signed": _signed(file, cls),
        "linear": bool(said["linear"]),
    }


def _fact(file: _File, cls: ast.ClassDef, word: str) -> Any:
    """What a class, or the first of its bases that says it, sets a name to."""
    for node in cls.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if any(isinstance(t, ast.Name) and t.id == word for t in targets) and isinstance(value, ast.Constant):
            return value.value
    return next((found for base in _bases(file, cls) if (found := _fact(*base, word)) is not None), None)


def _signed(file: _File, cls: ast.ClassDef) -> bool | None:
    """Whether maps fall below zero; none where that is up to the question, or to a knob."""
    method = next((n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name == "signed"), None)
    if method is None:
        return next((_signed(*base) for base in _bases(file, cls)), True)
    last = method.body[-1]
    value = last.value if isinstance(last, ast.Return) else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, bool) else None


def _docstring(node: ast.Module | ast.ClassDef) -> str:
    return ast.get_docstring(node) or ""


def _sentence(text: str) -> str:
    paragraph = " ".join(text.split("\n\n")[0].split())
    found = re.match(r".+?[.?!](?=\s|$)", paragraph)
    return found.group() if found else paragraph


# --- knobs ---------------------------------------------------------------------------------------------------------


def _fields(file: _File, cls: ast.ClassDef) -> dict[str, tuple[_File, ast.AnnAssign]]:
    """A class's own knobs first, then what it inherits."""
    own = {
        node.target.id: (file, node)
        for node in cls.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and _is_knob(node)
    }
    for base in _bases(file, cls):
        own = own | {name: where for name, where in _fields(*base).items() if name not in own}
    return own


def _is_knob(node: ast.AnnAssign) -> bool:
    text = ast.unparse(node.annotation)
    return "ClassVar" not in text and "KW_ONLY" not in text


def _knob(name: str, file: _File, node: ast.AnnAssign) -> Knob:
    annotation = _annotation(node.annotation, file)
    default = None if node.value is None or annotation is knobs.Rest else _default(node.value, file, annotation)
    return Knob(name.rstrip("_"), knobs.describe(annotation), default, not knobs.has_text(annotation))


def _default(value: ast.expr, file: _File, annotation: Any) -> str:
    if isinstance(value, ast.Name):
        home, name = _home(file, value.id)
        value, file = home.values.get(name, value), home
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and not (value.args or value.keywords):
        return _made(file, value.func.id) or ast.unparse(value)
    try:
        return knobs.write(_number(value), annotation)
    except (ValueError, TypeError, NameError, knobs.Unfit):
        return ast.unparse(value)


def _made(file: _File, name: str) -> str:
    """The name of the member that a class is; families import theirs when used."""
    home, name = _home(file, name)
    if name in home.classes:
        return _keyword(home.classes[name], "name")
    known = [member for family in families() if package_of(family) == home.module for member in catalog(family)]
    return next((member for member in known if member.replace("-", "") == name.lower()), "")


def _number(value: ast.expr) -> Any:
    """What is written out, 3 / 4 included; a name is a NameError."""
    return eval(compile(ast.Expression(value), "default", "eval"), {"__builtins__": {}})


def _annotation(node: ast.expr, file: _File) -> Any:
    """The annotation itself: names are looked up in the files, and classes stand for themselves."""
    found = eval(compile(ast.Expression(node), "annotation", "eval"), {}, _Names(file))
    return _annotation(ast.parse(found, mode="eval").body, file) if isinstance(found, str) else found


class _Names(dict[str, Any]):
    """What a name in an annotation means."""

    def __init__(self, file: _File) -> None:
        super().__init__()
        self.file = file

    def __missing__(self, name: str) -> Any:
        home, original = _home(self.file, name)
        if original in home.values:  # before typing's Protocol comes ours
            return _annotation(home.values[original], home)
        for known in (builtins, typing):
            if hasattr(known, name):
                return getattr(known, name)
        if name == "Between":
            return knobs.Between
        cls = home.classes.get(original)
        # a family's base takes a text form
        return type(name, (), {"make": str} if cls and _inherited(home, cls, "family") else {})
