"""Data sets of the Hugging Face hub, streamed:  hf:NAME   (short for hf:path=NAME)

The column of pictures and that of labels are found by their types; `columns=[image,label]` names them where there are
several. Class names are those of the label's type, or `names=FILE`. `stream=false` fetches all of it first: then
records have numbers.

>>> str(HF(path="ylecun/mnist", split="test")), HF(path="a").path
('hf:path=ylecun/mnist,split=test', 'a')
"""

import io
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from pellucid.data._base import Dataset, Record
from pellucid.data._names import read_names
from pellucid.data._pictures import coloured, decoded, tensor_of
from pellucid.data._reading import reason
from pellucid.errors import BadFile, BadInput, did_you_mean, listed, need


class HF(Dataset, name="hf"):
    """A data set of the Hugging Face hub, or of local parquet and other files through its readers."""

    home = "https://huggingface.co/datasets"
    licence = "its own: see its card on the hub"

    quick = {"path": "nobody/nothing"}

    path: str  # the name on the hub, or of a reader such as parquet
    split: str = "train"
    config: str | None = None
    files: str | tuple[str, ...] | None = None  # of a reader: the files
    columns: tuple[str, ...] | None = None  # of the picture, and of the label
    names: str | None = None
    stream: bool = True

    @property
    def streamed(self) -> bool:  # type: ignore[override]
        return self.stream

    @property
    def _where(self) -> str:
        files = "" if self.files is None else f" ({self.files if isinstance(self.files, str) else listed(self.files)})"
        return f"hf:{self.path}{files}"

    @cached_property
    def _table(self) -> Any:
        datasets = need("datasets", "streams", f"hf:{self.path}")
        files = list(self.files) if isinstance(self.files, tuple) else self.files
        try:
            return datasets.load_dataset(
                self.path, self.config, split=self.split, data_files=files, streaming=self.stream
            )
        except Exception as cause:  # of the hub, the network, the reader
            raise BadFile(
                f"{self._where} cannot be opened ({reason(cause)}); check its name, split= and config=."
            ) from None

    @cached_property
    def _columns(self) -> tuple[str, str | None]:
        """Of the picture and of the label."""
        features = dict(self._table.features or {})
        kinds = {name: type(feature).__name__ for name, feature in features.items()}
        image = next((n for n, k in kinds.items() if k == "Image"), None)
        label = next((n for n, k in kinds.items() if k == "ClassLabel"), "label" if "label" in kinds else None)
        if self.columns is not None:
            image, label = (*self.columns, None, None)[:2]
        for column in (image, label):
            if column is not None and column not in kinds:
                raise BadInput(f"hf:{self.path} has no column {column!r}; {did_you_mean(column, kinds)}")
        if image is None:
            raise BadInput(f"hf:{self.path} has no column of pictures; name it with columns=[image,label].")
        return image, label

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        if self.names is not None:
            return read_names(Path(self.names).expanduser())
        _, label = self._columns
        said = getattr(self._table.features[label], "names", None) if label else None
        if said is None:
            raise BadInput(f"hf:{self.path} says no class names; give names=FILE, one a line.")
        return tuple(name.replace("_", " ") for name in said)

    def __len__(self) -> int:
        if self.stream:
            raise TypeError(f"hf:{self.path} is a stream without a length; set stream=false, or iterate.")
        return len(self._table)

    def __iter__(self) -> Iterator[Record]:
        return (self._record(row, i) for i, row in enumerate(self._undecoded))

    @cached_property
    def _undecoded(self) -> Any:
        """The table with pictures as bytes, so that one that cannot be decoded has a row."""
        image, _ = self._columns
        if type(self._table.features[image]).__name__ != "Image":
            return self._table
        return self._table.cast_column(image, need("datasets", "streams", "hf").Image(decode=False))

    def label(self, i: int) -> int:
        """Without its picture, where the table is here."""
        _, label = self._columns
        value = None if label is None else self._labels[i]
        return value if isinstance(value, int) else self.record(i).label

    @cached_property
    def _labels(self) -> Any:
        return self._table[self._columns[1]]

    def record(self, i: int) -> Record:
        return self._record(self._undecoded[i], i)

    def _record(self, row: Any, i: int) -> Record:
        image, label = self._columns
        number = None if label is None else row[label]
        if row[image] is None or not isinstance(number, int | None):
            what = "no picture" if row[image] is None else f"the label {number!r}, which is no number"
            raise BadFile(f"hf:{self.path} has {what} in row {i}; name other columns with columns=[image,label].")
        try:
            pixels = tensor_of(_picture(row[image]))
        except Exception as cause:  # decoders fail in every way there is
            raise BadFile(
                f"{self._where} has no readable picture in row {i} ({reason(cause)}); leave it out."
            ) from None
        return Record(pixels, -1 if number is None else number, facts={"row": i})


def _picture(cell: Any) -> Any:
    """A picture, or its bytes where the file does not say that they are one."""
    if not isinstance(cell, dict):
        return coloured(cell)
    return decoded(cell["path"] if cell.get("bytes") is None else io.BytesIO(cell["bytes"]))
