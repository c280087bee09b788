"""`discbench compare`."""

import json
from pathlib import Path

import click

from discbench import show
from discbench.options import DIRECTORY


@click.command(name="compare")
@click.argument("one")
@click.argument("other")
@click.option("--results", type=DIRECTORY, default=Path("results"), show_default=True, help="The store.")
@click.option("--init", default="pretrained", show_default=True, help="Which init to compare.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare_(one: str, other: str, results: Path, init: str, *, as_json: bool) -> None:
    """Compare two checkpoints task by task: ONE minus OTHER, seeds paired, with 95 % intervals.

    Both are read from the store; give NAME, or NAME@REVISION where a store holds several revisions.
    """
    from discbench import board, boardtext
    from discbench.compare import compare
    from discbench.store import Store

    found = compare(board.build(Store(results).results()), one, other, init)
    if as_json:
        click.echo(json.dumps(found, indent=1, sort_keys=True))
    else:
        boardtext.comparison(found, show.console())
