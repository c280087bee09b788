"""`discbench new`."""

from pathlib import Path

import click

from discbench.commands.options import DIRECTORY
from discbench.errors import UserError
from discbench.plugins import registry, scaffold

INTO = click.option(
    "--out", type=DIRECTORY, default=Path(), show_default="here", help="Where the package's folder is made."
)


@click.group()
def new() -> None:
    """Write a plugin package that works, to be changed."""


@new.command(name="task")
@click.argument("name")
@INTO
def new_task(name: str, out: Path) -> None:
    """Write a package with the task NAME: one file, its tests, a README. NAME is `discipline.task`."""
    _refuse(name, registry.tasks(registry.plugins(faults=[]), []), "task")
    _say(scaffold.write("task", name, out), f"discbench tasks {name}")


@new.command(name="probe")
@click.argument("name")
@INTO
def new_probe(name: str, out: Path) -> None:
    """Write a package with the probe NAME: one file, its tests, a README."""
    _refuse(name, registry.probes(registry.plugins(faults=[]), []), "probe")
    _say(scaffold.write("probe", name, out), f"discbench probes {name}")


def _refuse(name: str, known: object, kind: str) -> None:
    if name in known:  # type: ignore[operator]
        raise UserError(f"there is a {kind} {name!r} already (`discbench {kind}s {name}`); choose another name")


def _say(folder: Path, listing: str) -> None:
    place = (
        folder if folder.is_absolute() else f"./{folder}"
    )  # without it pip would take the folder for a package's name
    click.echo(f"wrote {place}; next:\n  pip install -e '{place}[test]'\n  pytest {place}\n  {listing}")
