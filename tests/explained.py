"""Small suites, results and measurements whose gains are planted, for what explains them."""

import numpy as np
from boards import record
from stores import completed

from discbench import Part, Suite

TASKS = ("formal.factor@1", "formal.shift@1")
SUITE = Suite(name="small", version=1, parts=(Part(tasks=TASKS, seeds=3),))
STEPS = 60


def run(score, name, task, init, seed, drop=0.0, parameters=1000, **fields):
    """One run whose loss is 1 until step 40 and then lower by `drop`."""
    bare = record(score, init, seed, task.split("@")[0], name, recipe={"name": "quick"}, **fields)
    whole = completed(bare)
    loss = [1.0] * 40 + [1.0 - drop] * 20
    return {
        **whole,
        "curve": {"loss": loss, "validation": [[STEPS, score]], "best_step": STEPS},
        "dynamics": {**whole["dynamics"], "reference": 1.0},
        "counts": {**whole["counts"], "steps": STEPS, "parameters": parameters, "trained_parameters": parameters},
    }


def runs(gains, drops=None, parameters=None):
    """The runs of `SUITE` of checkpoints c0, c1, ... with these gains, drops of the loss and sizes."""
    drops = drops or [0.1] * len(gains)
    parameters = parameters or [1000] * len(gains)
    return [
        run(
            0.5 + (gain if init == "pretrained" else 0.0),
            f"c{i}",
            task,
            init,
            seed,
            drop if init == "pretrained" else 0.0,
            size,
        )
        for i, (gain, drop, size) in enumerate(zip(gains, drops, parameters, strict=True))
        for task in TASKS
        for init in ("pretrained", "scratch")
        for seed in range(3)
    ]


def measured(probe, values, name="c0", init="pretrained", seed=0, task=TASKS[0], pair=False, **fields):
    side = {"checkpoint": name, "revision": "r", "seed": seed}
    about = {
        "probe": f"{probe}@1", "model": {**side, "init": init}, "against": {**side, "init": "scratch"} if pair else None, "task": task,
        "rows": "0" * 64, "mapping": "random", "mapping_seed": seed, "map_specials": False, "limit": 64, "layers": [-1],
        "as_published": False, "draw": "hash", "max_tokens": None, "specials": [], **fields,
    }  # fmt: skip
    return {"probe": about, "status": "finished", "values": values, "figure": None, "warnings": []}


def staircase(n, seed=0):
    """Gains of n checkpoints, drawn."""
    return np.random.RandomState(seed).permutation(np.linspace(-0.05, 0.2, n)).tolist()
