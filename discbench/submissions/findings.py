"""What a check of results finds, one line each, safe to print whatever the results hold."""

from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Literal

from discbench.words.names import printable

Level = Literal["error", "not checked"]
ERROR: Level = "error"
UNCHECKED: Level = "not checked"

CHECKS = MappingProxyType(
    {
        "manifest": "`submission.json` is the list that the cells give: hashes, ids, versions, commands",
        "form": "a result is strict JSON (no NaN, no number beyond 2^53, no deep nesting) as discbench writes it",
        "id": "the file lies where its cell's file lies",
        "task": "the task and its version are known here, and the result says of it what it says itself",
        "failed": "the cell finished",
        "recipe": "the recipe is the named one for this init, with the changes that the cell names",
        "dataset": "the rows' SHA-256 is the one that the task names",
        "copies": "near copies of train rows are those that the task's rows have",
        "labels": "labels are spread over the splits as those of the task's rows, with the same words for classes",
        "marks": "the marks are those that the cell earns; marked cells only where they are allowed",
        "counts": "rows, steps and parameters are those that the cell's limit, fraction and recipe give",
        "curve": "validations are where the recipe puts them, and the scored step is the one that it selects",
        "predictions": "predictions are a parquet file with the recorded SHA-256, one finite answer a row",
        "rows": "the rows that were answered are those that the cell's limit and seed choose",
        "targets": "the labels in the predictions are the task's own",
        "scores": "scores, resampled scores and `collapsed` are what the predictions give, groups put to the vote",
        "dynamics": "learning speed is what the loss curve and the labels give",
        "mapping": "the mapping table's hash is that of the table which checkpoint, kind and seed draw",
        "baseline": "a baseline is one of ours, and run again it answers, chooses and scores the same",
        "control": "every run has its scratch control: same seed, task, rows, recipe; one that is shared is as it says",
        "rates": "a tuned run has the rate that the search beside it chooses, and no cell of that search is missing",
        "seeds": "the seeds of a series are 0..n-1: nobody chose among more",
        "twice": "no answers are claimed for two runs, equal up to rounding",
        "built": "board, site and every export can be built of what was accepted; a published board is what was built",
    }
)
"""What is checked, by the word that a finding begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with results, or that could not be checked."""

    level: Level
    check: str
    """One of `CHECKS`."""
    where: str
    """A file or a group of cells."""
    message: str

    @property
    def line(self) -> str:
        """The finding as one line."""
        return f"{self.level}: {self.check}: {printable(self.where, 300)}: {printable(self.message, 600)}"

    @property
    def record(self) -> dict[str, Any]:
        """The finding as JSON."""
        return {**asdict(self), "where": printable(self.where, 300), "message": printable(self.message, 600)}


class Unfit(Exception):  # noqa: N818 - it is what the name says
    """A file of a submission that cannot be taken in; its text is the finding."""
