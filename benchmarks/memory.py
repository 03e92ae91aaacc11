"""Peak memory of 2,000 images streamed: that of one batch. Each in a process of its own."""

import subprocess
import sys

from benchmarks._timing import Row

CODE = """
import re, sys, torch, pellucid as pl
from torchvision.models import resnet18
net, count = resnet18(weights=None).eval(), int(sys.argv[1])
batches = (torch.randn(20, 3, 112, 112) for _ in range(count))
seen = sum(len(e) for e in pl.explain(net, batches, "grad-cam"))
assert seen == 20 * count
# not ru_maxrss, which begins with that of the parent
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024)
"""


def peak(batches: int) -> float:
    """MiB."""
    run = subprocess.run([sys.executable, "-c", CODE, str(batches)], capture_output=True, text=True, check=True)
    return float(run.stdout)


def run() -> Row:
    # two batches: the one that is explained, and the one that is made meanwhile
    figures = {"floor": peak(2), "ours": peak(100)}
    ratio = figures["ours"] / figures["floor"]
    return Row("Peak memory, 2,000 images in batches of 20", figures, {"ours": ratio}, "1.0", "MiB", "2 batches of 20")
