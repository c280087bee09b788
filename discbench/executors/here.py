"""In this process, one cell after another: for debugging, and for a cell that outgrows one device.

`torchrun --nproc_per_node 2 -m discbench eval ... --workers 0` starts the same command twice. Both processes take the
cells in the order of rank 0; accelerate shares each batch between them.
"""

from collections.abc import Sequence
from functools import partial

from discbench import ranks
from discbench.executors.local import Event, Job, Watch
from discbench.place import Place
from discbench.plan import Cell
from discbench.types import Task


def run(jobs: Sequence[Job], tasks: dict[str, Task], place: Place, threads: int, watch: Watch) -> None:
    """Run the jobs: checks first, then cells in their order.

    Args:
        jobs: What is to be done; under torchrun rank 0's list counts.
        tasks: By task id.
        place: Where results go.
        threads: Of this process.
        watch: Told of each event.

    Raises:
        DiscbenchError: What a check found; no cell is started then.
    """
    ranks.join(place.device)
    agreed: list[Job] = ranks.share(list(jobs))
    if not agreed:
        return
    import torch

    from discbench.run import Bench

    torch.set_num_threads(threads)
    bench = Bench(place)
    for job in agreed:
        if job.cell is None:
            bench.check(job.checkpoint, list(job.checks), tasks)
    for job in agreed:
        cell = job.cell
        if cell is None:
            continue
        watch(Event("start", cell))
        result = bench.run(cell, job.checkpoint, tasks[cell.task], partial(_tell, watch, cell))
        watch(Event("end", cell, result=result))


def _tell(watch: Watch, cell: Cell, step: int, steps: int, loss: float) -> None:
    watch(Event("step", cell, step, steps, loss))
