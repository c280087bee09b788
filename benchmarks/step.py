"""CPU seconds of one training step: Hugging Face's Trainer beside ours, in turns within one run, on one thread.

    python benchmarks/step.py                                        # three shapes, and lengths of real proteins
    python benchmarks/step.py --layers 4 --hidden 256 --length 128 --family roberta

Both train the same random model on the same rows with fused Adam, dropout on, no clipping, no evaluation. A step is
what lies between two calls of the model: forward, backward, optimiser, the next batch. Rounds alternate; the first
steps of each are left out; times are of the process's CPU (`time.process_time`), and the median over all rounds' steps.
The two shares say what matrix products alone, counted by torch's FlopCounterMode, would take at the rate of a product
(rows x length, hidden) by (hidden, 4 hidden) measured between the rounds, as a part of our step's time: "of plain" the
products of the model as transformers computes it (above 1 where products are left out), "of own" those that are left.
"""

import argparse
import os

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", HF_HUB_OFFLINE="1")  # read when torch computes first

import statistics
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForSequenceClassification, PrinterCallback, Trainer, TrainingArguments

from discbench.data import rowcache
from discbench.models import building as models
from discbench.models.inputs import Inputs
from discbench.plugins import registry
from discbench.training import answers, finetune, trying
from discbench.training.engine import savings
from discbench.training.loop import batches
from discbench.values.mapping import Vocabulary
from discbench.values.recipes import Recipe

SHAPES = ((2, 128), (4, 256), (6, 384))
WARM = 3
"""Steps of each round that are left out."""


def main() -> None:
    """Print a table."""
    asked = arguments()
    torch.set_num_threads(1)
    shapes = [(asked.layers, asked.hidden)] if asked.layers else SHAPES
    print(f"{asked.family}, {asked.rows} rows, vocabulary {asked.vocabulary:,}, {asked.rounds} rounds of {asked.steps}")
    print("   shape      tokens   Trainer      ours  times  of plain  of own  savings")
    for layers, hidden in shapes:
        if not asked.proteins:
            lengths = np.full(asked.rows * asked.steps, asked.length)
            measure(asked, layers, hidden, lengths, f"{asked.length}")
    if asked.proteins or not asked.layers:
        layers, hidden = shapes[0]
        measure(asked, layers, hidden, proteins(asked), "proteins", steps=max(10, asked.steps // 3))


def arguments() -> argparse.Namespace:
    """Return what was asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--layers", type=int, help="of one shape; without it three")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--family", default="bert", help="a model type of transformers")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--length", type=int, default=62, help="tokens of each row")
    parser.add_argument("--proteins", action="store_true", help="rows as long as protein.localization's, cut at 512")
    parser.add_argument("--vocabulary", type=int, default=30_522)
    parser.add_argument("--steps", type=int, default=30, help="of a round")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    if asked.steps < WARM + 2:
        parser.error(f"--steps {asked.steps}: from {WARM + 2}, for the first {WARM} are left out")
    return asked


def proteins(asked: argparse.Namespace) -> np.ndarray:
    """Return lengths of real rows in tokens, drawn with seed 0; DISCBENCH_DATA names where they are."""
    task = registry.tasks(registry.plugins())["protein.localization"]
    found = rowcache.load(task, Path(os.environ["DISCBENCH_DATA"]), unverified=True).train.lengths + 2
    return np.random.RandomState(0).choice(np.minimum(found, 512), asked.rows * asked.steps)


def model_of(asked: argparse.Namespace, layers: int, hidden: int) -> torch.nn.Module:
    """Return a random sequence classifier with two outputs, the same each time."""
    shape = {"num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": max(1, hidden // 64)}
    if asked.family in {"gpt2", "distilbert"}:
        names = ("n_layer", "n_embd", "n_head") if asked.family == "gpt2" else ("n_layers", "dim", "n_heads")
        shape = dict(zip(names, shape.values(), strict=True))
    inner = {"distilbert": "hidden_dim", "gpt2": "n_inner"}.get(asked.family, "intermediate_size")
    config = AutoConfig.for_model(asked.family, vocab_size=asked.vocabulary, **shape, **{inner: 4 * hidden})
    config.pad_token_id = 0 if config.pad_token_id is None else config.pad_token_id
    config.use_cache = False
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(config)


def rows_of(lengths: np.ndarray, vocabulary: int) -> Inputs:
    """Return rows of twenty symbols between the ids 2 and 3, with two classes."""
    draws = np.random.RandomState(0)
    symbols = draws.choice(np.arange(5, vocabulary), 20, replace=False)
    rows = [np.concatenate([[2], draws.choice(symbols, n - 2), [3]]) for n in lengths]
    ends = np.cumsum([0, *map(len, rows)])
    return Inputs(np.concatenate(rows).astype(np.int64), ends, draws.randint(0, 2, len(rows)), 1)


class Clock:
    """CPU seconds between the calls of a model in training."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.times: list[float] = []
        self._calls: list[float] = []
        model.register_forward_pre_hook(lambda *_: self._calls.append(time.process_time()))

    def close_round(self) -> None:
        """Keep the steps since the last time, the first few left out."""
        self.times += np.diff(self._calls)[WARM:].tolist()
        self._calls.clear()


def measure(
    asked: argparse.Namespace, layers: int, hidden: int, lengths: np.ndarray, what: str, steps: int = 0
) -> None:
    """Print one line: both in turns on the same rows."""
    steps = steps or asked.steps
    inputs = rows_of(lengths, asked.vocabulary)
    theirs, ours = (model_of(asked, layers, hidden) for _ in range(2))
    clocks = Clock(theirs), Clock(ours)
    usable = tuple(range(5, asked.vocabulary))
    vocabulary = Vocabulary(size=asked.vocabulary, regular=usable, unused=(), prefix=(2,), suffix=(3,), pad=1)
    recipe = Recipe(name="step", lr=1e-4, batch=asked.rows, epochs=steps * asked.rows / len(inputs), select="last")
    with models.quietly():
        plan = trying.plan_for(trying.tried(ours, vocabulary), recipe, "cpu", (inputs,))
    products = [operations(ours, inputs, asked.rows, one) for one in (finetune.PLAIN, plan)]
    rates = []
    for _ in range(asked.rounds):
        trainer_round(theirs, inputs, asked.rows, steps)
        rates.append(matrix_rate(asked.rows * int(lengths.mean()), hidden))
        our_round(ours, inputs, recipe, plan)
        for clock in clocks:
            clock.close_round()
    trainer, own = (statistics.median(clock.times) for clock in clocks)
    plain, left = (count / statistics.median(rates) / own for count in products)
    print(
        f"{layers}x{hidden:<6}  {what:>10}  {trainer * 1e3:6.1f}ms  {own * 1e3:6.1f}ms  "
        f"{trainer / own:5.2f}  {plain:8.2f}  {left:6.2f}  {', '.join(plan.on)}",
        flush=True,
    )


def trainer_round(model: torch.nn.Module, inputs: Inputs, rows: int, steps: int) -> None:
    """Train some steps with the Trainer."""

    def together(chosen: list[int]) -> dict[str, torch.Tensor]:
        drawn = inputs.batch(chosen)
        return {"input_ids": drawn["input_ids"], "attention_mask": drawn["attention_mask"], "labels": drawn["targets"]}

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = TrainingArguments(
            folder,
            per_device_train_batch_size=rows,
            max_steps=steps,
            learning_rate=1e-4,
            weight_decay=0.0,
            max_grad_norm=0.0,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            log_level="error",
            remove_unused_columns=False,
            dataloader_pin_memory=False,
        )
        trainer = Trainer(model, given, train_dataset=batches.RowNumbers(len(inputs)), data_collator=together)
        trainer.remove_callback(PrinterCallback)
        trainer.train()


def our_round(model: torch.nn.Module, inputs: Inputs, recipe: Recipe, plan: savings.Plan) -> None:
    """Train some steps with discbench, and answer one row at the end."""
    one = Inputs(inputs.ids[: inputs.offsets[1]], inputs.offsets[:2], inputs.targets[:1], inputs.pad)
    finetune.finetune(
        model, inputs, one, one, recipe, 0, device="cpu", score=lambda _: 0.0, report=lambda *_: None, plan=plan
    )


def operations(model: torch.nn.Module, inputs: Inputs, rows: int, plan: savings.Plan) -> float:
    """Return the floating-point operations of our step's matrix products, the mean of four batches."""
    counter = FlopCounterMode(display=False)
    model.train()
    with savings.applied(model, plan, 0), counter:
        for start in range(0, 4 * rows, rows):
            drawn = inputs.batch(range(start, start + rows))
            finetune.loss_of(answers.logits(model, drawn), drawn["targets"]).backward()
    model.zero_grad(set_to_none=True)
    return counter.get_total_flops() / 4


def matrix_rate(tokens: int, hidden: int) -> float:
    """Return the operations a second of a large matrix product of the model's own shape."""
    left, right = torch.randn(tokens, hidden), torch.randn(hidden, 4 * hidden)
    times = []
    for _ in range(20):
        began = time.process_time()
        left @ right
        times.append(time.process_time() - began)
    return 2.0 * tokens * hidden * 4 * hidden / statistics.median(times)


if __name__ == "__main__":
    main()
