"""Progress of a sweep on stderr: a live view on a terminal, plain lines elsewhere."""

import sys
import time
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Any, Self

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from discbench.values.cells import Cell, steps_of
from discbench.values.jobs import Event
from discbench.words.terminal import Terminal

QUIET_SECONDS = 30.0
"""In a pipe, a long cell says that it is alive this often."""


def duration(seconds: float) -> str:
    """Return seconds as a person writes them: 42s, 3m05s, 2h10m."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"  # noqa: PLR2004


@dataclass
class Running:
    """What one running cell has told."""

    cell: Cell
    began: float
    step: int = 0
    steps: int = 0
    loss: float | None = None
    told: float = 0.0


@dataclass
class Progress:
    """Watches a sweep; use it as a context manager and pass `watch` to an executor."""

    total: int
    kept: int = 0
    stream: IO[str] = field(default_factory=lambda: sys.stderr)
    done: int = 0
    failed: int = 0
    others: int = 0
    """Cells that other processes have finished meanwhile."""
    alike: int = 0
    """Controls that another checkpoint had."""
    running: dict[str, Running] = field(default_factory=dict)
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=5))
    began: float = field(default_factory=time.monotonic)
    told: str = ""
    """The last line of `say_once`."""
    words: dict[str, str] = field(default_factory=dict)
    """Cell id -> the cell in words, where its checkpoint's name alone would not tell it from others."""
    searching: bool = False
    """Whether the cells differ by recipe and are told by validation, so that nobody chooses by test scores."""

    def __post_init__(self) -> None:
        # a notebook's stderr calls itself a terminal, but keeps every frame of a live view
        live = None if "ipykernel" not in sys.modules else False
        self.console = Terminal(file=self.stream, force_jupyter=False, force_terminal=live)
        self.live = Live(console=self.console, get_renderable=self.view, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        if self.kept:
            noun = "cell is" if self.kept == 1 else "cells are"
            self.say(f"{self.kept} of {self.total + self.kept} {noun} in the store and will not be run again")
        if self.total and self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()
        if self.alike:
            noun = "control" if self.alike == 1 else "controls"
            self.say(f"not trained again: {self.alike} {noun} that another checkpoint of its shape had")

    @property
    def finished(self) -> int:
        """How many cells are in the store, as far as has been told."""
        return self.kept + self.done - self.failed

    def name(self, cell: Cell) -> str:
        """Return a cell's name, with its recipe where that is what cells differ by."""
        apart = self.searching and cell.rate is None  # a cell of a search for rates names its own
        recipe = f" {cell.recipe['optimizer']} lr {cell.recipe['lr']:g}" if apart else ""
        return self.words.get(cell.id, cell.words) + recipe

    def say_once(self, line: str) -> None:
        """Print one plain line, unless it was the last of this kind."""
        if line != self.told:
            self.told = line
            self.say(line)

    def shared(self, cell: Cell, result: dict[str, Any]) -> None:
        """Take note of a cell that another process has settled."""
        self.done += 1
        self.others += result["status"] == "finished"
        self._tell(cell, result, "by another process")

    def say(self, line: str) -> None:
        """Print one plain line."""
        self.console.print(line, soft_wrap=True, markup=False)

    def watch(self, event: Event) -> None:
        """Take note of an event of the sweep."""
        now = time.monotonic()
        if event.kind == "start":
            self.running[event.cell.id] = Running(event.cell, now, told=now)
        elif event.kind == "step":
            self._stepped(event, now)
        elif event.kind == "passed":
            self.running.pop(event.cell.id, None)
        else:
            self._ended(event, now)

    def _stepped(self, event: Event, now: float) -> None:
        run = self.running[event.cell.id]
        run.step, run.steps, run.loss = event.step, event.steps, event.loss
        if not self.console.is_terminal and now - run.told > QUIET_SECONDS:
            run.told = now
            self.say(
                f"  …  {self.name(event.cell)}: step {event.step}/{event.steps}, loss {event.loss:.3f}, {self.eta()}"
            )

    def _ended(self, event: Event, now: float) -> None:
        run = self.running.pop(event.cell.id)
        self.done += 1
        for note in event.result.get("run", {}).get("notes", []):
            self.say(f"{self.name(event.cell)}: {note}")
        first = event.result.get("run", {}).get("shared")
        self.alike += first is not None
        how = f"the control of {first['checkpoint']}, which is the same" if first else duration(now - run.began)
        self._tell(event.cell, event.result, how)

    def _tell(self, cell: Cell, result: dict[str, Any], how: str) -> None:
        self.failed += result.get("status") != "finished"
        outcome = outcome_of(result, "validation" if self.searching else "test")
        line = f"[{self.done}/{self.total}] {self.name(cell)}: {outcome}, {how}"
        if self.console.is_terminal and result.get("status") == "finished":
            self.recent.append(line)
        else:
            self.say(f"{line}; {self.eta()}" if self.done < self.total else line)

    def eta(self) -> str:
        """Return how long the rest will take, judged by the steps done so far."""
        spent = time.monotonic() - self.began
        inside = sum(run.step / run.steps for run in self.running.values() if run.steps)
        whole = self.done + inside
        if whole < 0.05:  # noqa: PLR2004 - too little to judge by
            return "time left not yet known"
        return f"about {duration(spent / whole * (self.total - whole))} left"

    def view(self) -> Group:
        """Return the live view."""
        table = Table.grid(padding=(0, 2))
        for run in self.running.values():
            steps = run.steps or steps_of(1, run.cell.recipe)
            state = f"step {run.step}/{steps}" if run.steps else "loading"
            loss = "" if run.loss is None else f"loss {run.loss:.3f}"
            table.add_row("  ▸", self.name(run.cell), bar(run.step / steps if run.steps else 0.0), state, loss)
        head = Text(f"{bar(self.done / max(1, self.total), 30)} {self.done}/{self.total} cells", style="bold")
        head.append(f"  {duration(time.monotonic() - self.began)} so far, {self.eta()}", style="default")
        if self.failed:
            head.append(f"  {self.failed} failed", style="red")
        return Group(*(Text(line, style="dim") for line in self.recent), table, head)


def bar(share: float, width: int = 16) -> str:
    """Return a bar of `width` characters, filled to a share of 0..1."""
    full = int(max(0.0, min(1.0, share)) * width)
    return "━" * full + "─" * (width - full)


def outcome_of(result: dict[str, Any], split: str = "test") -> str:
    """Return a result in a few words, by its score on a split; one of a search has none on test."""
    if result.get("status") != "finished":
        return f"FAILED ({result.get('cause', 'no cause recorded')})"
    metric, split = result["task"]["metric"], split if split in result["scores"] else "validation"
    flags = " (constant predictions)" if result["collapsed"] else ""
    return f"{metric} {result['scores'][split][metric]:.3f}{f' on {split}' if split != 'test' else ''}{flags}"
