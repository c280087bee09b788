"""Run baselines again: they are deterministic and cheap, so what they are said to answer need not be believed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from discbench.data import rows
from discbench.submissions.recount import Answers, kept, measured
from discbench.values.checkpoints import BASELINE_REVISION, BASELINES
from discbench.values.types import Task
from discbench.words.names import printable

Record = dict[str, Any]
Found = Iterator[tuple[str, str]]
CLOSE = 0.01
"""By which outputs (logarithms of shares, or numbers) and scores may differ: linear models are fitted until they change
little, and other versions of the libraries stop elsewhere."""


def known(record: Record) -> Found:
    """Check that a baseline is one of ours."""
    name, revision = record["cell"]["checkpoint"], record["cell"]["revision"]
    if name not in BASELINES or revision != BASELINE_REVISION:
        wanted = ", ".join(f"{known}@{BASELINE_REVISION}" for known in BASELINES)
        yield "baseline", f"no baseline {printable(f'{name}@{revision}')} here; there are {wanted}"


@dataclass(kw_only=True)
class Baselines:
    """Baselines that have been run again, each once."""

    _ran: dict[str, tuple[Any, dict[str, dict[str, float]]]] = field(default_factory=dict)

    def held(self, record: Record, found: Answers, task: Task, loaded: rows.Loaded) -> Found:
        """Check a known baseline's answers, scores, choice and size against another run."""
        given, scores = self._run(record["cell"], task, loaded)
        if not np.allclose(found.outputs, given.test, rtol=CLOSE, atol=CLOSE):
            yield "baseline", f"run again, {record['cell']['checkpoint']} answers otherwise"
        if json.dumps(record["chosen"], sort_keys=True) != json.dumps(given.chosen, sort_keys=True):
            yield "baseline", f"run again, it chooses {given.chosen}, not {printable(record['chosen'])}"
        if record["counts"]["parameters"] != given.parameters:
            yield "baseline", f"run again, it has {given.parameters} parameters, not {record['counts']['parameters']}"
        for split, wanted in scores.items():
            for name, value in wanted.items():
                if abs(record["scores"][split][name] - value) > CLOSE * max(1.0, abs(value)):
                    said = record["scores"][split][name]
                    yield "baseline", f"run again, {split} {name} is {value:.6g}, not {said:.6g}"

    def _run(self, cell: Record, task: Task, loaded: rows.Loaded) -> tuple[Any, dict[str, dict[str, float]]]:
        from discbench.training import baselines
        from discbench.training.outcomes import score

        fields = ("checkpoint", "task", "rows", "fraction", "subset", "limit", "take", "seed")
        key = repr([cell.get(name) for name in fields])
        if key not in self._ran:
            whole = {name: getattr(loaded, name) for name in rows.SPLITS}
            splits = [split.take(kept(cell, n, len(split), split.numbers)) for n, split in whole.items()]

            def voted(outputs: Any, split: rows.Encoded) -> score.Voted:  # noqa: ANN401
                return score.vote(task.target, outputs, split.targets, split.groups)

            def primary(outputs: Any, split: rows.Encoded) -> float:  # noqa: ANN401
                return score.primary(task.metric, voted(outputs, split))

            train, validation, test = splits
            given = baselines.answer(cell["checkpoint"], task, train, validation, test, primary)
            held = measured(task, voted(given.validation, validation))
            self._ran[key] = given, {"validation": held, "test": measured(task, voted(given.test, test))}
        return self._ran[key]
