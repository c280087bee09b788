"""A cell that is run is held in the store; of several processes that train it together, by the first."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from discbench.results.holding import Hold
from discbench.results.store import Result, Store
from discbench.training import ranks
from discbench.values.cells import Cell
from discbench.values.place import Place


class Elsewhere(Exception):  # noqa: N818 - it is what the name says
    """The cell is another process's, which runs it or has settled it since it was planned."""


@dataclass(frozen=True, slots=True)
class Held:
    """What holding a cell has shown."""

    known: Result | None
    """Its result, if it need not be run."""
    tell: Callable[[int, int, float], None]
    """Notes how far training is, for whoever reads the store."""


@contextmanager
def held(store: Store, cell: Cell, place: Place, planned: str | None) -> Iterator[Held]:
    """Hold a cell in the block.

    Args:
        store: Where its result goes.
        cell: To be run.
        place: Whether it is passed over or waited for where it is another's.
        planned: See `Store.settled`.

    Raises:
        Elsewhere: It is another's, and passed over.
    """
    with contextlib.ExitStack() as ours:
        holds: list[Hold] = []

        def take() -> tuple[bool, Result | None]:
            """Return (whether the cell is passed over, its result if it is settled)."""
            known = store.settled(cell, planned)
            if known is None and place.passing:
                hold = store.holds.take(cell, place.device)
                if hold is None:
                    return True, None
                holds.append(hold)
                ours.callback(hold.release)
            elif known is None:
                holds.append(ours.enter_context(store.holds.waited(cell, place.device)))
            known = known or store.settled(cell, planned)
            return known is not None and place.passing, known

        passed, known = ranks.of_first(take)
        if passed:
            raise Elsewhere
        yield Held(known, holds[0].tell if holds else _untold)


def _untold(step: int, steps: int, loss: float) -> None:
    """Of the other processes, which hold nothing."""
