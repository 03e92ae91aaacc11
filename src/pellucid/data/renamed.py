"""Other names for the classes: what a text encoder reads is what it knows.

    names=FILE   one a line, or a JSON list, in label order; or JSON {"old name": "new name"} for some of them
    Renamed(data, names=lambda name: f"a kind of bird called {name}")                            from Python

>>> from pellucid.data.digits import Digits
>>> Renamed(Digits(), names=str.upper).class_names[:2]
('ZERO', 'ONE')
"""

import json
from collections.abc import Callable
from pathlib import Path

from pellucid.data._base import Dataset, Wrapped
from pellucid.data._reading import read_lines
from pellucid.data.csv import names_in
from pellucid.errors import BadFile, BadInput, did_you_mean


class Renamed(Wrapped, name="renamed"):
    """Any data set, with other class names."""

    of: Dataset
    names: str | Callable[[str], str] | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
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
        if path.suffix == ".json":
            try:
                found = json.loads("\n".join(read_lines(path, "check names=")))
            except ValueError as cause:
                raise BadFile(f"{path} is no JSON ({cause}); put it right.") from None
            if isinstance(found, dict):
                strange = next((name for name in found if name not in old), None)
                if strange is not None:
                    raise BadInput(f"{path} renames {strange!r}; {did_you_mean(strange, old)}")
                return tuple(str(found.get(name, name)) for name in old)
        return names_in(path)
