"""How a worker process starts: as a copy of one that has torch and the rest loaded, or, where that cannot be, anew.

And how it ends: with the process that wanted it, whatever either is doing. Signals to a whole group of processes, as
Ctrl-C is one, are for the first of them to act upon.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver, reduction, resource_tracker, util
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import IO, Any

from discbench.words import allocator

QUIET = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}
"""Keeps threads and CUDA out of the process that is copied: a copy would have neither, and locks as they were. The last
has libraries that ask torch for GPUs, while they are imported, answered by the driver without CUDA.
"""
WANTED_BY, SOCKETS = "DISCBENCH_PARENT", "DISCBENCH_SOCKETS"
"""Tell the process that is copied (`warm`) whose it is, and which folder to remove when it is the last to go."""
MOST_PATH = 72
"""Bytes of the temporary folder's path with which the fork server's socket, 33 longer, has a name that Linux takes."""
READ_EARLY = (
    "ACCELERATE_",
    "CUDA_",
    "HF_",
    "HOME",
    "HUGGINGFACE_",
    "LD_",
    "PYTORCH_",
    "TORCH",
    "TRANSFORMERS_",
    "XDG_",
)
"""Variables that libraries read once, when they are imported."""


def process(target: Callable[..., None], given: tuple[Any, ...]) -> BaseProcess:
    """Start a process that has this one's environment, and runs nothing of the calling script.

    Args:
        target: A function of a module.
        given: Its arguments; the environment comes after them, for `prepare`.
    """
    method = _method()
    context: Any = multiprocessing.get_context(method)
    made: BaseProcess = context.Process(target=target, args=(*given, dict(os.environ)), daemon=True)
    with _apart_from_main(), _quiet():
        resource_tracker.ensure_running()  # first: when it starts it opens our ears
        if method == "forkserver":
            with _deaf():
                forkserver.ensure_running()
            made.start()  # waits for the server's imports: we stay able to hear
        else:
            with _deaf():
                made.start()
    return made


class Passed:
    """An open file, to be given to a new process, which finds it as `file`."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[[Any], "Passed"], tuple[Any]]:
        return _arrived, (reduction.DupFd(self.file.fileno()),)


def _arrived(copy: Any) -> Passed:  # noqa: ANN401 - multiprocessing's own class
    return Passed(os.fdopen(copy.detach(), "r+b", buffering=0))


def pipe() -> tuple[Any, Any]:
    """Return two ends."""
    return multiprocessing.get_context("spawn").Pipe()


def prepare(environment: dict[str, str], threads: int) -> None:
    """Make the environment of a new worker that of the process that wanted it, with its number of threads.

    What it frees stays with it (`allocator`).
    """
    os.environ.clear()
    os.environ.update(environment)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    import torch
    import tqdm

    allocator.keep_memory()
    torch.set_num_threads(threads)
    tqdm.tqdm.set_lock(threading.RLock())  # its own is a semaphore, which an ended process would leave behind


def silence(log: Passed) -> None:
    """Let all that this process prints go to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(log.file.fileno(), 1)
    os.dup2(log.file.fileno(), 2)


def _method() -> str:
    if not sys.platform.startswith("linux"):
        return "spawn"
    if len(os.fsencode(tempfile.gettempdir())) > MOST_PATH:
        return "spawn"
    return "forkserver" if _at_start() == _read_early() else "spawn"


@cache
def _at_start() -> dict[str, str]:
    """Return those variables as the first worker met them: the fork server keeps them as long as we live."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(["discbench.executors.warm"])
    return _read_early()


def _read_early() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(READ_EARLY)}


@contextmanager
def _deaf() -> Iterator[None]:
    """Let a process that is started in the block never hear of Ctrl-C; what comes meanwhile is heard after it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _quiet() -> Iterator[None]:
    ours = {WANTED_BY: str(os.getpid()), SOCKETS: util.get_temp_dir()}
    before = {name: os.environ.get(name) for name in (*QUIET, *ours)}
    os.environ.update({**{name: value for name, value in QUIET.items() if name not in os.environ}, **ours})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _apart_from_main() -> Iterator[None]:
    """Keep a new process from running the calling script once more: a worker needs nothing of it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
