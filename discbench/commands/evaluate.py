"""`discbench eval` and `discbench plan`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from discbench import ranks, show, sweep
from discbench.api import Asked
from discbench.errors import ExitCode
from discbench.options import DIRECTORY, REQUEST, data_directory, request_of, what_options
from discbench.plan import Cell, Request, work


def _asked(options: dict[str, Any], **more: Any) -> Asked:  # noqa: ANN401 - the fields of Asked
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


def prepare(options: dict[str, Any], *, load: bool) -> tuple[Any, Any, Request]:
    """Return (plugin manager, sweep, request) of what the options ask for."""
    asked = _asked(options)
    return *asked.prepare(load=load), asked.request


@click.command(name="eval")
@what_options
@click.option(
    "--workers",
    type=click.IntRange(0),
    help="Cells at once; by default as many as the machine carries. 0: in this process, as torchrun needs it.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Threads of each worker; by default the cores that this process may use, shared out.",
)
@click.option("--executor", help="Where cells run: local (the default), inprocess, or what a plugin offers.")
@click.option("--track", help="Log each cell that is run to a tracker: tensorboard, trackio or wandb.")
@click.option(
    "--track-dir", type=DIRECTORY, default=Path("tracking"), show_default=True, help="Where the tracker writes."
)
@click.option("--verbose", is_flag=True, help="Let the libraries' own bars and warnings through.")
@click.pass_context
def eval_(
    ctx: click.Context,
    /,
    workers: int | None,
    threads: int | None,
    executor: str | None,
    track: str | None,
    track_dir: Path,
    *,
    verbose: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Fine-tune checkpoints and their controls on tasks, and print the board."""
    from discbench import boardtext

    more = {"workers": workers, "threads": threads, "executor": executor, "track": track, "track_dir": track_dir}
    made = _asked(options, verbose=verbose, **more).run()
    if not ranks.first():
        return
    if options["as_json"]:
        click.echo(made.to_json(), nl=False)
    else:
        boardtext.board(made.record, show.console())
    closing(made.results, trained=made.trained, kept=made.kept, where=options["results"])
    ctx.exit(ExitCode.CELL_FAILED if made.failed else ExitCode.OK)


def carry_out(
    manager: Any,  # noqa: ANN401 - pluggy's manager
    prepared: Any,  # noqa: ANN401 - a Sweep
    options: dict[str, Any],
    *,
    workers: int | None,
    threads: int | None,
    verbose: bool,
    settled: Callable[[dict[str, Any] | None], bool] | None = None,
) -> tuple[Sequence[dict[str, Any]], int, int]:
    """Run what is still to run of a sweep, with progress on stderr; return (all results, cells run, cells kept).

    Of a search, `settled` tells of results that are not finished and need no second run.
    """
    asked = _asked(options, workers=workers, threads=threads, verbose=verbose)
    return asked.carry_out(manager, prepared, None, settled)


def closing(
    results: Sequence[dict[str, Any]], *, trained: int, kept: int, where: Path, name_failed: bool = True
) -> None:
    """Say on stderr what was done and where it is."""
    failed = [r for r in results if r["status"] != "finished"]
    for result in failed if name_failed else []:
        cell = Cell(**result["cell"])
        click.echo(f"failed: {cell.words}: {result['cause']}", err=True)
    done = f"trained {trained - len(failed)} cells" if trained else "trained nothing: every cell was in the store"
    rest = f", {len(failed)} failed (run again to retry them)" if failed else ""
    click.echo(f"{done}{rest}{f', kept {kept}' if trained and kept else ''}; results in {where}", err=True)


@click.command(name="plan")
@what_options
def plan_(**options: Any) -> None:  # noqa: ANN401
    """Print the cells of an evaluation, what is there already, and the work; train nothing."""
    from discbench.store import Store

    _, prepared, _ = prepare(options, load=False)
    store, directory = Store(options["results"]), data_directory(options["data_dir"])
    sweep.check_definitions(prepared, store)
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
