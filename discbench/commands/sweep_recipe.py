"""`discbench sweep-recipe`."""

import json
from typing import Any

import click

from discbench.api import carry_out, prepare
from discbench.commands import show
from discbench.commands.evaluate import closing
from discbench.commands.options import SLURM, asked_options
from discbench.errors import ExitCode, UserError
from discbench.training import ranks
from discbench.values.asked import Evaluation


@click.command(name="sweep-recipe")
@asked_options(Evaluation, without=("executor", *SLURM, "track", "track_dir", "verbose"))
@click.option("--optimizers", help="Commas between; by default adagrad, adam, adamax, radam, novograd.")
@click.option("--lrs", help="Learning rates, commas between; by default nine from 1e-4 to 1e-7.")
@click.pass_context
def sweep_recipe(
    ctx: click.Context,
    /,
    optimizers: str | None,
    lrs: str | None,
    *,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - the fields of Evaluation
) -> None:
    """Search for the recipe that a task learns best: optimisers x learning rates, best by validation.

    The grid of Kao & Lee 2021, appendix A, is the default. Cells are ordinary ones: they resume, and
    `eval` with the same --set finds them.
    """
    from discbench.sweeps import search

    asked = Evaluation(**options)
    manager, prepared = prepare(asked, load=True)
    if len(prepared.tasks) > 1:
        raise UserError(f"--tasks names {len(prepared.tasks)} tasks; a recipe is searched for on one at a time")
    prepared = search.grid(prepared, asked.request, _list(optimizers, search.OPTIMIZERS), _list(lrs, search.RATES))
    results, todo, kept = carry_out(asked, manager, prepared, search.diverged)
    if not ranks.first():
        return
    points = search.summary(results)
    best = search.best(points)
    if as_json:
        click.echo(json.dumps({"points": points, "best": best}, indent=1, sort_keys=True))
    else:
        show.search(points, best, show.console())
    counted = [result for result in results if not search.diverged(result)]
    closing(counted, trained=todo, kept=kept, where=asked.store)
    faults = any(result["status"] != "finished" for result in counted)
    ctx.exit(ExitCode.CELL_FAILED if faults or not best else ExitCode.OK)


def _list(text: str | None, default: tuple[str, ...]) -> list[str]:
    found = [part.strip() for part in text.split(",") if part.strip()] if text is not None else list(default)
    if not found:
        raise UserError("--optimizers and --lrs need at least one value each, commas between")
    return found
