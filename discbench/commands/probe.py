"""`discbench probe` and `discbench probes`."""

import json
import sys
from typing import Any

import click

from discbench.commands import show
from discbench.commands.options import probe_options
from discbench.commands.stored import tell_faults
from discbench.errors import ExitCode
from discbench.plugins import registry
from discbench.values.asked import Probing


@click.command(name="probes")
@click.argument("patterns", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def probes_(patterns: tuple[str, ...], *, as_json: bool) -> None:
    """List the probes: all, or those that PATTERNS name; of one whole NAME, print all that is known of it."""
    faults: list[str] = []
    known = registry.probes(registry.plugins(faults=faults), faults)
    tell_faults(faults)
    found = registry.select(patterns, known, "probe") if patterns else list(known.values())
    if as_json:
        click.echo(json.dumps([show.probe_record(probe) for probe in found], indent=1))
    elif len(found) == 1 and patterns[0] in {found[0].name, found[0].id}:
        click.echo(show.probe_card(found[0]))
    else:
        show.probes(found, show.console(wide=True))
    if faults:
        sys.exit(int(ExitCode.PLUGIN))


@click.command(name="probe")
@probe_options
@click.pass_context
def probe_(ctx: click.Context, /, *, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - the fields of Probing
    """Measure models instead of scores: what pre-training changed inside.

    Models are in eval mode. Probes of one model are taken of both, so that they can be compared.
    """
    from discbench.probing.api import take
    from discbench.results import probetext

    asked = Probing(**options)
    taken = take(asked)
    if as_json:
        click.echo(json.dumps(taken.results, indent=1, sort_keys=True))
    else:
        probetext.table(taken.results, show.console())
    for line in taken.closing(asked.store):
        click.echo(line, err=True)
    ctx.exit(ExitCode.CELL_FAILED if taken.failed else ExitCode.OK)
