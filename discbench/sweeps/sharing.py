"""Several commands on one store: what another process runs is passed over, and looked at again at the end."""

import time
from collections.abc import Sequence

from discbench.results.locks.holder import GONE, holders
from discbench.results.locks.holding import WAIT
from discbench.results.store import Store
from discbench.sweeps.progress import Progress
from discbench.training import ranks
from discbench.values.cells import Cell


class Sharing:
    """The cells of a sweep that other processes run meanwhile.

    Args:
        store: Of all of them.
        progress: Told of what others settle.
        todo: The cells still to run, failed ones among them, as they are now.
    """

    def __init__(self, store: Store, progress: Progress, todo: Sequence[Cell]) -> None:
        self.store, self.progress = store, progress
        self.planned = {cell.id: store.digest(cell) for cell in todo if store.fault(cell) is None}
        """What lay at each cell's place: a failure since then is another's, and not tried again."""
        self.left: list[Cell] = []
        self.holds = store.holds

    def passed(self, cell: Cell) -> None:
        """Take note of a cell that is another process's."""
        if not self._settled(cell):
            self.left.append(cell)

    def wait(self) -> list[Cell]:
        """Return, as soon as there are any, cells that nobody holds and nobody has settled; none when all are settled.

        Under torchrun all processes call it, and the first one looks.
        """
        pause, most = WAIT
        while self.left:
            self.left, free = ranks.of_first(self._look)
            if free:
                return list(free)
            if self.left:
                time.sleep(pause)
                pause = min(2 * pause, most)
        return []

    def _look(self) -> tuple[list[Cell], list[Cell]]:
        """Return (the cells that are held still, those that are free)."""
        held, free = list[Cell](), list[Cell]()
        for cell in self.left:
            if not self.holds.free(cell):
                held.append(cell)
            elif not self._settled(cell):
                free.append(cell)
        if held and not free:
            self._say(held)
        return held, free

    def _settled(self, cell: Cell) -> bool:
        result = self.store.settled(cell, self.planned.get(cell.id))
        if result is not None:
            self.progress.shared(cell, result)
        return result is not None

    def _say(self, held: Sequence[Cell]) -> None:
        whose = [holder for cell in held if (holder := self.holds.holder(cell)) is not None]
        noun = "a cell" if len(held) == 1 else f"{len(held)} cells"
        if whose:
            words = list(dict.fromkeys(holder.words for holder in whose))
            more = f" and {len(words) - 1} more" if len(words) > 1 else ""
            self.progress.say_once(f"waiting for {noun}, which {words[0]}{more} runs")
        elif any(self.holds.unread(cell) for cell in held):
            self.progress.say_once(
                f"waiting for {noun}: nobody can read whose, so that {GONE:g} seconds without a change will tell"
            )


def apart(cells: Sequence[Cell], store: Store) -> list[Cell]:
    """Return cells in the order for an executor that waits for what another process holds.

    Where another one is at it already, the second half comes first: two that wait for each other at every cell are no
    faster than one.
    """
    held = {holder.id for holder in holders(store.root)}
    if not any(cell.id in held for cell in cells):
        return list(cells)
    middle = len(cells) // 2
    return [*cells[middle:], *cells[:middle]]
