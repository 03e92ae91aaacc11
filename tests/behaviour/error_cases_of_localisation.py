"""What `test_errors.py` does to the metrics of localisation to hear what they say."""

from pellucid.metrics import Metric

OF_LOCALISATION = {
    "a grid of the sound content heat-map": lambda _folder: Metric.make("sch:grid=[7,7]"),
    "points of a game that has none": lambda _folder: Metric.make("pointing-game:points=100,protocol=quantus"),
}
