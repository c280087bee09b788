#!/usr/bin/env bash
# torch.nn.functional.linear_cross_entropy (torch 2.13.0, CPU) in chunks: a mean loss in bfloat16 that is 9 % too low, and
# a step that takes 30 times as long as the plain one with the default options.
#
# 410 masked tokens, width 128, 30,000 classes, as in pre-training a small BERT. `LinearCrossEntropyOptions()` is documented
# to save memory and to give the reference's loss. Seen in bfloat16, where 10.58 is right: 9.63 with the default chunks, which
# are a few rows each, 9.56 with `acc_policy="accurate"`, 10.69 with 64 rows a chunk; the reference path gives 10.56. In
# float32 all agree. Seconds of CPU a step, forward and backward: 3.1 with the default chunks, 0.12 on the reference path.
# Expected: the reference's loss to bfloat16's own rounding (0.03 here), at a like cost.
# Exits 0 while the behaviour is as described, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cat > "$folder/try.py" <<'PYTHON'
import platform
import statistics
import sys
import time

import torch
from torch.nn.functional import linear_cross_entropy

print("python", platform.python_version(), "torch", torch.__version__)
torch.set_num_threads(1)
torch.manual_seed(0)
rows, width, classes = 410, 128, 30_000
hidden, weight = torch.randn(rows, width), torch.randn(classes, width) * 0.06
truth = torch.randint(classes, (rows,))


def step(kind, options):
    x, w = (t.to(kind, copy=True).requires_grad_() for t in (hidden, weight))
    began = time.process_time()
    loss = linear_cross_entropy(x, w, truth, options=options)
    loss.backward()
    return float(loss.detach()), time.process_time() - began


found = {}
for kind in (torch.float32, torch.bfloat16):
    for name, options in (
        ("reference", None),
        ("default chunks", torch.nn.LinearCrossEntropyOptions()),
        ("accurate, 64 rows a chunk", torch.nn.LinearCrossEntropyOptions(acc_policy="accurate", batch_chunk_size=64)),
    ):
        losses, seconds = zip(*(step(kind, options) for _ in range(3)))
        found[kind, name] = losses[-1], statistics.median(seconds)
        print(f"{kind}  {name:26} loss {losses[-1]:8.4f}   {1000 * found[kind, name][1]:8.0f} ms")
truly = found[torch.float32, "reference"][0]
low = truly - found[torch.bfloat16, "default chunks"][0]
times = found[torch.bfloat16, "default chunks"][1] / found[torch.bfloat16, "reference"][1]
print(f"in bfloat16 the chunked loss is {low:.2f} nats too low, the reference {abs(truly - found[torch.bfloat16, 'reference'][0]):.2f}; {times:.0f} times its CPU time")
agree = abs(truly - found[torch.float32, "default chunks"][0]) < 1e-3
sys.exit(0 if agree and low > 0.3 and times > 3 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
