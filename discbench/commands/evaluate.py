"""`discbench eval` and `discbench plan`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from discbench.api import prepare, run
from discbench.commands import show
from discbench.commands.options import run_options, what_options
from discbench.errors import ExitCode
from discbench.sweeps import sweep
from discbench.sweeps.plan import work
from discbench.sweeps.tuning import Tuning
from discbench.training import ranks
from discbench.values.asked import Evaluation
from discbench.values.cells import Cell, words_of
from discbench.words.names import lines


@click.command(name="eval")
@run_options
@click.pass_context
def eval_(ctx: click.Context, /, *, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - the fields of Evaluation
    """Fine-tune checkpoints and their controls on tasks, and print the board."""
    from discbench.results import boardtext

    asked = Evaluation(**options)
    made = run(asked)
    if not ranks.first():
        return
    if as_json:
        click.echo(made.to_json(), nl=False)
    else:
        boardtext.board(made.record, show.console())
    closing(made.results, trained=made.trained, kept=made.kept, where=asked.store)
    ctx.exit(ExitCode.CELL_FAILED if made.failed else ExitCode.OK)


def closing(
    results: Sequence[dict[str, Any]], *, trained: int, kept: int, where: Path, name_failed: bool = True
) -> None:
    """Say on stderr what was done and where it is."""
    failed = [r for r in results if r["status"] != "finished"]
    words = words_of(Cell(**r["cell"]) for r in results)
    for result in failed if name_failed else []:
        click.echo(f"failed: {words[result['id']]}: {result['cause']}", err=True)
    done = f"trained {trained - len(failed)} cells" if trained else "trained nothing: every cell was in the store"
    rest = f", {len(failed)} failed (run again to retry them)" if failed else ""
    click.echo(f"{done}{rest}{f', kept {kept}' if trained and kept else ''}; results in {where}", err=True)


@click.command(name="plan")
@what_options
@click.pass_context
def plan_(ctx: click.Context, /, *, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - the fields of Evaluation
    """Print the cells of an evaluation, what is there already, and the work; train nothing."""
    from discbench.results.forms.records import PassedOver
    from discbench.results.store import Store

    asked = Evaluation(**options)
    _, prepared = prepare(asked, load=False)
    store, directory = Store(asked.store), asked.directory
    sweep.check_definitions(prepared, Store(asked.store, passed=PassedOver()))
    tuning = Tuning(prepared, store)
    cells, open_ = tuning.planned()
    words, notes, rows = words_of(cells), [*prepared.notes, *tuning.notes()], list[dict[str, Any]]()
    for cell in cells:
        amount = work(cell, prepared.tasks[cell.task], directory)
        wrong = store.fault(cell)
        known = store.get(cell) if wrong is None else {"status": "unreadable"}
        notes += [wrong] if wrong else []
        rows.append(
            {
                "id": None if cell.id in open_ else cell.id,
                "words": words[cell.id],
                "state": "rate not chosen yet" if cell.id in open_ else known["status"] if known else "to run",
                "rows": amount.train_rows,
                "steps": amount.steps,
                "tokens": amount.tokens,
            }
        )
    for note in notes:
        click.echo(lines(note), err=True)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        show.plan(rows, show.console())
    ctx.exit(ExitCode.USER if any(row["state"] == "unreadable" for row in rows) else ExitCode.OK)
