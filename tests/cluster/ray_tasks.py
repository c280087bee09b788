"""Tasks whose metric ends something, or waits, on a node of Ray; their functions travel by value."""

import dataclasses

from discbench.plugins import registry


def doing(name, what, marker=None):
    """formal.factor, scored after `what()` was called: in each cell, or with a marker only in the first that comes."""
    factor = registry.tasks(registry.plugins())["formal.factor"]

    def scored(targets, outputs):
        import contextlib
        from pathlib import Path

        with contextlib.suppress(FileExistsError):
            if marker is not None:
                Path(marker).open("x").close()
            what()
        return factor.metric.function(targets, outputs)

    metric = dataclasses.replace(factor.metric, name=name, function=scored)
    return dataclasses.replace(factor, name=f"formal.{name}", metric=metric)


def killing(which):
    """A function that kills a worker of Ray, or the raylet that started it."""

    def kill():
        import os
        import signal
        import time

        if os.environ.get("RAY_RAYLET_PID"):  # in a worker of Ray
            os.kill(os.getpid() if which == "worker" else os.getppid(), signal.SIGKILL)
            time.sleep(60)

    return kill
