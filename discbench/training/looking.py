"""The look at a checkpoint before anything is trained: whatever it raises is told as what it is, never guessed at."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from discbench.errors import CheckpointError, DiscbenchError
from discbench.values.checkpoints import Checkpoint

Rest = ParamSpec("Rest")
Bench = TypeVar("Bench")
Look = Callable[Concatenate[Bench, Checkpoint, Rest], None]
LONGEST = 500


def look(check: Look[Bench, Rest]) -> Look[Bench, Rest]:
    """Make whatever a look at a checkpoint raises a DiscbenchError in the exception's own words.

    Where another checkpoint of the call has the same name, the message says where this one is.
    """

    def told(bench: Bench, checkpoint: Checkpoint, /, *args: Rest.args, **kwargs: Rest.kwargs) -> None:
        try:
            check(bench, checkpoint, *args, **kwargs)
        except CheckpointError as error:
            raise _placed(error, checkpoint) from error
        except DiscbenchError:
            raise
        except Exception as error:
            words = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST]
            found = f"model {checkpoint.name!r} cannot be served: the look at it before training ended with {words}"
            raise _placed(CheckpointError(found), checkpoint) from error

    functools.update_wrapper(told, check)
    return told


def _placed(error: CheckpointError, checkpoint: Checkpoint) -> CheckpointError:
    if not checkpoint.alike or checkpoint.location in str(error):
        return error
    return CheckpointError(f"{error} (this {checkpoint.name!r} is {checkpoint.location!r})")
