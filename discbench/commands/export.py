"""`discbench export`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from discbench.commands.options import DIRECTORY
from discbench.commands.stored import offered, readable
from discbench.errors import UserError, did_you_mean
from discbench.exports.formats import FORMATS, SHOWS_MARKS, files_of
from discbench.values.rates import RATES

if TYPE_CHECKING:
    from discbench.exports.selection import Selection


@click.command(name="export")
@click.option("--results", type=DIRECTORY, default=Path("results"), show_default=True, help="The store.")
@click.option("--to", "form", required=True, help=f"One of {', '.join(FORMATS)}.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A directory, or a file for one file.")
@click.option("--recipe", help="Only cells of this recipe.")
@click.option(
    "--rates", "which", type=click.Choice(RATES), help="Only cells with the recipe's own learning rate, or a tuned one."
)
@click.option("--allow-marked", is_flag=True, help="Take limited, partial and unverified cells too; they stay marked.")
@click.option(
    "--benchmark", default="", metavar="ORG/NAME", help="For hf-eval-results: the benchmark's dataset on the hub."
)
@click.option("--source-url", default="", help="Where the whole results are published.")
def export_(
    results: Path,
    form: str,
    out: Path,
    recipe: str | None,
    which: str | None,
    *,
    allow_marked: bool,
    benchmark: str,
    source_url: str,
) -> None:
    """Write a store's results in another project's format; the same store gives the same bytes."""
    from discbench.exports.selection import select
    from discbench.results.store import Store

    if form not in FORMATS:
        raise UserError(f"no format {form!r}{did_you_mean(form, FORMATS, 'there are ' + ', '.join(FORMATS))}")
    with offered() as there, readable() as passed:
        chosen = select(
            Store(results, there.rows, passed),
            recipe=recipe,
            which=which,
            marked=allow_marked,
            whole_only=form not in SHOWS_MARKS,
            benchmark=benchmark,
            source_url=source_url,
        )
        _write(chosen, form, out)


def _write(chosen: "Selection", form: str, out: Path) -> None:
    from discbench.results.store import write_whole

    files = files_of(form, chosen)
    alone = len(files) == 1 and out.suffix and not out.is_dir()
    try:
        for path, content in files.items():
            write_whole(out if alone else out / path, content)
    except OSError as error:
        raise UserError(f"--out {str(out)!r} cannot be written ({error.strerror}); choose another place") from error
    for words in chosen.left_out:
        click.echo(f"left out: {words}", err=True)
    click.echo(f"{out}: {len(files)} files, of {len(chosen.results)} cells")
