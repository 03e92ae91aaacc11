"""The pages that are made from the code: the catalogue, the protocol cards and the table of parity.

A member's page is its file's docstring, its knobs, what it claims and what it cites. The pages are written before
Sphinx reads its sources, into docs/catalogue, and only where they have changed.
"""

import dataclasses
import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pellucid import registry
from pellucid.cli import _members
from pellucid.cli._members import Member
from pellucid.report import errata
from pellucid.report.studies import PAPERS, group_of
from pellucid.report.study import MOVES, between, claimed, survival
from pellucid.report.words import number

DOCS = Path(__file__).parents[1]
ORDER = ("questions", "explainers", "metrics", "objectives", "influences", "encoders", "datasets", "transforms",
         "networks", "recipes", "studies")  # fmt: skip
ABOUT = {
    "questions": "What is asked of the model. A question is a direction in the space of its answers, and a number.",
    "explainers": "How the answer is spread over the input. Each takes every question that has a meaning for it.",
    "metrics": "How good an explanation is, or a model. Each gives one number a sample, and NaN where it has none.",
    "objectives": "What to train towards. They add up: `lico+cgc:weight=0.5`.",
    "influences": "Which training examples answer for a prediction.",
    "encoders": "Who reads the words of LICO and of the question `prompt`.",
    "datasets": "Pictures and series, with what is known about them: boxes, masks, parts, class names, terms of use.",
    "transforms": "How pictures become inputs. Boxes, masks and parts go through every crop and flip.",
    "networks": "What timm and torchvision do not have, and two tiny networks for quick tries.",
    "recipes": "Everything about a training but the data, the seed and where its results go.",
    "studies": "One table or claim of a paper each; a defect of published code (err-); an open question (open-).",
}
NAMES = {"captum": "Captum", "grad-cam": "pytorch-grad-cam", "torchcam": "torchcam", "quantus": "Quantus",
         "zennit": "Zennit", "torch": "PyTorch"}  # fmt: skip
WORDS = {True: "yes", False: "no", None: "by ask"}
LEGEND = (
    "**class**: another map for another class. **signed**: maps fall below zero (*by ask*: for a contrast and other "
    "two-sided questions, or by a knob). **linear**: in the question, before any ReLU. **cost**, of an image and a "
    "question: `F` a forward, `B` a way back to the input, `b` one to a layer, `t` a forward from a layer on, `K` its "
    "channels; knobs by their names."
)


# --- text ------------------------------------------------------------------------------------------------------------


def escaped(text: str) -> str:
    """Plain text as Markdown that says the same; what stands between backticks is code already."""
    parts = re.split(r"(`[^`\n]+`)", text)
    return "".join(p if i % 2 else re.sub(r"([\\*_<>\[\]{}#|$~`])", r"\\\1", p) for i, p in enumerate(parts))


def cell(text: str) -> str:
    """The same within a table."""
    return " ".join(escaped(text).split()) or "–"


def code(text: str) -> str:
    """Code within a table, where a bar would end the cell."""
    return f"`{text}`".replace("|", "\\|") if text else "–"


def blocks(docstring: str) -> Iterator[tuple[str, str]]:
    """A docstring's paragraphs: words, formulas (indented) and worked examples (>>>)."""
    for paragraph in re.split(r"\n[ \t]*\n", docstring.strip("\n")):
        lines = paragraph.split("\n")
        if lines[0].lstrip().startswith(">>>"):
            yield "example", paragraph
            continue
        for kind, part in _runs(lines):
            yield kind, "\n".join(part)


def _runs(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Neighbouring lines that are all indented, or none is."""
    part: list[str] = []
    for line in lines:
        if part and line.startswith("    ") != part[0].startswith("    "):
            yield _kind(part), part
            part = []
        part.append(line)
    if part:
        yield _kind(part), part


def _kind(lines: list[str]) -> str:
    return "formula" if lines[0].startswith("    ") else "words"


def markdown(docstring: str) -> str:
    """What a docstring says, formulas and tables left as they were set."""
    merged: list[tuple[str, str]] = []
    for kind, text in blocks(docstring):
        if kind != "words" and merged and merged[-1][0] == kind:
            merged[-1] = (kind, merged[-1][1] + ("\n\n" if kind == "formula" else "\n") + text)
        else:
            merged.append((kind, text))
    return "\n\n".join(_written(kind, text) for kind, text in merged)


def _written(kind: str, text: str) -> str:
    if kind == "words":
        return escaped(text)
    language = "pycon" if kind == "example" else "text"
    return f"```{language}\n{_dedented(text)}\n```"


def _dedented(text: str) -> str:
    lines = text.split("\n")
    edge = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return "\n".join(line[edge:].rstrip() for line in lines)


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def link(paper: str) -> str:
    """arXiv and DOI as links, anything else as it is."""
    kind, _, number = paper.partition(":")
    places = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}
    return f"[{escaped(paper)}]({places[kind]}{number})" if kind in places else escaped(paper)


# --- a member --------------------------------------------------------------------------------------------------------


def page(member: Member, cls: type[registry.Named]) -> str:
    """Everything that a member's file says of it."""
    doc = sys.modules[cls.__module__].__doc__ or ""
    first, _, rest = doc.strip("\n").partition("\n")
    shown = f"{member.name}@{registry.one_of(member.family)}" if _wraps(member) else member.name
    said = [f"# {shown}", f"**{escaped(first.rstrip(':'))}**", escaped(member.says), _facts(member, cls)]
    said += [markdown(rest)] if rest.strip() else []
    said += ["## Knobs", _knobs(member)]
    said += ["## In Python", f"```python\npl.{_place(member)}.{cls.__name__}\n```"]
    if member.family == "metrics":
        said += ["## Protocol card", "What decides its numbers, with the knobs as they stand:", card(cls)]
    if cls.cite.strip():
        said += ["## Cite", f"```bibtex\n{cls.cite.strip()}\n```"]
    return "\n\n".join(part for part in said if part) + "\n"


def _place(member: Member) -> str:
    return registry.package_of(member.family).removeprefix("pellucid.")


def _wraps(member: Member) -> bool:
    return any(knob.name == "of" and knob.default is None for knob in member.knobs)


def _knobs(member: Member) -> str:
    if not member.knobs:
        return "It has none."
    rows = [
        [f"`{k.name}`", _default(k), cell(k.takes)]
        for k in member.knobs
    ]  # fmt: skip
    return table(["knob", "default", "takes"], rows)


def _default(knob: Any) -> str:
    if knob.takes == "any other name=value":
        return "–"
    return "must be given" if knob.default is None else code(knob.default)


def _facts(member: Member, cls: Any) -> str:
    """What a class claims, as a list."""
    facts = {"explainers": _of_explainer, "metrics": _of_metric, "questions": _of_question,
             "datasets": _of_dataset, "objectives": _of_objective, "recipes": _of_recipe}  # fmt: skip
    found = facts[member.family](member, cls) if member.family in facts else {}
    found |= {"Paper": link(member.paper)} if member.paper else {}
    return "\n".join(f"- {name}: {value}" for name, value in found.items() if value)


def _said(cls: Any, fact: str, write: Any = str) -> str:
    """A claim; one that knobs decide is said as such."""
    value = getattr(cls, fact)
    if not isinstance(value, property):
        return write(value)
    made = cls() if not _needed(cls) else None
    return f"{write(getattr(made, fact))} (other knobs say otherwise)" if made else "that of what it wraps"


def _of_explainer(member: Member, cls: Any) -> dict[str, str]:
    said, axes = member.facts, {1: "signals", 2: "images", 3: "volumes"}
    return {
        "Group": said["group"], "Cost": f"`{said['cost']}`", "Asks by default": _said(cls, "asks", "`{}`".format),
        "Depends on the class": WORDS[said["class_specific"]], "Signed": WORDS[said["signed"]],
        "Linear in the question": WORDS[said["linear"]],
        "Explains": _said(cls, "sizes", lambda sizes: ", ".join(axes[a] for a in sizes)),
        "Scales it explains": _said(cls, "accepts", lambda scales: ", ".join(scales) or "all"),
    }  # fmt: skip


def _of_metric(_: Member, cls: Any) -> dict[str, str]:
    what = {
        "map": "a map", "explainer": "an explainer, which is asked again", "model": "the model",
        "influence": "the influence of training examples", "codes": "codes, and what is known of their samples",
    }  # fmt: skip
    return {
        "Better": _said(cls, "better", lambda better: better or "neither"),
        "Scores": _said(cls, "scores", what.__getitem__),
        "Needs": _said(cls, "needs", lambda needs: ", ".join(needs) or "nothing besides"),
        "A mean is taken over": _said(cls, "average"),
    }  # fmt: skip


def _of_question(_: Member, cls: Any) -> dict[str, str]:
    return {"Scale": _said(cls, "scale"), "About a class": _said(cls, "targeted", WORDS.__getitem__)}


def _of_dataset(_: Member, cls: Any) -> dict[str, str]:
    return {
        "Licence": _said(cls, "licence", escaped), "Terms": _said(cls, "terms", escaped),
        "Transform of its papers": _said(cls, "preset", "`{}`".format),
        "Published at": _said(cls, "home", lambda home: f"`{home.removeprefix('https://')}`" if home else ""),
    }  # fmt: skip


def _of_objective(_: Member, cls: Any) -> dict[str, str]:
    return {"Differentiates a gradient": _said(cls, "twice", WORDS.__getitem__)}


def _of_recipe(_: Member, cls: Any) -> dict[str, str]:
    return {"Written for": f"`{cls.data}`" if cls.data else "", "Chosen by us": ", ".join(f"`{k}`" for k in cls.ours)}


def card(cls: Any) -> str:
    """The protocol card of a metric, and its number."""
    made = cls(**dict(cls.quick)) if _needed(cls) else cls()
    rows = [[escaped(key), cell(str(value))] for key, value in made.card.items()]
    return table(["", f"card `{made.card_id}`"], rows)


def _needed(cls: Any) -> bool:
    return any(f.default is dataclasses.MISSING for f in dataclasses.fields(cls))


# --- families --------------------------------------------------------------------------------------------------------


def families() -> list[str]:
    """In the order in which a reader meets them."""
    known = registry.families()
    return [f for f in ORDER if f in known] + [f for f in known if f not in ORDER]


def family_page(family: str, shelf: list[Member]) -> str:
    """All members of a family, and the list that leads to them."""
    said = [f"# {family.capitalize()}", f"{ABOUT.get(family, '')} There are {len(shelf)}.".strip()]
    said.append(_by_group(shelf) if family == "explainers" else _all(shelf))
    names = "\n".join(member.name for member in shelf)
    said.append(f"```{{toctree}}\n:hidden:\n\n{names}\n```")
    return "\n\n".join(said) + "\n"


def _all(shelf: list[Member]) -> str:
    return table(["name", "", "paper"], [[_to(m), cell(m.says), link(m.paper) or "–"] for m in shelf])


def _to(member: Member) -> str:
    return f"[`{member.name}`]({member.name}.md)"


def _by_group(shelf: list[Member]) -> str:
    said = [LEGEND]
    for group in _members.groups():
        rows = [
            [_to(m), *(WORDS[m.facts[f]] for f in ("class_specific", "signed", "linear")), f"`{m.facts['cost']}`",
             cell(m.says)]
            for m in shelf if m.facts["group"] == group
        ]  # fmt: skip
        if rows:
            said += [
                f"## {group[0].upper()}{group[1:]}",
                table(["name", "class", "signed", "linear", "cost", ""], rows),
            ]
    return "\n\n".join(said)


def index(counts: Mapping[str, int]) -> str:
    rows = [[f"[{family}]({family}/index.md)", str(n), cell(ABOUT.get(family, ""))] for family, n in counts.items()]
    names = "\n".join(f"{family}/index" for family in counts)
    return (
        "# Catalogue\n\nEverything that has a name, from the files themselves. On the command line: "
        "`pellucid list`, `pellucid list grad-cam`.\n\n"
        + table(["family", "members", ""], rows)
        + f"\n\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    )


# --- cards and parity ------------------------------------------------------------------------------------------------


def cards() -> str:
    """Every metric's card, one after the other."""
    said = []
    for name, cls in registry.catalog("metrics").items():
        said += [f"## {name}", f"[`{name}`](catalogue/metrics/{name}.md): {escaped(_says(cls))}", card(cls)]
    return "\n\n".join(said) + "\n"


def _says(cls: Any) -> str:
    return " ".join((cls.__doc__ or "").split("\n\n")[0].split())


def parity(record: Mapping[str, Any]) -> str:
    """The measured agreement with every other library, family by family."""
    said = [f"Measured with {', '.join(f'{NAMES[n]} {v}' for n, v in record['versions'].items())}."]
    for family in ("explainers", "metrics"):
        rows = [row for name in sorted(record[family]) for row in _parity_rows(family, name, record[family][name])]
        said += [f"## {family.capitalize()}", table(["ours", "theirs", "agreement, and why"], rows)]
    return "\n\n".join(said) + "\n"


def _parity_rows(family: str, name: str, entries: list[dict[str, Any]]) -> Iterator[list[str]]:
    for i, entry in enumerate(entries):
        ours = f"[`{name}`](catalogue/{family}/{name}.md)" if i == 0 else ""
        theirs = f"{NAMES[entry['library']]} `{entry['theirs']}`" if entry["library"] else "–"
        why = "" if entry["why"] in ("", "–") else cell(entry["why"])
        yield [ours, theirs, ": ".join(filter(None, (entry["verdict"].removeprefix("–"), why))) or "–"]


# --- studies ---------------------------------------------------------------------------------------------------------


def studies(record: Mapping[str, Any]) -> str:
    """What came out of the papers' claims: a table a paper, then the claims of every study."""
    said = [_made(record)]
    for group, title in PAPERS.items():
        if group not in ("erratum", "open"):
            said += _group(title, [one for one in record["studies"] if group_of(one) == group], CLAIMED, _told)
    return "\n\n".join(said) + "\n"


def errata_of(record: Mapping[str, Any]) -> str:
    """What came out of the errata, the largest effect first, and of the open questions."""
    found = {group: [one for one in record["studies"] if group_of(one) == group] for group in ("erratum", "open")}
    said = [_made(record), *errata.lead(found["erratum"], found["open"])]
    said += _group(PAPERS["erratum"], errata.by_effect(found["erratum"]), DEFECTS, _defect)
    said += _group(PAPERS["open"], found["open"], ASKED, _told)
    return "\n\n".join(said) + "\n"


CLAIMED = ("study", "the paper's claim", "at this scale")
DEFECTS = ("study", "what the defect does", "effect", "the published conclusion", "again")
ASKED = ("study", "what one would expect", "at this scale")


def _made(record: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return f"Made on {record['machine']}, with {versions}."


def _group(
    title: str, mine: Sequence[Mapping[str, Any]], columns: Sequence[str], row: Callable[[Any], list[str]]
) -> list[str]:
    if not mine:
        return []
    each = [part for one in mine for part in (f"### {_name(one)}", _claims(one))]
    return [f"## {title}", table(list(columns), [row(one) for one in mine]), *each]


def _name(one: Mapping[str, Any]) -> str:
    return one["name"] if one["scale"] == "tiny" else f"{one['name']}, {one['scale']}"


def _link(one: Mapping[str, Any]) -> str:
    return f"[{one['name']}](catalogue/studies/{one['name']}.md), {one['where']}"


def _told(one: Mapping[str, Any]) -> list[str]:
    return [_link(one), cell(one["claim"]), f"{_bold(one['outcome'])}, {one['scale']}, {one['seeds']} seeds"]


def _defect(one: Mapping[str, Any]) -> list[str]:
    size = "–" if one["effect"] is None else f"{one['effect']:+.2g}".replace("-", "−")
    does, concludes = errata.sentence(one), f"“{one['claim']}” {survival(one)[0]}."
    again = f"`pellucid study run {one['name']}`"
    return [_link(one), cell(does), f"{size}, {MOVES[one['outcome']]}", cell(concludes), again]


def _claims(one: Mapping[str, Any]) -> str:
    rows = []
    for verdict in one["verdicts"]:
        claim, mean = verdict["claim"], verdict["difference"]["mean"]
        gap = "undefined" if mean is None else f"{number(mean)} ({between(verdict)})"
        outcome = verdict["outcome"] if claim["main"] else f"{verdict['outcome']}, besides"
        rows.append([cell(claimed(claim)), gap, f"{claim['margin']:g}", outcome])
    return table(["claim", "difference", "margin", "verdict"], rows)


def _bold(outcome: str) -> str:
    return f"**{outcome}**" if outcome != "inconclusive" else outcome


# --- Sphinx ----------------------------------------------------------------------------------------------------------


def pages() -> Iterator[tuple[str, str]]:
    """Path and text of everything that is made."""
    counts = {}
    for family in families():
        shelf = _members.members(family)
        shelf = [m for m in shelf if isinstance(registry.catalog(family).places[m.name], str)]  # ours
        counts[family] = len(shelf)
        yield f"catalogue/{family}/index.md", family_page(family, shelf)
        for member in shelf:
            yield f"catalogue/{family}/{member.name}.md", page(member, registry.catalog(family)[member.name])
    yield "catalogue/index.md", index(counts)
    yield "_cards.md", cards()
    yield "_parity.md", parity(json.loads((DOCS / "parity.json").read_text(encoding="utf-8")))
    ran = json.loads((DOCS / "studies.json").read_text(encoding="utf-8"))
    yield "_studies.md", studies(ran)
    yield "_errata.md", errata_of(ran)


def write(folder: Path = DOCS) -> list[Path]:
    """Made pages, written where they changed; those of members that are gone are removed."""
    made = {folder / path: text for path, text in pages()}
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in (folder / "catalogue").rglob("*.md"):
        if path not in made:
            path.unlink()
    return list(made)


def setup(app: Any) -> dict[str, bool]:
    importlib.import_module("pellucid")
    app.connect("builder-inited", lambda app: write(Path(app.srcdir)))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
