"""The Slurm executor itself: looks at checkpoints here, submits what no job has yet, and waits, or leaves."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from discbench.errors import Detached, UserError
from discbench.executors import local
from discbench.executors.slurm import queue, submission
from discbench.executors.slurm.waiting import Waiting
from discbench.results.running import arrays
from discbench.results.running.arrays import Array
from discbench.results.store import Store
from discbench.values.cells import Cell
from discbench.values.given import changes
from discbench.values.jobs import Event, Job, Watch
from discbench.values.place import Place
from discbench.words import interruption


def run(
    jobs: Sequence[Job],
    place: Place,
    workers: int,
    threads: int,
    watch: Watch,
    *,
    partition: str | None = None,
    time: str | None = None,
    gpus_per_node: int | None = None,
    cells_per_job: int | None = None,
    sbatch: Mapping[str, object] | Sequence[str] = (),
    detach: bool = False,
) -> None:
    """Run the jobs: checks here and first, then cells as an array of which `workers` cells run at once.

    Cells that a living array of this store has already are awaited, not submitted again. Interrupted, it cancels what
    it has submitted itself.

    Args:
        jobs: Looks at checkpoints, and cells.
        place: Where they run: a store on a disk that the nodes see.
        workers: Cells at once.
        threads: Of each cell.
        watch: Told of events, as far as the store shows them.
        partition: Slurm's.
        time: The limit of each element, as sbatch reads it.
        gpus_per_node: GPUs of each element, which runs as many cells at once.
        cells_per_job: Cells of each element.
        sbatch: Other options of sbatch, NAME=VALUE each.
        detach: Do not wait.

    Raises:
        Detached: The cells are Slurm's now.
        DiscbenchError: What a check found; no cell is started then.
        UserError: submitit or Slurm is missing, or Slurm refuses the job.
    """
    queue.check()
    wish = submission.Wish(
        minutes=submission.minutes_of(time),
        partition=partition,
        gpus=gpus_per_node or 0,
        cells=cells_per_job,
        sbatch=_options(sbatch),
    )
    cells = {job.cell.id: job for job in jobs if job.cell is not None}
    known = _living(place, set(cells))
    theirs = {cell for array in known for cell in array.paths if cell in cells}
    own = [job for cell, job in cells.items() if cell not in theirs]
    wanted = {job.checkpoint for job in own}
    if checks := [job for job in jobs if job.cell is None and job.checkpoint in wanted]:
        local.run(checks, place, 1, threads, watch)
    for cell in _settled(own, place):
        watch(Event("start", cell))
        watch(Event("passed", cell))
        del cells[cell.id]
    own = [job for job in own if job.cell is not None and job.cell.id in cells]
    name = submission.new_name()
    kept = False
    try:
        if own:
            known.append(submission.submit(own, place, max(1, workers), threads, wish, name))
        _say(known, name, max(1, workers))
        kept = detach
        if not detach:
            _wait(cells, known, name if own else None, place, watch)
            kept = True
    finally:
        if own and not kept:
            queue.cancel(name)
    if detach:
        raise Detached(_told(known, place), ",".join(array.job for array in known))


def _settled(jobs: Sequence[Job], place: Place) -> list[Cell]:
    """Return the cells that another process has brought to their end since they were planned."""
    store = Store(place.results)
    return [job.cell for job in jobs if job.cell is not None and store.settled(job.cell, job.planned) is not None]


def _options(given: Mapping[str, object] | Sequence[str]) -> dict[str, object]:
    """Return options of sbatch by their long names; one without a value is a switch.

    Raises:
        UserError: One that discbench says itself.
    """
    said = changes(given if isinstance(given, Mapping) else [o if "=" in o else f"{o}=" for o in given])
    found: dict[str, object] = {name.lstrip("-").replace("_", "-"): value or True for name, value in said.items()}
    ours = {"array": "--workers", "time": "--time", "partition": "--partition", "gpus-per-node": "--gpus-per-node"}
    for name, option in ours.items():
        if name in found:
            raise UserError(f"--sbatch {name}=...: give {option} instead")
    if not str(found.get("cpus-per-task", 1)).isdigit():
        raise UserError(f"--sbatch cpus-per-task={found['cpus-per-task']}: a whole number was expected")
    return found


def _living(place: Place, cells: set[str]) -> list[Array]:
    """Return the arrays of earlier commands that still have some of the cells, with these cells alone; tidy the others.

    Raises:
        UserError: Slurm does not answer, so that cells could be submitted twice.
    """
    there = arrays.read(place.results)
    states = queue.states(sorted({array.job for array in there}))
    if states is None:
        raise UserError("Slurm does not answer (squeue), so that nobody knows what is running; try again later")
    found = []
    for array in there:
        gone = queue.State("GONE")
        going = {number for number in array.elements if not states.get(number, gone).over}
        ended = {cell for cell in array.paths if array.ended(place.results, cell)}
        mine = {c for number in going for c in array.elements[number] if c in cells and c not in ended}
        if mine:
            found.append(replace(array, paths={cell: array.paths[cell] for cell in array.paths if cell in mine}))
        elif not going and ended >= set(array.paths):
            array.remove(place.results)
    return found


def _wait(cells: dict[str, Job], known: list[Array], own: str | None, place: Place, watch: Watch) -> None:
    before = interruption.COMMAND.kept
    if own is not None:
        job = next(array.job for array in known if array.name == own)
        interruption.keeps(lambda: f"{before() if before else ''}, Slurm array {job} is cancelled".lstrip(", "))
    awaited = {cell: job.cell for cell, job in cells.items() if job.cell is not None}
    try:
        Waiting(place.results, awaited, known, watch).wait()
    finally:
        if sys.exc_info()[0] is None:
            interruption.COMMAND.kept = before
    for array in known:
        if all(_finished(place, array, cell) for cell in array.paths):
            array.remove(place.results)


def _finished(place: Place, array: Array, cell: str) -> bool:
    """Tell whether a cell ended well, so that what its job printed is of no more use."""
    return (
        array.ended(place.results, cell) and b'"status": "finished"' in (place.results / array.paths[cell]).read_bytes()
    )


def _say(known: Sequence[Array], own: str, at_once: int) -> None:
    for array in known:
        counts = f"{len(array.paths)} cells in {len(array.elements)} jobs"
        what = (
            f"{counts}, {at_once} cells at once" if array.name == own else f"submitted before, {counts} of it awaited"
        )
        sys.stderr.write(f"Slurm array {array.job} ({array.name}): {what}\n")


def _told(known: Sequence[Array], place: Place) -> str:
    jobs = " and ".join(array.job for array in known)
    count = sum(len(array.paths) for array in known)
    return (
        f"{count} cells are with Slurm array {jobs}; `discbench watch --results {place.results}` tells how far they"
        " are, and this command without --detach waits for them and prints the board"
    )
