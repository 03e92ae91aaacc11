"""What evaluate, audit and compare share: members and metrics by name, numbers as written, the facts of a run."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pellucid import grammar
from pellucid.errors import BadFile, UnknownName, did_you_mean
from pellucid.files import write_atomically
from pellucid.report.words import name_of
from pellucid.results.plain import as_text

RUN = "run.json"
NEEDED = ("model", "network", "weights", "classes", "names", "size", "transform", "dataset", "seed")


# --- by name ----------------------------------------------------------------------------------------------------------


def made(family: Any, texts: Sequence[str]) -> list[Any]:
    """Members from texts that may be lists, each once."""
    return list(dict.fromkeys(family.make(item) for text in texts for item in grammar.read_list(text)))


def matching(word: str, known: Iterable[str], option: str) -> list[str]:
    """The text forms that a word means: itself, or all of that name whatever their knobs.

    >>> matching("insertion", ["insertion:curve=true", "deletion"], "--metric")
    ['insertion:curve=true']
    """
    known = list(dict.fromkeys(known))
    found = [word] if word in known else [text for text in known if name_of(text) == word]
    if not found:
        raise UnknownName(f"{option} names {word!r}, which is not measured; {did_you_mean(word, known)}")
    return found


# --- again ------------------------------------------------------------------------------------------------------------


def again(command: str, data: Any, wanted: Any, words: Sequence[str]) -> str:
    """The command line of a run, quoted for a shell."""
    names = ("network", "weights", "classes", "names", "size", "device")
    model = {f"--{name}": getattr(wanted, name) for name in names} | {"--seed": wanted.seed or None}
    return shlex.join(["pellucid", command, str(data), "--model", str(wanted.model), *optional(model), *words])


def optional(options: Mapping[str, Any]) -> list[str]:
    """Those that were said.

    >>> optional({"--size": 64, "--device": None})
    ['--size', '64']
    """
    return [word for name, value in options.items() if value is not None for word in (name, str(value))]


def terms(data: Any) -> dict[str, str]:
    """What a page says of a data set: its name, where it is published, on what terms."""
    return {"name": str(data), **{name: str(getattr(data, name, "") or "") for name in ("licence", "terms", "home")}}


# --- the facts of a run -----------------------------------------------------------------------------------------------


def write_run(out: Path, about: Mapping[str, Any]) -> None:
    """Before the work begins, so that a killed run can be looked at."""
    write_atomically(out / RUN, as_text(about).encode())


def read_run(folder: Path) -> dict[str, Any]:
    """How a folder was measured."""
    path = folder / RUN
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        return {name: about[name] for name in NEEDED} | about
    except FileNotFoundError:
        raise BadFile(
            f"{path} is not there, so nobody knows which model to load; measure it with pellucid evaluate."
        ) from None
    except (ValueError, KeyError, TypeError, OSError) as cause:
        raise BadFile(f"{path} does not say how it was measured ({cause}); run pellucid evaluate again.") from None
