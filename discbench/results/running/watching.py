"""What `discbench watch` tells: what runs, where, how far and how fast, and what failed, from a store alone."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from discbench.errors import StoreError
from discbench.results.forms.records import PassedOver, read_result
from discbench.results.locks.holder import FOLDER, Holder, alive, read_holder
from discbench.results.running import arrays
from discbench.results.store import Store, place
from discbench.values.cells import Cell

Record = dict[str, Any]
FINISHED = b'\n "status": "finished"'
"""How a finished cell's file says so; such a file, which holds whole curves, is not read any further."""
HOUR = 3600.0
STUCK = 30 * 60.0
"""Seconds without a step after which a running cell is told to be quiet: it answers many rows, or is stuck."""
MOMENT = 0.1
"""Seconds by which two readings of one clock may differ."""
MOST_TOLD = 20
"""Failed cells that are printed; `--json` tells all."""


@dataclass(slots=True)
class Watcher:
    """Looks at a store again and again; a record that has not changed is not read twice."""

    root: Path
    _known: dict[Path, tuple[arrays.Stamp, Record | str | None]] = field(default_factory=dict)
    _stepped: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Token of a holder -> the step at which it was last seen to move, and when (time.monotonic)."""

    def look(self) -> Record:
        """Return what the store tells now, as JSON.

        Raises:
            StoreError: There is no store.
        """
        paths, now = Store(self.root, passed=PassedOver()).paths(), time.time()
        there = {path: stamp for path in paths if (stamp := arrays.stamp(path))}
        known = {path: self._unfinished(path, stamp) for path, stamp in there.items()}
        failed = [record for record in known.values() if isinstance(record, dict)]
        unread = {path: fault for path, fault in known.items() if isinstance(fault, str)}
        ended = [stamp for path, stamp in there.items() if path not in unread]
        submitted = arrays.read(self.root)
        jobs = {cell: element for array in submitted for element, cells in array.elements.items() for cell in cells}
        held = [h for path in sorted((self.root / FOLDER).glob("*.holder")) if (h := read_holder(path))]
        living = {holder.token for holder in held if alive(self.root, holder)}
        told = {holder.token: self._told(holder, jobs.get(holder.id), now) for holder in held}
        return {
            "results": str(self.root),
            "finished": len(ended) - len(failed),
            "last_hour": sum(now - stamp[0] / 1e9 < HOUR for stamp in ended),
            "running": [told[holder.token] for holder in held if holder.token in living],
            "gone": [told[h.token] for h in held if h.token not in living and not self._ended(h, now)],
            "failed": failed,
            "unread": list(unread.values()),
            "arrays": [array.told(self.root) for array in submitted],
        }

    def _ended(self, holder: Holder, now: float) -> bool:
        """Tell whether a cell has a result since its holder, who is gone, last said something: it failed with it."""
        found = arrays.stamp(self.root / place(holder.record)) if holder.kind == "cell" else None
        return found is not None and found[0] / 1e9 >= now - holder.quiet - MOMENT

    def _told(self, holder: Holder, job: str | None, now: float) -> Record:
        """Return what a holder does, with times in seconds; its mean pace counts what came before its first step, too.

        `left` is by that pace, to the end of its training.
        """
        spent = now - holder.quiet - holder.began
        pace = holder.step / spent if holder.step and spent > 0 else None
        step, since = self._stepped.get(holder.token, (-1, 0.0))
        if step != holder.step:
            self._stepped[holder.token] = holder.step, (since := time.monotonic())
        return {
            "id": holder.id,
            "what": Cell(**holder.record).words if holder.kind == "cell" else holder.kind,
            "host": holder.host,
            "pid": holder.pid,
            "job": job,
            "device": holder.device,
            "step": holder.step,
            "steps": holder.steps,
            "loss": holder.loss,
            "steps_per_second": pace and round(pace, 4),
            "running_for": round(max(0.0, now - holder.began), 1),
            "left": round((holder.steps - holder.step) / pace, 1) if pace else None,
            "silent_for": round(holder.quiet, 1),
            "standing_for": round(time.monotonic() - since, 1),
        }

    def _unfinished(self, path: Path, stamp: arrays.Stamp) -> Record | str | None:
        """Return a failed cell with its cause, or what is wrong with a file that is no record; None for one that ended.

        A file is read once, as long as it is the same.
        """
        if path not in self._known or self._known[path][0] != stamp:
            self._known[path] = stamp, _failure(path)
        return self._known[path][1]


def _failure(path: Path) -> Record | str | None:
    try:
        if FINISHED in path.read_bytes():
            return None
        record = read_result(path)
    except OSError:  # removed meanwhile
        return None
    except StoreError as error:
        return str(error)
    if record["status"] == "finished":
        return None
    return {"id": record["id"], "cell": Cell(**record["cell"]).words, "cause": record["cause"]}


def text(record: Record) -> Group:
    """Return what is told, for a terminal."""
    running, gone, failed = record["running"], record["gone"], record["failed"]
    counts = f"{record['finished']} finished, {len(running)} running, {len(failed)} failed"
    parts: list[Any] = [Text(f"{record['results']}: {counts}; {record['last_hour']} ended in the last hour")]
    parts += [
        Text(
            f"Slurm array {array['job']}: {array['done']} of {array['cells']} cells ended, {array['elements']} elements"
        )
        for array in record["arrays"]
    ]
    if running:
        parts.append(_table(running))
    parts += [
        Text(f"gone: {each['what']}: process {each['pid']} on {each['host']} ended without its result") for each in gone
    ]
    parts += [Text(f"failed: {each['cell']}: {each['cause']}") for each in failed[:MOST_TOLD]]
    if len(failed) > MOST_TOLD:
        parts.append(Text(f"failed: … and {len(failed) - MOST_TOLD} more; --json tells all"))
    parts += [Text(f"not counted: {fault}") for fault in record["unread"][:MOST_TOLD]]
    return Group(*parts)


def live(watcher: Watcher, out: Console, every: float) -> None:
    """Show what is told on a terminal, anew every so many seconds, until the command is interrupted."""
    with Live(text(watcher.look()), console=out, auto_refresh=False, screen=False) as shown:
        while True:
            time.sleep(every)
            shown.update(text(watcher.look()), refresh=True)


def _table(running: Sequence[Record]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("cell", "where", "device"):
        table.add_column(name, overflow="fold")  # a narrow terminal folds these, and cuts no number off
    for name in ("step", "steps/s", "for", "left"):
        table.add_column(name, no_wrap=True, justify="right")
    for each in running:
        where = f"{each['host']} {each['pid']}" + (f" (job {each['job']})" if each["job"] else "")
        step = f"{each['step']}/{each['steps']}" if each["steps"] else "-"
        pace = f"{each['steps_per_second']:.3g}" if each["steps_per_second"] else "-"
        left = _clock(each["left"]) if each["left"] is not None else "-"
        if each["standing_for"] > STUCK:
            left = f"no step for {_clock(each['standing_for'])}"
        table.add_row(each["what"], where, each["device"], step, pace, _clock(each["running_for"]), left)
    return table


def _clock(seconds: float) -> str:
    """Return seconds as 0:42, 3:05 or 2:10:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
