"""Verify results that others made: read each result, check it by itself, count it again, then look at all together.

Nothing is executed or unpacked, and no checkpoint is loaded; vocabularies are read only of shipped checkpoints and of
those that the caller names. At the end all that others build is built of what was accepted.
"""

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from discbench.errors import CheckpointError, NotAtHand, StoreError
from discbench.results.forms.result import result_fault
from discbench.results.marks import marked_now
from discbench.results.store import Predictions, place, unpack_predictions
from discbench.submissions import built, checks, claims, intake, manifest, recount, rerun
from discbench.submissions.findings import ERROR, UNCHECKED, Finding, Level, Unfit
from discbench.submissions.recount import searches
from discbench.submissions.redraw import Tables
from discbench.values.cells import NOTHING
from discbench.values.types import Task
from discbench.words.forms import fault

Record = dict[str, Any]
SOME = 20
"""Rows of each result that are exported on trial: each is written like the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a verification found."""

    findings: list[Finding]
    cells: int
    done: dict[str, int]
    """What was checked -> of how many cells."""

    @property
    def errors(self) -> int:
        """How many findings say that something is wrong."""
        return sum(finding.level == ERROR for finding in self.findings)

    @property
    def record(self) -> Record:
        """The verdict as JSON."""
        return {
            "format": "discbench-verification",
            "cells": self.cells,
            "errors": self.errors,
            "checked": self.done,
            "findings": [finding.record for finding in self.findings],
        }


@dataclass(kw_only=True)
class Verifier:
    """What results are held against; rows and tables are read once for all verifications."""

    tasks: dict[str, Task]
    """By task id."""
    directory: Path | None = None
    download: bool = False
    tables: Tables = field(default_factory=Tables)
    """Which vocabularies may be read."""
    allow_marked: bool = False
    need_predictions: bool = True
    """Whether predictions that were left out are an error; else their scores are not counted again."""
    _known: dict[str, recount.Known | str] = field(default_factory=dict)
    _found: list[Finding] = field(default_factory=list)
    _unchecked: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _done: Counter[str] = field(default_factory=Counter)
    _results: dict[str, Record] = field(default_factory=dict)
    """Results of the right form, by file."""
    _baselines: rerun.Baselines = field(default_factory=rerun.Baselines)

    def verify(self, path: Path, told: Callable[[int], None] = lambda _: None) -> Verdict:
        """Verify a packed submission or a store; `told` hears how many cells are done.

        Raises:
            UserError: It cannot be read, or is refused as a whole.
        """
        self._found, self._unchecked, self._done = [], Counter(), Counter()
        self._results, taken = {}, list[claims.Claim]()
        parcel = intake.opened(path)
        hashes: dict[str, tuple[str, str]] = {}
        count = 0
        for count, name in enumerate(parcel.cells, start=1):
            claim = self._one(parcel, name, hashes)
            if claim is not None:
                taken.append(claim)
            told(count)
        self._whole(parcel, hashes, count)
        for name, word, message in (
            *claims.together(taken),
            *claims.shared(self._results),
            *searches.together(self._results),
        ):
            self._say(name, word, message)
        self._build(parcel, {claim.name for claim in taken})
        return Verdict(findings=self._sorted(), cells=count, done=dict(sorted(self._done.items())))

    def _say(self, name: str, word: str, message: str, level: Level = ERROR) -> None:
        self._found.append(Finding(level=level, check=word, where=name, message=message))

    def _skip(self, word: str, of: str, why: str) -> None:
        self._unchecked[word, of, why] += 1

    def _sorted(self) -> list[Finding]:
        skipped = [
            Finding(level=UNCHECKED, check=word, where=of, message=f"{why} ({count} cell{'s' * (count > 1)})")
            for (word, of, why), count in sorted(self._unchecked.items())
        ]
        return [*sorted(self._found, key=lambda f: f.where), *skipped]

    def _whole(self, parcel: intake.Parcel, hashes: dict[str, tuple[str, str]], count: int) -> None:
        for name in parcel.strangers:
            self._say(name, "form", "it is neither a result of a cell nor predictions beside one")
        if not count:
            self._say(str(parcel.path), "form", "it holds no result of a cell")
        if parcel.probes:
            self._skip("form", "probes", f"results of probes cannot be counted again: {parcel.probes} were left out")
        if intake.MANIFEST in parcel.names:
            self._manifest(parcel, hashes)
        elif parcel.archive is not None:
            self._say(intake.MANIFEST, "manifest", "it is not there")

    def _manifest(self, parcel: intake.Parcel, hashes: dict[str, tuple[str, str]]) -> None:
        try:
            said = intake.read_json(parcel.read(intake.MANIFEST, intake.MOST_JSON))
            wrong = fault(manifest.FORM, said)
        except Unfit as error:
            wrong = str(error)
        if wrong:
            self._say(intake.MANIFEST, "manifest", wrong)
            return
        listed = {cell["path"]: (cell["sha256"], cell["predictions"]) for cell in said["cells"]}
        if len(listed) != len(said["cells"]):
            self._say(intake.MANIFEST, "manifest", "it lists a file twice")
        for name in sorted(set(listed) ^ set(hashes)):
            self._say(name, "manifest", "it is listed but not there" if name in listed else "it is not listed")
        for name in sorted(set(listed) & set(hashes)):
            if listed[name] != hashes[name]:
                self._say(name, "manifest", "it is not the file that the list names, by its SHA-256")
        if set(self._results) == set(listed) == set(hashes):
            for part in manifest.differs(said, self._results):
                self._say(intake.MANIFEST, "manifest", f"its {part} are not those that its cells give")

    def _one(self, parcel: intake.Parcel, name: str, hashes: dict[str, tuple[str, str]]) -> claims.Claim | None:
        """Check one result; return what is to be compared with the others, if it can be read at all."""
        try:
            content = parcel.read(name, intake.MOST_JSON)
            hashes[name] = (hashlib.sha256(content).hexdigest(), "")
            result = intake.read_json(content)
            wrong = result_fault(result)
        except Unfit as error:
            wrong = str(error)
        if wrong:
            self._say(name, "form", wrong)
            return None
        self._results[name] = result
        self._take(name, checks.identity(result, name))
        task = self.tasks.get(result["cell"]["task"])
        if task is None:
            self._say(name, "task", f"no task {result['cell']['task']} here; install the plugin that offers it")
            return None
        self._take(name, checks.about(result, task))
        if result["status"] == "failed" and searches.of_search(result):
            self._take(name, checks.recipe(result, task))
            return None
        if result["status"] == "failed":
            self._say(name, "failed", f"{result['cause']}; run it again or leave it out")
            return None
        return self._finished(parcel, name, result, task, hashes)

    def _take(self, name: str, found: Iterator[tuple[str, str]]) -> int:
        before = len(self._found)
        for word, message in found:
            self._say(name, word, message)
        return len(self._found) - before

    def _finished(
        self, parcel: intake.Parcel, name: str, result: Record, task: Task, hashes: dict[str, tuple[str, str]]
    ) -> claims.Claim | None:
        if self._take(name, checks.recipe(result, task)) or self._take(name, checks.scored(result, task)):
            return None
        if searches.of_search(result):
            self._searched(parcel, name, result, task, hashes)
            return None
        known = self._rows(task, result)
        self._take(name, checks.dataset(result, task))
        self._take(name, checks.parameters(result))
        self._take(name, checks.curve(result, task))
        self._marks(name, result, task, known)
        self._take(name, recount.speed(result, task, known))
        self._mapping(name, result, task)
        answers = self._predictions(parcel, name, result, task, hashes)
        if answers is not None:
            self._answers(name, result, task, answers, known)
        return claims.Claim(
            name=name,
            cell=result["cell"],
            outputs=None if answers is None else claims.likeness(answers.outputs),
            mapping=result["mapping_sha256"],
            parameters=result["counts"]["parameters"],
            train=result["counts"]["train"],
        )

    def _searched(
        self, parcel: intake.Parcel, name: str, result: Record, task: Task, hashes: dict[str, tuple[str, str]]
    ) -> None:
        """Check a cell of a search; it is no run, and claims nothing."""
        known = self._rows(task, result)
        for found in (checks.dataset(result, task), checks.parameters(result), checks.curve(result, task)):
            self._take(name, found)
        self._take(name, recount.marks(result, known.sizes if known else None))
        self._mapping(name, result, task)
        answers = self._predictions(parcel, name, result, task, hashes)
        if known is not None:
            self._take(name, searches.recounted(result, task, known, answers))
            self._done["cells of searches counted from predictions and the task's own labels"] += 1

    def _rows(self, task: Task, result: Record) -> recount.Known | None:
        """Return the task's rows, if they are at hand and are those that the cell names."""
        if task.id not in self._known:
            self._known[task.id] = recount.read(task, self.directory, download=self.download)
        known = self._known[task.id]
        if isinstance(known, str):
            self._skip("rows", task.id, f"the task's rows are not at hand, so labels are taken as they are: {known}")
            return None
        if known.sha256 != result["cell"]["rows"]:
            self._skip("rows", task.id, "the rows at hand are not those of the cell")
            return None
        if known.partial != result["dataset"]["partial"]:
            self._say(task.id, "dataset", f"the rows are partial: {known.partial or 'no'}, by the rows at hand")
        if not searches.of_search(result):
            self._take(task.id, recount.copies(result, known))
            self._take(task.id, recount.spread(result, known))
        return known

    def _marks(self, name: str, result: Record, task: Task, known: recount.Known | None) -> None:
        sizes = known.sizes if known else task.dataset.sizes if result["dataset"]["status"] == "verified" else None
        self._take(name, recount.marks(result, sizes))
        if sizes is None:
            self._skip("counts", task.id, "how many rows its splits have is not known here")
        else:
            self._take(name, recount.counts(result, sizes))
        earned = marked_now(result, {task.id: task.dataset.rows_sha256})["marks"]
        if earned and not self.allow_marked:
            self._say(name, "marks", f"it is marked {', '.join(earned)}; boards take whole, verified runs only")

    def _mapping(self, name: str, result: Record, task: Task) -> None:
        said, cell = result["mapping_sha256"], result["cell"]
        if said is None:
            return
        try:
            wanted = self.tables.sha256(result, task)
        except NotAtHand as error:
            self._skip("mapping", f"{cell['checkpoint']}@{cell['revision']}", str(error))
            return
        except CheckpointError as error:
            self._say(name, "mapping", str(error))
            return
        self._done["mapping tables drawn again"] += 1
        if said != wanted:
            self._say(name, "mapping", f"its table has SHA-256 {wanted[:12]}…, not {said[:12]}…")

    def _predictions(
        self, parcel: intake.Parcel, name: str, result: Record, task: Task, hashes: dict[str, tuple[str, str]]
    ) -> recount.Answers | None:
        beside = f"{name.removesuffix(intake.JSON)}{intake.PREDICTIONS}"
        if not self.need_predictions and beside not in parcel:
            self._skip("scores", task.id, "predictions were left out")
            return None
        try:
            content = parcel.read(beside, intake.MOST_PREDICTIONS)
            digest = hashlib.sha256(content).hexdigest()
            hashes[name] = (hashes[name][0], digest)
            if digest == result["predictions"]["sha256"]:
                return recount.unpack(content, result["counts"].get("test", result["counts"]["validation"]), task)
            wrong = "are not those that the result names, by their SHA-256"
        except Unfit as error:
            wrong = str(error)
        self._say(beside, "predictions", wrong)
        return None

    def _answers(
        self, name: str, result: Record, task: Task, answers: recount.Answers, known: recount.Known | None
    ) -> None:
        if known is not None:
            if not self._take(name, recount.answered(result, answers, known)):
                groups = known.groups and tuple(known.groups[row] for row in answers.row)
                self._take(name, recount.scores(result, answers, task, groups))
                self._done["scores counted from predictions and the task's own labels"] += 1
                self._baseline(name, result, task, answers, known)
            return
        if self._take(name, recount.labels(result, answers, task)):
            return
        if any(recount.scores(result, answers, task, None)):
            self._skip("scores", task.id, "scores are not those of single rows; does the task put groups to the vote?")
        else:
            self._done["scores counted from predictions and the labels in them"] += 1

    def _baseline(self, name: str, result: Record, task: Task, answers: recount.Answers, known: recount.Known) -> None:
        if result["cell"]["init"] == NOTHING and not self._take(name, rerun.known(result)):
            self._take(name, self._baselines.held(result, answers, task, known.loaded))
            self._done["baselines run again"] += 1

    def _build(self, parcel: intake.Parcel, taken: set[str]) -> None:
        """Build of what was accepted what others will build of it."""
        wrong = {finding.where.replace(intake.PREDICTIONS, intake.JSON) for finding in self._found}
        named = {task.id: task.dataset.rows_sha256 for task in self.tasks.values()}
        accepted = [marked_now(result, named) for name, result in self._results.items() if name in taken - wrong]

        def answers(result: Record) -> Predictions:
            beside = place(result["cell"]).replace(intake.JSON, intake.PREDICTIONS)
            try:
                found = unpack_predictions(io.BytesIO(parcel.read(beside, intake.MOST_PREDICTIONS)))
            except Unfit as error:
                raise StoreError(str(error)) from error
            return found[0][:SOME], found[1][:SOME], found[2][:SOME]

        for what, why in built.breaks(accepted, answers) if accepted else ():
            self._say(what, "built", why)
