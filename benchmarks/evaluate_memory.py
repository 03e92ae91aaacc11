"""Peak memory of an evaluation of 100,000 samples: that of 1,000. Each in a process of its own."""

import subprocess
import sys

from benchmarks._timing import Row

CODE = """
import re, sys, tempfile, torch, pellucid as pl
net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 4)).eval()
count = int(sys.argv[1])
data = ((torch.randn(500, 3, 8, 8), torch.zeros(500, dtype=torch.int64)) for _ in range(count // 500))
with tempfile.TemporaryDirectory() as out:
    pl.evaluate(net, data, "edges", "sparseness", out=out, name="noise")
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024)
"""


def peak(samples: int) -> float:
    """MiB."""
    run = subprocess.run([sys.executable, "-c", CODE, str(samples)], capture_output=True, text=True, check=True)
    return float(run.stdout)


def run() -> Row:
    figures = {"floor": peak(1_000), "ours": peak(100_000)}
    ratio = figures["ours"] / figures["floor"]
    return Row("Peak memory, evaluating 100,000 samples", figures, {"ours": ratio}, "1.0", "MiB", "1,000 samples")
