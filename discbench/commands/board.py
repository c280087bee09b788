"""`discbench board`."""

from pathlib import Path

import click

from discbench import show
from discbench.errors import UserError
from discbench.options import DIRECTORY


@click.command(name="board")
@click.option("--results", type=DIRECTORY, default=Path("results"), show_default=True, help="The store.")
@click.option("--out", type=DIRECTORY, help="Write leaderboard.json and its schema here.")
@click.option("--paper", is_flag=True, help="Set the figures of Kao & Lee 2021 beside, where they have them.")
def board_(results: Path, out: Path | None, *, paper: bool) -> None:
    """Build the board of everything in a store."""
    from discbench import board, boardtext
    from discbench.store import Store, write_whole

    store = Store(results)
    made = board.build(store.results(), store.probes())
    if out is None:
        boardtext.board(made, show.console(), paper=paper)
        return
    try:
        write_whole(out / "leaderboard.json", board.to_bytes(made))
        write_whole(out / board.SCHEMA.name, board.SCHEMA.read_bytes())
    except OSError as error:
        raise UserError(f"--out {str(out)!r} cannot be written ({error.strerror}); choose another directory") from error
    click.echo(f"{out / 'leaderboard.json'}: {len(made['entries'])} entries of {len(made['checkpoints'])} checkpoints")
