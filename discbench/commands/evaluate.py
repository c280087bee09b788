"""`discbench eval` and `discbench plan`."""

import json
from pathlib import Path
from typing import Any

import click

from discbench import show
from discbench.errors import ExitCode
from discbench.options import REQUEST, data_directory, request_of, what_options
from discbench.plan import Cell, work


def _asked(options: dict[str, Any], **more: Any) -> Any:  # noqa: ANN401
    from discbench.api import Asked

    return Asked(
        models=options["models"],
        patterns=options["patterns"],
        request=request_of(**{name: options[name] for name in REQUEST}),
        results=options["results"],
        data=options["data_dir"],
        specials=options["specials"],
        device=options["device"],
        unverified=options["unverified"],
        trust_remote_code=options["trust_remote_code"],
        **more,
    )


@click.command(name="eval")
@what_options
@click.option("--workers", type=click.IntRange(1), help="Cells at once; by default as many as the machine carries.")
@click.option("--threads", type=click.IntRange(1), help="Threads of each worker.")
@click.option("--verbose", is_flag=True, help="Let the libraries' own bars and warnings through.")
@click.pass_context
def eval_(ctx: click.Context, /, workers: int | None, threads: int | None, *, verbose: bool, **options: Any) -> None:  # noqa: ANN401
    """Fine-tune checkpoints and their controls on tasks, and print the board."""
    from discbench import boardtext

    made = _asked(options, workers=workers, threads=threads, verbose=verbose).run()
    if options["as_json"]:
        click.echo(made.to_json(), nl=False)
    else:
        boardtext.board(made.record, show.console())
    closing(made, options["results"])
    ctx.exit(ExitCode.CELL_FAILED if made.failed else ExitCode.OK)


def closing(made: Any, where: Path) -> None:  # noqa: ANN401 - a Board, imported late
    """Say on stderr what was done and where it is."""
    for result in made.failed:
        cell = Cell(**result["cell"])
        click.echo(f"failed: {cell.words}: {result['cause']}", err=True)
    failed = len(made.failed)
    done = f"trained {made.trained - failed} cells" if made.trained else "trained nothing: every cell was in the store"
    rest = f", {failed} failed (run again to retry them)" if failed else ""
    kept = f", kept {made.kept}" if made.trained and made.kept else ""
    click.echo(f"{done}{rest}{kept}; results in {where}", err=True)


@click.command(name="plan")
@what_options
def plan_(**options: Any) -> None:  # noqa: ANN401
    """Print the cells of an evaluation, what is there already, and the work; train nothing."""
    from discbench.store import Store

    _, prepared = _asked(options).prepare(load=False)
    store, directory = Store(options["results"]), data_directory(options["data_dir"])
    rows = []
    for cell in prepared.cells:
        amount = work(cell, prepared.tasks[cell.task], directory)
        known = store.get(cell)
        rows.append(
            {
                "id": cell.id,
                "words": cell.words,
                "state": known["status"] if known else "to run",
                "rows": amount.train_rows,
                "steps": amount.steps,
                "tokens": amount.tokens,
            }
        )
    if options["as_json"]:
        click.echo(json.dumps(rows, indent=1))
        return
    for note in prepared.notes:
        click.echo(note, err=True)
    show.plan(rows, show.console())
