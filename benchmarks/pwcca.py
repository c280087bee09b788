"""What becomes of the paper's Table 1 gap with dropout off and enough rows?

Takes hidden states of the last layer on real test rows, for a checkpoint and two models of its architecture drawn at
random, and prints PWCCA for growing numbers of tokens: dropout off, and on in the random models as in the paper's code;
by definition, and by the paper's recipe (no centring, a ridge). Beside each: the same on shuffled rows.

    python benchmarks/pwcca.py --model DIRECTORY [--task protein.stability] [--tokens 15000]
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from discbench.data.rowcache import load
from discbench.models import building as models
from discbench.models.inputs import to_inputs
from discbench.plugins import registry
from discbench.probes import pwcca
from discbench.probes.evaluation import evaluating
from discbench.values.checkpoints import Checkpoint, locate
from discbench.values.mapping import draw_table

SIZES = (1000, 2000, 4000, 8000, 15000)


def states(
    checkpoint: Checkpoint, init: str, seed: int, task_name: str, tokens: int, data: Path | None, *, dropout: bool
) -> np.ndarray:
    """Return (tokens, width): the last layer's output at all real tokens of the first test rows."""
    task, vocabulary = registry.tasks(registry.plugins())[task_name], models.vocabulary_of(checkpoint)
    inputs = to_inputs(load(task, data).test, draw_table(task.mapping, "random", vocabulary, 0), vocabulary, None)
    model = models.build(checkpoint, init, 2, seed, vocabulary)
    torch.manual_seed(seed)
    found, count = [], 0
    with torch.no_grad(), evaluating(model, train=dropout):
        for first, last in pairwise(range(0, len(inputs), 16)):
            drawn = inputs.batch(list(range(first, last)))
            given = {name: drawn[name] for name in ("input_ids", "attention_mask")}
            hidden = model.base_model(**given).last_hidden_state[given["attention_mask"].bool()]
            found.append(hidden.double().numpy())
            count += len(hidden)
            if count >= tokens:
                break
    return np.concatenate(found)[:tokens]


def line(name: str, x: np.ndarray, y: np.ndarray, width: int) -> list[str]:
    """Return one row of the table for each number of tokens."""
    rows = []
    for n in SIZES:
        if n > len(x):
            continue
        published = pwcca.as_published(x[:n], y[:n])
        if n - 1 <= width:
            rows.append(f"| {name} | {n:,} | refused: n - 1 <= {width} | | | {published:.3f} | |")
            continue
        found = pwcca.similarity(x[:n], y[:n])
        numbers = [found["pwcca_x"], found["pwcca_y"], found["null"]["pwcca_x"], found["cka"], published]
        values = " | ".join(f"{number:.3f}" for number in numbers)
        rows.append(f"| {name} | {n:,} | {values} | {found['saturated']} |")
    return rows


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--task", default="protein.stability")
    parser.add_argument("--tokens", type=int, default=SIZES[-1])
    parser.add_argument("--data-dir", type=Path)
    options = parser.parse_args()
    found = locate(options.model)

    def of(init: str, seed: int, *, dropout: bool = False) -> np.ndarray:
        return states(found, init, seed, options.task, options.tokens, options.data_dir, dropout=dropout)

    trained, one, two = of("pretrained", 0), of("scratch", 0), of("scratch", 1)
    noisy_one, noisy_two = of("scratch", 0, dropout=True), of("scratch", 1, dropout=True)
    print(f"{found.id}, {options.task}, width {trained.shape[1]}\n")
    heads = (
        "pair (weights of the first)",
        "tokens",
        "pwcca_x",
        "pwcca_y",
        "null",
        "CKA",
        "paper's recipe",
        "saturated",
    )
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, x, y in (
        ("pretrained, scratch; dropout off", trained, one),
        ("pretrained, scratch; dropout on in scratch", trained, noisy_one),
        ("scratch, another scratch; dropout off", one, two),
        ("scratch, another scratch; dropout on", noisy_one, noisy_two),
    ):
        print("\n".join(line(name, x, y, trained.shape[1])), flush=True)


if __name__ == "__main__":
    main()
