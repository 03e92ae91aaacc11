"""Other names for the classes: what a text encoder reads is what it knows.

    names=FILE   one a line, or a JSON list, in label order; or JSON {"old name": "new name"} for some of them
    Renamed(data, names=lambda name: f"a kind of bird called {name}")                            from Python

>>> from pellucid.data.digits import Digits
>>> Renamed(Digits(), names=str.upper).class_names[:2]
('ZERO', 'ONE')
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from pellucid.data._base import Dataset, Wrapped
from pellucid.data._names import read_json, read_names
from pellucid.errors import BadInput, did_you_mean


class Renamed(Wrapped, name="renamed"):
    """Any data set, with other class names."""

    of: Dataset
    names: str | Callable[[str], str] | None = None

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        old = self.of.class_names
        if self.names is None:
            return old
        new = self._read(old) if isinstance(self.names, str) else tuple(self.names(name) for name in old)
        if len(new) != len(old):
            raise BadInput(
                f"there are {len(new)} new names, and {self.of.name} has {len(old)} classes; give one a class."
            )
        if len(set(new)) != len(new):
            twice = next(name for name in new if new.count(name) > 1)
            raise BadInput(f"two classes of {self.of.name} would be called {twice!r}; give every class its own name.")
        return new

    def _read(self, old: tuple[str, ...]) -> tuple[str, ...]:
        path = Path(str(self.names)).expanduser()
        found = read_json(path) if path.suffix == ".json" else None
        if not isinstance(found, dict):
            return read_names(path)
        strange = next((name for name in found if name not in old), None)
        if strange is not None:
            raise BadInput(f"{path} renames {strange!r}; {did_you_mean(strange, old)}")
        return tuple(str(found.get(name, name)) for name in old)
