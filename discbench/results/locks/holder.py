"""Whose a cell is at the moment, as anyone can read it from a store: which process, where, since when, how far.

`RESULTS/.locks/<id>.holder` is there while a cell or a measurement is held: one line of JSON with the fields of
`Holder`, written by `holding`.
"""

import functools
import json
import os
import socket
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from discbench.values.cells import CELL, cell_id
from discbench.words.forms import fault
from discbench.words.names import one_line

FOLDER = ".locks"
GONE = 90.0
"""Seconds for which a holder on another machine may say nothing: network disks show a change up to 60 later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whose a cell, or a measurement, is at the moment."""

    id: str
    """Of the cell or the measurement."""
    kind: str
    """`cell` or `probe`."""
    record: dict[str, Any]
    """The cell or the measurement, as in its result."""
    host: str
    machine: str
    """The same for all processes of one running system, in whichever container; another after it was started anew."""
    pid: int
    """The process, in its own container's count."""
    began: float
    """Seconds since 1970 by the holder's clock."""
    device: str
    """`cpu`, `cuda`, or `cuda` with what its CUDA_VISIBLE_DEVICES says."""
    token: str
    """Drawn by the holder, so that no two are taken for one."""
    beat: int = 0
    """How often the line was written anew."""
    step: int = 0
    """Of training; 0 before the first."""
    steps: int = 0
    loss: float | None = None
    """Of that step."""
    quiet: float = field(default=0.0, compare=False)
    """Seconds since the line was written, by the reader's clock; of no weight in who holds what."""

    @property
    def words(self) -> str:
        """Whose it is, for a message."""
        return f"process {self.pid} on {one_line(str(self.host))}"


@functools.cache
def machine() -> str:
    """Return what names this running system: Linux draws it at each start; elsewhere the host's name."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


def device_words(device: str) -> str:
    """Return a device with the GPU that this process was given, if it was given one."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return f"{device} {visible}" if device != "cpu" and visible else device


KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("id", "kind", "host", "machine", "device", "token"), (str,)),
    **dict.fromkeys(("pid", "beat", "step", "steps"), (int,)),
    "record": (dict,),
    "began": (int, float),
    "loss": (int, float, type(None)),
}
"""Field of a line -> what it may be."""
MOST = 2**53
"""No number of a line is above: watchers reckon with them."""


def read_holder(path: Path) -> Holder | None:
    """Return what a `.holder` file says, or None if it is gone or no such line, such as one of another store's."""
    try:
        said, written = json.loads(path.read_bytes()), path.stat().st_mtime
        known = {each.name: said[each.name] for each in fields(Holder) if each.name != "quiet"}
        if not _sound(known) or known["id"] != path.stem:
            return None
        return Holder(**known, quiet=max(0.0, time.time() - written))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _sound(said: dict[str, Any]) -> bool:
    """Tell whether the fields of a line are what `holding` writes."""
    if not all(type(value) in KINDS[name] for name, value in said.items()):
        return False
    if not all(-MOST <= value <= MOST for value in said.values() if type(value) in {int, float}):  # nor NaN
        return False
    if said["kind"] != "cell":
        return bool(said["kind"] == "probe")
    return fault(CELL, said["record"]) is None and cell_id(said["record"]) == said["id"]


def holders(root: Path) -> list[Holder]:
    """Return whose cells and measurements of a store are at the moment, by their ids; those who are gone left out.

    Args:
        root: The store's directory. It is only read, from whichever machine.
    """
    found = [read_holder(path) for path in sorted((root / FOLDER).glob("*.holder"))]
    return [holder for holder in found if holder is not None and alive(root, holder)]


def alive(root: Path, holder: Holder) -> bool:
    """Tell whether a holder is at it: on this machine its lock says so, of others what it wrote last."""
    if holder.machine != machine():
        return holder.quiet < GONE
    import fcntl

    try:
        handle = os.open(root / FOLDER / f"{holder.id}.lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def line_of(holder: Holder) -> bytes:
    """Return a holder as the line of JSON that `read_holder` reads."""
    said = {name: value for name, value in asdict(holder).items() if name != "quiet"}
    return json.dumps(said, sort_keys=True, allow_nan=False).encode()
