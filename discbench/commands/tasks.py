"""`discbench tasks`, `models` and `data`."""

import json
import sys
from pathlib import Path

import click

from discbench.commands import show
from discbench.commands.options import data_options, own_option
from discbench.commands.stored import tell_faults
from discbench.errors import DiscbenchError, ExitCode, NotAtHand
from discbench.plugins import registry
from discbench.sweeps.sweep import machine_workers
from discbench.values.checkpoints import builtins, locate
from discbench.values.given import data_directory, device_of
from discbench.values.place import gpus_here
from discbench.values.recipes import RECIPES
from discbench.words import interruption


@click.command()
@click.argument("patterns", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@own_option("data_dir")
def tasks(patterns: tuple[str, ...], data_dir: Path | None, *, as_json: bool) -> None:
    """List tasks: all, or those that PATTERNS name; of one whole NAME, print the data card (nothing is downloaded)."""
    faults: list[str] = []
    known = registry.tasks(registry.plugins(faults=faults), faults)
    tell_faults(faults)
    found = registry.select(patterns, known) if patterns else list(known.values())
    if len(found) == 1 and patterns[0] in {found[0].name, found[0].id}:
        from discbench.data import card

        made = card.card(found[0], data_directory(data_dir))
        click.echo(json.dumps([{**show.task_record(found[0]), "card": made}], indent=1) if as_json else card.text(made))
    elif as_json:
        click.echo(json.dumps([show.task_record(task) for task in found], indent=1))
    else:
        show.tasks(found, show.console(wide=True))
    if faults:
        sys.exit(int(ExitCode.PLUGIN))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--time", "model", metavar="MODEL", help="Time a step of this checkpoint, and say how long a suite takes."
)
@own_option("data_dir")
def suites(data_dir: Path | None, model: str | None, *, as_json: bool) -> None:
    """List suites: what a place on the board is made of, and what it costs a checkpoint."""
    faults: list[str] = []
    manager = registry.plugins(faults=faults)
    tasks_, found = registry.tasks(manager, faults), registry.suites(manager, faults)
    tell_faults(faults)
    by_id = {task.id: task for task in tasks_.values()}
    records = [show.suite_record(suite, by_id, data_directory(data_dir)) for suite in found.values()]
    if model is not None:
        records = _timed(records, model)
    if as_json:
        click.echo(json.dumps(records, indent=1))
    else:
        show.suites(records, show.console())
    if faults:
        sys.exit(int(ExitCode.PLUGIN))


def _timed(records: list[show.Record], model: str) -> list[show.Record]:
    """Return suites with the seconds that their tokens take this machine, all its workers at once."""
    from discbench.executors import pace
    from discbench.training import steady

    device = device_of(None)
    with steady.steady(1):
        speed = pace.tokens_per_second(locate(model, {}), RECIPES["quick"], device) * (
            machine_workers() if device == "cpu" else max(1, len(gpus_here()))
        )
    return [{**row, "model": model, "seconds": round(row["tokens"] / speed)} for row in records]


@click.command()
def models() -> None:
    """List the checkpoints that are shipped with the package."""
    for name, path in builtins().items():
        card = (path / "README.md").read_text(encoding="utf-8").split("\n\n")
        click.echo(
            f"{name}  {next((p for p in card if p and not p.startswith(('---', '#'))), '').replace(chr(10), ' ')}"
        )


@click.group()
def data() -> None:
    """Fetch and verify the rows of tasks."""


@data.command(name="fetch")
@click.argument("patterns", nargs=-1, required=True)
@data_options
def data_fetch(patterns: tuple[str, ...], data_dir: Path | None, *, unverified: bool) -> None:
    """Make the rows of tasks available: from the data directory, the cache, or their address."""
    _each(patterns, data_dir, unverified=unverified, download=True)


@data.command(name="verify")
@click.argument("patterns", nargs=-1, required=True)
@data_options
def data_verify(patterns: tuple[str, ...], data_dir: Path | None, *, unverified: bool) -> None:
    """Read the rows that are at hand anew and compare them with what the tasks name; download nothing.

    Fails if some rows are wrong, or if none are at hand.
    """
    _each(patterns, data_dir, unverified=unverified, download=False)


def _each(patterns: tuple[str, ...], data_dir: Path | None, *, unverified: bool, download: bool) -> None:
    from discbench.data import rowcache

    if download:
        interruption.keeps(lambda: "what was fetched is kept, the beginning of a file too")
    directory, worst, found, absent = data_directory(data_dir), 0, 0, []
    for task in registry.select(patterns, registry.tasks(registry.plugins())):
        try:
            loaded = rowcache.load(task, directory, download=download, unverified=unverified, anew=not download)
        except NotAtHand as error:
            absent.append(f"{task.id}: {error}")
            continue
        except DiscbenchError as error:
            click.echo(f"{task.id}: error: {error}", err=True)
            worst = max(worst, int(error.exit_code))
            continue
        found += 1
        sizes = "/".join(map(str, loaded.sizes))
        partial = f", partial: {loaded.partial}" if loaded.partial else ""
        click.echo(f"{task.id}: {loaded.status}, {sizes} rows, SHA-256 {loaded.sha256}{partial}")
    for line in absent:
        click.echo(line, err=True)
    if worst or not found:
        sys.exit(worst or int(ExitCode.USER))
