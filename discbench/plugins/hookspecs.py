"""The hooks of discbench: its table of contents for plugins.

A plugin is a module named by an entry point of the group `discbench`; it implements any of these with `@hookimpl`.
"""

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from discbench.plugins.suites import Suite
    from discbench.values.jobs import Executor
    from discbench.values.measurement import Probe
    from discbench.values.types import Corpus, Task

hookspec = pluggy.HookspecMarker("discbench")
hookimpl = pluggy.HookimplMarker("discbench")


@hookspec
def discbench_tasks() -> "list[Task]":  # type: ignore[empty-body]
    """Return the tasks that this plugin offers; called once, when tasks are looked up."""


@hookspec
def discbench_suites() -> "list[Suite]":  # type: ignore[empty-body]
    """Return the suites that this plugin offers; called once, when suites are looked up."""


@hookspec
def discbench_probes() -> "list[Probe]":  # type: ignore[empty-body]
    """Return the probes that this plugin offers; called once, when probes are looked up."""


@hookspec
def discbench_corpora() -> "list[Corpus]":  # type: ignore[empty-body]
    """Return the pre-training corpora that this plugin offers; called once, when corpora are looked up."""


@hookspec
def discbench_executors() -> "list[Executor]":  # type: ignore[empty-body]
    """Return the executors that this plugin offers; called once, when a sweep is about to start."""


@hookspec
def discbench_cell_finished(result: dict[str, Any]) -> None:
    """Take note of a cell's stored result; called in the main process after each cell, finished or failed.

    A plugin that raises is told as a warning and hears of no more cells of that sweep.
    """
