"""Two and three copies of one command on one store against one: each cell is run once, so they share the work.

    python benchmarks/copies.py                          # 40 cells that compute, 3 rounds; about fifteen minutes
    python benchmarks/copies.py --waiting                # cells that wait, as for a GPU: what sharing itself costs
    python benchmarks/copies.py --cells 8 --rounds 1     # to see that it runs

A copy is a process of its own with one worker of one thread. One, two and three are run in turns; times are wall
seconds until the last copy has its whole board, starting Python and torch included; medians over the rounds. Cells that
compute cannot be faster than the machine has cores: on two, three copies come to half the time at best. A cell that
waits keeps no core busy, so that n copies come near 1/n on any machine.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parents[1]
COPIES = (1, 2, 3)
PAUSE = 0.015
"""Seconds that a call of a waiting metric takes; a cell makes some two hundred, for its bootstrap."""


def main() -> None:
    """Print times and shares."""
    asked = arguments()
    if asked.one:
        copy(Path(asked.one[0]), Path(asked.one[1]), asked)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "model"
        made = "from discbench.testing import tiny_checkpoint; from pathlib import Path; import sys;"
        shape = "num_hidden_layers=2, hidden_size=128, num_attention_heads=4, intermediate_size=512"
        run([sys.executable, "-c", f"{made} tiny_checkpoint(Path(sys.argv[1]), {shape})", str(model)])
        found: dict[int, list[float]] = {count: [] for count in COPIES}
        for number in range(asked.rounds):
            for count in COPIES:
                found[count].append(together(count, model, folder / f"r{number}-{count}", asked))
                print(f"round {number + 1}, copies {count}: {found[count][-1]:7.1f} s", flush=True)
    print(f"{asked.cells} cells that {'wait' if asked.waiting else 'compute'}, median of {asked.rounds}")
    for count in COPIES:
        wall = median(found[count])
        print(f"copies {count} {wall:10.1f} s   {wall / median(found[1]):5.2f} of one")


def arguments() -> argparse.Namespace:
    """Return what was asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--cells", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--waiting", action="store_true", help="cells that wait three seconds and compute nothing")
    parser.add_argument("--epochs", type=float, default=4, help="of a cell that computes: 32 steps each")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def environment() -> dict[str, str]:
    """Return the environment of a copy."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(HERE)}


def run(command: list[str]) -> None:
    """Run a command to its end."""
    subprocess.run(command, env=environment(), check=True, capture_output=True)


def together(count: int, model: Path, results: Path, asked: argparse.Namespace) -> float:
    """Return the wall seconds of so many copies on a new store; see that each cell was run once."""
    words = ["--cells", str(asked.cells), "--epochs", str(asked.epochs), *(["--waiting"] if asked.waiting else [])]
    command = [sys.executable, __file__, "--one", str(model), str(results), *words]
    began = time.monotonic()
    copies = [subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) for _ in range(count)]
    told = [each.communicate()[0].split() for each in copies]
    wall = time.monotonic() - began
    trained = [int(words[0]) for words in told]
    if sum(trained) != asked.cells or any(int(words[1]) != asked.cells for words in told):
        sys.exit(f"copies {count}: {trained} cells were trained, and boards have {[words[1] for words in told]}")
    return wall


def copy(model: Path, results: Path, asked: argparse.Namespace) -> None:
    """Be a copy: print how many cells it trained, and how many its board has."""
    import discbench

    with Path(os.devnull).open("w") as quiet:
        if asked.waiting:
            given = {"model": "baseline:majority", "tasks": [waiting(number) for number in range(asked.cells)]}
        else:
            given = {"model": model, "tasks": "formal.factor", "inits": "pretrained", "seeds": asked.cells}
        made = discbench.evaluate(
            **given,
            recipe="quick",
            set={} if asked.waiting else {"epochs": asked.epochs},
            workers=1,
            threads=1,
            results=results,
            stream=quiet,
        )
    print(made.trained, len(made.results))


def waiting(number: int) -> object:
    """Return a task whose metric waits, once for each of the calls that a cell makes after its first."""
    from discbench import Classes, Dataset, RandomTable, Row, Splits, Task
    from discbench.values.metrics import Metric

    def load() -> Splits:
        rows = [Row("ab" * (1 + i), i % 2) for i in range(6)]
        return Splits(train=rows, validation=rows, test=rows)

    def slow(*_: object) -> float:
        time.sleep(PAUSE)
        return 0.5

    rows = Dataset(load, license="CC0-1.0", cite="none")
    metric = Metric("slow", slow)
    return Task(
        name=f"waiting.n{number}", version=1, dataset=rows, mapping=RandomTable("ab"), target=Classes(2), metric=metric
    )


if __name__ == "__main__":
    main()
