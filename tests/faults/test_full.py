"""A disk that really runs full, a small tmpfs: `make faults` runs these as root, CI does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from discbench.results.store import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="a file system is mounted by root"),
]


@pytest.fixture
def disk(tmp_path):
    """A disk of 100 kB, and a function that makes it larger."""
    place = tmp_path / "disk"
    place.mkdir()
    if mount("-t", "tmpfs", "-o", "size=100k", "tmpfs", place).returncode:
        pytest.skip("no file system can be mounted here")
    yield place, lambda: mount("-o", "remount,size=20M", place)
    assert 0 == subprocess.run(["umount", place], check=False).returncode


def mount(*words):
    return subprocess.run(["mount", *map(str, words)], capture_output=True, check=False)


def swept(model, results, *more):
    """A sweep of twelve cells with two workers."""
    what = ["--model", model, "--tasks", "formal.factor,formal.depth", "--seeds", 3, "--recipe", "quick"]
    words = [sys.executable, "-m", "discbench", "eval", *what, "--limit", 64, "--workers", 2, "--results", results]
    return subprocess.run([*map(str, words), *more], capture_output=True, text=True, check=False, timeout=600)


def finished(root):
    """Path -> bytes of the records of finished cells, and of their predictions."""
    paths = [path for path in Store(root).paths() if Store(root)._read(path)["status"] == "finished"]
    return {each: each.read_bytes() for path in paths for each in (path, *path.parent.glob(f"{path.stem}.p*"))}


@pytest.mark.parametrize("more", [[], ["--checkpoint-minutes", "0.001"]], ids=["cells", "cells with states"])
def test_a_disk_that_is_full_ends_a_sweep_in_one_line_and_more_room_completes_it_without_training_anything_again(
    checkpoint_directory, tmp_path, disk, more
):
    place, enlarge = disk
    full = swept(checkpoint_directory, place / "there", *more)
    kept = finished(place / "there")
    enlarge()
    again = swept(checkpoint_directory, place / "there", "--json", *more)
    alone = swept(checkpoint_directory, tmp_path / "here", "--json")

    assert 2 == full.returncode, full.stderr
    last = full.stderr.strip().splitlines()[-1]
    assert last.startswith(f"error: {place}/there/"), full.stderr
    assert "(No space left on device); free some space, or give another place" in last
    assert "Traceback" not in full.stderr
    assert {} != kept or more
    assert 0 == again.returncode, again.stderr
    assert {path: path.read_bytes() for path in kept} == kept
    assert alone.stdout == again.stdout
    assert [] == [path for path in Path(place).rglob("*") if path.suffix == ".part"]
