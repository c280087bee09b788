"""`Board`: the board of some results as a value that shows itself in a terminal and in a notebook."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from discbench.errors import NoSuchName, UserError, did_you_mean
from discbench.plugins import registry
from discbench.plugins.suites import Suite
from discbench.results import board, rates
from discbench.results.board import init_order
from discbench.results.store import Result, Store
from discbench.values.cells import NOTHING, Cell, all_said, hashes, words_of
from discbench.values.checkpoints import is_called
from discbench.values.types import Task
from discbench.words.names import counted

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Gain:
    """How much better an init is than scratch, seeds paired; positive is better, whatever the metric's direction."""

    mean: float
    low: float | None
    """Bounds of the 95 % interval over seeds; None for fewer than three."""
    high: float | None
    pairs: dict[int, float]
    """Seed -> difference."""

    def __str__(self) -> str:
        bounds = "no interval" if self.low is None else f"[{self.low:+.3f}, {self.high:+.3f}]"
        return f"{self.mean:+.3f} {bounds}, {counted(len(self.pairs), 'seed')}"


@dataclass(frozen=True, slots=True, repr=False)
class Board:
    """The board of some cells.

    In a notebook it shows itself as tables, elsewhere as `discbench board` prints it.
    """

    record: Record
    """What `leaderboard.json` holds; its JSON Schema is in `discbench/results/schemas`."""
    results: tuple[Result, ...]
    """The stored result of each cell, finished or failed; those of searches for rates are not among them."""
    trained: int = 0
    """Cells that the call which made this board ran, failed ones included."""
    kept: int = 0
    """Cells that were in the store."""

    @classmethod
    def of(
        cls,
        results: Iterable[Result],
        probes: Iterable[Result] = (),
        suites: Iterable[Suite] = (),
        *,
        tasks: Iterable[Task] = (),
        trained: int = 0,
        kept: int = 0,
    ) -> Self:
        """Build the board of these results of cells and of probes, with a table for each of the suites.

        `tasks` are those that it tells of.
        """
        held = tuple(results)
        return cls(board.build(held, probes, suites, all_said(tasks)), tuple(rates.apart(held)[0]), trained, kept)

    @classmethod
    def read(cls, results: str | Path = "results") -> Self:
        """Build the board of everything in a store, with the marks that cells earn by what installed tasks name now.

        Raises:
            StoreError: It is no store, or a result in it was altered.
        """
        faults: list[str] = []
        manager = registry.plugins(faults=faults)
        tasks = registry.tasks(manager, faults).values()
        store = Store(Path(results), hashes(all_said(tasks)))
        for fault in faults:
            warnings.warn(f"{fault}; its cells keep the marks that they were stored with", stacklevel=2)
        return cls.of(store.results(), store.probes(), registry.suites(manager, faults).values(), tasks=tasks)

    @property
    def cells(self) -> list[Cell]:
        """The cells, in the order of the results."""
        return [Cell(**result["cell"]) for result in self.results]

    @property
    def failed(self) -> list[Result]:
        """The results of cells that failed; each holds its `cause`."""
        return [result for result in self.results if result["status"] != "finished"]

    def entry(self, checkpoint: str, task: str, **way: object) -> Record:
        """Return the one entry of a checkpoint and a task.

        Args:
            checkpoint: Its name, as in `--model` (without a revision); with `@` and first digits of its revision where
                another one has that name too.
            task: Name, or id with version.
            way: What else tells entries apart, where there are several: `recipe="quick"`, `mapping="random"`,
                `limit=64`, any field of an entry.

        Raises:
            NoSuchName: There is none.
            UserError: There are several; the message says what they differ in.
        """
        entries = self.record["entries"]
        of_checkpoint = [e for e in entries if is_called(e["checkpoint"], e["revision"], checkpoint)]
        if not of_checkpoint:
            known = sorted({e["checkpoint"] for e in entries})
            raise NoSuchName(
                f"no checkpoint {checkpoint!r} on this board{did_you_mean(checkpoint, known, f'it has {_list(known)}')}"
            )
        of_task = [e for e in of_checkpoint if task in {e["task"], e["task"].split("@")[0]}]
        if not of_task:
            tasks = sorted({e["task"] for e in of_checkpoint})
            raise NoSuchName(f"no task {task!r} on this board{did_you_mean(task, tasks, f'it has {_list(tasks)}')}")
        unknown = sorted(set(way) - set(of_task[0]))
        if unknown:
            raise NoSuchName(f"an entry has no field {unknown[0]!r}; it has {_list(sorted(of_task[0]))}")
        found = [e for e in of_task if all(e[name] == value for name, value in way.items())]
        if len(found) == 1:
            return dict(found[0])
        if not found:
            raise NoSuchName(f"no entry of {checkpoint} on {task} has {way}; leave it out to see what there is")
        names = ("revision", "task", "rows", *board.WAY, "mapping_seed", "marks")
        apart = [f"{n} ({_list([e[n] for e in found])})" for n in names if any(e[n] != found[0][n] for e in found)]
        raise UserError(f"{checkpoint} has {len(found)} entries for {task}; say which by {'; '.join(apart)}")

    def gain(self, checkpoint: str, task: str, *, init: str = "pretrained", **way: object) -> Gain:
        """Return the gain of an init over scratch.

        Args:
            checkpoint: Its name.
            task: Name or id.
            init: `pretrained`, `reembedded` or `frozen`.
            way: As in `entry`.

        Raises:
            NoSuchName: No such entry, or it has no pair of this init and scratch.
            UserError: Several entries.
        """
        found = self.entry(checkpoint, task, **way)["gains"].get(init)
        if found is None:
            raise NoSuchName(
                f"no gain of {init} for {checkpoint} on {task}: it needs finished cells of {init} and of scratch with"
                " a seed in common"
            )
        pairs = {int(seed): pair for seed, pair in found["pairs"].items()}
        return Gain(found["mean"], found["low"], found["high"], pairs)

    def to_json(self) -> str:
        """Return the board as stable JSON, byte for byte what `discbench board` writes to leaderboard.json."""
        return board.to_bytes(self.record).decode()

    def to_pandas(self) -> "pd.DataFrame":
        """Return a row for every cell: what it is, its id, its score.

        Raises:
            UserError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise UserError("Board.to_pandas() needs pandas, which is not installed; `pip install pandas`") from error

        return pd.DataFrame([_row(result) for result in self.results])

    def __repr__(self) -> str:
        from discbench.results import boardtext
        from discbench.results.notebook import plain

        text = plain(lambda out: boardtext.board(self.record, out))
        return "\n".join(part for part in (text, *self._failures()) if part) or "an empty board"

    def _failures(self) -> list[str]:
        words = words_of(self.cells)
        return [f"failed: {words[result['id']]}: {result['cause']}" for result in self.failed]

    def _repr_html_(self) -> str:
        """Return the board as tables; every word in it is escaped."""
        from discbench.results.leaktext import notes
        from discbench.results.notebook import html_lines, html_table

        inits = sorted({i for e in self.record["entries"] for i in e["inits"]}, key=init_order)
        head = ["checkpoint", "task", "recipe", "metric (chance)", *(f"{i}: mean ± sd (n)" for i in inits)]
        told = board.shown(self.record)
        rows = [_html_row(entry, inits) for entry in told["entries"]]
        lines = [*notes(told["entries"]), *map(_headline, told["checkpoints"]), *self._failures()]
        return html_table([*head, "gain over scratch, 95 % interval"], rows) + html_lines(lines)


def _list(values: Iterable[object]) -> str:
    return ", ".join(map(str, values)) or "nothing"


def _row(result: Result) -> Record:
    cell, about = result["cell"], result["task"]
    done = result["status"] == "finished"
    same = ("checkpoint", "revision", "task", "mapping", "mapping_seed", "init", "seed", "fraction", "limit")
    return {
        **{name: cell[name] for name in same},
        "take": "/".join(map(str, cell.get("take") or ())) or None,
        "recipe": cell["recipe"]["name"],
        "rate": cell.get("rate"),
        "lr": cell["recipe"].get("lr"),
        "metric": about.get("metric"),
        "score": result["scores"]["test"][about["metric"]] if done else None,
        "status": result["status"],
        "collapsed": result["collapsed"] if done else None,
        "marks": ", ".join(result["marks"]),
        "id": result["id"],
    }


def _html_row(entry: Record, inits: list[str]) -> list[str]:
    from discbench.results import boardtext, leaktext

    about = entry["about"] or {}
    chance = "" if about.get("chance") is None else f" ({about['chance']:.2f})"
    means = [boardtext.mean(entry["inits"].get(init)) for init in inits]
    gain = boardtext.gain(entry["gain"])
    way = ", ".join([_recipe(entry), *entry["marks"]])
    return [entry["checkpoint"], leaktext.with_sign(entry), way, f"{about.get('metric', '?')}{chance}", *means, gain]


def _recipe(of: Record) -> str:
    """Return an entry's or a headline's recipe in words, with all that is not usual."""
    tuned, taken = ["rates tuned"] * bool(of.get("rate")), "/".join(map(str, of.get("take") or ()))
    read = [f"mapping {of['mapping']}"] * (of["mapping"] not in {"random", NOTHING})
    held = [f"mapping seed {of['mapping_seed']}"] * (of["mapping_seed"] is not None)
    cut = [f"limit {of['limit']}"] * bool(of["limit"]) + [f"at most {taken} rows"] * bool(taken)
    cut += [f"{of['fraction']:g} of train"] * (of["fraction"] < 1)
    return ", ".join([of["recipe"], *tuned, *(f"{k}={v}" for k, v in of["changed"].items()), *read, *held, *cut])


def _headline(row: Record) -> str:
    from discbench.results import boardtext

    if row["adaptability"] is None:
        return ""
    bounds = "no interval" if row["low"] is None else f"95 % interval {row['low']:+.3f} to {row['high']:+.3f}"
    missing = f"; incomplete, missing {', '.join(row['missing'])}" if row["missing"] else ""
    marked = f"; marked {', '.join(row['marks'])}" if row["marks"] else ""
    return (
        f"adaptability of {row['checkpoint']} (mean gain over scratch, {_recipe(row)}): {row['adaptability']:+.3f},"
        f" {bounds}, {counted(row['n'], 'seed')}{missing}{marked}{boardtext.shares(row)}"
    )
