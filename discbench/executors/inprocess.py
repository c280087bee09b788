"""The in-process executor (`--workers 0`): cells one after another in this very process, or in all of torchrun's.

For a cell that is too large for one device, and for a debugger.
"""

from collections.abc import Callable, Sequence

from discbench.values.cells import Cell
from discbench.values.jobs import Event, Job, Watch
from discbench.values.place import Place, unpack


def run(jobs: Sequence[Job], place: Place, workers: int, threads: int, watch: Watch) -> None:  # noqa: ARG001 - one
    """Run the jobs in their order, checks first; `workers` is there for the form.

    Raises:
        DiscbenchError: What a check found; no cell is started then.
    """
    from discbench.plugins import registry
    from discbench.training.held import Elsewhere
    from discbench.training.run import Bench
    from discbench.training.steady import steady

    tasks = {task.id: task for task in (*registry.tasks(registry.plugins()).values(), *unpack(place.given))}
    bench = Bench(place, threads)
    with steady(threads):
        for job in sorted(jobs, key=lambda job: job.cell is not None):
            cell = job.cell
            if cell is None:
                bench.check(job.checkpoint, list(job.checks), tasks)
                continue
            watch(Event("start", cell))
            try:
                result = bench.run(cell, job.checkpoint, tasks[cell.task], _steps(cell, watch), job.planned)
            except Elsewhere:
                watch(Event("passed", cell))
            else:
                watch(Event("end", cell, result=result))


def _steps(cell: Cell, watch: Watch) -> Callable[[int, int, float], None]:
    return lambda step, steps, loss: watch(Event("step", cell, step, steps, loss))
