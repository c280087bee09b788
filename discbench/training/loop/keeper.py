"""Keeps the training state of one cell in a file, and finds what an earlier process has left there."""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from discbench.training.loop import statefile
from discbench.training.loop.state import State
from discbench.training.loop.statefile import Record, Tensors, Unfit
from discbench.training.loop.way import Way
from discbench.words.names import one_line

FORM = 1
"""Of what a state holds."""
MOST_NOTE = 500


@dataclass(kw_only=True)
class Keeper:
    """The saved state of one cell's training.

    A state is gone on from only by what would have come to the same bytes: the same cell, code, versions, hardware and
    threads (`whose`), the same savings and the same way. Whatever else lies there is passed over, with a note.
    """

    path: Path
    whose: Record
    """What a state must agree with, as JSON."""
    minutes: float = math.inf
    """Between two savings at least; infinite where none is asked for."""
    notes: list[str] = field(default_factory=list)
    """What a user should hear when the cell has ended, a line each."""
    resumed: list[int] = field(default_factory=list)
    """Steps after which training went on from a saved state, in this process and in earlier ones."""
    seconds: float = 0.0
    """What earlier processes spent."""
    _found: tuple[Record, Tensors] | None = None
    _began: float = field(default_factory=time.monotonic)
    _saved: float = field(default_factory=time.monotonic)
    _unsaved: bool = False

    def note(self, line: str) -> None:
        """Add a note."""
        self.notes.append(one_line(line, MOST_NOTE))

    def find(self) -> Way | None:
        """Look for a state of this cell; return the way in which it was trained, or None where there is none."""
        if not self.path.exists():
            return None
        try:
            record, tensors = statefile.read(self.path)
            self._check(record)
            way = Way(**record["way"])
        except Unfit as error:
            self.pass_over(str(error))
            return None
        except (KeyError, TypeError) as error:
            self.pass_over(f"is a file of another kind ({type(error).__name__})")
            return None
        self._found = record, tensors
        return way

    def _check(self, record: Record) -> None:
        if record.get("form") != FORM:
            raise Unfit(f"has form {record.get('form')!r}, and this discbench reads form {FORM}")
        for name, wanted in self.whose.items():
            if record["whose"].get(name) != wanted:
                raise Unfit(f"belongs to another {name}")

    def pass_over(self, why: str) -> None:
        """Go on without the state that is there."""
        self.forget()
        self.note(f"its saved training state {why}; it was trained from the first step")

    def resume(self, state: State, way: Way, savings: tuple[str, ...]) -> int:
        """Put a state that was found back, if it belongs to this way; return how many steps it has done.

        Raises:
            Unfit: It could not be put back, and the loop's own state is spoilt.
        """
        self._saved = time.monotonic()
        if self._found is None:
            return 0
        (record, tensors), self._found = self._found, None
        if record["way"] != way.record or record.get("savings") != list(savings):
            self.pass_over("belongs to other savings of the training step")
            return 0
        try:
            state.put_back(record["state"], tensors)
            done, resumed, seconds = int(record["done"]), list(record["resumed"]), float(record["seconds"])
            notes = [str(note) for note in record["notes"]]
        except Exception as error:  # whatever is in it, a hash of whose own making vouches for it
            raise Unfit(f"does not fit its cell ({type(error).__name__})") from error
        self.resumed, self.seconds, self.notes = [*resumed, done], seconds, [*notes, *self.notes]
        return done

    def due(self) -> bool:
        """Tell whether the last saving is long enough ago."""
        return time.monotonic() - self._saved >= 60 * self.minutes

    def save(self, state: State, done: int, way: Way, savings: tuple[str, ...]) -> None:
        """Save the state after `done` steps; what cannot be saved is noted, and training goes on."""
        try:
            self._save(state, done, way, savings)
        except Exception as error:  # noqa: BLE001 - training goes on, whatever a disk or a library says
            if not self._unsaved:
                said = " ".join(str(error).split()) or type(error).__name__
                self.note(f"its training state could not be saved after step {done} ({said}); training went on")
            self._unsaved = True
        self._saved = time.monotonic()

    def _save(self, state: State, done: int, way: Way, savings: tuple[str, ...]) -> None:
        record, tensors = state.taken()
        whole: dict[str, Any] = {
            "form": FORM,
            "whose": self.whose,
            "way": way.record,
            "savings": list(savings),
            "done": done,
            "resumed": self.resumed,
            "notes": self.notes,
            "seconds": self.seconds + time.monotonic() - self._began,
            "state": record,
        }
        statefile.write(self.path, whole, tensors)

    def forget(self) -> None:
        """Go on as if no state had been found: training begins anew."""
        self._found, self.resumed = None, []
