"""Where a run takes place: one process, several of one machine, or those that torchrun or SLURM have begun."""

import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lightning.fabric import Fabric

from pellucid.errors import BadInput

if TYPE_CHECKING:
    from pellucid.training._run import Job

PRECISION = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def launched(work: Callable[..., Any], job: "Job") -> Any:
    """The work in every process; what the first one gives."""
    processes, nodes, begun = around(job.processes)
    if processes * nodes > 1 and not begun and job.folder is None:
        raise BadInput(f"{processes} processes meet in a folder; give out=.")
    strategy: Any = "auto"
    if processes * nodes > 1:
        strategy = job.strategy if begun or job.strategy != "ddp" else "ddp_spawn"
    try:
        fabric = Fabric(
            accelerator="auto" if job.device == "auto" else job.device,
            devices=processes,
            num_nodes=nodes,
            strategy=strategy,
            precision=PRECISION[job.recipe.precision],  # type: ignore[arg-type]
        )
    except (ValueError, RuntimeError) as cause:
        raise BadInput(
            f"device={job.device!r}, processes={processes} and strategy={job.strategy!r} cannot be had here; give "
            f"device=cpu, cuda or mps, as many processes as there are devices, and strategy=ddp or fsdp."
        ) from cause
    if strategy == "ddp_spawn":  # a Fit does not travel between processes; its folder is there for all
        work = partial(_silent, work)
    return fabric.launch(partial(work, job=job))  # as an argument it would be taken apart


def _silent(work: Callable[..., Any], fabric: Fabric, job: "Job") -> None:
    work(fabric, replace(job, model=deepcopy(job.model)))  # a module travels as memory that all would write to


def around(wanted: int) -> tuple[int, int, bool]:
    """Processes a machine, machines, and whether somebody else has begun them.

    >>> around(1)
    (1, 1, False)
    """
    env = os.environ
    if "TORCHELASTIC_RUN_ID" in env:
        local = int(env["LOCAL_WORLD_SIZE"])
        return local, int(env["WORLD_SIZE"]) // local, True
    if int(env.get("SLURM_NTASKS", "1")) > 1 and env.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        nodes = int(env.get("SLURM_NNODES", "1"))
        return int(env["SLURM_NTASKS"]) // nodes, nodes, True
    return wanted, 1, False
