"""Training: one plain loop on Lightning Fabric, and what it gives.

fit = pl.fit("pellucid:wrn-28-2", "cifar10:root=data", "lico", recipe="lico-cifar", out="runs/lico")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.training._fit import Fit as Fit
    from pellucid.training._run import fit as fit


def __getattr__(name: str) -> Any:
    from importlib import import_module

    homes = {"fit": "_run", "Fit": "_fit"}
    if name not in homes:
        raise AttributeError(f"module 'pellucid.training' has no attribute {name!r}")
    return getattr(import_module(f"pellucid.training.{homes[name]}"), name)
