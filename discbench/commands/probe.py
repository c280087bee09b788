"""`discbench probe` and `discbench probes`."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from discbench import registry, show
from discbench.commands.tasks import tell_faults
from discbench.errors import ExitCode, UserError
from discbench.options import DIRECTORY, data_options


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
@click.option("--model", required=True, help="As of eval.")
@click.option("--against", help="Another model, or an init of the same one: scratch (the default) or reembedded.")
@click.option("--init", default="pretrained", show_default=True, help="Of the models that are named.")
@click.option("--tasks", "patterns", multiple=True, required=True, help="Names, globs or disciplines, commas between.")
@click.option("--probes", "chosen", multiple=True, help="Names or globs, commas between; by default all that apply.")
@click.option("--rows", type=click.IntRange(1), help="So many test rows; by default as each probe says.")
@click.option("--layers", default="-1", show_default=True, help="Commas between; 0 is the input, -1 the last layer.")
@click.option("--seeds", default=1, show_default=True, help="How many seeds, from 0: of rows, mapping, inits, heads.")
@click.option("--mapping", help="Instead of each task's own.")
@click.option("--max-tokens", type=click.IntRange(3), help="Cut rows to so many tokens, special ones included.")
@click.option("--as-published", is_flag=True, help="The paper's own recipe; see `discbench probes`.")
@click.option("--special", "specials", multiple=True, metavar="cls|sep|pad=ID", help="As of eval.")
@click.option("--trust-remote-code", is_flag=True, help="Run code that comes with a checkpoint.")
@click.option("--results", type=DIRECTORY, default=Path("results"), show_default=True, help="The store.")
@click.option("--device", default=None, help="cpu or cuda; by default what is there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@click.option("--verbose", is_flag=True, help="Let the libraries' own warnings through.")
@data_options
@click.pass_context
def probe_(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401
    """Measure models instead of scores: what pre-training changed inside.

    Models are in eval mode. Probes of one model are taken of both, so that they can be compared.
    """
    from discbench import probetext
    from discbench.probeapi import Asked

    taken = Asked(
        model=options["model"],
        against=options["against"],
        init=options["init"],
        patterns=options["patterns"],
        chosen=options["chosen"],
        rows=options["rows"],
        layers=_layers(options["layers"]),
        seeds=_seeds(options["seeds"]),
        mapping=options["mapping"],
        max_tokens=options["max_tokens"],
        as_published=options["as_published"],
        results=options["results"],
        data=options["data_dir"],
        specials=options["specials"],
        device=options["device"],
        unverified=options["unverified"],
        trust_remote_code=options["trust_remote_code"],
        verbose=options["verbose"],
    ).take(sys.stderr)
    if options["as_json"]:
        click.echo(json.dumps(taken.results, indent=1, sort_keys=True))
    else:
        probetext.table(taken.results, show.console())
    for line in taken.closing(options["results"]):
        click.echo(line, err=True)
    ctx.exit(ExitCode.CELL_FAILED if taken.failed else ExitCode.OK)


def _seeds(count: int) -> tuple[int, ...]:
    if count < 1:
        raise UserError(f"--seeds {count}: no seed, no measurement; give 1 or more")
    return tuple(range(count))


def _layers(text: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise UserError(f"--layers {text!r}: whole numbers with commas between were expected, such as 0,3,-1") from None
