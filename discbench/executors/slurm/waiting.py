"""Waiting for cells that Slurm's jobs run: what the store shows is told, and what it will never show.

An element's own word is not waited for: a process that is killed gives none. A cell has ended when its result lies in
the store; when its element is over for Slurm and no result came, it has failed, and the cause is what Slurm says.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from discbench.executors.slurm import element, queue
from discbench.results.locks.holder import holders
from discbench.results.running.arrays import Array
from discbench.results.store import Store
from discbench.values.cells import Cell
from discbench.values.jobs import Event, Watch

LOOK, ASK = 1.0, 10.0
"""Seconds between two looks at the store, and between two questions to Slurm."""
EACH = 0.0005
"""Seconds that a look may cost a cell; many cells are looked at less often."""
LAG = 20.0
"""Seconds after which an element that is over has no result still on its way over a network disk."""


@dataclass
class Waiting:
    """Cells that are awaited, and what was told of them."""

    root: Path
    cells: dict[str, Cell]
    arrays: Sequence[Array]
    watch: Watch
    begun: set[str] = field(default_factory=set)
    steps: dict[str, int] = field(default_factory=dict)
    over: dict[str, float] = field(default_factory=dict)
    """Element -> when it was first seen to be over (time.monotonic)."""

    def __post_init__(self) -> None:
        self.array = {cell: array for array in self.arrays for cell in array.paths if cell in self.cells}
        self.element = {
            cell: number
            for array in self.arrays
            for number, cells in array.elements.items()
            for cell in cells
            if self.array.get(cell) is array
        }

    def wait(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Return when each cell has a result, of its own or what Slurm says."""
        asked = None
        while True:
            self._look()
            if self.cells and (asked is None or time.monotonic() - asked >= ASK):
                self._ask()
                asked = time.monotonic()
            if not self.cells:
                return
            sleep(max(LOOK, EACH * len(self.cells)))

    def _look(self) -> None:
        """Tell what the store shows."""
        for cell in [cell for cell in self.cells if self.array[cell].ended(self.root, cell)]:
            self._end(cell)
        for holder in holders(self.root):
            if holder.id in self.cells:
                self._begin(holder.id)
                if holder.step != self.steps.get(holder.id, 0):
                    self.steps[holder.id] = holder.step
                    told = Event("step", self.cells[holder.id], holder.step, holder.steps, holder.loss or 0.0)
                    self.watch(told)

    def _begin(self, cell: str) -> None:
        if cell not in self.begun:
            self.begun.add(cell)
            self.watch(Event("start", self.cells[cell]))

    def _end(self, cell: str) -> None:
        self._begin(cell)
        ended = self.cells.pop(cell)
        self.watch(Event("end", ended, result=Store(self.root).get(ended) or {}))

    def _ask(self) -> None:
        """Store as failed what will not come any more."""
        known = queue.states(sorted({array.job for array in self.array.values()}))
        if known is None:
            return
        now = time.monotonic()
        for cell, number in [(cell, self.element[cell]) for cell in self.cells]:
            state = known.get(number, queue.State("GONE"))
            if not state.over:
                self.over.pop(number, None)
            elif now - self.over.setdefault(number, now) > LAG:
                self._lose(cell, number, state)

    def _lose(self, cell: str, number: str, state: queue.State) -> None:
        """Store that a cell has failed, unless its result has come, or another process has taken it."""
        lost, store = self.cells[cell], Store(self.root)
        hold = store.holds.take(lost)
        if hold is None:
            self._pass(cell)
            return
        try:
            new = self.array[cell].ended(self.root, cell)
            theirs = not new and store.fail(lost, self._cause(cell, number, state))["status"] == "finished"
        finally:
            hold.release()
        if theirs:  # by another process, just before the array was submitted
            self._pass(cell)
        else:
            self._end(cell)

    def _pass(self, cell: str) -> None:
        self._begin(cell)
        self.watch(Event("passed", self.cells.pop(cell)))

    def _cause(self, cell: str, number: str, state: queue.State) -> str:
        folder = self.array[cell].folder(self.root)
        last = element.last_line([folder / f"{number}_0_log.{kind}" for kind in ("err", "out")])
        where = f" on {state.node}" if state.node else ""
        said = f"; its last line: {last}" if last else ""
        return f"Slurm job {number}{where} left no result: {queue.OVER[state.state]} ({state.state}){said}"
