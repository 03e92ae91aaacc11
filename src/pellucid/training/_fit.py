"""A Fit: a trained model, how it was trained, and how it went."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from pellucid.errors import BadFile, BadInput, need
from pellucid.networks._load import MODEL as MODEL
from pellucid.objectives import Bound
from pellucid.training import _plan

if TYPE_CHECKING:
    import pandas as pd

LOG = "log.csv"
UNSAID = ("epoch", "step", "lr", "watts_assumed", "images_per_second", "peak_memory_mib")  # in a notebook
SHOWN = ("loss", "accuracy", "held_out", "held_out_loss", "validation", "validation_loss")  # of an epoch, in a line


@dataclass
class Fit:
    """What `pl.fit` gives, and what its folder holds. Wherever a model is asked for, a Fit or its folder will do."""

    model: nn.Module  # in evaluation mode
    plan: Mapping[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)  # one an epoch
    folder: Path | None = None
    objective: Bound | None = None  # what was trained besides, where it is at hand
    stopped: str = ""  # why it ended before its last epoch

    @property
    def history(self) -> "pd.DataFrame":
        """One row an epoch: terms, accuracies, what was watched, seconds, images a second, memory, energy."""
        import pandas as pd

        return pd.DataFrame(self.rows)

    @property
    def checkpoints(self) -> list[Path]:
        """Weights of the epochs that were kept, oldest first; each opens with `pl.load_model`."""
        return sorted((self.folder / "epochs").glob("*.safetensors")) if self.folder else []

    def __repr__(self) -> str:
        last = self.rows[-1] if self.rows else {}
        told = ", ".join(f"{key} {last[key]:.3f}" for key in SHOWN if key in last)
        return f"Fit({self.plan.get('objective')} · {self.plan.get('data')} · {len(self.rows)} epochs · {told})"

    def _repr_html_(self) -> str:
        """A notebook shows the plan, and the last epoch beside the first."""
        from pellucid.notebook import card, table

        plan = [f"{name}: {self.plan[name]}" for name in ("model", "data", "recipe", "seed") if name in self.plan]
        ends = [self.rows[0], self.rows[-1]] if self.rows else [{}, {}]
        names = [name for name, value in ends[1].items() if isinstance(value, int | float) and name not in UNSAID]
        rows = [[name, *(f"{row[name]:.4g}" if name in row else "–" for row in ends)] for name in names]
        heads = ["", "epoch 1", f"epoch {len(self.rows)}"]
        more = [f"stopped {self.stopped}"] if self.stopped else []
        return card(f"Fit: {self.plan.get('objective')}", [*plan, *more], table(heads, rows) if rows else "")

    @classmethod
    def load(cls, folder: str | Path) -> "Fit":
        """A finished run."""
        from pellucid.networks import load_model

        folder = Path(folder)
        about = _plan.read(folder)
        if not about or not (folder / MODEL).exists():
            raise BadFile(f"{folder} holds no finished training; give the out= of pl.fit.")
        model = load_model(folder / MODEL)
        return cls(model, about["plan"], about.get("rows", []), folder, stopped=about.get("stopped", ""))


def write_log(folder: Path, rows: list[dict[str, Any]]) -> None:
    """log.csv, whole."""
    import csv
    import io

    from pellucid.files import write_atomically

    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(folder / LOG, text.getvalue().encode())


def board(folder: Path | None) -> Any:
    """What writes for TensorBoard; asked before the training, so that a missing package is not found after an epoch."""
    if folder is None:
        raise BadInput("the log for TensorBoard needs a folder; give out=.")
    need("tensorboard", "logs", "tensorboard=True")
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter


def write_board(folder: Path, row: Mapping[str, Any]) -> None:
    """One epoch more, every number a curve; a file an epoch, for a run may be stopped after any."""
    with board(folder)(str(folder / "tensorboard")) as writer:
        for name, value in row.items():
            if isinstance(value, int | float) and name != "epoch":
                writer.add_scalar(name, value, row["epoch"])


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as JSON knows them."""
    return json.loads(json.dumps(rows))
