"""`discbench site`."""

from pathlib import Path
from typing import Any

import click

from discbench.commands.options import DIRECTORY
from discbench.commands.stored import named


@click.command(name="site")
@click.option("--from", "source", type=DIRECTORY, required=True, help="A store, or a directory with leaderboard.json.")
@click.option("--out", type=DIRECTORY, required=True, help="Where to write the pages.")
@click.option("--figures/--no-figures", default=None, help="Charts; by default for up to 100 checkpoints.")
def site_(source: Path, out: Path, *, figures: bool | None) -> None:
    """Write the board as a static site that opens from a file, without a network."""
    from discbench.site import pages

    with named() as rows:
        _build(pages.read(source, rows), out, figures=figures)


def _build(board: dict[str, Any], out: Path, *, figures: bool | None) -> None:
    from discbench.site import pages

    written = pages.build(board, out, figures=figures)
    size = sum(path.stat().st_size for path in written) / 1e6
    click.echo(
        f"{out / 'index.html'}: {len(written)} files, {size:.2f} MB, {len(board['checkpoints'])} rows of the board"
    )
