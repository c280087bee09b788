"""The executors of this package, offered as a plugin's would be."""

from discbench.executors import inprocess, local
from discbench.executors.ray import executor as ray
from discbench.plugins.hookspecs import hookimpl
from discbench.values.jobs import Executor

LOCAL = Executor(name="local", run=local.run, about="processes on this machine, each a cell at a time")
INPROCESS = Executor(name="inprocess", run=inprocess.run, about="this process, or all of torchrun's: --workers 0")
RAY = Executor(
    name="ray",
    run=ray.run,
    about="tasks of a Ray cluster, on this machine or many: --address, --gpus-per-cell",
    options=("address", "gpus_per_cell"),
    crew=0,
    ready=ray.ready,
)


@hookimpl
def discbench_executors() -> list[Executor]:
    """Offer all of them."""
    return [LOCAL, INPROCESS, RAY]
