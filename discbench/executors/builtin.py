"""The executors of this package, offered as a plugin's would be."""

from discbench.executors import inprocess, local
from discbench.plugins.hookspecs import hookimpl
from discbench.values.jobs import Executor

LOCAL = Executor(name="local", run=local.run, shares=True, about="processes on this machine, each a cell at a time")
INPROCESS = Executor(
    name="inprocess", run=inprocess.run, shares=True, about="this process, or all of torchrun's: --workers 0"
)


@hookimpl
def discbench_executors() -> list[Executor]:
    """Offer both."""
    return [LOCAL, INPROCESS]
