"""How long do a board, a look and a site of 20,000 cells take, and how much memory?

    python benchmarks/scale.py [--cells 20000]

Writes a synthetic store (30 tasks, 3 seeds, pretrained and scratch), then times each command in a process of its own.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from synthetic import results, write

TASKS, SEEDS = 30, 3


def timed(*words: str) -> tuple[float, int]:
    """Return seconds and peak memory in MiB of one command."""
    code = "import resource,sys; from discbench.cli import cli; cli(sys.argv[1:], standalone_mode=False);"
    code += "sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))"
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - began, int(done.stderr.split()[-1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=20_000)
    cells = parser.parse_args().cells
    checkpoints = -(-cells // (TASKS * SEEDS * 2))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        count = write(root / "store", results(checkpoints, TASKS, SEEDS))
        print(f"{count:,} cells, {checkpoints} checkpoints, {TASKS} tasks\n")
        print("| command | seconds | peak MiB | writes |\n|---|---|---|---|")
        for name, words in (
            ("board --out", ("board", "--results", str(root / "store"), "--out", str(root / "board"))),
            ("watch --once", ("watch", "--once", "--results", str(root / "store"))),
            ("site --from leaderboard.json", ("site", "--from", str(root / "board"), "--out", str(root / "site"))),
            ("site --figures", ("site", "--from", str(root / "board"), "--out", str(root / "drawn"), "--figures")),
        ):
            seconds, peak = timed(*words)
            written = Path(words[words.index("--out") + 1]).rglob("*") if "--out" in words else ()
            size = sum(p.stat().st_size for p in written if p.is_file()) / 1e6
            print(f"| {name} | {seconds:.1f} | {peak} | {size:.1f} MB |", flush=True)


if __name__ == "__main__":
    main()
