"""Task stubs for lm-evaluation-harness, written from the registry: every installed task, and a group a discipline."""

import json
from collections.abc import Mapping
from pathlib import Path

from discbench.errors import UserError
from discbench.hosts.seeds import SHARE, disciplines_with_errors
from discbench.results.store import write_whole
from discbench.values.types import Task

CLASS = "discbench.hosts.lm_eval.SeedTask"


def group_name(discipline: str) -> str:
    """Return a discipline's group: `discbench.protein` (the harness has groups of its own, `glue` for one)."""
    return f"discbench.{discipline}"


def write(tasks: Mapping[str, Task], folder: Path) -> list[Path]:
    """Write a stub for each task and a group for each discipline; return the files.

    A group's number is the mean gain of its tasks, as on the board: an error counts by the share of scratch's that is
    gone. Tasks that are controls are in no group.

    Raises:
        UserError: The folder cannot be written.
    """
    files = {f"{name}.yaml": _stub(name) for name in tasks}
    mixed = disciplines_with_errors(tasks.values())
    members: dict[str, list[str]] = {}
    for task in tasks.values():
        if not task.control:
            members.setdefault(task.discipline, []).append(task.name)
    files |= {
        f"{group_name(discipline)}.yaml": _group(discipline, names, SHARE if discipline in mixed else "gain")
        for discipline, names in members.items()
    }
    try:
        for name, text in files.items():
            write_whole(folder / name, text.encode())
    except OSError as error:
        raise UserError(
            f"--out {str(folder)!r} cannot be written ({error.strerror}); choose another directory"
        ) from error
    return [folder / name for name in files]


def _stub(name: str) -> str:
    return f"task: {json.dumps(name)}\nclass: !function {CLASS}\n"


def _group(discipline: str, names: list[str], metric: str) -> str:
    return (
        f"group: {json.dumps(group_name(discipline))}\n"
        f"task: {json.dumps(names)}\n"
        "aggregate_metric_list:\n"
        f"  - metric: {metric}\n"
        "    aggregation: mean\n"
        "    weight_by_size: false\n"
        "metadata:\n"
        "  version: 1\n"
    )
