"""`discbench submit` and `discbench verify`."""

import json
from dataclasses import replace
from pathlib import Path

import click

from discbench.commands.options import DIRECTORY, own_option
from discbench.commands.stored import board_of
from discbench.errors import ExitCode, UserError
from discbench.plugins import registry
from discbench.pretraining import made
from discbench.submissions.findings import Finding
from discbench.values.checkpoints import Checkpoint
from discbench.values.given import data_directory

MOST_LINES = 1000

marked_option = click.option(
    "--allow-marked", is_flag=True, help="Accept limited, partial and unverified cells; boards keep them apart."
)


@click.command(name="submit")
@click.option("--results", type=DIRECTORY, default=Path("results"), show_default=True, help="The store.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The zip file to write.")
@marked_option
def submit_(results: Path, out: Path, *, allow_marked: bool) -> None:
    """Pack all cells of a store, with predictions and provenance, for others to verify."""
    from discbench.results.store import write_whole
    from discbench.submissions import submit

    named = {task.id: task.dataset.rows_sha256 for task in registry.tasks(registry.plugins()).values()}
    content, manifest = submit.pack(results, named, allow_marked=allow_marked)
    try:
        write_whole(out, content)
    except OSError as error:
        raise UserError(f"--out {str(out)!r} cannot be written ({error.strerror}); choose another file") from error
    click.echo(f"{out}: {len(manifest['cells'])} cells, {len(content):,} bytes; check it with `discbench verify {out}`")


@click.command(name="verify")
@click.argument("path", type=click.Path(path_type=Path))
@own_option("data_dir")
@click.option("--fetch", is_flag=True, help="Download rows that are not at hand, each task's from its own source.")
@click.option(
    "--model",
    "models",
    multiple=True,
    help="A checkpoint whose vocabulary to draw mapping tables of, named as for eval. Repeatable.",
)
@own_option("vocab")
@marked_option
@click.option(
    "--no-predictions", is_flag=True, help="Cells without their predictions are not wrong; their scores go unchecked."
)
@click.option("--strict", is_flag=True, help="What could not be checked counts as wrong.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@click.pass_context
def verify_(
    ctx: click.Context,
    /,
    path: Path,
    data_dir: Path | None,
    models: tuple[str, ...],
    vocab: str | None,
    *,
    fetch: bool,
    allow_marked: bool,
    no_predictions: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Check results that others made: a file of `discbench submit`, a results directory, or a published board.

    A published board has its results in `results` beside leaderboard.json, without predictions, and its pages in
    `site`: they must be what the results give.

    One line a finding; exit code 0 if nothing is wrong, 1 if something is, 2 if PATH cannot be read.
    """
    from discbench.submissions import built
    from discbench.submissions.redraw import Tables
    from discbench.submissions.verify import Verifier

    if not path.exists():
        raise UserError(
            f"{str(path)!r} does not exist; give a file of `discbench submit`, a results directory or a published board"
        )
    published = built.results_of(path)
    verdict = Verifier(
        tasks={task.id: task for task in registry.tasks(registry.plugins()).values()},
        directory=data_directory(data_dir),
        download=fetch,
        tables=Tables([_there(name, Path(vocab) if vocab else None) for name in models]),
        allow_marked=allow_marked,
        need_predictions=published is None and not no_predictions,
    ).verify(published or path)
    if published is not None:
        verdict = replace(verdict, findings=[*_beside(path, published, verdict.errors), *verdict.findings])
    if as_json:
        click.echo(json.dumps(verdict.record, indent=1, sort_keys=True))
    else:
        _print(verdict.findings)
        done = "; ".join(f"{what}: {count}" for what, count in verdict.done.items())
        skipped = len(verdict.findings) - verdict.errors
        click.echo(
            f"{verdict.cells} cells, {verdict.errors} errors, {skipped} not checked{f'; {done}' if done else ''}"
        )
    wrong = len(verdict.findings) if strict else verdict.errors
    ctx.exit(ExitCode.CELL_FAILED if wrong else ExitCode.OK)


def _beside(path: Path, published: Path, errors: int) -> list[Finding]:
    from discbench.submissions import built

    if errors:
        return list(built.unbuilt(path))
    with board_of(published) as made:
        return list(built.unlike(path, made))


def _there(name: str, vocab: Path | None) -> Checkpoint:
    found = made.locate(name, vocab=vocab)
    if made.unmade(found):
        raise UserError(f"--model {name}: {made.told(found)}; give a checkpoint that is there")
    return found


def _print(findings: list[Finding]) -> None:
    for finding in findings[:MOST_LINES]:
        click.echo(finding.line)
    if len(findings) > MOST_LINES:
        click.echo(f"… and {len(findings) - MOST_LINES} more; --json holds all")
