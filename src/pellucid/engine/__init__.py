"""Measuring: one metric of some maps, or all metrics of all explainers over a data set."""

from pellucid.engine._agreement import agreement as agreement
from pellucid.engine._audit import Audit as Audit
from pellucid.engine._audit import audit as audit
from pellucid.engine._evaluate import evaluate as evaluate
from pellucid.engine._measure import measure as measure
