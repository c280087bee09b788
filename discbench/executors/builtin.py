"""The executors of this package, offered as a plugin's would be."""

from discbench.executors import inprocess, local
from discbench.executors.ray import executor as ray
from discbench.executors.slurm import queue
from discbench.executors.slurm import run as slurm
from discbench.plugins.hookspecs import hookimpl
from discbench.values.jobs import Executor

LOCAL = Executor(name="local", run=local.run, shares=True, about="processes on this machine, each a cell at a time")
INPROCESS = Executor(
    name="inprocess", run=inprocess.run, shares=True, about="this process, or all of torchrun's: --workers 0"
)

SLURM = Executor(
    name="slurm",
    run=slurm.run,
    about="jobs of a Slurm array, on a store that its nodes see: --time, --partition, --gpus-per-node, --detach",
    options=("partition", "time", "gpus_per_node", "cells_per_job", "sbatch", "detach"),
    crew=16,
    shares=True,
    ready=queue.check,
)
RAY = Executor(
    name="ray",
    run=ray.run,
    about="tasks of a Ray cluster, on this machine or many: --address, --gpus-per-cell",
    options=("address", "gpus_per_cell"),
    crew=0,
    ready=ray.ready,
    shares=True,
)


@hookimpl
def discbench_executors() -> list[Executor]:
    """Offer what is built in."""
    return [LOCAL, INPROCESS, RAY, SLURM]
