"""cite: the papers behind what was used."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from pellucid import grammar
from pellucid.cli._console import note
from pellucid.errors import BadFile, UnknownName, did_you_mean, listed
from pellucid.grammar import Item
from pellucid.registry import Named, _annotations, catalog, families


def cite(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAMES...", help="Members in text form (smooth@grad-cam), or an explanations.json."),
    ],
) -> None:
    """Print the BibTeX of what was used."""
    used = list(dict.fromkeys(cls for name in names for cls in _used(name)))
    entries = dict.fromkeys(cls.cite.strip() for cls in used if cls.cite.strip())
    if entries:
        print("\n\n".join(entries))
    silent = [cls.name for cls in used if not cls.cite.strip()]
    if silent:
        note(f"nothing to cite for {listed(silent)}.")


def _used(name: str) -> Iterator[type[Named]]:
    """The classes that a text form or a file names, the outer ones first."""
    if name.endswith(".json"):
        for family, text in _texts(Path(name)):
            # what had no text form is written as <name digits>, and is no member
            yield from _of(grammar.read(re.sub(r"<[^<>]*>", "none", text)), family)
        return
    for item in (item for part in grammar.summands(name) for item in grammar.read_list(part)):
        homes = [family for family in families() if item.name in catalog(family)]
        if not homes:
            known = [other for family in families() for other in catalog(family)]
            raise UnknownName(f"there is no member {item.name!r}; {did_you_mean(item.name, known)}")
        for family in homes:
            yield from _of(item, family)


def _of(item: Item, family: str) -> Iterator[type[Named]]:
    """A member, and the members among its knobs."""
    cls = catalog(family)[item.name]
    yield cls
    for knob, annotation in _annotations(cls).items():
        if inner := _family(annotation):
            given = item.inner if knob == "of" and item.inner else item.knobs.get(knob, getattr(cls, knob, None))
            for one in _items(given):
                if one.name not in _words(annotation):
                    yield from _of(one, inner)


def _words(annotation: Any) -> list[str]:
    """What a knob takes that is no member."""
    return [word for option in get_args(annotation) if get_origin(option) is Literal for word in get_args(option)]


def _family(annotation: Any) -> str:
    """The family whose members a knob takes, or nothing."""
    options = [annotation, *get_args(annotation), *(a for o in get_args(annotation) for a in get_args(o))]
    return next((o.family for o in options if isinstance(o, type) and issubclass(o, Named)), "")


def _items(value: Any) -> Iterator[Item]:
    for one in value if isinstance(value, list | tuple) else [value]:
        if isinstance(one, Item):
            yield one
        elif isinstance(one, Named) or (isinstance(one, str) and one != "none"):
            yield grammar.read(str(one))


def _texts(path: Path) -> list[tuple[str, str]]:
    """Family and text form of everything that a file of ours says was used."""
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        rows = about.get("explanations", [about])
        source, _, network = str(about["model"]).partition(":")
        found = [("networks", network.split()[0])] if source == "pellucid" else []
        for row in rows:
            asked = [row["ask"]] if isinstance(row["ask"], str) else row["ask"]
            found += [("explainers", row["explainer"]), *(("questions", ask) for ask in asked if ask != "none")]
        return list(dict.fromkeys(found))
    except FileNotFoundError:
        raise BadFile(f"{path} is not there; give an explanations.json, or the names of members.") from None
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as cause:
        raise BadFile(f"{path} is no record of explanations ({cause}); give an explanations.json of ours.") from None
