"""What the trivial models score on every task whose files are at hand, as the table of docs/tasks.md.

DISCBENCH_DATA=... python benchmarks/baselines.py [TASKS ...]
"""

import sys
import time
from functools import partial

from discbench.data import rowcache
from discbench.data.rows import Encoded, Loaded
from discbench.errors import DataError
from discbench.plugins import registry
from discbench.training import baselines
from discbench.training.outcomes import score
from discbench.values.checkpoints import BASELINES
from discbench.values.types import Task


def judged(task: Task, outputs: baselines.Outputs, split: Encoded) -> score.Voted:
    """Return the answers of one split after the vote."""
    return score.vote(task.target, outputs, split.targets, split.groups)


def line(task: Task, loaded: Loaded) -> str:
    """Return a row of the table."""

    def choose(outputs: baselines.Outputs, split: Encoded) -> float:
        return score.primary(task.metric, judged(task, outputs, split))

    cells, began = [], time.monotonic()
    for name in BASELINES:
        found = baselines.answer(name, task, *loaded[:3], choose)
        voted = judged(task, found.test, loaded.test)
        cells.append(f"{score.measure((task.metric,), task.target, voted)[task.metric.name]:.3f}")
    chosen = f"n {found.chosen['n']}, {found.chosen['columns']:,} columns" if found.chosen else ""
    special = f"{task.specialist.score:.3f}" if task.specialist else ""
    rows = "/".join(f"{size:,}" for size in loaded.sizes) + (" (part)" if loaded.partial else "")
    seconds = f"{time.monotonic() - began:.0f} s"
    return "| " + " | ".join([f"`{task.id}`", task.metric.name, rows, *cells, special, chosen, seconds]) + " |"


def main() -> None:
    """Print the table."""
    print("| task | metric | rows here | majority | k-mer | specialist (paper) | chosen | both |")
    print("|---|---|---|---|---|---|---|---|")
    load = partial(rowcache.load, download=False)
    for task in registry.select(sys.argv[1:] or ["*"], registry.tasks(registry.plugins())):
        try:
            print(line(task, load(task)), flush=True)
        except DataError:
            continue


if __name__ == "__main__":
    main()
