"""Memory that a process has freed stays with it: asked for again from the system, each page of it costs a fault.

Each training step frees what the next one needs. The C library of most Linux systems hands large pieces back at once;
a third of a step's time can go into getting them again (docs/performance.md).
"""

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of mallopt(3), glibc."""
KEPT = 2**30
"""Bytes at the heap's end that may lie free."""
THEIRS = ("GLIBC_TUNABLES", "MALLOC_")
"""How variables begin by which a user has settled this."""


def keep_memory() -> bool:
    """Keep freed memory in this process; tell whether that could be asked for. No byte of a result depends on it."""
    if not sys.platform.startswith("linux") or any(name.startswith(THEIRS) for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # another C library may have none
    return mallopt is not None and bool(mallopt(M_TRIM_THRESHOLD, KEPT) and mallopt(M_MMAP_MAX, 0))
