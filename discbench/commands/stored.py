"""Stores as commands read them: with the marks of the installed tasks, and without what is no record."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from discbench.errors import ExitCode, UserError
from discbench.plugins import registry
from discbench.plugins.suites import Suite
from discbench.results.forms.records import PassedOver
from discbench.values.cells import hashes
from discbench.words.names import lines

MOST_TOLD = 10
"""Files that are named of those that were passed over."""


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

    Marks are what tasks name now, whatever they named when cells ran; cells of a broken plugin's tasks keep theirs.
    """
    faults: list[str] = []
    manager = registry.plugins(faults=faults)
    said = registry.told_tasks(faults, manager)
    found = Offered(hashes(said), tuple(registry.suites(manager, faults).values()), said)
    tell_faults(faults)
    yield found
    if faults:
        sys.exit(int(ExitCode.PLUGIN))


@contextmanager
def readable() -> Iterator[PassedOver]:
    """Give what takes note of files that are no records: each is told in a line, and the rest goes on.

    At its end the command exits with 2 if results are missing, not for a foreign file that lies beside them.
    """
    passed = PassedOver()
    try:
        yield passed
    finally:
        _tell("error", passed.records)
        _tell("passed over", passed.others)
    if passed.records:
        sys.exit(int(ExitCode.USER))


@contextmanager
def board_of(results: Path) -> Iterator[dict[str, Any]]:
    """Give the board of a store, with what the installed plugins say; what `offered` and `readable` tell comes last."""
    from discbench.results import board
    from discbench.results.store import Store

    with offered() as there, readable() as passed:
        store = Store(results, there.rows, passed)
        yield board.build(store.results(), store.probes(), there.suites, there.said)


def _tell(word: str, told: list[str]) -> None:
    for line in told[:MOST_TOLD]:
        click.echo(f"{word}: {lines(line)}", err=True)
    if len(told) > MOST_TOLD:
        click.echo(f"{word}: … and {len(told) - MOST_TOLD} more", err=True)


def check_any(results: Path, found: int) -> None:
    """Raise a UserError if nothing was found in a store: its path may be mistyped."""
    if not found:
        raise UserError(
            f"--results {str(results)!r} holds no results; is its path right? `discbench eval --results DIR` makes some"
        )
