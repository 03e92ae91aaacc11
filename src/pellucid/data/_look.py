"""What a data set holds, and what is wrong with it.

Large ones are looked at by some of their records, evenly spaced; for faults, by all of them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from pellucid.data._base import Dataset, Record

MOST = 256  # records looked at


def summary(data: Dataset) -> dict[str, Any]:
    """Counts of labels, sizes of pictures, and the share of records that have boxes, masks, points …"""
    if data.streamed:
        return _of(islice(iter(data), MOST))
    rows = sorted({round(i * (len(data) - 1) / (MOST - 1)) for i in range(MOST)})
    labels = Counter(data.labels().tolist())
    counts = sorted(labels.get(c, 0) for c in range(len(data.class_names))) or [0]
    each = {"least": counts[0], "median": counts[len(counts) // 2], "most": counts[-1]}
    return {"records a class": each, "without a label": labels.get(-1, 0)} | _of(data[i] for i in rows)


def _of(records: Iterable[Record]) -> dict[str, Any]:
    """Of each record only what is counted is kept."""
    sizes: list[tuple[int, ...]] = []
    have: list[dict[str, bool]] = []
    for r in records:
        sizes.append(tuple(r.image.shape))
        flags = {"boxes": len(r.boxes) > 0, "masks": len(r.masks) > 0, "points": len(r.points) > 0}
        several = max(len(r.boxes), len(r.masks)) > 1
        have.append(flags | {"ignored pixels": bool(r.ignore.any()), "several objects": several})
    sizes.sort(key=lambda s: s[-1] * s[-2])
    middle = [list(sizes[i]) for i in (0, len(sizes) // 2, -1)] if sizes else []
    shares = {name: sum(one[name] for one in have) / len(have) for name in (have[0] if have else ())}
    return {"looked at": len(have), "sizes": middle, "share with": shares}


def faults(data: Dataset, progress: bool = False) -> Iterator[str]:
    """Every fault, each in a sentence, as it is found: nothing at all of a data set that is as it should be."""
    from pellucid.show.progress import track

    yield from data.lasting_faults()
    if data.streamed:
        for _ in data:
            pass  # a fault of a stream ends it, as an error
        return
    with ThreadPoolExecutor() as pool:  # decoders let go of the interpreter's lock
        chunks = (range(start, min(start + MOST, len(data))) for start in range(0, len(data), MOST))
        for rows in track(list(chunks), f"checking {data.name}", progress):
            for found in pool.map(data.faults, rows):
                yield from found
