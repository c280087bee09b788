"""Many short cells: `discbench eval` beside one Trainer process a cell, and beside an older build of discbench.

    python benchmarks/sweep.py                                       # 40 cells of 180 steps, 2 x 128
    python benchmarks/sweep.py --before ../older                     # the 90 cells of `make demo`; an older worktree
    python benchmarks/sweep.py --memory --before ../older            # peak memory of a 6 x 384 cell of dna.splice

All run with two processes at a time, one thread each. A Trainer process loads the model, trains on the same rows with
the same recipe, answers the validation rows after each epoch and the test rows at the end, and saves nothing. Trainer
processes do not know of each other, so that eight of them, as many times as it takes, stand for forty. Times are wall
seconds of this machine with whatever else it does: both keep two cores busy.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
TASK, STEPS, BATCH, RATE = "formal.factor", 180, 32, 1e-3
SEEDS, INITS = 10, ("pretrained", "scratch", "reembedded", "frozen")
DEMO = ("--model", "builtin:tiny", "--tasks", "formal.*", "--inits", "pretrained,scratch,reembedded", "--seeds", "5")


def main() -> None:
    """Print what was asked for."""
    asked = arguments()
    if asked.one:
        one_cell(Path(asked.one[0]), int(asked.one[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if asked.memory:
            memory(asked, folder)
        elif asked.before:
            demo(asked, folder)
        else:
            forty(asked, folder)


def arguments() -> argparse.Namespace:
    """Return what was asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--before", type=Path, help="a worktree of an older commit")
    parser.add_argument("--memory", action="store_true", help="peak memory of one cell")
    parser.add_argument("--trainers", type=int, default=8, help="Trainer processes that stand for forty")
    parser.add_argument("--rounds", type=int, default=1, help="of --before")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def spent(act: Callable[[], None]) -> float:
    """Return the wall seconds of a call."""
    began = time.monotonic()
    act()
    return time.monotonic() - began


def environment(tree: Path) -> dict[str, str]:
    """Return the environment of a child that imports a tree's discbench."""
    single = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return {**os.environ, **single, "PYTHONPATH": str(tree)}


def evaluate(tree: Path, results: Path, *words: str) -> None:
    """Run `discbench eval` of a tree."""
    command = [sys.executable, "-m", "discbench", "eval", *words, "--results", str(results)]
    subprocess.run(command, env=environment(tree), check=True, capture_output=True, cwd=results.parent)


def forty(asked: argparse.Namespace, folder: Path) -> None:
    """Compare forty cells with Trainer processes."""
    checkpoint = small(folder / "small", layers=2, hidden=128)
    recipe = ("--recipe", "quick", "--set", f"batch={BATCH}", "--set", f"epochs={STEPS / 32}", "--set", f"lr={RATE}")
    words = ("--model", str(checkpoint), "--tasks", TASK, "--inits", ",".join(INITS), "--seeds", str(SEEDS), *recipe)
    cells = SEEDS * len(INITS)
    ours = spent(lambda: evaluate(HERE, folder / "results", *words, "--workers", "2", "--threads", "1"))
    theirs = spent(lambda: trainers(checkpoint, asked.trainers))
    share = cells / asked.trainers
    rows = (("discbench eval", ours), ("a Trainer process a cell", theirs * share))
    print(f"{cells} cells of {STEPS} steps, 2 x 128      wall   a cell")
    for name, wall in rows:
        print(f"{name:30} {wall:7.1f} s {wall / cells:6.2f} s")
    print(f"{'times':30} {theirs * share / ours:7.2f}")


def small(folder: Path, *, layers: int, hidden: int) -> Path:
    """Write a random BERT with a vocabulary of 30,522."""
    from discbench.testing import tiny_checkpoint

    shape = {"num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": hidden // 32}
    return tiny_checkpoint(folder, words=30_522, **shape, intermediate_size=4 * hidden)


def trainers(checkpoint: Path, count: int) -> None:
    """Run Trainer processes, two at a time."""
    waiting, running = list(range(count)), []
    while waiting or running:
        while waiting and len(running) < 2:
            command = [sys.executable, __file__, "--one", str(checkpoint), str(waiting.pop())]
            running.append(subprocess.Popen(command, env=environment(HERE), stdout=subprocess.DEVNULL))
        running.pop(0).wait()


def one_cell(checkpoint: Path, seed: int) -> None:
    """Train one model with the Trainer, as a script of one's own would."""
    import numpy as np
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments, set_seed

    from discbench.tasks import formal

    torch.set_num_threads(1)
    set_seed(seed)
    task = next(task for task in formal.discbench_tasks() if task.name == TASK)
    splits, tokenizer = task.dataset.load(), AutoTokenizer.from_pretrained(checkpoint)
    ids = np.random.RandomState(seed).choice(np.arange(11, 30_522), 256, replace=False)

    def encoded(rows: object) -> list[dict[str, object]]:
        found = [([2, *(int(ids[ord(str(s)) % 256]) for s in row.symbols), 3], row.target) for row in rows]  # type: ignore[attr-defined]
        return [{"input_ids": row, "attention_mask": [1] * len(row), "labels": label} for row, label in found]

    train, validation, test = (encoded(rows) for rows in (splits.train, splits.validation, splits.test))
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=2)
    with tempfile.TemporaryDirectory() as folder:
        given = TrainingArguments(
            folder,
            per_device_train_batch_size=BATCH,
            per_device_eval_batch_size=64,
            max_steps=STEPS,
            learning_rate=RATE,
            max_grad_norm=1.0,
            eval_strategy="epoch",
            save_strategy="no",
            use_cpu=True,
            report_to=[],
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        trainer = Trainer(model, given, train_dataset=train, eval_dataset=validation, processing_class=tokenizer)
        trainer.train()
        trainer.predict(test)


def demo(asked: argparse.Namespace, folder: Path) -> None:
    """Compare the ninety cells of `make demo` with an older build's."""
    words = (*DEMO, "--recipe", "quick", "--workers", "2", "--threads", "1")
    print("90 cells of make demo      wall")
    for number in range(asked.rounds):
        then = spent(lambda n=number: evaluate(asked.before, folder / f"before{n}", *words))
        now = spent(lambda n=number: evaluate(HERE, folder / f"now{n}", *words))
        print(f"before {then:22.1f} s\nnow    {now:22.1f} s\ntimes  {then / now:22.2f}", flush=True)


def memory(asked: argparse.Namespace, folder: Path) -> None:
    """Compare the peak resident memory of the process that trains one cell of MiniLM's shape."""
    checkpoint = small(folder / "minilm", layers=6, hidden=384)
    words = ["--model", str(checkpoint), "--tasks", "dna.splice", "--inits", "pretrained", "--seeds", "1"]
    words += ["--workers", "1", "--threads", "1", "--limit", "320", "--set", "epochs=1"]
    found = {}
    for name, tree in (("before", asked.before), ("now", HERE)):
        if tree is not None:
            command = [sys.executable, "-m", "discbench", "eval", *words, "--results", str(folder / name)]
            with subprocess.Popen(
                command, env=environment(tree), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
            ) as process:
                found[name] = peak(process) / 1024
            print(f"peak memory of a cell of 6 x 384, {name:6} {found[name]:8.0f} MiB", flush=True)
    if len(found) > 1:
        print(f"share {found['now'] / found['before']:.2f}")


def peak(process: subprocess.Popen[bytes]) -> int:
    """Return the greatest peak of resident memory of a process's descendants, in KiB."""
    most = 0
    while process.poll() is None:
        for child in descendants(process.pid):
            status = Path(f"/proc/{child}/status")
            try:
                lines = status.read_text().splitlines()
            except OSError:
                continue
            most = max([most, *(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))])
        time.sleep(0.02)
    return most


def descendants(of: int) -> list[int]:
    """Return the numbers of the processes that a process has started, and those that they have."""
    try:
        own = [int(child) for child in Path(f"/proc/{of}/task/{of}/children").read_text().split()]
    except OSError:
        return []
    return own + [deeper for child in own for deeper in descendants(child)]


if __name__ == "__main__":
    main()
