"""How long does `discbench tasks` take with 200 installed plugins of one task each?

    python benchmarks/plugins.py [--plugins 200] [--rounds 9]

Writes the plugins into a temporary folder and times the command with them, without them, and `python -c pass`: in
turns, medians of wall seconds.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOURCE = """
from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy, hookimpl

rows = Splits(train=[Row("AC", 0)], validation=[Row("CA", 1)], test=[Row("AA", 1)])


@hookimpl
def discbench_tasks():
    data = Dataset(lambda: rows, license="CC0-1.0", cite="none")
    return [Task(name="many.task-NUMBER", version=1, dataset=data, mapping=RandomTable("AC"), target=Classes(2),
                 metric=accuracy)]
"""


def install(site: Path, number: int) -> None:
    """Write one distribution with one plugin of one task."""
    folder = site / f"many_{number}-1.dist-info"
    folder.mkdir()
    (site / f"many_{number}.py").write_text(SOURCE.replace("NUMBER", str(number)), encoding="utf-8")
    head = f"Metadata-Version: 2.1\nName: many_{number}\nVersion: 1\nRequires-Dist: discbench>=0.1\n"
    (folder / "METADATA").write_text(head, encoding="utf-8")
    (folder / "entry_points.txt").write_text(f"[discbench]\nmany_{number} = many_{number}\n", encoding="utf-8")


def timed(site: Path | None, *words: str) -> tuple[float, int]:
    """Return wall seconds and lines printed."""
    env = {**os.environ, **({"PYTHONPATH": str(site)} if site else {})}
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - began, len(done.stdout.splitlines())


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugins", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        for number in range(asked.plugins):
            install(site, number)
        listing = ("-m", "discbench", "tasks")
        routes = {
            f"{asked.plugins} plugins": (site, *listing),
            "none": (None, *listing),
            "python": (None, "-c", "pass"),
        }
        for route in routes.values():
            timed(*route)  # bytecode is written
        taken: dict[str, list[tuple[float, int]]] = {name: [] for name in routes}
        for _ in range(asked.rounds):
            for name, route in routes.items():
                taken[name].append(timed(*route))
        for name, runs in taken.items():
            print(f"{name:14} {statistics.median(seconds for seconds, _ in runs):.3f} s, {runs[0][1]} lines")


if __name__ == "__main__":
    main()
