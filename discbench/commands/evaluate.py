"""`discbench eval` and `discbench plan`."""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from discbench import ranks, registry, show, trackers
from discbench.checkpoints import parse_specials
from discbench.errors import ExitCode, UserError
from discbench.options import DIRECTORY, REQUEST, data_directory, device_of, request_of, what_options
from discbench.place import Place
from discbench.plan import Cell, Request, work


def prepare(options: dict[str, Any], *, load: bool) -> tuple[Any, Any, Request]:
    """Return (plugin manager, sweep, request) of what the options ask for."""
    from discbench import sweep

    request = request_of(**{name: options[name] for name in REQUEST})
    manager = registry.plugins()
    prepared = sweep.prepare(
        manager,
        options["models"],
        options["patterns"],
        request,
        directory=data_directory(options["data_dir"]),
        specials=parse_specials(options["specials"]),
        load=load,
        unverified=options["unverified"],
        trust_remote_code=options["trust_remote_code"],
    )
    return manager, prepared, request


@click.command(name="eval")
@what_options
@click.option(
    "--workers",
    type=click.IntRange(0),
    help="Cells at once; by default as many as the machine carries. 0: in this process, as torchrun needs it.",
)
@click.option("--threads", type=click.IntRange(1), help="Threads of each worker.")
@click.option("--track", help="Log each cell that is run to a tracker: tensorboard, trackio or wandb.")
@click.option(
    "--track-dir", type=DIRECTORY, default=Path("tracking"), show_default=True, help="Where the tracker writes."
)
@click.option("--verbose", is_flag=True, help="Let the libraries' own bars and warnings through.")
@click.pass_context
def eval_(ctx: click.Context, /, workers: int | None, threads: int | None, *, verbose: bool, **options: Any) -> None:  # noqa: ANN401
    """Fine-tune checkpoints and their controls on tasks, and print the board."""
    from discbench import board, boardtext

    track, track_dir = options.pop("track"), options.pop("track_dir")
    manager, prepared, _ = prepare(options, load=True)
    if track:
        trackers.register(manager, track, track_dir)
    results, todo, kept = carry_out(manager, prepared, options, workers=workers, threads=threads, verbose=verbose)
    made = board.build(results)
    if not ranks.first():
        return
    if options["as_json"]:
        click.echo(board.to_bytes(made).decode(), nl=False)
    else:
        boardtext.board(made, show.console())
    closing(results, trained=todo, kept=kept, where=options["results"])
    ctx.exit(ExitCode.CELL_FAILED if any(r["status"] != "finished" for r in results) else ExitCode.OK)


def carry_out(
    manager: Any,  # noqa: ANN401 - pluggy's manager
    prepared: Any,  # noqa: ANN401 - a Sweep
    options: dict[str, Any],
    *,
    workers: int | None,
    threads: int | None,
    verbose: bool,
    settled: Callable[[dict[str, Any] | None], bool] | None = None,
) -> tuple[list[dict[str, Any]], int, int]:
    """Run what is still to run of a sweep, with progress on stderr; return (all results, cells run, cells kept).

    Of a search, `settled` tells of results that are not finished and need no second run.
    """
    from discbench import sweep
    from discbench.progress import Progress
    from discbench.store import Store

    store = Store(options["results"])
    store.check_writable()
    if ranks.count() > 1 and workers != 0:
        raise UserError(f"torchrun started {ranks.count()} processes: give --workers 0, so that they share each cell")
    device = device_of(options["device"])
    ranks.meet(device)
    todo = ranks.of_first(lambda: sweep.split(prepared, store)[1])
    if settled is not None:
        todo = ranks.of_first(lambda: [cell for cell in todo if not settled(store.get(cell))])
    kept = len(prepared.cells) - len(todo)
    crew = sweep.machine_workers(device) if workers is None else workers
    stream = sys.stderr if ranks.first() else io.StringIO()
    progress = Progress(total=len(todo), kept=kept, stream=stream, searching=settled is not None)
    for note in prepared.notes:
        progress.say(note)
    with progress:
        place = _place(options, device, verbose=verbose)
        share = threads or max(1, (os.cpu_count() or 1) // max(crew, ranks.count()))
        results = sweep.run(prepared, place, manager, workers=crew, threads=share, progress=progress, todo=todo)
    return results, len(todo), kept


def _place(options: dict[str, Any], device: str, *, verbose: bool) -> Place:
    return Place(
        results=options["results"],
        data=data_directory(options["data_dir"]),
        device=device,
        unverified=options["unverified"],
        verbose=verbose,
    )


def closing(results: list[dict[str, Any]], *, trained: int, kept: int, where: Path, name_failed: bool = True) -> None:
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
