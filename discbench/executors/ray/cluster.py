"""Ray's own part: a cluster that is started here or joined, what it has room for, and its errors in our words."""

import contextlib
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import joblib
import psutil

from discbench.executors.ray.asked import Asked, Family, Unreachable
from discbench.words.names import one_line

SETTINGS = {
    "RAY_DEDUP_LOGS": "0",  # lines that differ in a number only would be one line: two cells' losses
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # what a cell sees is set by `node`, in every version of Ray
}
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Where it is 0, Ray listens at the loopback address alone, on Linux too."""
MODE, TOKEN, TOKEN_FILE = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
LONGEST_PATH = 40
"""Bytes of a folder's path in which Ray's sockets still have names that Linux takes."""
SECONDS = 5.0
FOLDERS: list[str] = []
"""Of this process's clusters, to be removed whatever ends it."""


@contextlib.contextmanager
def joined(asked: Asked, *, verbose: bool) -> Iterator[None]:
    """Be the driver of a cluster: a given one is left as it is at the end, one of ours is stopped.

    Raises:
        Unreachable: There is none at the address, it does not let us in, or none can be started.
    """
    said: dict[str, Any] = {"log_to_driver": verbose, "logging_level": "info" if verbose else "error"}
    with contextlib.ExitStack() as stack:
        if asked.address is None:
            said |= {"address": "local", **_own(stack)}
            said["num_cpus"] = max(int(joblib.cpu_count()), asked.threads)
        else:
            said["address"] = asked.address
            _approach(asked.address)
        os.environ.update({name: os.environ.get(name, value) for name, value in SETTINGS.items()})
        import ray

        ours: list[psutil.Process] = []
        stack.callback(_kill, ours)  # before their folder goes: an agent would make it anew
        stack.callback(ray.shutdown)
        try:
            ray.init(**said)
        except Exception as error:
            raise _refused(asked.address, error) from error
        ours += psutil.Process().children(recursive=True)
        try:
            yield
        except SystemExit:
            if asked.address is None:
                end()
            raise
        finally:
            ours += psutil.Process().children(recursive=True)


def end() -> NoReturn:
    """End this process and its cluster without asking Ray, whose agents outlive a raylet by minutes.

    The folder goes first: without its raylet Ray ends this process before the next line.
    """
    started = psutil.Process().children(recursive=True)
    tidy()
    _kill(started)
    os._exit(1)


def family() -> Family:
    """Return what this process has started, and will not end if Ray ends it."""
    found = [(each.pid, each.create_time()) for each in psutil.Process().children(recursive=True)]
    return Family(tuple(found), tuple(FOLDERS))


def clear(left: Family) -> None:
    """End what a driver that is gone has left, and remove its folders."""
    found = []
    for number, created in left.processes:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(number)
            found += [process] if process.create_time() == created else []
    _kill(found)
    for folder in left.folders:
        _remove(folder)


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):  # it is gone; a number that is another's by now is not touched
            process.kill()
    psutil.wait_procs(processes, SECONDS)


def _own(stack: contextlib.ExitStack) -> dict[str, Any]:
    """Return how a cluster of ours is started: on the loopback address, with its own token, in a folder that goes."""
    os.environ.setdefault(LOOPBACK, "0")
    if os.environ.get(MODE, "token").lower() == "token":
        os.environ[MODE], os.environ[TOKEN] = "token", secrets.token_hex(32)
        os.environ.pop(TOKEN_FILE, None)
    where = tempfile.gettempdir()
    short = where if len(os.fsencode(where)) <= LONGEST_PATH else "/tmp"  # noqa: S108 - mkdtemp makes a name of its own
    folder = tempfile.mkdtemp(prefix="ray-", dir=short)
    FOLDERS.append(folder)
    stack.callback(tidy)
    return {"_temp_dir": folder, "include_dashboard": False}


def reach(address: str) -> None:
    """Look at an address before Ray does, which takes minutes to say that nothing is there.

    Raises:
        Unreachable: Nothing answers there.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit():
        raise Unreachable(
            f"--address {address!r}: HOST:PORT or auto was expected; start the command on a node of the cluster"
        )
    try:
        socket.create_connection((host, int(port)), SECONDS).close()
    except (OSError, OverflowError) as error:
        raise Unreachable(
            f"--address {address}: no Ray cluster answers there ({one_line(str(error))}); is `ray start --head`"
            " running, and is this its port?"
        ) from error


def tidy() -> None:
    """Remove the folder of a cluster of ours."""
    while FOLDERS:
        _remove(FOLDERS.pop())


def _remove(folder: str) -> None:
    """Remove a folder in which Ray's threads of this process may still write."""
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        if not Path(folder).exists():
            return
        time.sleep(0.2)


def _approach(address: str) -> None:
    """Bring the token, and take loopback for loopback where a cluster listens at nothing else.

    Raises:
        Unreachable: Nothing answers there.
    """
    reach(address)
    file = Path(os.environ.get(TOKEN_FILE) or "~/.ray/auth_token").expanduser()
    if MODE not in os.environ and (os.environ.get(TOKEN) or file.is_file()):
        os.environ[MODE] = "token"  # Ray itself looks for a token only where this is set
    host, _, port = address.rpartition(":")
    if host in {"127.0.0.1", "localhost"} and not _also_outside(int(port)):
        os.environ.setdefault(LOOPBACK, "0")


def _also_outside(port: int) -> bool:
    """Tell whether a port of this machine answers at its own address too: Ray takes loopback for that."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asks:
        asks.connect(("192.0.2.1", 9))  # sends nothing: the system says from which address it would
        socket.create_connection((asks.getsockname()[0], port), SECONDS).close()
        return True
    return False


def _refused(address: str | None, error: Exception) -> Unreachable:
    said = one_line(str(error), 200)
    if address is None:
        return Unreachable(f"--executor ray: no cluster could be started here ({said})")
    return Unreachable(
        f"--address {address}: the Ray cluster there cannot be joined ({said}); if it was started with a token, the"
        " same one is needed here, in RAY_AUTH_TOKEN or as on its head in ~/.ray/auth_token"
    )


def alive() -> list[dict[str, Any]]:
    """Return Ray's nodes that are there."""
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def room(asked: Asked) -> int:
    """Return how many cells the nodes that are there can run at once."""
    return sum(_fit(node["Resources"], asked.needs) for node in alive())


def _fit(there: dict[str, float], needs: dict[str, float]) -> int:
    fits = []
    for name, amount in needs.items():
        have = there.get(name, 0)
        fits.append(int(have) * int(1 / amount + 1e-9) if amount < 1 else int(have / amount + 1e-9))
    return min(fits)


def has(asked: Asked) -> str:
    """Return in words what the nodes have of what a cell needs."""
    names = sorted(asked.needs)
    nodes = [(node["NodeManagerAddress"], node["Resources"]) for node in alive()]
    each = [f"{where} {name} {there.get(name, 0):g}" for where, there in nodes for name in names]
    return ", ".join(each) or "there is no node"


def local_raylet_died(error: BaseException) -> bool:
    """Tell whether an error says that this machine's own raylet is gone, and with it all that Ray can do here."""
    import ray

    return isinstance(error, ray.exceptions.LocalRayletDiedError)


def node_lost(node: str) -> str:
    """Return in words that a node was lost; `node` is "" if it is not known."""
    return f"the node that it ran on{f', {node},' if node else ''} was lost"


def cause(error: BaseException, node: str) -> str:
    """Return in words why an attempt ended.

    Args:
        error: What `ray.get` raised.
        node: Where the attempt ran, "" if it is not known.
    """
    import ray

    on = f" on {node}" if node else ""
    known = {
        "OutOfMemoryError": f"Ray ended its worker{on}: the node was out of memory",
        "WorkerCrashedError": f"its worker{on} was killed or crashed; out of memory?",
        "NodeDiedError": node_lost(node),
        "LocalRayletDiedError": "the raylet of the machine that ran the sweep died",
        "TaskCancelledError": f"its task{on} was interrupted",
        "ObjectLostError": f"its result was lost with the node that it ran on{f', {node}' if node else ''}",
        "OwnerDiedError": "the process that ran the sweep was gone",
    }
    for kind in type(error).__mro__:
        if kind.__name__ in known:
            return known[kind.__name__]
    if isinstance(error, ray.exceptions.RayTaskError):
        found = error.cause if isinstance(getattr(error, "cause", None), BaseException) else error
        return one_line(f"its task{on} failed: {type(found).__name__}: {found}", 400)
    return one_line(f"its task{on} was lost: {type(error).__name__}: {error}", 400)
