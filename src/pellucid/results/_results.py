"""Results: one row a sample × explainer × metric, and what can be said of them.

results.frame        pandas, with provenance in every row
results.summary()    mean, 95 % interval, n, undefined
a.compare(b)         paired difference, interval, p, effect
"""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from pellucid.errors import BadFile, BadInput, UnknownName, did_you_mean, listed
from pellucid.files import write_atomically
from pellucid.results.statistics import (
    components,
    flips,
    holm,
    paired,
    rank_stability,
    share_better,
    two_level,
)  # fmt: skip
from pellucid.results.store import SCHEMA, Store

WHAT = ["explainer", "ask", "metric"]  # what a number is of
WHERE = [  # what it was measured on, and how
    "model", "data", "state", "transform", "explains", "seed", "output", "mean", "input", "version",
]  # fmt: skip
KEPT = ["better", "average", "protocol"]  # what else a task says
RESAMPLES, FLIPS = 1999, 9999  # p is 1e-4 at the least, so that Holm can still find it among hundreds

Frame = Any  # pandas' own types are of little help


class Results:
    """Rows, in the order of their tasks and samples."""

    def __init__(self, frame: "Frame | Callable[[], Frame]", folder: Path | None = None) -> None:
        self._given = frame
        self.folder = folder
        """Where they were measured into, with the pictures that were kept; None of rows that are put together."""

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Every row, read when it is first looked at."""
        given: Any = self._given
        return cast(pd.DataFrame, given() if callable(given) else given)

    @property
    def _rows(self) -> Frame:
        return self.frame

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        f = self._rows
        return f"Results({len(f)} rows · {f['sample'].nunique()} samples · {listed(f['metric'].unique(), 6)})"

    def _repr_html_(self) -> str:
        """A notebook shows what was measured, with intervals."""
        from pellucid.notebook import card, table

        found: Any = self.summary()
        rows = [[*(str(row[c]) for c in found.columns[:-7]), f"{row['mean']:.4g}", f"{row['low']:.4g} to "
                 f"{row['high']:.4g}", f"{row['n']:,}", f"{row['undefined']:,}"]
                for row in found.to_dict("records")]  # fmt: skip
        heads = [*map(str, found.columns[:-7]), "mean", "95 % interval", "n", "undefined"]
        f = self._rows
        said = f"{f['sample'].nunique():,} samples · {listed(f['data'].unique(), 2)} · {listed(f['model'].unique(), 2)}"
        return card("Results", [said], table(heads, rows, left=len(heads) - 4))

    def explore(self) -> Any:
        """The maps that were kept, in a notebook: strength, choice of explainers and questions, values under the
        pointer. Of what `pl.evaluate(…, out=FOLDER)` measured, or `pl.Results.load(FOLDER)` read."""
        from pellucid.report.notebook import explored  # from above: only who looks needs it

        return explored(self)

    def only(self, **wanted: Any) -> "Results":
        """The rows with these values: only(explainer="grad-cam", metric=["ch", "sch"])."""
        frame = self._rows
        for column, values in wanted.items():
            if column not in frame:
                raise UnknownName(f"results have no column {column!r}; {did_you_mean(column, frame.columns)}")
            several = isinstance(values, list | tuple | set | np.ndarray | pd.Series)
            known = list(values) if several else [values]
            missing = [v for v in known if str(v) not in set(frame[column].astype(str))]
            if missing and column in (*WHAT, *WHERE):
                there = sorted(map(str, frame[column].unique()))
                raise UnknownName(f"no row has {column} {missing[0]}; {did_you_mean(str(missing[0]), there)}")
            frame = frame[frame[column].astype(str).isin([str(v) for v in known])]
        return Results(frame.reset_index(drop=True), self.folder)

    @classmethod
    def together(cls, runs: Iterable["Results"]) -> "Results":
        """The results of models that were trained alike with different seeds: one run each, a level of chance."""
        frames = [one._rows.assign(run=i) for i, one in enumerate(runs)]
        if not frames:
            raise BadInput("there are no results to put together; give a list of at least one.")
        for one in frames:
            Results(one.drop(columns="run")).single()
        if len({(*f["data"].unique(), *(f["state"].unique() if "state" in f else ())) for f in frames}) > 1:
            raise BadInput("the runs were measured on different data; measure all of them on the same.")
        return cls(pd.concat(frames, ignore_index=True))

    # --- statistics ------------------------------------------------------------------------------------------------

    def summary(self, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
        """Every number that was measured: its mean, where that may lie, and how often it was undefined.

        The interval is for samples like these (BCa bootstrap); of several runs, for trainings like these too."""
        rows = []
        for group, part in self._groups():
            found = two_level(_runs(part), level, RESAMPLES, seed)
            known = dict(zip(self._by, group, strict=True))
            rows.append(
                {**known, "mean": found.mean, "low": found.low, "high": found.high, "n": found.n,
                 "undefined": found.undefined, "runs": found.runs, "better": part["better"].iloc[0]}
            )  # fmt: skip
        columns = [*self._by, "mean", "low", "high", "n", "undefined", "runs", "better"]
        return pd.DataFrame(rows, columns=columns)

    def compare(self, other: "Results", level: float = 0.95, seed: int = 0) -> pd.DataFrame:
        """This less the other on the same samples: the difference, its interval, p by flipping signs (and that adjusted
        for the number of comparisons), Wilcoxon's p, effect sizes, and what may be said.

        Two models by the same explainers; or two explainers: `r.only(explainer=a).compare(r.only(explainer=b))`.
        Of several runs each, run i is compared with run i, and the chance of runs is in the interval and in p."""
        by = self._common(other)
        mine, theirs = self._aligned(by), other._aligned(by)
        both = [group for group in mine if group in theirs]
        if not both:
            raise BadInput("the two results have no metric of one explainer in common; measure both by the same ones.")
        rows = [
            dict(zip(by, group, strict=True)) | _compared(mine[group], theirs[group], level, seed) for group in both
        ]
        frame = pd.DataFrame(rows)
        frame["p_holm"] = holm(frame["p"].to_numpy())
        frame["says"] = [_said(row) for row in frame.to_dict("records")]
        return frame

    def stability(self, seed: int = 0) -> pd.DataFrame:
        """Whether other samples would have ranked the explainers alike: Kendall's τ over resamples, by metric."""
        self.single()
        rows = []
        controls = self._rows[self._rows["explainer"] != "none"]
        for metric, part in controls.groupby("metric", sort=False, observed=True):
            better = str(part["better"].iloc[0])
            who = part["explainer"].astype(str) + " · " + part["ask"].astype(str)
            if better == "neither" or who.nunique() < 2:
                continue
            runs = part.get("run", 0)
            table = part.assign(who=who, run=runs).pivot_table(
                index=["run", "sample"], columns="who", values="value", sort=False, dropna=False, observed=True
            )
            found = rank_stability(table.to_numpy(), "lower" if better == "lower" else "higher", RESAMPLES, seed)
            for i, name in enumerate(table.columns):
                rows.append(
                    {"metric": metric, "explainer": name, "rank": found.ranks[i], "best": found.best[i],
                     "worst": found.worst[i], "first": found.first[i], "tau": found.tau, "tau_low": found.low,
                     "tau_high": found.high, "n": found.n, "undefined": found.undefined}
                )  # fmt: skip
        columns = ["metric", "explainer", "rank", "best", "worst", "first", "tau", "tau_low", "tau_high", "n"]
        return pd.DataFrame(rows, columns=[*columns, "undefined"])

    @property
    def _by(self) -> list[str]:
        """What tells one number from another: what it is of, and of where it was measured all that is not the same."""
        within = (
            [c for c in WHERE if c in self._rows and self._rows[c].nunique() > 1] if "run" not in self._rows else []
        )
        return [*within, *WHAT]

    def single(self) -> "Results":
        """Itself, if all of it was measured on one thing in one way."""
        if len(self._by) > len(WHAT):
            raise BadInput(
                f"the results differ in {listed(self._by[: -len(WHAT)])} among themselves; choose with "
                f"only({self._by[0]}=...)."
            )
        return self

    def _groups(self) -> Iterable[tuple[tuple[Any, ...], Frame]]:
        grouped: Any = self._rows.groupby(self._by, sort=False, observed=True)
        return grouped

    def _common(self, other: "Results") -> list[str]:
        """The columns that must agree: not explainer and question where each side has one of its own."""
        for side in (self, other):
            side.single()
        mine, theirs = (side._rows[side._rows["explainer"] != "none"] for side in (self, other))
        said = [c for c in WHAT if mine[c].nunique() == theirs[c].nunique() == 1 and c != "metric"]
        return [c for c in WHAT if c not in said]

    def _aligned(self, by: list[str]) -> dict[tuple[Any, ...], Frame]:
        return dict(list(self._rows.groupby(by, sort=False, observed=True)))

    # --- files -----------------------------------------------------------------------------------------------------

    def write(self, folder: str | Path) -> Path:
        """results.parquet, results.csv and summary.csv in a folder, each written whole or not at all."""
        folder, file = Path(folder), io.BytesIO()
        self._rows.to_parquet(file, index=False)
        write_atomically(folder / "results.parquet", file.getvalue())
        flat = self._rows.drop(columns="curve") if "curve" in self._rows else self._rows
        write_atomically(folder / "results.csv", flat.to_csv(index=False).encode())
        write_atomically(folder / "summary.csv", self.summary().to_csv(index=False).encode())
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> "Results":
        """What was measured into a folder, or kept in a results.parquet."""
        path = Path(folder)
        if path.suffix == ".parquet":
            try:
                return cls(pd.read_parquet(path), path.parent)
            except (OSError, ValueError, pa.ArrowException) as cause:
                raise BadFile(
                    f"{path} cannot be read as results ({str(cause).splitlines()[0]}); write it again."
                ) from None
        store = Store(path)
        tasks = store.tasks()
        if not tasks and (path / "results.parquet").is_file():
            return cls.load(path / "results.parquet")
        if not tasks:
            raise BadFile(f"{path} holds no results; give the folder that was given as out=.")
        order = sorted(
            tasks, key=lambda t: (tasks[t].get("explainer") != "none", *(str(tasks[t].get(c)) for c in WHAT))
        )
        return cls.of(store, order)

    @classmethod
    def of(cls, store: Store, tasks: Sequence[str]) -> "Results":
        """The rows of some tasks of a store, each sample once."""
        return cls(lambda: _frame(store, tasks), None if store.folder is None else store.folder.parent)


def _frame(store: Store, tasks: Sequence[str]) -> Frame:
    parts = list(store.rows(tasks))
    if tasks and not parts and store.folder is not None and not store.folder.is_dir():
        raise BadFile(
            f"{store.folder.parent} holds no results any more; measure again, or look at them before it goes."
        )
    table = (pa.concat_tables(parts) if parts else SCHEMA.empty_table()).unify_dictionaries()
    frame: Frame = table.to_pandas()
    about = store.tasks()
    order = {task: i for i, task in enumerate(tasks)}
    frame["order"] = frame["task"].astype(str).map(order).to_numpy()
    frame = frame.drop_duplicates(["order", "sample"]).sort_values(["order", "sample"], ignore_index=True)
    for column in [*WHAT, *WHERE, *KEPT]:
        names = [str(about[task].get(column, "")) if task in about else "" for task in tasks]
        kinds = list(dict.fromkeys(names))
        codes = np.array([kinds.index(name) for name in names], dtype=int)[frame["order"].to_numpy(dtype=int)]
        frame[column] = pd.Categorical.from_codes(codes, kinds)
    if frame["curve"].isna().all():
        frame = frame.drop(columns="curve")
    measured = ["sample", "label", "target", *WHAT, "value", *(c for c in ("curve",) if c in frame)]
    return frame[[*measured, *WHERE, *KEPT, "seconds"]]


def _runs(part: Frame) -> list[np.ndarray]:
    """The values of every run on the same samples; weighted where their mean is to be one over classes."""
    if "run" not in part:
        return [_weighted(part.sort_values("sample"))]
    rows = part.assign(weighted=np.concatenate([_weighted(one) for _, one in part.groupby("run", sort=False)]))
    wide = rows.pivot_table(index="sample", columns="run", values="weighted", dropna=False, observed=True)
    return list(wide.to_numpy(dtype=float).T)


def _weighted(part: Frame) -> np.ndarray:
    values = _finite(part["value"].to_numpy(dtype=float))
    if part["average"].iloc[0] != "classes":
        return values
    return values * _weights(part["target"].to_numpy(), ~np.isnan(values))


def _finite(values: np.ndarray) -> np.ndarray:
    """What is infinite has no mean."""
    return np.where(np.isinf(values), np.nan, values)


def _compared(a: Frame, b: Frame, level: float, seed: int) -> dict[str, Any]:
    """One metric of one explainer, of both."""
    first, second = _pairs(a, b)
    differences = [x - y for x, y in zip(first, second, strict=True)]
    found = two_level(differences, level, RESAMPLES, seed)
    flat = [np.nanmean(np.stack(side), 0) if len(side) > 1 else side[0] for side in (first, second)]
    better = flat[::-1] if a["better"].iloc[0] == "lower" else flat
    one = paired(flat[0], flat[1], level, RESAMPLES, seed)
    p = _p_of_runs(differences) if found.runs > 1 else flips(differences[0], FLIPS, seed)
    return {
        "a": float(np.nanmean(np.concatenate(first))) if found.n else float("nan"),
        "b": float(np.nanmean(np.concatenate(second))) if found.n else float("nan"),
        "difference": found.mean, "low": found.low, "high": found.high, "p": p,
        "wilcoxon": one.wilcoxon, "d_z": one.d_z, "rank_biserial": one.rank_biserial,
        "share_better": share_better(*better), "n": found.n, "undefined": found.undefined, "runs": found.runs,
        "better": a["better"].iloc[0],
    }  # fmt: skip


def _pairs(a: Frame, b: Frame) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The values of both on the samples that both have, run by run."""
    if set(a["data"].unique()) != set(b["data"].unique()):
        raise BadInput(
            f"the results are of different data, {listed(a['data'].unique())} and {listed(b['data'].unique())}; "
            f"measure both on the same."
        )
    sides = [side.assign(run=side.get("run", 0)) for side in (a, b)]
    wide = [
        side.pivot_table(index="sample", columns="run", values="value", dropna=False, observed=True) for side in sides
    ]
    if wide[0].shape[1] != wide[1].shape[1]:
        raise BadInput(f"one side has {wide[0].shape[1]} runs and the other {wide[1].shape[1]}; give each as many.")
    shared = wide[0].index.intersection(wide[1].index)
    table = [one.loc[shared].to_numpy(dtype=float, copy=True) for one in wide]
    table = [_finite(one) for one in table]
    undefined = np.isnan(table[0]) | np.isnan(table[1])
    for one in table:
        one[undefined] = np.nan
        one *= _class_weights(a, shared, ~undefined)
    return list(table[0].T), list(table[1].T)


def _class_weights(part: Frame, samples: Any, known: Any) -> Any:
    """[samples, runs]: by which a value counts, where a mean is to be one over classes."""
    if part["average"].iloc[0] != "classes":
        return 1.0
    targets = part.drop_duplicates("sample").set_index("sample")["target"].loc[samples].to_numpy()
    return np.stack([_weights(targets, there) for there in known.T], 1)


def _weights(targets: Any, known: Any) -> Any:
    _, of, sizes = np.unique(targets[known], return_inverse=True, return_counts=True)
    weights = np.ones(len(targets))
    weights[known] = known.sum() / (len(sizes) * sizes[of])
    return weights


def _p_of_runs(differences: list[np.ndarray]) -> float:
    """By t, of the variance of runs and samples together."""
    from scipy.special import stdtr

    table = np.stack(differences)
    variance, freedom = components(table[:, ~np.isnan(table).all(0)])
    if not variance:
        return 1.0 if not np.nanmean(table) else 0.0
    return float(2 * stdtr(freedom, -abs(np.nanmean(np.nanmean(table, 1))) / np.sqrt(variance)))


def _said(row: Mapping[str, Any]) -> str:
    """In plain words, by the adjusted p."""
    if not row["p_holm"] < 0.05:
        return "not distinguishable"
    if row["better"] == "neither":
        return "higher" if row["difference"] > 0 else "lower"
    return "better" if (row["difference"] > 0) == (row["better"] == "higher") else "worse"
