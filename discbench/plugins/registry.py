"""Plugins: find them, check what pluggy does not check, and give their tasks by name.

A plugin that breaks its side is an error that names it, never a warning: a task that is missing without an exit code
is a wrong mean. Only listings go on without it, and they too end with an exit code. The manager is built by `plugins()`
and passed on.
"""

import fnmatch
import importlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import pluggy

from discbench.errors import NoSuchName, PluginError, UserError, did_you_mean
from discbench.plugins import hookspecs
from discbench.plugins.isolation import BUILTINS, GIVEN, Installed, guarded, installed, misfit, way_out
from discbench.plugins.suites import Suite
from discbench.values.cells import all_said, hashes
from discbench.values.jobs import Executor
from discbench.values.measurement import Probe
from discbench.values.types import Corpus, Task
from discbench.values.version import __version__
from discbench.words.foreign import apart, raised, warn

T = TypeVar("T")
GROUP = "discbench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A plugin made of values that a caller made on the spot."""

    tasks: tuple[Task, ...] = ()
    probes: tuple[Probe, ...] = ()

    @hookspecs.hookimpl
    def discbench_tasks(self) -> list[Task]:
        """Return the tasks that were given."""
        return list(self.tasks)

    @hookspecs.hookimpl
    def discbench_probes(self) -> list[Probe]:
        """Return the probes that were given."""
        return list(self.probes)


def blocked() -> set[str]:
    """Return the plugin names that `DISCBENCH_BLOCK` (commas between) leaves out."""
    return {name.strip() for name in os.environ.get("DISCBENCH_BLOCK", "").split(",")} - {""}


def with_given(tasks: Sequence[Task] = (), probes: Sequence[Probe] = ()) -> pluggy.PluginManager:
    """Build the manager of all plugins and of values that no plugin offers.

    Raises:
        PluginError: As `plugins`.
    """
    return plugins([(GIVEN, Given(tasks=tuple(tasks), probes=tuple(probes)))] if tasks or probes else ())


def plugins(
    extra: Sequence[tuple[str, object]] = (), faults: list[str] | None = None, *, others: bool = True
) -> pluggy.PluginManager:
    """Build the manager: built-in plugins, installed ones, then `extra` pairs of name and module.

    Args:
        extra: Plugins that are not installed.
        faults: Where to put what is wrong with installed plugins, one line each; they are then left out. Of two with
            one name the first stays: built-in ones, then by distribution.
        others: Whether to take installed plugins at all.

    Raises:
        PluginError: Plugins that cannot be imported, implement no hook, misspell one, take a taken name or ask for
            another discbench; all of them, one line each, unless `faults` is given.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    wrong: list[str] = []
    for name, module in BUILTINS.items():
        register(manager, name, importlib.import_module(module))
    for found in installed(GROUP) if others else ():
        if found.point.name not in blocked():
            try:
                register(manager, found.point.name, _import(found), found.whose)
            except PluginError as error:
                wrong.append(str(error))
    settle(wrong, faults)
    for name, given in extra:
        register(manager, name, given)
    return manager


def settle(wrong: Sequence[str], faults: list[str] | None) -> None:
    """Raise what is wrong, or leave it to the caller who gave a list for it."""
    if faults is not None:
        faults.extend(wrong)
    elif wrong:
        raise PluginError("\n".join(wrong))


def _import(found: Installed) -> object:
    asked, point = misfit(found.requires), found.point
    if asked is not None:
        raise PluginError(
            f"{found.whose} asks for {asked}, but this is discbench {__version__}; install a version of it that"
            f" fits{way_out(point.name).replace('; ', ', or ')}"
        )
    return guarded(found.whose, point.name, "could not be imported", point.load)


def register(manager: pluggy.PluginManager, name: str, module: object, whose: str | None = None) -> None:
    """Add one plugin, or say what is wrong with it."""
    whose = whose or f"plugin {name!r} ({getattr(module, '__name__', repr(module))})"
    out = way_out(name)
    if manager.has_plugin(name):
        raise PluginError(f"{whose} takes a name that another plugin has; rename its entry point{out}")
    known = {hook for hook in vars(hookspecs) if hook.startswith("discbench_")}
    marked = {hook for hook in dir(module) if hasattr(getattr(module, hook), "discbench_impl")}
    unknown = sorted(marked - known) or sorted(h for h in dir(module) if h.startswith("discbench_") and h not in known)
    if unknown:
        raise PluginError(f"{whose} implements unknown hook {unknown[0]!r}; hooks are {', '.join(sorted(known))}{out}")
    if not marked:
        raise PluginError(f"{whose} implements no hook; is @hookimpl missing?{out}")
    try:
        manager.register(module, name)
    except pluggy.PluginValidationError as error:
        raise PluginError(f"{whose} does not fit its hook: {' '.join(str(error).split())}{out}") from error


def offers(
    manager: pluggy.PluginManager, hook: str, kind: type[T], faults: list[str] | None = None
) -> dict[str, tuple[str, T]]:
    """Return what all plugins offer through `hook`: name -> (plugin, value).

    Raises:
        PluginError: Plugins that fail in the hook, return other things or take a taken name, unless `faults` is given;
            then they are left out, and of two values with one name the first stays.
    """
    found: dict[str, tuple[str, T]] = {}
    wrong: list[str] = []
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        plugin = str(implementation.plugin_name)
        try:
            values = _call(plugin, hook, implementation.function)
        except PluginError as error:
            wrong.append(str(error))
            continue
        for value in values:
            name = getattr(value, "name", None)
            out = way_out(plugin)
            if not isinstance(value, kind):
                wrong.append(
                    f"plugin {plugin!r}, {hook}(): a list of {kind.__name__} was expected, it holds {value!r}{out}"
                )
            elif name in found:
                wrong.append(
                    f"plugins {found[name][0]!r} and {plugin!r} both offer {kind.__name__.lower()} {name!r}{out}"
                )
            else:
                found[str(name)] = (plugin, value)
    settle(wrong, faults)
    return found


def _call(plugin: str, hook: str, function: Any) -> list[Any]:  # noqa: ANN401 - a plugin's function
    values = guarded(f"plugin {plugin!r}", plugin, f"failed in {hook}()", partial(function))
    if not isinstance(values, list):
        raise PluginError(
            f"plugin {plugin!r}, {hook}(): a list was expected, found {type(values).__name__}{way_out(plugin)}"
        )
    return values


def tasks(manager: pluggy.PluginManager, faults: list[str] | None = None) -> dict[str, Task]:
    """Return all tasks by name, in the order of their names."""
    found = offers(manager, "discbench_tasks", Task, faults)
    return {name: found[name][1] for name in sorted(found)}


def suites(manager: pluggy.PluginManager, faults: list[str] | None = None) -> dict[str, Suite]:
    """Return all suites by name, in the order of their names."""
    found = offers(manager, "discbench_suites", Suite, faults)
    return {name: found[name][1] for name in sorted(found)}


def suite(name: str, known: dict[str, Suite]) -> Suite:
    """Return the suite of that name, or name and version.

    Raises:
        NoSuchName: There is none of that name.
        UserError: It is installed in another version.
    """
    found = one(name.split("@", maxsplit=1)[0], known, "suite")
    if name not in {found.name, found.id}:
        raise UserError(f"--suite {name}: the installed one is {found.id}")
    return found


def told_tasks(faults: list[str], manager: pluggy.PluginManager | None = None) -> dict[str, dict[str, Any]]:
    """Return what each installed task says of itself (`cells.said`), by task id; what is broken goes to `faults`."""
    return all_said(tasks(manager or plugins(faults=faults), faults).values())


def named_rows(faults: list[str], manager: pluggy.PluginManager | None = None) -> dict[str, str | None]:
    """Return the SHA-256 that each installed task names for its rows, by task id; what is broken goes to `faults`."""
    return hashes(told_tasks(faults, manager))


def probes(manager: pluggy.PluginManager, faults: list[str] | None = None) -> dict[str, Probe]:
    """Return all probes by name, in the order of their names."""
    found = offers(manager, "discbench_probes", Probe, faults)
    return {name: found[name][1] for name in sorted(found)}


def executors(manager: pluggy.PluginManager) -> dict[str, Executor]:
    """Return all executors by name, in the order of their names."""
    found = offers(manager, "discbench_executors", Executor)
    return {name: found[name][1] for name in sorted(found)}


def corpora(manager: pluggy.PluginManager) -> dict[str, Corpus]:
    """Return all pre-training corpora by name, in the order of their names."""
    found = offers(manager, "discbench_corpora", Corpus)
    return {name: found[name][1] for name in sorted(found)}


class Audience:
    """The plugins that hear of finished cells; one that fails is told as a warning and hears of no more.

    A sweep goes on without it: it only takes note, no score depends on it.
    """

    def __init__(self, manager: pluggy.PluginManager) -> None:
        implementations = manager.hook.discbench_cell_finished.get_hookimpls()
        self.listening = {
            mine.plugin_name: manager.subset_hook_caller(
                "discbench_cell_finished", [other.plugin for other in implementations if other is not mine]
            )
            for mine in implementations
        }

    def hear(self, result: dict[str, Any]) -> None:
        """Call each with a cell's stored result; what they print goes to stderr."""
        for plugin, call in list(self.listening.items()):
            try:
                with apart():
                    call(result=result)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raises, the sweep goes on
                del self.listening[plugin]
                warn(
                    f"plugin {plugin!r} failed in discbench_cell_finished(): {raised(error)}; it hears of no more"
                    f" cells{way_out(plugin)}"
                )


def one(name: str, known: dict[str, T], kind: str) -> T:
    """Return the value of that very name.

    Raises:
        NoSuchName: There is none, with the nearest name.
    """
    if name not in known:
        there = f"there are {', '.join(known)}"
        raise NoSuchName(f"no {kind} {name!r}{did_you_mean(name, known, there)}")
    return known[name]


def select(patterns: Iterable[str], known: dict[str, T], kind: str = "task") -> list[T]:
    """Return what the patterns name: names, globs, `name@version`, or bare disciplines (`protein` = `protein.*`).

    Raises:
        NoSuchName: A pattern that matches nothing, with the nearest name.
    """
    chosen: dict[str, T] = {}
    for pattern in (part.strip() for text in patterns for part in text.split(",")):
        matches = [name for name in known if _matches(pattern, name, known[name])]
        if not matches:
            raise NoSuchName(
                f"no {kind} matches {pattern!r}{did_you_mean(pattern, known, f'`discbench {kind}s` lists them')}"
            )
        chosen |= {name: known[name] for name in matches}
    return [chosen[name] for name in sorted(chosen)]


def _matches(pattern: str, name: str, value: object) -> bool:
    names = (name, getattr(value, "id", name), name.split(".", maxsplit=1)[0])
    return any(fnmatch.fnmatchcase(n, pattern) for n in names)
