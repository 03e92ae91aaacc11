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


def _print(out: "Console", member: Member) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    inner = next((k for k in member.knobs if k.name == "of" and k.default is None), None)
    name = f"{member.name}@{one_of(member.family).upper()}" if inner else member.name
    out.print(Text.assemble("  ", (name, "bold cyan"), "  ", member.says, "  ", (member.paper, "dim")))
    knobs = Table.grid(padding=(0, 2))
    for knob in member.knobs:
        if knob is not inner:
            shown = knob.name if knob.default is None else f"{knob.name}={knob.default}"
            knobs.add_row(Text(shown), Text(knob.takes + (" (must be given)" if knob.default is None else ""), "dim"))
    if knobs.row_count:
        out.print(Padding(knobs, (0, 0, 0, 6), expand=False))
