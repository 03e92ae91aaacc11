"""list: what there is."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli import _members
from pellucid.cli._members import Member
from pellucid.errors import UnknownName, did_you_mean
from pellucid.registry import families, one_of

if TYPE_CHECKING:
    from rich.console import Console


def list_members(
    family: Annotated[
        str | None, typer.Argument(metavar="FAMILY", help="A family (explainers, questions, …) or a member.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """List every explainer, question, network, …

    What each asks, its knobs with their defaults, its paper.
    """
    shelves = _shelves(family)
    if as_json:
        print(json.dumps({name: [asdict(m) for m in shelf] for name, shelf in shelves.items()}, indent=2))
        return
    from pellucid.cli._console import console

    out = console()
    for name, shelf in shelves.items():
        out.print(f"\n[bold underline]{name}[/]")
        if family == "explainers":
            _print_explainers(out, shelf)
            continue
        for member in shelf:
            _print(out, member)


def _shelves(wanted: str | None) -> dict[str, list[Member]]:
    if wanted is None or wanted in families():
        return {family: _members.members(family) for family in ([wanted] if wanted else families())}
    shelves = {family: [m for m in _members.members(family) if m.name == wanted] for family in families()}
    shelves = {family: shelf for family, shelf in shelves.items() if shelf}
    if not shelves:
        known = [*families(), *(m.name for family in families() for m in _members.members(family))]
        raise UnknownName(f"there is no family or member {wanted!r}; {did_you_mean(wanted, known)}")
    return shelves


LEGEND = (
    "class: another map for another class. signed: maps fall below zero; by ask: for a contrast and other two-sided "
    "questions, or by a knob. linear: in the question, before any ReLU. cost: of an image and a question, F a forward, "
    "B a way back to the input, b one to a layer, t a forward from a layer on, K its channels, inner what is wrapped; "
    "knobs by name. The knobs of one: pellucid list NAME"
)


def _print_explainers(out: "Console", shelf: list[Member]) -> None:
    """A table of what each promises, group by group, of at most 100 columns."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("", "class", "signed", "linear", "cost", "paper"):
        table.add_column(title, overflow="fold")
    for group in _members.groups():
        mine = [member for member in shelf if member.facts["group"] == group]
        if mine:
            table.add_row(Text(group, "bold"))
        for member in mine:
            table.add_row(*map(Text, _cells(member)))
    out.print(table, width=100)
    out.print(Text(LEGEND, "dim"), width=100)


def _cells(member: Member) -> list[str]:
    facts, words = member.facts, {True: "yes", False: "no", None: "by ask"}
    marks = [words[facts[fact]] for fact in ("class_specific", "signed", "linear")]
    return [f" {_name(member)}", *marks, facts["cost"], member.paper.removeprefix("doi:")]


def _inner(member: Member) -> _members.Knob | None:
    """The knob that takes what stands behind the @."""
    return next((k for k in member.knobs if k.name == "of" and k.default is None), None)


def _name(member: Member) -> str:
    return f"{member.name}@{one_of(member.family).upper()}" if _inner(member) else member.name


def _print(out: "Console", member: Member) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    inner, name = _inner(member), _name(member)
    out.print(Text.assemble("  ", (name, "bold cyan"), "  ", member.says, "  ", (member.paper, "dim")))
    knobs = Table.grid(padding=(0, 2))
    for knob in member.knobs:
        if knob is not inner:
            shown = knob.name if knob.default is None else f"{knob.name}={knob.default}"
            knobs.add_row(Text(shown), Text(knob.takes + (" (must be given)" if knob.default is None else ""), "dim"))
    if knobs.row_count:
        out.print(Padding(knobs, (0, 0, 0, 6), expand=False))
