"""Plain: what JSON can say, which has no NaN and no numbers of NumPy.

>>> plain({1: (0.5, float("nan"))})
{'1': [0.5, None]}
"""

import json
import math
from collections.abc import Mapping
from typing import Any


def plain(thing: Any) -> Any:
    """The same of dictionaries, lists, texts and numbers."""
    if isinstance(thing, Mapping):
        return {str(key): plain(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [plain(one) for one in thing]
    if hasattr(thing, "item"):  # NumPy's numbers
        thing = thing.item()
    return None if isinstance(thing, float) and not math.isfinite(thing) else thing


def as_text(thing: Any) -> str:
    """JSON for people and programs."""
    return json.dumps(plain(thing), indent=2, ensure_ascii=False, allow_nan=False)
