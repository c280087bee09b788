"""Cells -> an array job: which element has which, what Slurm is told, and the record of it in the store."""

import contextlib
import io
import math
import re
import secrets
import shutil
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discbench.errors import UserError
from discbench.executors.slurm import element
from discbench.results.running.arrays import FOLDER, Array, stamp
from discbench.results.store import Store
from discbench.values.jobs import Job
from discbench.values.place import Place

MOST = 1000
"""Elements of an array: Slurm's own limit is 1,001 unless a site says otherwise (MaxArraySize)."""
TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<parts>\d+(?::\d+){0,2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an element asks of Slurm."""

    minutes: int
    partition: str | None = None
    gpus: int = 0
    """Of one element, on one node."""
    cells: int | None = None
    """Of one element; by default one for each cell that it runs at once."""
    sbatch: Mapping[str, Any]
    """Other options of sbatch, by their long names."""

    @property
    def workers(self) -> int:
        """Cells that an element runs at once: one a GPU."""
        return max(1, self.gpus)


def minutes_of(given: str | None) -> int:
    """Return a time limit in minutes, as sbatch reads it: `90`, `90:00`, `1:30:00`, `1-12`, `1-12:30`, rounded up.

    Raises:
        UserError: It is none, or of another form.
    """
    if not given:
        raise UserError("--executor slurm needs --time, the limit of each job: 90 (minutes), 12:00:00, 2-00:00:00")
    found = TIME.fullmatch(given.strip())
    if found is None:
        raise UserError(f"--time {given!r}: minutes, H:MM:SS or D-HH:MM:SS was expected, such as 90, 12:00:00, 2-00")
    parts = [int(part) for part in found["parts"].split(":")]
    if found["days"] is not None:  # D-HH, D-HH:MM, D-HH:MM:SS
        hours, minutes, seconds = (*parts, 0, 0)[:3]
    else:  # MM, MM:SS, HH:MM:SS
        hours, minutes, seconds = {1: (0, *parts, 0), 2: (0, *parts), 3: tuple(parts)}[len(parts)]
    whole = math.ceil((int(found["days"] or 0) * 24 + hours) * 60 + minutes + seconds / 60)
    if whole < 1:
        raise UserError(f"--time {given!r}: a minute is the least that Slurm gives")
    return whole


def shares(jobs: Sequence[Job], each: int | None, workers: int) -> list[tuple[Job, ...]]:
    """Return the cells of each element, so many at most; a longer sweep has more in each than an array has elements.

    Neighbours in a sweep, runs of one seed, go to different elements: so that what is there first are comparisons.
    """
    least = math.ceil(len(jobs) / MOST)
    count = math.ceil(len(jobs) / max(each or workers, least))
    return [tuple(jobs[start::count]) for start in range(count)]


def submit(jobs: Sequence[Job], place: Place, at_once: int, threads: int, wish: Wish, name: str) -> Array:
    """Submit an array and write its record into the store.

    Args:
        jobs: Cells, in the order of the sweep.
        place: Where they run; its device is what the elements ask for.
        at_once: Cells that may run at once, over all elements.
        threads: Of each cell.
        wish: What an element asks for.
        name: Of the job and of its folder.

    Raises:
        UserError: Slurm does not take it; its own words are in the message.
    """
    store, folder = Store(place.results), place.results / FOLDER / name
    folder.mkdir(parents=True)
    paths = {job.cell.id: store.path(job.cell) for job in jobs if job.cell is not None}
    before = {cell: at for cell, path in paths.items() if (at := stamp(path)) is not None}
    parts = shares(jobs, wish.cells, wish.workers)
    works = [element.Work(part, place, wish.gpus, threads, wish.minutes, _of(part, before)) for part in parts]
    numbers = _given(works, folder, parameters(wish, name, threads, at_once), wish)
    made = Array(
        name=name,
        job=numbers[0].split("_")[0],
        host=socket.gethostname(),
        submitted=time.time(),
        minutes=wish.minutes,
        elements={
            number: [job.cell.id for job in part if job.cell is not None]
            for number, part in zip(numbers, parts, strict=True)
        },
        paths={cell: str(path.relative_to(place.results)) for cell, path in paths.items()},
        before=before,
    )
    made.write(place.results)
    return made


def _of(part: Sequence[Job], before: Mapping[str, Any]) -> dict[str, Any]:
    ids = {job.cell.id for job in part if job.cell is not None}
    return {cell: at for cell, at in before.items() if cell in ids}


def parameters(wish: Wish, name: str, threads: int, at_once: int) -> dict[str, Any]:
    """Return what submitit is told.

    srun has its own number of CPUs since Slurm 22.05: it does not take over that of sbatch. Libraries that ask how many
    cores a machine has would use them all where Slurm binds no task to its own, so the number of threads is said.
    """
    cpus = int(wish.sbatch.get("cpus-per-task", threads * wish.workers))
    own = {"requeue": True, **{key: value for key, value in wish.sbatch.items() if key != "cpus-per-task"}}
    return {
        "job_name": name,
        "time": wish.minutes,
        "cpus_per_task": cpus,
        "srun_args": [f"--cpus-per-task={cpus}"],
        "array_parallelism": max(1, at_once // wish.workers),
        "setup": [f"export {variable}={threads}" for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")],
        "additional_parameters": own,
        **({"partition": wish.partition} if wish.partition else {}),
        **({"gpus_per_node": wish.gpus} if wish.gpus else {}),
    }


def _given(works: Sequence[element.Work], folder: Path, told: Mapping[str, Any], wish: Wish) -> list[str]:
    """Return the numbers of the elements that Slurm has made."""
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    executor = submitit.SlurmExecutor(folder=folder, max_num_timeout=0)
    executor.update_parameters(**told)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # submitit prints what it also raises
            jobs = executor.map_array(element.run, works)
    except (FailedJobError, FailedSubmissionError) as error:
        shutil.rmtree(folder, ignore_errors=True)  # nothing comes of it
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
        said = " ".join(str(error).split()) or "it did not say why"
        asked = " ".join([f"--partition {wish.partition}" if wish.partition else "", f"--time {wish.minutes}"]).strip()
        raise UserError(f"--executor slurm {asked}: sbatch refused the array ({said})") from None
    return [str(job.job_id) for job in jobs]


def new_name() -> str:
    """Return a name that no other array of ours has, so that it can be cancelled by it."""
    return f"discbench-{secrets.token_hex(4)}"
