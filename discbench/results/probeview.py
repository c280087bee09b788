"""What `discbench.probe(...)` returns: measurements that print themselves."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discbench.errors import NoSuchName
from discbench.results import probetext

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Measurements:
    """What probes found: results as the store holds them, printed as tables."""

    results: tuple[Result, ...]
    kept: int
    """How many were in the store already."""

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    @property
    def failed(self) -> list[Result]:
        """Those that failed, each with its `cause`."""
        return [result for result in self.results if result["status"] != "finished"]

    def values(self, probe: str, task: str) -> list[dict[str, float | None]]:
        """Return the values of one probe on one task, one record a model (or pair) and seed.

        Raises:
            NoSuchName: Nothing finished of that probe on that task.
        """
        found = [
            result["values"]
            for result in self.results
            if result["status"] == "finished"
            and probe in {result["probe"]["probe"], result["probe"]["probe"].split("@")[0]}
            and task in {result["probe"]["task"], result["probe"]["task"].split("@")[0]}
        ]
        if not found:
            known = sorted({f"{r['probe']['probe']} on {r['probe']['task']}" for r in self.results})
            raise NoSuchName(f"no finished {probe!r} on {task!r}; there are {', '.join(known) or 'none'}")
        return found

    def closing(self, where: Path) -> list[str]:
        """Return what was done, and what failed, as lines."""
        failed = len(self.failed)
        fresh = len(self) - self.kept - failed
        done = f"measured {fresh}" if fresh or failed else "measured nothing: everything was in the store"
        rest = f", {failed} failed" if failed else ""
        return [
            *self._failures(),
            f"{done}{rest}{f', kept {self.kept}' if self.kept and (fresh or failed) else ''}; results in {where}",
        ]

    def _failures(self) -> list[str]:
        told = [result for result in probetext.apart(self.results) if result["status"] != "finished"]
        named = [(result["probe"], result["cause"]) for result in told]
        return [f"failed: {p['probe']} of {p['model']['checkpoint']} on {p['task']}: {cause}" for p, cause in named]

    def __repr__(self) -> str:
        from discbench.results.notebook import plain

        text = plain(lambda out: probetext.table(self.results, out))
        return "\n".join(part for part in (text, *self._failures()) if part) or "no measurements"

    def _repr_html_(self) -> str:
        """Return the tables; every word in them is escaped."""
        from discbench.results.notebook import html_lines, html_table

        tables = [
            html_table([block.title, *block.columns], block.rows) + html_lines(f"warning: {w}" for w in block.warnings)
            for block in probetext.blocks(self.results)
        ]
        return "".join((*tables, html_lines(self._failures()))) or html_lines(["no measurements"])
