"""A plugin's code, held apart: it may raise, exit, hang or print without taking the command with it."""

import contextlib
import io
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from types import FrameType
from typing import TypeVar

from discbench.errors import PluginError, UserError
from discbench.values.version import __version__
from discbench.words.foreign import ended, staying, warn

T = TypeVar("T")
GIVEN = "given from Python"
"""The plugin name of tasks and probes that are values."""
BUILTINS = {
    **{name: f"discbench.tasks.{name}" for name in ("chem", "dna", "formal", "glue", "music", "protein", "suites")},
    "probes": "discbench.probes.builtin",
    "executors": "discbench.executors.builtin",
    "corpora": "discbench.pretraining.artificial",
}
"""Plugin name -> module."""
SECONDS = 10.0
"""How long a plugin may take to be imported, and to answer a hook; `DISCBENCH_PLUGIN_SECONDS` sets another limit."""


class Overtime(BaseException):
    """Raised inside a plugin whose time is over; no `Exception`, or the plugin might take it for one of its own."""


def seconds() -> float:
    """Return the limit that holds.

    Raises:
        UserError: `DISCBENCH_PLUGIN_SECONDS` is no positive number.
    """
    text = os.environ.get("DISCBENCH_PLUGIN_SECONDS", "")
    with contextlib.suppress(ValueError):
        limit = float(text or SECONDS)
        if 0 < limit < float("inf"):
            return limit
    raise UserError(f"DISCBENCH_PLUGIN_SECONDS={text!r}: a number of seconds above 0 was expected")


@contextlib.contextmanager
def limited(limit: float) -> Iterator[None]:
    """Raise Overtime in the block after `limit` seconds; without effect outside the main thread or without SIGALRM.

    A timer that was set before goes on afterwards. Code that never returns to Python cannot be stopped.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Overtime

    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, stop)
    delay, interval = signal.setitimer(signal.ITIMER_REAL, limit, 1.0)  # again, should the plugin catch the first
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if delay:
            signal.setitimer(signal.ITIMER_REAL, max(1e-3, delay - (time.monotonic() - began)), interval)


def way_out(plugin: str) -> str:
    """Return how a message about a plugin ends: what is built in, or given from Python, cannot be blocked."""
    return "" if plugin in BUILTINS or plugin == GIVEN else f"; set DISCBENCH_BLOCK={plugin} to run without it"


def guarded(whose: str, plugin: str, doing: str, call: Callable[[], T]) -> T:
    """Return what a plugin's function returns; what it prints goes to stderr, as one warning.

    Args:
        whose: The plugin as messages name it.
        plugin: Its name.
        doing: What failed, if it does: `could not be imported`.
        call: The function.

    Raises:
        PluginError: It raised, called `sys.exit` or took too long.
    """
    printed, limit = io.StringIO(), seconds()
    try:
        with staying(), contextlib.redirect_stdout(printed), limited(limit):
            return call()
    except PluginError as error:
        raise PluginError(f"{whose} {doing}: {error}{way_out(plugin)}") from error
    except Overtime:
        raise PluginError(
            f"{whose} {doing}: it did not end within {limit:g} s (DISCBENCH_PLUGIN_SECONDS){way_out(plugin)}"
        ) from None
    except (Exception, SystemExit) as error:
        raise PluginError(f"{whose} {doing}: {ended(error)}{way_out(plugin)}") from error
    finally:
        if printed.getvalue():
            line = " ".join(printed.getvalue().split())[:80]
            warn(f"{whose} printed to standard output: {line!r}; plugins must be silent there{way_out(plugin)}")


@dataclass(frozen=True, slots=True)
class Installed:
    """An entry point, and what the metadata of its distribution say: they are slow to parse, so it is done once."""

    point: EntryPoint
    distribution: str
    version: str
    requires: tuple[str, ...]

    @property
    def whose(self) -> str:
        """The plugin as messages name it."""
        return f"plugin {self.point.name!r} ({self.point.value} of {self.distribution} {self.version})"


def installed(group: str) -> list[Installed]:
    """Return the entry points of a group, in the order of their names.

    A distribution whose metadata cannot be read, as while pip replaces it, is tried twice and then told as a warning;
    the others are found all the same.
    """
    points: dict[tuple[str, str], Installed] = {}
    for distribution in distributions():
        try:
            found = _points(distribution, group)
        except Exception:  # noqa: BLE001 - whatever a broken file makes the parser raise
            try:
                found = _points(distribution, group)
            except Exception as error:  # noqa: BLE001
                warn(
                    f"the metadata in {_folder(distribution)} cannot be read ({error!r}), so plugins that it may hold"
                    " are missing; install that distribution again"
                )
                continue
        for each in found:
            points.setdefault((each.point.name, each.distribution), each)  # the first on the path counts
    return [points[key] for key in sorted(points)]


def _folder(distribution: Distribution) -> str:
    return str(getattr(distribution, "_path", "a distribution without a folder"))


def _points(distribution: Distribution, group: str) -> list[Installed]:
    text = distribution.read_text("entry_points.txt")
    if text is None:
        path = getattr(distribution, "_path", None)
        if path is not None and (path / "entry_points.txt").exists():
            raise OSError("entry_points.txt is there but cannot be opened")
        return []
    if f"[{group}]" not in text:
        return []
    egg = distribution.read_text("METADATA") is None
    if egg and distribution.read_text("PKG-INFO") is None:
        raise OSError("METADATA is missing")
    said = distribution.metadata
    requires = distribution.requires if egg else said.get_all("Requires-Dist")
    about = (said["Name"] or "", said["Version"] or "", tuple(requires or ()))
    return [Installed(point, *about) for point in distribution.entry_points.select(group=group)]


def misfit(requires: Sequence[str]) -> str | None:
    """Return the versions of discbench that a distribution asks for, if this one is not among them."""
    if "discbench" not in "\n".join(requires):
        return None
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    for text in requires:
        with contextlib.suppress(InvalidRequirement):
            asked = Requirement(text)
            meant = canonicalize_name(asked.name) == "discbench"
            holds = asked.marker is None or asked.marker.evaluate({"extra": ""})
            if meant and holds and not asked.specifier.contains(__version__, prereleases=True):
                return f"discbench{asked.specifier}"
    return None
