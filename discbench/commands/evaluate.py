"""`discbench eval` and `discbench plan`."""

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from discbench import ranks, registry, show
from discbench.checkpoints import parse_specials
from discbench.errors import ExitCode, UserError
from discbench.options import data_directory, device_of, request_of, what_options
from discbench.place import Place
from discbench.plan import Cell, Request, work


def _prepare(options: dict[str, Any], *, load: bool) -> tuple[Any, Any, Request]:
    from discbench import sweep

    request = request_of(
        options["inits"], options["seeds"], options["recipe"], options["changes"], options["limit"], options["mapping"]
    )
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
    help="Cells at once; by default as many as the machine carries. 0: in this process, or over all of torchrun.",
)
@click.option("--threads", type=click.IntRange(1), help="Threads of each worker.")
@click.option("--verbose", is_flag=True, help="Let the libraries' own bars and warnings through.")
@click.pass_context
def eval_(ctx: click.Context, /, workers: int | None, threads: int | None, *, verbose: bool, **options: Any) -> None:  # noqa: ANN401
    """Fine-tune checkpoints and their controls on tasks, and print the board."""
    from discbench import sweep
    from discbench.progress import Progress
    from discbench.store import Store

    store = Store(options["results"])
    manager, prepared, _ = _prepare(options, load=True)
    store.check_writable()
    kept, todo = sweep.split(prepared, store)
    device = device_of(options["device"])
    crew, share = crew_of(workers, threads, device)
    first = ranks.rank() == 0
    progress = Progress(total=len(todo), kept=len(kept), stream=sys.stderr if first else io.StringIO())
    for note in prepared.notes:
        progress.say(note)
    with progress:
        place = place_of(options, device, verbose=verbose)
        results = sweep.run(prepared, place, manager, workers=crew, threads=share, progress=progress, todo=todo)
    if first:
        _print(results, options)
        closing(results, trained=len(todo), kept=len(kept), where=options["results"])
    ctx.exit(ExitCode.CELL_FAILED if any(r["status"] != "finished" for r in results) else ExitCode.OK)


def crew_of(workers: int | None, threads: int | None, device: str) -> tuple[int, int]:
    """Return (cells at once, threads of each): as told, else by the machine.

    Raises:
        UserError: torchrun started several processes, and each would start workers of its own.
    """
    from discbench import sweep

    if ranks.count() > 1 and workers != 0:
        raise UserError(
            f"torchrun started {ranks.count()} processes, each of which would run every cell;"
            " share the cells between them with --workers 0"
        )
    crew = sweep.machine_workers(device) if workers is None else workers
    return crew, threads or max(1, (os.cpu_count() or 1) // max(crew, ranks.count()))


def _print(results: list[dict[str, Any]], options: dict[str, Any]) -> None:
    from discbench import board

    made = board.build(results)
    if options["as_json"]:
        click.echo(board.to_bytes(made).decode(), nl=False)
    else:
        show.board(made, show.console())


def place_of(options: dict[str, Any], device: str, *, verbose: bool) -> Place:
    """Return where and on what the cells run, by the options."""
    return Place(
        results=options["results"],
        data=data_directory(options["data_dir"]),
        device=device,
        unverified=options["unverified"],
        verbose=verbose,
    )


def closing(results: list[dict[str, Any]], *, trained: int, kept: int, where: Path) -> None:
    """Say on stderr what was done and where it is."""
    failed = [r for r in results if r["status"] != "finished"]
    for result in failed:
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

    _, prepared, _ = _prepare(options, load=False)
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
