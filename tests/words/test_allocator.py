"""Freed memory stays with the process, unless its user has settled that."""

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import ctypes, resource
assert ctypes.CDLL(None).prctl(41, 1, 0, 0, 0) == 0  # PR_SET_THP_DISABLE: where the system has huge pages to give, a fault is two MiB
from discbench.words.allocator import keep_memory
kept = keep_memory()
import numpy as np
def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        np.ones(2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
pages()
print(kept, pages() < 5_000)
"""


def said(**more):
    theirs = ("MALLOC_", "GLIBC_TUNABLES")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], env={**environment, **more}, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_what_is_freed_is_not_asked_for_again_unless_the_environment_says_how_memory_is_to_be_had():
    assert ["True", "True"] == said()
    assert ["False", "False"] == said(MALLOC_TRIM_THRESHOLD_="131072")
