"""A network that LICO has trained, as it is exported, beside the plain one: the same forward. Target: 1.00."""

import tempfile
from pathlib import Path

import torch

import pellucid as pl
from benchmarks._timing import Row, race

NET = "pellucid:wrn-28-2:classes=10"
DATA = "scenes:classes=10,size=32,length=64"


def run() -> Row:
    with tempfile.TemporaryDirectory() as folder:
        pl.fit(NET, DATA, "lico:text=random-words", "plain:batch=32", epochs=1, device="cpu", out=folder)
        ours = pl.load_model(Path(folder) / "model.safetensors").eval()
    plain = pl.load_model(NET)
    plain.load_state_dict(ours.state_dict(), strict=True)
    plain.eval()
    x = torch.randn(64, 3, 32, 32)

    def forward(net: torch.nn.Module) -> torch.Tensor:
        with torch.inference_mode():
            return net(x)

    return race(
        "Inference after LICO, WRN-28-2, 64 of 32 px",
        {"floor": lambda: forward(plain), "ours": lambda: forward(ours)},
        "the plain network",
        "1.00",
    )
