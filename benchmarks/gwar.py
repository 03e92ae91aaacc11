"""GWAR of a ViT: a forward and a way back to its first attention. Target: 1.3 of these without the fused kernel."""

import timm
import torch
from torch import Tensor, nn

import pellucid as pl
from benchmarks._timing import Row, race

N, T = 4, 3


def network(fused: bool) -> nn.Module:
    torch.manual_seed(0)
    net = timm.create_model("vit_tiny_patch16_224").eval().requires_grad_(False)
    for module in net.modules():
        if hasattr(module, "attn_drop"):
            vars(module)["fused_attn"] = fused
    return net


def way_back(net: nn.Module, x: Tensor) -> Tensor:
    leaf = x.detach().requires_grad_()
    return torch.autograd.grad(net(leaf)[:, T].sum(), leaf)[0]


def by_hooks(net: nn.Module, x: Tensor) -> list[Tensor]:
    """What is written by hand for timm: a hook on the dropout of every attention."""
    seen: list[Tensor] = []
    drops = [module for path, module in net.named_modules() if path.endswith("attn_drop")]
    handles = [drop.register_forward_hook(lambda _m, _i, out: seen.append(out)) for drop in drops]
    output = net(x.detach().requires_grad_())
    for handle in handles:
        handle.remove()
    return [(a * g).mean(1) for a, g in zip(seen, torch.autograd.grad(output[:, T].sum(), seen), strict=True)]


def run() -> Row:
    eager, fused = network(False), network(True)
    x = torch.randn(N, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    return race(
        f"GWAR, ViT-Ti/16, 224 px, {N} images",
        {
            "floor": lambda: way_back(eager, x),
            "ours": lambda: pl.explain(fused, x, "gwar", target=T),
            "hooks": lambda: by_hooks(eager, x),
        },
        floor="a forward and a way back, attention not fused",
        target="≤ 1.3",
        rounds=5,
    )
