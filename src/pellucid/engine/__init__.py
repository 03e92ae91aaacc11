"""Measuring: one metric of some maps, or all metrics of all explainers over a data set."""

from pellucid.engine.measure import measure as measure
