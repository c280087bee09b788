"""Stores as commands read them: marks are what the installed tasks name now, whatever they named when cells ran."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from discbench.errors import ExitCode
from discbench.plugins import registry


def tell_faults(faults: list[str]) -> None:
    """Say on stderr which plugins a listing goes without."""
    for fault in faults:
        click.echo(f"error: {fault}", err=True)


@contextmanager
def told() -> Iterator[dict[str, dict[str, Any]]]:
    """Give what each installed task says of itself by its id; a broken plugin is told, and ends the command so.

    Cells of its tasks keep the marks that they were stored with.
    """
    faults: list[str] = []
    found = registry.told_tasks(faults)
    tell_faults(faults)
    yield found
    if faults:
        sys.exit(int(ExitCode.PLUGIN))
