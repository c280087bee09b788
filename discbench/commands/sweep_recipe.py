"""`discbench sweep-recipe`: which optimiser and which learning rate, by validation scores."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from discbench import plan, registry, search, show
from discbench.checkpoints import parse_specials
from discbench.commands.evaluate import closing, crew_of, place_of
from discbench.errors import ExitCode, UserError
from discbench.options import data_directory, device_of, request_of, what_options
from discbench.search import Point
from discbench.types import Task


@click.command(name="sweep-recipe")
@what_options
@click.option(
    "--optimizers", default=",".join(search.OPTIMIZERS), show_default=True, help="Optimisers, commas between."
)
@click.option("--lrs", default=",".join(search.RATES), show_default=True, help="Learning rates, commas between.")
@click.option("--workers", type=click.IntRange(1), help="Cells at once; by default as many as the machine carries.")
@click.option("--threads", type=click.IntRange(1), help="Threads of each worker.")
@click.option("--verbose", is_flag=True, help="Let the libraries' own bars and warnings through.")
@click.pass_context
def sweep_recipe_(
    ctx: click.Context,
    /,
    optimizers: str,
    lrs: str,
    workers: int | None,
    threads: int | None,
    *,
    verbose: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Search optimisers and learning rates on one task; print the best of each init by its validation score.

    The default grid is that of Kao & Lee 2021, appendix A. The cells are ordinary ones: `eval` with the same --set fields
    finds them in the store, and a search that was cut off goes on where it was.
    """
    from discbench import sweep
    from discbench.progress import Progress
    from discbench.store import Store

    manager = registry.plugins()
    swept, task = _prepare(manager, search.grid(optimizers, lrs), options)
    store = Store(options["results"])
    store.check_writable()
    todo = [cell for cell in sweep.split(swept, store)[1] if not search.diverged(store.get(cell))]
    kept = len(swept.cells) - len(todo)
    device = device_of(options["device"])
    crew, share = crew_of(workers, threads, device)
    with Progress(total=len(todo), kept=kept, stream=sys.stderr) as progress:
        place = place_of(options, device, verbose=verbose)
        results = sweep.run(swept, place, manager, workers=crew, threads=share, progress=progress, todo=todo)
    found = search.points(results)
    chosen = search.best(found, higher_is_better=task.metric.higher_is_better)
    if options["as_json"]:
        click.echo(json.dumps(_record(found, chosen, task, options), indent=1, sort_keys=True))
    else:
        _print(found, chosen, task, options, show.console())
    faults = [r for r in results if r["status"] != "finished" and not search.diverged(r)]
    closing(
        [*(r for r in results if r["status"] == "finished"), *faults], trained=len(todo), kept=kept, where=store.root
    )
    ctx.exit(ExitCode.CELL_FAILED if faults or len(chosen) < len({p.init for p in found}) else ExitCode.OK)


def _prepare(manager: Any, grid: list[dict[str, str]], options: dict[str, Any]) -> tuple[Any, Task]:  # noqa: ANN401
    """Return the sweep over all points of the grid, seed by seed, and its task."""
    from discbench import sweep

    request = request_of(
        options["inits"], options["seeds"], options["recipe"], options["changes"], options["limit"], options["mapping"]
    )
    given = sorted({"optimizer", "lr"} & set(request.overrides))
    if given:
        raise UserError(f"--set {given[0]}=...: the search goes over it; give it as --optimizers or --lrs")
    first = sweep.prepare(
        manager,
        options["models"],
        options["patterns"],
        replace(request, overrides={**request.overrides, **grid[0]}),
        directory=data_directory(options["data_dir"]),
        specials=parse_specials(options["specials"]),
        load=True,
        unverified=options["unverified"],
        trust_remote_code=options["trust_remote_code"],
    )
    checkpoints, tasks = list(first.checkpoints.values()), list(first.tasks.values())
    if len(checkpoints) != 1 or len(tasks) != 1:
        raise UserError(
            f"sweep-recipe takes one model and one task, but {len(checkpoints)} models and {len(tasks)} tasks were named;"
            " run it once for each"
        )
    task, checkpoint = tasks[0], checkpoints[0]
    if checkpoint.baseline:
        raise UserError(f"model {checkpoint.name!r} is trained without a recipe; give a checkpoint")
    if task.scored_on_validation:
        raise UserError(
            f"{task.name} is scored on its validation rows, so a recipe chosen on them would be chosen on its test;"
            " search on another task and carry the choice over"
        )
    rows = {task.name: first.cells[0].rows}
    cells = [
        cell
        for point in grid
        for cell in plan.cells(checkpoints, tasks, rows, replace(request, overrides={**request.overrides, **point}))
    ]
    return replace(first, cells=sorted(cells, key=lambda cell: cell.seed)), task


def _record(found: Sequence[Point], chosen: dict[str, Point], task: Task, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": options["models"][0],
        "task": task.id,
        "metric": task.metric.name,
        "recipe": options["recipe"],
        "selected_on": "validation",
        "grid": [
            {
                "init": p.init,
                "optimizer": p.optimizer,
                "lr": p.lr,
                "mean": p.mean,
                "sd": p.sd,
                "validation": {str(seed): score for seed, score in sorted(p.validation.items())},
                "diverged": p.diverged,
                "failed": p.failed,
                "collapsed": p.collapsed,
            }
            for p in found
        ],
        "best": {init: {"optimizer": p.optimizer, "lr": p.lr, "mean": p.mean} for init, p in chosen.items()},
    }


def _print(found: Sequence[Point], chosen: dict[str, Point], task: Task, options: dict[str, Any], out: Console) -> None:
    rates = sorted({p.lr for p in found}, reverse=True)
    for init in dict.fromkeys(p.init for p in found):
        own = {(p.optimizer, p.lr): p for p in found if p.init == init}
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("optimizer", no_wrap=True)
        for rate in rates:
            table.add_column(f"lr {rate:g}", justify="right", no_wrap=True)
        for name in dict.fromkeys(optimizer for optimizer, _ in own):
            table.add_row(name, *(_cell(own[name, rate], chosen.get(init)) for rate in rates))
        seeds = f"{options['seeds']} seed{'s' if options['seeds'] > 1 else ''}"
        out.print(f"\n[bold]{options['models'][0]} {init} on {task.id}[/bold], validation {task.metric.name}, {seeds}")
        out.print(table)
        _tell(init, chosen.get(init), found, task, options, out)
    if any(p.collapsed for p in found):
        out.print("* constant predictions in at least one seed")
    out.print("Chosen on validation rows alone; test rows took no part.", style="dim")


def _cell(point: Point, winner: Point | None) -> str:
    if point.mean is None:
        return "diverged" if point.diverged else "failed"
    text = (
        f"{point.mean:.3f}" + (f" ± {point.sd:.3f}" if point.sd is not None else "") + ("*" if point.collapsed else "")
    )
    if not point.whole:
        return f"{text} ({point.diverged + point.failed} lost)"
    return f"[bold green]{text}[/bold green]" if point is winner else text


def _tell(
    init: str, point: Point | None, found: Sequence[Point], task: Task, options: dict[str, Any], out: Console
) -> None:
    if point is None:
        out.print("no point of the grid has a score for every seed; try lower rates")
        return
    edge = search.at_edge(point, found)
    hint = f"; the {edge} rate of the grid, so a better one may lie beyond it" if edge else ""
    out.print(f"best: {point.optimizer} at {point.lr:g} ({point.mean:.3f}){hint}")
    words = [f"--model {options['models'][0]} --tasks {task.name} --inits {init} --recipe {options['recipe']}"]
    words += [f"--set {change}" for change in options["changes"]]
    out.print(
        f"use it: discbench eval {' '.join(words)} --set optimizer={point.optimizer} --set lr={point.lr:g}",
        soft_wrap=True,
    )
