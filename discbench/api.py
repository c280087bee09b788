"""The Python interface: `discbench.evaluate(...)` gives a `Board`. The command line goes the same way.

import discbench

board = discbench.evaluate("builtin:tiny", "formal.*", recipe="quick", seeds=3)
board.gain("builtin:tiny", "formal.factor")
"""

import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from discbench.data import rowcache
from discbench.errors import Detached, UserError
from discbench.executors.builtin import INPROCESS, LOCAL
from discbench.exports import trackers
from discbench.plugins import registry
from discbench.results.board import tables
from discbench.results.boardview import Board
from discbench.results.forms.records import PassedOver, Result
from discbench.results.notebook import without_widgets
from discbench.results.store import Store
from discbench.sweeps import sweep
from discbench.sweeps.progress import Progress
from discbench.sweeps.tuning import Tuning
from discbench.training import ranks
from discbench.values.asked import Evaluation, asking
from discbench.values.cells import Cell
from discbench.values.checkpoints import parse_specials
from discbench.values.given import absolute
from discbench.values.jobs import Executor
from discbench.values.place import (
    Place,
    gpu_count,
    gpu_workers,
    gpus_chosen,
    gpus_here,
    gpus_named,
    one_gpu_here,
    pack,
    pretended,
)
from discbench.words import interruption


def prepare(asked: Evaluation, *, load: bool) -> tuple[Any, sweep.Sweep]:
    """Return the plugins and the sweep: names resolved to cells.

    Args:
        asked: What to evaluate.
        load: Whether to read (and download) the rows now.
    """
    if load:
        interruption.keeps(lambda: f"nothing was trained yet, what is in {asked.store} is kept")
    without_widgets()
    manager = registry.with_given(asked.given)
    executor = _executor(asked, manager)
    if asked.minutes is not None and ranks.count() > 1:
        raise UserError(
            f"--checkpoint-minutes {asked.minutes:g}: torchrun started {ranks.count()} processes, and the state of a"
            " cell that several train is not saved; leave it out"
        )
    if load:
        _devices(asked, executor)
    for task in asked.given:
        rowcache.forget(task, asked.directory)  # its reader may have no file that shows a change
    parts = [_prepare(part, manager, load=load) for part in _parts(asked, manager)]
    return manager, sweep.joined(parts)


def _parts(asked: Evaluation, manager: Any) -> list[Evaluation]:  # noqa: ANN401 - pluggy's manager
    """Return what is asked for with a suite's own words in it, part by part.

    Raises:
        UserError: Something is asked for that the suite says, or a task that it has not.
    """
    if asked.suite is None:
        if not asked.patterns:
            raise UserError("no task was asked for; give --tasks or --suite (`discbench tasks` and `suites` list them)")
        return [asked]
    suite = registry.suite(asked.suite, registry.suites(manager))
    own = {f.name: f.default for f in fields(Evaluation)}
    some = None if isinstance(asked.seeds, int) else set(asked.seeds)
    said = [name for name in SAID if _plain(getattr(asked, name)) != _plain(own[name])]
    if some is not None:  # some of the suite's seeds, as hosts ask for them
        said.remove("seeds")
    if said:
        raise UserError(f"--suite {suite.name} says {', '.join(said)} itself; leave them out, or leave out --suite")
    known = {name: task for name, task in registry.tasks(manager).items() if task.id in suite.tasks}
    lost = sorted(set(suite.tasks) - {task.id for task in known.values()})
    if lost:
        raise UserError(f"suite {suite.id} has {', '.join(lost)}, which is not installed in that version")
    chosen = registry.select(asked.patterns, known) if asked.patterns else list(known.values())
    ids = {task.id for task in chosen}
    return [
        replace(
            asked,
            suite=None,
            tasks=tuple(task for task in part.tasks if task in ids),
            inits=part.inits,
            seeds=tuple(seed for seed in range(part.seeds) if some is None or seed in some),
            recipe=part.recipe,
            mapping=part.mapping,
            map_specials=part.map_specials,
            take=part.take or "",
            rates=part.rates,
        )
        for part in suite.parts
        if ids & set(part.tasks)
    ]


def _plain(given: object) -> object:
    """Return a list as the text that gives it, and nothing given as None."""
    return (",".join(map(str, given)) if isinstance(given, list | tuple) else given) or None


SAID = (
    "inits", "seeds", "recipe", "set", "rates", "mapping", "mapping_seeds", "map_specials", "fraction", "subset",
    "limit", "take",
)  # fmt: skip
"""What a suite says, so that a user may not."""


def _prepare(asked: Evaluation, manager: Any, *, load: bool) -> sweep.Sweep:  # noqa: ANN401 - pluggy's manager
    stream = (asked.stream or sys.stderr) if ranks.first() else io.StringIO()
    return sweep.prepare(
        manager,
        asked.models,
        asked.patterns,
        asked.request,
        directory=asked.directory,
        specials=parse_specials(tuple(asked.specials)),
        load=load,
        unverified=asked.unverified,
        trust_remote_code=asked.trust_remote_code,
        say=lambda line: print(line, file=stream, flush=True),
        vocab=asked.tokens,
    )


def carry_out(
    asked: Evaluation,
    manager: Any,  # noqa: ANN401 - pluggy's manager
    prepared: sweep.Sweep,
    settled: Callable[[Result | None], bool] | None = None,
) -> tuple[list[Result], int, int]:
    """Run what is still to run of a sweep; return (all results, cells run, cells kept).

    A cell whose place in the store holds something else than its record counts as run: it failed, and the others go on.
    Of a search, `settled` tells of results that are not finished and need no second run.
    """
    root = absolute(asked.store)
    store = Store(root)
    store.clear()
    sweep.check_definitions(prepared, Store(root, passed=PassedOver()))
    if ranks.count() > 1 and asked.workers != 0 and asked.executor != INPROCESS.name:
        raise UserError(f"torchrun started {ranks.count()} processes: give --workers 0, so that they share each cell")
    executor = _executor(asked, manager)
    gpus, crew = _devices(asked, executor)
    afar = executor is not None and executor.crew is not None  # it finds devices of its own
    device = "cuda" if gpus and (afar or not pretended()) else "cpu"
    ranks.meet(device)
    there, todo = ranks.of_first(lambda: sweep.split(prepared, store))
    broken = len(prepared.cells) - len(there) - len(todo)
    if settled is not None:
        todo = ranks.of_first(lambda: [cell for cell in todo if not settled(store.get(cell))])
    failed = ranks.of_first(lambda: [cell for cell in todo if store.get(cell) is not None])
    if not asked.retry_failed:
        todo = [cell for cell in todo if cell not in failed]
        broken += len(failed)
    if todo:
        store.check_writable()
    kept = len(prepared.cells) - len(todo) - broken
    said = (asked.stream or sys.stderr) if ranks.first() else io.StringIO()
    progress = Progress(total=len(todo), kept=kept, stream=said, words=prepared.words, searching=settled is not None)
    interruption.keeps(lambda: interruption.share(progress.finished, len(prepared.cells), "cells", asked.store))
    for note in (*prepared.notes, *_retried(failed, again=asked.retry_failed)):
        progress.say(note)
    if device == "cpu" and any(cell.recipe.get("precision") == "bf16" for cell in todo):
        from discbench.training import trying

        slow = trying.half_precision_note()
        if slow:
            progress.say(slow)
    place = Place(
        results=root,
        data=asked.directory and asked.directory.absolute(),
        device=device,
        devices=gpus or (("",) if gpu_count() else ()),
        unverified=asked.unverified,
        verbose=asked.verbose,
        checkpoint_minutes=asked.minutes,
        given=pack(asked.given),
    )
    own = gpus if crew == 0 and gpus_named(asked.devices) else None
    with one_gpu_here(own), progress:
        results = sweep.run(
            prepared,
            place,
            manager,
            workers=crew,
            threads=asked.threads or 1,
            progress=progress,
            todo=todo,
            executor=executor,
        )
    return results, len(todo) + broken - progress.others, kept + progress.others


def _retried(failed: Sequence[Cell], *, again: bool) -> list[str]:
    """Say what becomes of cells that failed before."""
    if not failed:
        return []
    what = f"{len(failed)} {'cell' if len(failed) == 1 else 'cells'} failed before and"
    them = "it" if len(failed) == 1 else "them"
    if again:
        return [f"{what} will be tried again; --keep-failed leaves {them} as {'it is' if them == 'it' else 'they are'}"]
    return [f"{what} will be kept so; --retry-failed tries {them} again"]


def _devices(asked: Evaluation, executor: Executor | None) -> tuple[tuple[str, ...], int]:
    """Return the GPUs that are used, none for the CPU, and how many cells run at once; 0 for those of this process.

    Raises:
        UserError: A device that is not there, or what cannot be together.
    """
    if executor is not None and executor.crew:
        if asked.per_device is not None or asked.device or gpus_named(asked.devices):
            asks = [
                ("--per-device", asked.per_device is not None),
                ("--device", bool(asked.device)),
                ("--devices", True),
            ]
            flag = next(flag for flag, given in asks if given)
            raise UserError(f"{flag} is of this machine's devices; executor {executor.name} asks for its own")
        return (), asked.workers or executor.crew
    gpus = gpus_chosen(asked.devices, asked.device, gpus_here())
    if executor is not None and executor.crew == 0:
        if asked.per_device is not None or gpus_named(asked.devices):
            flag = "--per-device" if asked.per_device is not None else "--devices"
            raise UserError(f"{flag} is of this machine's devices; {executor.name} gives each cell its GPUs itself")
        return gpus, asked.workers or 0
    if ranks.count() > 1 and gpus_named(asked.devices):
        raise UserError("torchrun gives each of its processes a GPU: leave --devices out, or set CUDA_VISIBLE_DEVICES")
    crew = gpu_workers(gpus, asked.workers, asked.per_device)
    if asked.workers == 0 or executor == INPROCESS:
        if asked.per_device is not None:
            raise UserError(f"--per-device {asked.per_device}: --workers 0 runs one cell at a time, in this process")
        return gpus, 0
    return gpus, sweep.machine_workers() if crew is None else crew


def _searched(asked: Evaluation, manager: Any, tuned: Tuning) -> tuple[sweep.Sweep, tuple[int, int]]:  # noqa: ANN401
    """Run the searches for rates; return (the sweep at the rates that they choose, (cells run, cells kept))."""

    def one_round(cells: sweep.Sweep, settled: Callable[[Result | None], bool]) -> tuple[int, int]:
        try:
            return carry_out(asked, manager, cells, settled)[1:]
        except Detached as gone:
            more = "they are of searches for rates: the same command goes on from them to the runs"
            raise Detached(f"{gone}; {more}", gone.job) from gone

    counts = tuned.carry_out(one_round)
    return tuned.chosen(), counts


def _executor(asked: Evaluation, manager: Any) -> Executor | None:  # noqa: ANN401 - pluggy's manager
    """Return the executor that was named, if one was.

    Raises:
        UserError: There is none of that name, it is not the one that `workers` or an option asks for, or it cannot run
            here.
    """
    given = {name: getattr(asked, name) for name in ELSEWHERE if getattr(asked, name) != DEFAULTS[name]}
    found = registry.one(asked.executor, registry.executors(manager), "executor") if asked.executor else None
    strange = [name for name in given if found is None or name not in found.options]
    if strange:
        flag = f"--{strange[0].replace('_', '-')}"
        raise UserError(f"{flag} says nothing to executor {asked.executor or LOCAL.name}; {ELSEWHERE[strange[0]]}")
    if found is None:
        return None
    if asked.workers == 0 and found != INPROCESS:
        raise UserError(f"--workers 0 is the executor {INPROCESS.name}, but --executor {found.name} was asked for")
    if found == INPROCESS and (asked.workers or 0) > 1:
        raise UserError(f"--executor {found.name} runs one cell at a time, but --workers {asked.workers} was asked for")
    if asked.device == "cpu" and asked.gpus_per_cell:
        raise UserError(f"--gpus-per-cell {asked.gpus_per_cell:g} gives a cell a GPU, but --device cpu was asked for")
    if found.ready is not None:
        found.ready()
    return replace(found, run=partial(found.run, **given)) if given else found


DEFAULTS = {f.name: f.default for f in fields(Evaluation)}
ELSEWHERE = {
    **dict.fromkeys(
        ("partition", "time", "gpus_per_node", "cells_per_job", "sbatch", "detach"), "--executor slurm takes it"
    ),
    **dict.fromkeys(("address", "gpus_per_cell"), "--executor ray takes it"),
}
"""What some executors take, and others would pass over without a word."""


@asking(Evaluation)
def evaluate(asked: Evaluation) -> Board:
    """Fine-tune checkpoints and their controls on tasks; return the board of all cells asked for.

    What is in the store is not run again, whoever put it there: `discbench eval` with the same words, or a host.

    Returns:
        The board. A cell that failed is in `Board.failed` with its cause; it raises nothing, and is run again by the
        next call.

    Raises:
        UserError: What was asked cannot be done; nothing was trained.
        PluginError: A plugin broke its side of the contract.
    """
    if not asked.models or not (asked.patterns or asked.suite):
        raise UserError("evaluate() needs a model and a task; `discbench models` and `discbench tasks` list them")
    return run(asked)


def run(asked: Evaluation) -> Board:
    """Train what is not in the store; return the board of all cells asked for.

    Raises:
        DiscbenchError: Nothing was trained, for what the message says. A cell that fails does not raise.
    """
    manager, prepared = prepare(asked, load=True)
    if asked.track:
        trackers.register(manager, asked.track, Path(asked.track_dir))
    tuned = Tuning(prepared, Store(absolute(asked.store)))
    searched, found = _searched(asked, manager, tuned) if tuned.searched else (None, (0, 0))
    results, trained, kept = carry_out(asked, manager, searched or prepared)
    results += tuned.results() if searched else []
    told = [task for task in prepared.tasks.values() if task not in asked.given]  # a store tells installed ones only
    made = Board.of(results, tasks=told, trained=trained + found[0], kept=kept + found[1])
    if asked.suite is None:
        return made
    suite = registry.suite(asked.suite, registry.suites(manager))
    whole = Store(absolute(asked.store), registry.named_rows([], manager), PassedOver()).results()
    return replace(made, record={**made.record, "suites": tables([suite], whole)})
