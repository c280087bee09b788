"""What the paper's whole grid costs: 9 systems x 8 tasks x 6 runs, and 48 fine-tunings on GLUE, of BERT base's shape.

    python benchmarks/cost.py                          # counts, and hours at a step measured here, on one thread
    python benchmarks/cost.py --shape 6x384 --step 998 # at a step that was measured before (docs/performance.md)
    python benchmarks/cost.py --rate 100 --price 2     # at so many Tera-operations a second, for so much an hour

A cell is `epochs x ceil(rows / 32)` steps. What a step computes is known from its shape, so that a step measured at one
shape and length stands for all, by the operations that it did a second: for each token 6 a weight of the layers, and 12
a layer, unit of width and token of its row for attention, forward and backward (a third of them forward). Products of
a larger model run faster on most machines, so that hours taken from a smaller one are rather too many.

Validation rows are answered after each epoch, test rows twice. Rows are counted from DISCBENCH_DATA where it is set,
and from what tasks say of themselves otherwise; rows of music.maestro, which take minutes to read, from docs/tasks.md.
"""

import argparse
import math
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import step as steps

from discbench.data import rowcache
from discbench.errors import DataError
from discbench.models import building as models
from discbench.plugins import registry
from discbench.training import trying
from discbench.values.mapping import TextTable, Vocabulary
from discbench.values.recipes import Recipe, recipe_for
from discbench.values.types import Task

SYSTEMS, RUNS, GLUE_RUNS = 9, 6, 6
"""Checkpoints and controls of the paper's tables; runs of each; of GLUE three seeds of two inits."""
TASKS = (
    *(f"protein.{name}" for name in ("localization", "stability", "fluorescence")),
    *(f"dna.{name}" for name in ("h3", "h4", "h3k9ac", "splice")),
    "music.maestro",
)
GLUE = tuple(f"glue.{name}" for name in ("cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst-2", "sts-b"))
KNOWN = {"music.maestro": ((39_017, 4_174, 4_388), 128.0)}
"""(rows, symbols a row) of docs/tasks.md."""
LAYERS, HIDDEN = 12, 768


@dataclass(frozen=True)
class Cost:
    """What one cell does."""

    task: str
    rows: tuple[int, int, int]
    tokens: float
    """A row's, on average."""
    steps: int
    operations: float


def main() -> None:
    """Print tables."""
    asked = arguments()
    tasks = registry.tasks(registry.plugins())
    rate = asked.rate * 1e12 if asked.rate else rate_of(asked)
    print(f"\n{'task':22}{'train/valid/test':>22}{'tokens a row':>14}{'steps':>9}{'operations':>12}{'hours':>9}")
    total = 0.0
    for names, recipe, count in ((TASKS, "paper", SYSTEMS * RUNS), (GLUE, "paper-glue", GLUE_RUNS)):
        found = []
        for name in names:
            each = cost(tasks[name], recipe_for(recipe, "pretrained", {}))
            found.append(each)
            sizes, hours = "/".join(map(str, each.rows)), each.operations / rate / 3600
            print(
                f"{each.task:22}{sizes:>22}{each.tokens:>14.0f}{each.steps:>9,}{each.operations:>12.2e}{hours:>9.2f}",
                flush=True,
            )
        whole = count * sum(each.operations for each in found)
        print(f"  x {count} each: {count * len(found)} cells, {whole:.2e} operations, {whole / rate / 3600:,.0f} hours")
        total += whole
    hours = total / rate / 3600
    money = f", {hours * asked.price:,.0f} at {asked.price:g} an hour" if asked.price else ""
    print(f"\ntogether {total:.2e} operations: {hours:,.0f} hours at {rate / 1e12:.3g} Tera-operations a second{money}")


def arguments() -> argparse.Namespace:
    """Return what was asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--shape", default="6x384", help="layers x width of the step that is measured")
    parser.add_argument("--step", type=float, help="milliseconds of a step of 32 rows, measured on the machine meant")
    parser.add_argument("--tokens", type=int, default=62, help="of each row in that step")
    parser.add_argument("--rate", type=float, help="instead: Tera-operations a second")
    parser.add_argument("--price", type=float, help="of an hour of that machine")
    parser.add_argument("--steps", type=int, default=6, help="of the measurement here, the first three left out")
    return parser.parse_args()


def operations(tokens: float, length: float, layers: int = LAYERS, hidden: int = HIDDEN) -> float:
    """Return the operations of training on so many tokens in rows of such a length.

    Weights are those of the layers' matrices: the embedding is looked up, and the head is small.
    """
    return tokens * layers * hidden * (6 * 12 * hidden + 12 * length)


def rate_of(asked: argparse.Namespace) -> float:
    """Return operations a second, of a step that was measured or is measured now."""
    layers, hidden = map(int, asked.shape.split("x"))
    seconds = asked.step / 1e3 if asked.step else measured(layers, hidden, asked.tokens, asked.steps)
    whole = operations(32 * asked.tokens, asked.tokens, layers, hidden)
    print(f"a step of {layers} x {hidden}, 32 rows of {asked.tokens} tokens: {whole:.2e} operations in {seconds:.3f} s")
    return whole / seconds


def measured(layers: int, hidden: int, length: int, count: int) -> float:
    """Return the CPU seconds of our step at a shape, one thread."""
    asked = argparse.Namespace(family="bert", vocabulary=30_522, rows=32)
    model = steps.model_of(asked, layers, hidden)
    inputs = steps.rows_of(np.full(32 * count, length), asked.vocabulary)
    vocabulary = Vocabulary(
        size=asked.vocabulary, regular=tuple(range(5, asked.vocabulary)), unused=(), prefix=(2,), suffix=(3,), pad=1
    )
    recipe = Recipe(name="step", lr=1e-4, batch=32, epochs=1, select="last")
    with models.quietly():
        plan = trying.plan_for(trying.tried(model, vocabulary), recipe, "cpu", (inputs,))
    clock = steps.Clock(model)
    steps.our_round(model, inputs, recipe, plan)
    clock.close_round()
    return statistics.median(clock.times[: count - steps.WARM])


def cost(task: Task, recipe: Recipe) -> Cost:
    """Return what a cell of a task does."""
    rows, symbols = counted(task)
    tokens = symbols if isinstance(task.mapping, TextTable) else symbols + 2
    done = math.ceil(rows[0] / recipe.batch) * int(recipe.epochs)
    answered = (rows[1] * (int(recipe.epochs) if recipe.select == "best" else 1) + 2 * rows[2]) / 3
    return Cost(task.id, rows, tokens, done, operations((rows[0] * int(recipe.epochs) + answered) * tokens, tokens))


def counted(task: Task) -> tuple[tuple[int, int, int], float]:
    """Return the rows of the splits and the mean symbols of a train row; of text, or unread rows, the most of a row."""
    if task.name in KNOWN:
        return KNOWN[task.name]
    if isinstance(task.mapping, TextTable):
        return _three(task.dataset.sizes), float(task.mapping.max_tokens)
    data = os.environ.get("DISCBENCH_DATA")
    try:
        loaded = rowcache.load(task, Path(data), unverified=True) if data else None
    except DataError:
        loaded = None
    if loaded is None:
        return _three(task.dataset.sizes), float(task.max_symbols or 0)
    return _three(task.dataset.sizes or loaded.sizes), float(np.mean(loaded.train.lengths))


def _three(sizes: Sequence[int] | None) -> tuple[int, int, int]:
    assert sizes is not None
    train, validation, test = sizes
    return train, validation, test


if __name__ == "__main__":
    main()
