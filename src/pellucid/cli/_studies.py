"""What the study command says: which studies there are, and what came out."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pellucid.errors import UnknownName, did_you_mean
from pellucid.registry import catalog
from pellucid.report.words import bill

if TYPE_CHECKING:
    from pellucid.studies import Found, Study
    from pellucid.studies._cells import Cell, Lab

GROUPS = {"papers": "claim", "errata": "erratum", "questions": "open"}


def chosen(names: Sequence[str], scale: str, seeds: int | None) -> "list[Study]":
    """By names, by patterns, of a group, or all; of several those that have the scale."""
    from pellucid.studies import Study

    known, found = catalog("studies"), []
    for name in names:
        some = _meant(name)
        if not some and ":" not in name:
            raise UnknownName(f"there is no study {name!r}; {did_you_mean(name, [*GROUPS, 'all', *known])}")
        fitting = [one for one in some if scale in cast(type[Study], known[one]).worlds]
        found += [Study.make(one).but(scale=scale, seeds=seeds) for one in fitting or some or [name]]
    return list(dict.fromkeys(found))


def _meant(name: str) -> list[str]:
    """The studies of a name, a pattern or a group."""
    known = catalog("studies")
    if name in GROUPS:
        return [one for one, cls in known.items() if getattr(cls, "kind", "") == GROUPS[name]]
    return list(known) if name == "all" else [one for one in known if fnmatchcase(one, name)]


def listing(out: Path, scale: str) -> Iterator[tuple[str, ...]]:
    """Lines of the table of all studies."""
    from pellucid.studies import Study
    from pellucid.studies._cells import Lab
    from pellucid.studies._runner import prices

    lab = Lab(out)
    for name, cls in catalog("studies").items():
        assert issubclass(cls, Study)
        if scale not in cls.worlds:
            continue
        study = cls().but(scale=scale)
        cells = study.cells()
        scales = " ".join(cls.worlds)
        yield (
            name,
            f"{cls.of}, {cls.where}",
            cls.claim,
            scales,
            bill(prices(cells, lab)),
            _state(study, cells, lab),
        )


def _state(study: "Study", cells: "Sequence[Cell]", lab: "Lab") -> str:
    """The verdict of one that was run, or how far it is."""
    from pellucid.report.facts import read_json
    from pellucid.studies._study import FILE, folder_of

    record = read_json(lab.out / "studies" / folder_of(study) / FILE)
    if record:
        return str(record.get("outcome"))
    done = sum(cell.done(lab) for cell in cells)
    return f"{done} of {len(cells)} cells" if done else "not run"


def told(found: "Sequence[Found]") -> str:
    """Verdicts in sentences."""
    lines: list[str] = []
    for one in found:
        lines += ["", f"{one.study.name}, {one.study.scale}: {one.outcome}. {one.study.claim}"]
        lines += [f"  {verdict.sentence}" for verdict in one.verdicts]
    return "\n".join(lines)
