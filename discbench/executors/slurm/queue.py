"""What Slurm says: `squeue`, `scontrol` and `scancel`, each with a limit to how long it may take.

Accounting (`sacct`), which many clusters lack, is not asked.
"""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from discbench.errors import UserError

PATIENCE = 60.0
"""Seconds that a command of Slurm may take: a controller under load answers late."""
HASTE = 0.8
"""Seconds that an interrupted command waits for its array to be cancelled; the cancelling goes on without it."""
OVER = {
    "BOOT_FAIL": "its node did not start",
    "CANCELLED": "it was cancelled",
    "COMPLETED": "it ended",
    "DEADLINE": "its deadline is over",
    "FAILED": "it failed",
    "GONE": "it ended, and Slurm does not remember how",
    "NODE_FAIL": "its node was lost",
    "OUT_OF_MEMORY": "it was ended for lack of memory; try --sbatch mem=...",
    "PREEMPTED": "it was ended for another job",
    "REVOKED": "it was revoked",
    "TIMEOUT": "its time was over; try a longer --time",
}
"""States in which nothing more comes of a job, in words."""


@dataclass(frozen=True, slots=True)
class State:
    """What Slurm says of one element."""

    state: str
    node: str = ""
    reason: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it; one that is requeued is pending again."""
        return self.state in OVER


def check() -> None:
    """See that jobs can be submitted from here.

    Raises:
        UserError: submitit is not installed, or this machine has no commands of Slurm.
    """
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise UserError(
            "--executor slurm submits through submitit, which is not installed; pip install 'discbench[slurm]'"
        ) from None
    missing = [name for name in ("sbatch", "srun", "squeue", "scancel") if shutil.which(name) is None]
    if missing:
        raise UserError(
            f"--executor slurm: this machine has no {missing[0]}; run the command on a machine that jobs are submitted"
            " from, such as a login node (the commands are in Debian's package slurm-client)"
        )


def states(jobs: Sequence[str]) -> dict[str, State] | None:
    """Return the state of each element of array jobs by its number (`12_3`); one that Slurm has forgotten is left out.

    Args:
        jobs: Numbers of arrays.

    Returns:
        None where Slurm did not answer, which says nothing of the jobs.
    """
    found: dict[str, State] = {}
    for job in jobs:
        answer = _asked("squeue", "-h", "-r", "-t", "all", "-j", job, "-o", "%i|%T|%N|%r")
        if answer is None:
            return None
        for line in answer.splitlines():
            number, state, node, reason = (*line.strip().split("|"), "", "", "")[:4]
            found[number] = State(state, node, reason)
    return found


def _asked(*command: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - words of ours, no shell
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode == 0:
        return done.stdout
    return "" if "nvalid job id" in done.stderr else None


def cancel(name: str) -> None:
    """Cancel all jobs of a name, also one that was submitted this very moment; do not wait long for it."""
    try:
        going = subprocess.Popen(  # noqa: S603 - in a session of its own: it goes on when we are ended
            ["scancel", f"--name={name}", "--me"],  # noqa: S607 - where it is, its user's PATH says
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        going.wait(HASTE)
    except (OSError, subprocess.TimeoutExpired):
        pass


def requeue(job: str) -> bool:
    """Put a running job back into the queue; tell whether Slurm agreed. It ends the job by SIGTERM then."""
    return _asked("scontrol", "requeue", job) is not None
