"""Stores as commands read them: marks are what the installed tasks name now, whatever they named when cells ran."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from discbench.errors import ExitCode
from discbench.plugins import registry
from discbench.plugins.suites import Suite
from discbench.values.cells import hashes


def tell_faults(faults: list[str]) -> None:
    """Say on stderr which plugins a listing goes without."""
    for fault in faults:
        click.echo(f"error: {fault}", err=True)


@dataclass(frozen=True, slots=True)
class Offered:
    """What the installed plugins say of stores."""

    rows: dict[str, str | None]
    """Task id -> the SHA-256 that it names for its rows."""
    suites: tuple[Suite, ...]
    said: dict[str, dict[str, Any]]
    """Task id -> what it says of itself."""


@contextmanager
def offered() -> Iterator[Offered]:
    """Give what the installed plugins say of stores; a broken plugin is told, and ends the command so.

    Cells of its tasks keep the marks that they were stored with.
    """
    faults: list[str] = []
    manager = registry.plugins(faults=faults)
    said = registry.told_tasks(faults, manager)
    found = Offered(hashes(said), tuple(registry.suites(manager, faults).values()), said)
    tell_faults(faults)
    yield found
    if faults:
        sys.exit(int(ExitCode.PLUGIN))
