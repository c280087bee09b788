"""Where and on what cells run: files, and the GPUs that a job sees, found without CUDA.

A GPU is named as CUDA_VISIBLE_DEVICES takes it: a number, or the `GPU-...` or `MIG-...` of what set the variable. CUDA
reads that variable when a process first uses it, so each worker gets its own before. Nothing here touches CUDA: a
process that has used it cannot be copied.
"""

import os
import pickle
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from discbench.errors import UserError
from discbench.values.types import Task

VISIBLE = "CUDA_VISIBLE_DEVICES"
PRETENDED = "DISCBENCH_PRETEND_GPUS"
"""For tests of placement: so many GPUs are taken to be there. Workers are given them, and compute on the CPU."""
NODES = re.compile(r"nvidia\d+")
Asked = str | int | Sequence[int | str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and on what cells run; nothing of it enters a cell's id."""

    results: Path
    data: Path | None = None
    device: str = "cpu"
    unverified: bool = False
    verbose: bool = False
    checkpoint_minutes: float | None = None
    """Minutes after which a cell's training state is saved again; None: never."""
    devices: tuple[str, ...] = ()
    """Of the local workers, each its CUDA_VISIBLE_DEVICES, in turns; empty leaves the environment as it is."""
    passing: bool = False
    """Whether a cell that another process holds is passed over, rather than waited for."""
    given: bytes = b""
    """Tasks that no plugin offers, packed for the workers."""


def pack(tasks: tuple[Task, ...]) -> bytes:
    """Return tasks as bytes that another process can read, functions of a notebook included.

    Raises:
        UserError: A task refers to something that cannot be sent.
    """
    if not tasks:
        return b""
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(tasks))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        names = ", ".join(task.name for task in tasks)
        raise UserError(
            f"{names} cannot be sent to the processes that run cells ({error}); write it as a plugin in a module"
        ) from error


def unpack(given: bytes) -> tuple[Task, ...]:
    """Return the tasks of `pack`; the bytes come from this user's own process, never from a file."""
    return tuple(pickle.loads(given)) if given else ()  # noqa: S301


def gpus_seen(environment: Mapping[str, str], there: int) -> tuple[str, ...]:
    """Return the GPUs that a job sees.

    As CUDA reads the variable: what follows the first entry that names no GPU is not seen.

    Args:
        environment: Of the job; without CUDA_VISIBLE_DEVICES it sees all.
        there: GPUs of the machine.
    """
    if VISIBLE not in environment:
        return tuple(str(number) for number in range(there))
    found: list[str] = []
    for entry in (part.strip() for part in environment[VISIBLE].split(",")):
        named = there > 0 and entry.startswith(("GPU-", "MIG-"))
        if not named and not (entry.isdecimal() and int(entry) < there):
            break
        if entry not in found:
            found.append(entry)
    return tuple(found)


def gpus_here() -> tuple[str, ...]:
    """Return the GPUs that this process would see."""
    return gpus_seen(os.environ, gpu_count())


def pretended() -> bool:
    """Tell whether GPUs are pretended to be there: cells then compute on the CPU, to the bytes that they have there.

    Raises:
        UserError: The variable is no number of GPUs.
    """
    if PRETENDED in os.environ and not os.environ[PRETENDED].isdecimal():
        raise UserError(f"{PRETENDED}={os.environ[PRETENDED]}: a number of GPUs was expected, such as 2")
    return PRETENDED in os.environ


def gpu_count() -> int:
    """Return how many NVIDIA GPUs the driver shows to this process, 0 without one.

    Raises:
        UserError: See `pretended`.
    """
    if pretended():
        return int(os.environ[PRETENDED])
    nodes = [path for path in Path("/dev").glob("nvidia*") if NODES.fullmatch(path.name)]
    if not nodes and not Path("/dev/dxg").exists():  # the latter: Windows' own Linux
        return 0
    try:
        import pynvml
    except ImportError:
        return len(nodes)
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return len(nodes)  # a container without the driver's library of tools
    try:
        return int(pynvml.nvmlDeviceGetCount())
    finally:
        pynvml.nvmlShutdown()


def gpus_chosen(asked: Asked, device: str | None, gpus: Sequence[str]) -> tuple[str, ...]:
    """Return the GPUs to be used, none for the CPU.

    Args:
        asked: `auto` or None (what is there), `all` (GPUs, else it is an error), `cpu`, or numbers of GPUs as torch
            counts them within the job, in a list or with commas between.
        device: `cpu` or `cuda`, if that was asked for as well.
        gpus: Those that the job sees.

    Raises:
        UserError: What was asked for is not there, or is no device.
    """
    if device not in {None, "cpu", "cuda"}:
        raise UserError(f"--device {device!r}: cpu or cuda was expected")
    text = _written(asked).strip() or "auto"
    option = f"--devices {text}"
    if text == "auto" and device is not None:
        text, option = {"cpu": "cpu", "cuda": "all"}[device], f"--device {device}"
    elif device is not None and (device == "cpu") != (text == "cpu"):
        raise UserError(f"{option} and --device {device} say two things; leave --device out")
    if text == "cpu":
        return ()
    if text in {"auto", "all"}:
        if text == "all" and not gpus:
            raise UserError(f"{option}: {_sees(gpus)}; leave it out to use the CPU")
        return tuple(gpus)
    return _numbered(text, option, gpus)


def gpus_named(asked: Asked) -> bool:
    """Tell whether certain devices were asked for, the CPU included."""
    return _written(asked).strip() not in {"", "auto", "all"}


def _numbered(text: str, option: str, gpus: Sequence[str]) -> tuple[str, ...]:
    found = []
    for part in (part.strip() for part in re.split("[,+]", text)):  # in hosts a comma ends a value
        if part in gpus and not part.isdecimal():
            found.append(part)
        elif not part.isdecimal():
            raise UserError(f"{option}: auto, all, cpu or numbers with commas between were expected, such as 0,1")
        elif int(part) >= len(gpus):
            raise UserError(f"{option}: {_sees(gpus)}; {'give of those' if gpus else 'leave it out to use the CPU'}")
        else:
            found.append(gpus[int(part)])
    if len(set(found)) < len(found):
        raise UserError(f"{option} names a GPU twice; --per-device says how many workers each has")
    return tuple(found)


def gpu_workers(gpus: Sequence[str], workers: int | None, per_device: int | None) -> int | None:
    """Return how many workers the GPUs have together, or None where nothing says it.

    Raises:
        UserError: What was asked for cannot be together.
    """
    if per_device is None:
        return workers if workers is not None else len(gpus) or None
    if workers is not None:
        raise UserError(f"--per-device {per_device} and --workers {workers} say two things; leave one out")
    if not gpus:
        raise UserError(f"--per-device {per_device}: cells run on the CPU here; give --workers instead")
    return per_device * len(gpus)


@contextmanager
def one_gpu_here(gpus: Sequence[str] | None) -> Iterator[None]:
    """Show this process one GPU, or none, in the block; `None` leaves it what it sees.

    Raises:
        UserError: There are several, or this process has used CUDA already.
    """
    if gpus is None:
        yield
        return
    if len(gpus) > 1:
        raise UserError(
            f"--workers 0 runs cells in this process, on one GPU, but {len(gpus)} were asked for; name one,"
            " or have `torchrun` share each cell among several"
        )
    torch = sys.modules.get("torch")
    if gpus and torch is not None and torch.cuda.is_initialized():
        raise UserError("--devices: this process has used CUDA and keeps the GPU that it had; leave --workers 0 out")
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = ",".join(gpus)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VISIBLE]
        else:
            os.environ[VISIBLE] = before


def _written(asked: Asked) -> str:
    return asked if isinstance(asked, str) else ",".join(map(str, [asked] if isinstance(asked, int) else asked or ()))


def _sees(gpus: Sequence[str]) -> str:
    """Return how many GPUs the job sees, and how they are numbered."""
    if not gpus:
        limited = f" ({VISIBLE}={os.environ[VISIBLE]})" if VISIBLE in os.environ else ""
        return f"this job sees no NVIDIA GPU{limited}"
    numbers = ", ".join(f"{number} is {name}" if name != str(number) else name for number, name in enumerate(gpus))
    return f"this job sees {len(gpus)} GPU{'s' if len(gpus) > 1 else ''} ({numbers})"
