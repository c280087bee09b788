"""How a worker process starts: as a copy of one that has torch and the rest loaded, or, where that cannot be, anew."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

QUIET = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Keeps threads out of the process that is copied: a copy would have none of them, and their locks as they were."""
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
    context: Any = multiprocessing.get_context(_method())
    made: BaseProcess = context.Process(target=target, args=(*given, dict(os.environ)), daemon=True)
    with _apart_from_main(), _quiet():
        made.start()
    return made


def pipe() -> tuple[Any, Any]:
    """Return two ends."""
    return multiprocessing.get_context("spawn").Pipe()


def prepare(environment: dict[str, str], threads: int) -> None:
    """Make the environment of a new worker that of the process that wanted it, with its number of threads."""
    os.environ.clear()
    os.environ.update(environment)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    import torch

    torch.set_num_threads(threads)


def _method() -> str:
    if not sys.platform.startswith("linux"):
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
def _quiet() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in QUIET}
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]


@contextmanager
def _apart_from_main() -> Iterator[None]:
    """Keep a new process from running the calling script once more: a worker needs nothing of it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
