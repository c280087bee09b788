"""A sweep: what was asked -> cells -> those still to run -> an executor -> the results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pluggy

from discbench.data import rowcache
from discbench.data.rows import numbers_of
from discbench.errors import DiscbenchError, PluginError, StoreError, UserError
from discbench.executors.builtin import INPROCESS, LOCAL
from discbench.plugins import registry
from discbench.pretraining import made
from discbench.results.forms.records import Result, failed
from discbench.results.store import Store
from discbench.sweeps import plan, reach
from discbench.sweeps.progress import Progress
from discbench.sweeps.sharing import Sharing, apart
from discbench.training import ranks
from discbench.values.cells import Cell, Request, definition, words_of
from discbench.values.checkpoints import Checkpoint, told_apart
from discbench.values.jobs import Event, Executor, Job, Watch
from discbench.values.place import Place
from discbench.values.rates import SEARCH
from discbench.values.types import Task
from discbench.words.foreign import ended, staying

MOST_WORKERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Cells with what belongs to them."""

    checkpoints: dict[str, Checkpoint]
    """By checkpoint id."""
    tasks: dict[str, Task]
    """By task id."""
    cells: list[Cell]
    notes: tuple[str, ...] = ()
    """What the user should know before it runs."""

    @property
    def words(self) -> dict[str, str]:
        """Cell id -> the cell in words, with checkpoints of one name told apart."""
        return words_of(self.cells)

    def checkpoint(self, cell: Cell) -> Checkpoint:
        """Return a cell's checkpoint."""
        return self.checkpoints[f"{cell.checkpoint}@{cell.revision}"]


def prepare(
    manager: pluggy.PluginManager,
    models: Sequence[str],
    patterns: Sequence[str],
    request: Request,
    *,
    directory: Path | None,
    specials: dict[str, int],
    load: bool,
    unverified: bool = False,
    trust_remote_code: bool = False,
    say: made.Say = lambda _: None,
    vocab: Path | None = None,
) -> Sweep:
    """Resolve names to cells.

    Args:
        manager: The plugins.
        models: Checkpoint names.
        patterns: Task names, globs or disciplines.
        request: The rest of what was asked.
        directory: The data directory.
        specials: Special ids given by the user.
        load: Whether to read (and download) the rows now, so that whatever is wrong with them is told before training.
        unverified: Accept rows that differ from those that a task names.
        trust_remote_code: Allow code of the checkpoint's own.
        say: Told of checkpoints that are made first, if `load`; a line at a time.
        vocab: File of tokens to read instead of the checkpoint's tokenizer.

    Raises:
        UserError: A file of tokens for several checkpoints.
    """
    own = [name for name in models if not name.startswith("baseline:")]
    if vocab is not None and len(own) > 1:
        raise UserError(f"--vocab is of one checkpoint, but {len(own)} were asked for; run each with its own")
    tasks = registry.select(patterns, registry.tasks(manager))
    found = [made.locate(name, specials, trust_remote_code=trust_remote_code, vocab=vocab) for name in models]
    said = list(dict.fromkeys(checkpoint.note for checkpoint in found if checkpoint.note))
    rows, counted, notes = {}, {}, list[str]()
    for task in tasks:
        sha256, sizes, partial = _rows(task, directory, load=load, unverified=unverified)
        rows[task.name], counted[task.name] = sha256, sizes
        if load and request.subset == "first" and request.fraction < 1:
            numbers_of(task, rowcache.load(task, directory, unverified=unverified).train)
        notes += [*_limit_note(task, sizes, request), *_partial_note(task, partial)]
    if any(map(made.unmade, found)):
        plan.cells(found, tasks, rows, request, counted)  # what is wrong with them is told before hours of making
        found = [made.ready(checkpoint, say) for checkpoint in found] if load else found
        said += [made.told(checkpoint) for checkpoint in found if made.unmade(checkpoint)]
    found, apart = _known_apart(found)
    notes = [*said, *apart, *notes]
    whole = Sweep(
        checkpoints={c.id: c for c in found},
        tasks={task.id: task for task in tasks},
        cells=plan.cells(found, tasks, rows, request, counted),
        notes=tuple(notes),
    )
    return replace(whole, notes=(*notes, *_reach_notes(whole, directory, unverified=unverified))) if load else whole


def joined(sweeps: Sequence[Sweep]) -> Sweep:
    """Return several sweeps as one; a cell of two of them is run once."""
    cells = {cell.id: cell for sweep in sweeps for cell in sweep.cells}
    return Sweep(
        checkpoints={name: found for sweep in sweeps for name, found in sweep.checkpoints.items()},
        tasks={name: task for sweep in sweeps for name, task in sweep.tasks.items()},
        cells=list(cells.values()),
        notes=tuple(dict.fromkeys(note for sweep in sweeps for note in sweep.notes)),
    )


def _reach_notes(sweep: Sweep, directory: Path | None, *, unverified: bool) -> list[str]:
    """Return a line for each task whose labels a model cannot reach."""
    found = []
    for task in sweep.tasks.values():
        cells = [cell for cell in sweep.cells if cell.task == task.id and reach.asks(task, cell.recipe)]
        if cells:
            train = rowcache.load(task, directory, unverified=unverified).train
            found += reach.note(task, train, [(cell, sweep.checkpoint(cell)) for cell in cells])
    return found


def _known_apart(found: list[Checkpoint]) -> tuple[list[Checkpoint], list[str]]:
    """Return each checkpoint once, and in words which is which where several have one name."""
    apart = list({checkpoint.id: checkpoint for checkpoint in reversed(found)}.values())[::-1]
    names = told_apart((c.name, c.revision) for c in apart)
    marked = [replace(c, alike=names[c.name, c.revision] != c.name) for c in apart]
    notes = [f"{names[c.name, c.revision]} is {c.location}" for c in marked if c.alike]
    place = {c.id: c.location for c in apart}
    copies = dict.fromkeys((c.location, place[c.id]) for c in found if c.location != place[c.id])
    notes += [f"{copy} holds what {first} holds: one checkpoint, run once" for copy, first in copies]
    return marked, notes


def _partial_note(task: Task, partial: str) -> list[str]:
    """Say before anything is trained that a task's cells will be marked."""
    if not partial:
        return []
    said = f"{task.name}: the rows at hand are partial ({partial}); its cells are marked so"
    return [f"{said}, and count in no suite and on no published board"]


def _rows(
    task: Task, directory: Path | None, *, load: bool, unverified: bool
) -> tuple[str, tuple[int, ...] | None, str]:
    """Return a task's rows: their SHA-256, how many each split has if that is known, and why they are partial."""
    note = rowcache.summary(task, directory)
    generated = not task.dataset.source and task.dataset.rows_sha256 is not None
    known = plan.rows_of(task, directory)
    if known is not None and not load:
        return known, tuple(note["sizes"]) if note else task.dataset.sizes, note["partial"] if note else ""
    if generated and not unverified:
        return str(task.dataset.rows_sha256), task.dataset.sizes, ""

    loaded = rowcache.load(task, directory, unverified=unverified)
    return loaded.sha256, loaded.sizes, loaded.partial


def check_definitions(sweep: Sweep, store: Store) -> None:
    """See that stored results of the sweep's tasks were made by the same definitions of them.

    Raises:
        PluginError: A task was changed and its version was not: its old scores would pass for new ones.
    """
    for task in sweep.tasks.values():
        allowed, where = {None, definition(task)}, repr(str(store.root))
        for about in (result["task"] for result in store.examples(task.id)):
            if about["metric"] != task.metric.name:
                what = f"is scored by {task.metric.name}, but results in {where} by {about['metric']}"
            elif about.get("definition") not in allowed:
                what = f"has other symbols, another cut, target or scoring than results in {where}"
            else:
                continue
            raise PluginError(
                f"{task.id} {what}; raise its version, so that old scores do not pass for new ones, or give another"
                " --results"
            )


def _limit_note(task: Task, sizes: tuple[int, ...] | None, request: Request) -> list[str]:
    if request.limit is None or sizes is None or request.limit < max(sizes):
        return []
    return [f"--limit {request.limit}: {task.name} has at most {max(sizes)} rows in a split, so all of them are used"]


def machine_cores() -> int:
    """Return how many cores this process may use, by its CPU affinity and its container's quota."""
    import joblib

    return int(joblib.cpu_count())


def machine_workers() -> int:
    """Return how many cells run on the CPU at once unless told otherwise; a cell has the same bytes whatever it is."""
    return min(machine_cores(), MOST_WORKERS)


def split(sweep: Sweep, store: Store) -> tuple[list[Cell], list[Cell]]:
    """Return (cells that are in the store, cells still to run); one whose place holds no record of it is neither."""
    kept, todo = list[Cell](), list[Cell]()
    for cell in sweep.cells:
        if store.fault(cell) is None:
            (kept if store.finished(cell) else todo).append(cell)
    return kept, todo


def run(
    sweep: Sweep,
    place: Place,
    manager: pluggy.PluginManager,
    *,
    workers: int,
    threads: int,
    progress: Progress,
    todo: Sequence[Cell],
    executor: Executor | None = None,
) -> list[Result]:
    """Run the cells that are still to run; return the results of all cells of the sweep.

    Args:
        sweep: What was asked.
        place: Where and on what.
        manager: Whose plugins hear of finished cells.
        workers: Cells at once; 0 runs them in this process.
        threads: Of each worker.
        progress: Told of every event.
        todo: The cells still to run.
        executor: By default the local one, or with 0 workers this process.
    """
    audience = registry.Audience(manager)
    told = set[str]()

    def watch(event: Event) -> None:
        progress.watch(event)
        if event.kind == "passed":
            sharing.passed(event.cell)
        elif event.kind == "end":
            told.add(event.cell.id)
            if event.result and event.cell.rate != SEARCH and ranks.first():
                audience.hear(event.result)

    store, chosen = Store(place.results, named(sweep)), executor or (LOCAL if workers else INPROCESS)
    sharing = Sharing(store, progress, todo)
    ready = list(todo) if chosen.shares else apart(todo, store)
    place, looks = replace(place, passing=chosen.shares), True
    while ready:
        _run(chosen, jobs(sweep, ready, sharing.planned, looks=looks), place, workers, threads, watch)
        ready, looks = sharing.wait(), False
    _check_whole(sweep, store, todo, told, chosen)
    return [result for cell in sweep.cells if (result := _told(store, cell)) is not None]


def _run(chosen: Executor, jobs: list[Job], place: Place, workers: int, threads: int, watch: Watch) -> None:
    try:
        with staying():
            chosen.run(jobs, place, workers, threads, watch)
    except DiscbenchError:
        raise
    except (Exception, SystemExit) as error:
        if chosen in (LOCAL, INPROCESS):
            raise
        raise PluginError(
            f"executor {chosen.name!r} failed: {ended(error)}; what was finished is in the store"
        ) from error


def _check_whole(sweep: Sweep, store: Store, todo: Sequence[Cell], told: set[str], chosen: Executor) -> None:
    """See that every cell has a result now.

    Raises:
        StoreError: Results that were there are gone.
        PluginError: The executor has left cells without one.
    """
    lost = [cell for cell in sweep.cells if store.fault(cell) is None and store.get(cell) is None]
    if not lost or not ranks.first():
        return
    first, run = sweep.words[lost[0].id], {cell.id for cell in todo}
    gone = [cell for cell in lost if cell.id in told or cell.id not in run]
    if gone:
        raise StoreError(
            f"--results {str(store.root)!r} was removed or emptied while the sweep ran: {len(gone)} of"
            f" {len(sweep.cells)} cells were finished and are gone, the first is {sweep.words[gone[0].id]}; run again"
            " for those"
        )
    raise PluginError(
        f"executor {chosen.name!r} ended without a result of {len(lost)} of {len(todo)} cells, the first is"
        f" {first}; run again for those"
    )


def _told(store: Store, cell: Cell) -> Result | None:
    """Return a cell's result; of one whose place holds no record of it that it failed, which nothing stores."""
    wrong = store.fault(cell)
    return store.get(cell) if wrong is None else failed(cell, wrong)


def named(sweep: Sweep) -> dict[str, str | None]:
    """Return the SHA-256 that each task of the sweep names for its rows, by task id."""
    return {task.id: task.dataset.rows_sha256 for task in sweep.tasks.values()}


def jobs(
    sweep: Sweep, todo: Sequence[Cell], planned: Mapping[str, str] | None = None, *, looks: bool = True
) -> list[Job]:
    """Return a look at each checkpoint, then its cells.

    Args:
        sweep: What was asked.
        todo: The cells.
        planned: Cell id -> what `Store.digest` gave for it.
        looks: Whether checkpoints are to be looked at.
    """
    checks = [
        Job(checkpoint, checks=tuple(c for c in todo if sweep.checkpoint(c) == checkpoint))
        for checkpoint in sweep.checkpoints.values()
        if looks and any(sweep.checkpoint(c) == checkpoint for c in todo)
    ]
    return [*checks, *(Job(sweep.checkpoint(cell), cell, planned=(planned or {}).get(cell.id)) for cell in todo)]
