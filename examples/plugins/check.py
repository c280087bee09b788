"""Follow the pages that tell how to add a plugin, and try the examples, in a fresh environment.

python examples/plugins/check.py [--keep DIR]

The environment is new but for what the running Python has installed: that is laid under it, so that torch is not
fetched again. Every `$ ` line of the pages' console blocks is run as it stands, and every block that follows a comment
`<!-- file: PATH -->` is written there first. Prints the seconds of each step; ends with the exit code of what failed.
"""

import argparse
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("add-a-task.md", "add-a-probe.md", "add-a-corpus.md", "add-an-executor.md")
EXAMPLES = ("discbench-gfp", "discbench-music21")
PARTS = re.compile(r"(?:<!-- file: (\S+) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)


def fresh(folder: Path) -> dict[str, str]:
    """Make an environment over the running one; return the process environment in which it is active."""
    venv.create(folder, with_pip=True)
    own = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    (own / "below.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n", encoding="utf-8")
    for name in ("discbench", "pytest"):  # their scripts lie in the environment below
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{folder}/bin/python" -m {name} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    quiet = {"PIP_QUIET": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
    return {**os.environ, **quiet, "PATH": path, "VIRTUAL_ENV": str(folder)}


def run(command: str, folder: Path, environment: dict[str, str]) -> None:
    """Run one shell line, print how long it took; end everything if it fails."""
    print(f"$ {command}", flush=True)
    began = time.perf_counter()
    done = subprocess.run(["/bin/sh", "-c", command], cwd=folder, env=environment, check=False)
    print(f"  ({time.perf_counter() - began:.1f} s)", flush=True)
    if done.returncode:
        sys.exit(done.returncode)


def steps(page: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, path, text): what to run (`console`), or a file to write."""
    for path, language, text in PARTS.findall(page.read_text(encoding="utf-8")):
        if path:
            yield "file", path, text
        elif language == "console":
            for line in text.replace("\\\n", " ").splitlines():
                if line.startswith("$ "):
                    yield "console", "", line[2:].split("  #")[0]


def follow(page: Path, folder: Path, environment: dict[str, str]) -> None:
    """Do what a page says."""
    print(f"== {page.name}", flush=True)
    began = time.perf_counter()
    for kind, path, text in steps(page):
        if kind == "file":
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        else:
            run(text, folder, environment)
    print(f"== {page.name}: {time.perf_counter() - began:.0f} s from nothing to the end", flush=True)


def main() -> None:
    """Follow the pages, then install and test the examples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="Work here and leave everything for inspection.")
    kept = parser.parse_args().keep
    with tempfile.TemporaryDirectory() as temporary:
        place = (kept or Path(temporary)).resolve()
        work = place / "work"
        work.mkdir(parents=True)
        began = time.perf_counter()
        environment = fresh(place / "env")
        print(f"a fresh environment: {time.perf_counter() - began:.1f} s", flush=True)
        for page in PAGES:
            follow(ROOT / "docs" / page, work, environment)
        print("== examples", flush=True)
        for name in EXAMPLES:
            source = ROOT / "examples" / "plugins" / name
            run(
                f"cp -r '{source}' . && pip install './{name}[test]' && pytest -q -p no:cacheprovider {name}",
                work,
                environment,
            )
        run("discbench tasks protein.gfp-bright music.composers", work, environment)


if __name__ == "__main__":
    main()
