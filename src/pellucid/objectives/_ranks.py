"""The other processes of a run: what they have in their batches, and one gradient for all.

A loss that compares samples must see the samples of all processes, or it depends on their number. `everyone` gathers
them with their gradients: each process takes the loss of its own rows over everybody's columns, and the mean that
DistributedDataParallel takes of the gradients is then the gradient of the whole.
"""

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.autograd import Function


def processes() -> int:
    """How many there are; one where nothing is distributed."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if processes() > 1 else 0


def sizes(n: int, device: torch.device) -> list[int]:
    """The rows of every process."""
    if processes() == 1:
        return [n]
    mine = torch.tensor([n], device=device)
    all_ = [torch.empty_like(mine) for _ in range(processes())]
    dist.all_gather(all_, mine)
    return [int(x) for x in all_]


def everyone(tensor: Tensor, rows: list[int]) -> Tensor:
    """The rows of all processes, in the order of their ranks."""
    if len(rows) == 1:
        return tensor
    return _Everyone.apply(tensor, rows) if tensor.requires_grad else _gathered(tensor, rows)


def averaged(tensors: list[Tensor]) -> list[Tensor]:
    """The same tensors, whose gradients are averaged over the processes."""
    return list(_Averaged.apply(*tensors)) if processes() > 1 else tensors


def _gathered(tensor: Tensor, rows: list[int]) -> Tensor:
    most = max(rows)
    full = tensor.detach().new_zeros(most, *tensor.shape[1:])
    full[: len(tensor)] = tensor.detach()
    parts = [torch.empty_like(full) for _ in rows]
    dist.all_gather(parts, full)
    return torch.cat([part[:n] for part, n in zip(parts, rows, strict=True)])


class _Everyone(Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, rows: list[int]) -> Tensor:
        ctx.rows = rows
        return _gathered(tensor, rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore
        gradient = gradient.contiguous().clone()
        dist.all_reduce(gradient)
        start = sum(ctx.rows[: rank()])
        return gradient[start : start + ctx.rows[rank()]], None


class _Averaged(Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        mean = [gradient.contiguous().clone() for gradient in gradients]
        for gradient in mean:
            dist.all_reduce(gradient)
            gradient /= processes()
        return tuple(mean)
