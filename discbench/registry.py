"""Plugins: find them, check what pluggy does not check, and give their tasks by name.

A plugin that breaks its side is an error that names it, never a warning: a task that is missing without an exit code
is a wrong mean. The manager is built by `plugins()` and passed on.
"""

import fnmatch
import importlib
import os
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import pluggy

from discbench import hookspecs
from discbench.errors import NoSuchName, PluginError, did_you_mean
from discbench.probe import Probe
from discbench.types import Task

T = TypeVar("T")
GROUP = "discbench"
BUILTINS = {
    **{name: f"discbench.tasks.{name}" for name in ("chem", "dna", "formal", "glue", "music", "protein")},
    "probes": "discbench.probes.builtin",
}
"""Plugin name -> module."""


def blocked() -> set[str]:
    """Return the plugin names that `DISCBENCH_BLOCK` (commas between) leaves out."""
    return {name.strip() for name in os.environ.get("DISCBENCH_BLOCK", "").split(",")} - {""}


def plugins(extra: Sequence[tuple[str, object]] = ()) -> pluggy.PluginManager:
    """Build the manager: built-in plugins, installed ones, then `extra` pairs of name and module.

    Raises:
        PluginError: A plugin that cannot be imported, implements no hook, misspells one, or takes a taken name.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    for name, module in BUILTINS.items():
        register(manager, name, importlib.import_module(module))
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        if point.name not in blocked():
            register(manager, point.name, _import(point))
    for name, given in extra:
        register(manager, name, given)
    return manager


def _import(point: EntryPoint) -> object:
    try:
        return point.load()
    except Exception as error:
        raise PluginError(
            f"plugin {point.name!r} ({point.value}) could not be imported: {error!r};"
            f" set DISCBENCH_BLOCK={point.name} to run without it"
        ) from error


def register(manager: pluggy.PluginManager, name: str, module: object) -> None:
    """Add one plugin, or say what is wrong with it."""
    where = getattr(module, "__name__", repr(module))
    if manager.has_plugin(name):
        raise PluginError(f"two plugins are named {name!r}, the second is {where}; rename one entry point")
    known = {hook for hook in vars(hookspecs) if hook.startswith("discbench_")}
    marked = {hook for hook in dir(module) if hasattr(getattr(module, hook), "discbench_impl")}
    unknown = sorted(marked - known) or sorted(h for h in dir(module) if h.startswith("discbench_") and h not in known)
    if unknown:
        raise PluginError(
            f"plugin {name!r} ({where}) implements unknown hook {unknown[0]!r}; hooks are {', '.join(sorted(known))}"
        )
    if not marked:
        raise PluginError(f"plugin {name!r} ({where}) implements no hook; is @hookimpl missing?")
    try:
        manager.register(module, name)
    except pluggy.PluginValidationError as error:
        raise PluginError(f"plugin {name!r} ({where}) does not fit its hook: {' '.join(str(error).split())}") from error


def offers(manager: pluggy.PluginManager, hook: str, kind: type[T]) -> dict[str, tuple[str, T]]:
    """Return what all plugins offer through `hook`: name -> (plugin, value)."""
    found: dict[str, tuple[str, T]] = {}
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        plugin = str(implementation.plugin_name)
        for value in _call(plugin, hook, implementation.function):
            if not isinstance(value, kind):
                raise PluginError(
                    f"plugin {plugin!r}, {hook}(): a list of {kind.__name__} was expected, it holds {value!r}"
                )
            name: str = getattr(value, "name")  # noqa: B009 - every offered value has a name
            if name in found:
                raise PluginError(
                    f"plugins {found[name][0]!r} and {plugin!r} both offer {kind.__name__.lower()} {name!r}"
                )
            found[name] = (plugin, value)
    return found


def _call(plugin: str, hook: str, function: Any) -> list[Any]:  # noqa: ANN401 - a plugin's function
    try:
        values = function()
    except PluginError as error:
        raise PluginError(f"plugin {plugin!r} failed in {hook}(): {error}") from error
    except Exception as error:
        raise PluginError(
            f"plugin {plugin!r} failed in {hook}(): {error!r}; set DISCBENCH_BLOCK={plugin} to run without it"
        ) from error
    if not isinstance(values, list):
        raise PluginError(f"plugin {plugin!r}, {hook}(): a list was expected, found {type(values).__name__}")
    return values


def tasks(manager: pluggy.PluginManager) -> dict[str, Task]:
    """Return all tasks by name, in the order of their names."""
    found = offers(manager, "discbench_tasks", Task)
    return {name: found[name][1] for name in sorted(found)}


def probes(manager: pluggy.PluginManager) -> dict[str, Probe]:
    """Return all probes by name, in the order of their names."""
    found = offers(manager, "discbench_probes", Probe)
    return {name: found[name][1] for name in sorted(found)}


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
