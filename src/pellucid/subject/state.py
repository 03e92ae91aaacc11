"""The model as it was: what a call changes for its own time, and puts back, also when it raises."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def unwrapped(model: nn.Module) -> nn.Module:
    """The module inside torch.compile, DataParallel, DistributedDataParallel, Lightning's Fabric and their like."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and type(model).__name__.endswith(("Parallel", "FabricModule")):
            inner = getattr(model, "module", None)
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def eager(model: nn.Module) -> nn.Module:
    """The module inside torch.compile, whose graph would not know a hook."""
    while isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
        model = inner
    return model


def first_tensor(output: Any) -> Tensor | None:
    """The output itself, or the first float tensor of a tuple, a dict or a Hugging Face output."""
    if isinstance(output, Tensor):
        return output
    parts = output.values() if isinstance(output, Mapping) else output if isinstance(output, Sequence) else ()
    return next((part for part in parts if isinstance(part, Tensor) and part.is_floating_point()), None)


@contextmanager
def seeded(model: nn.Module, seed: int) -> Generator[None]:
    """torch's chance begins at the seed, and is afterwards as it was: that of the devices in use alone, for
    torch.manual_seed reaches the others too, and nobody puts them back."""
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    with torch.random.fork_rng(devices):
        for generator in (torch.default_generator, *(torch.cuda.default_generators[d] for d in devices)):
            generator.manual_seed(seed)
        yield


@contextmanager
def undisturbed(model: nn.Module, seed: int) -> Generator[None]:
    """Evaluation mode, gradients on, chance seeded; everything as it was afterwards, also after an error."""
    modes = [(module, module.training) for module in model.modules()]
    with seeded(model, seed), torch.inference_mode(False), torch.enable_grad():
        try:
            for module, _ in modes:
                module.training = False
            yield
        finally:
            for module, mode in modes:
                module.training = mode
