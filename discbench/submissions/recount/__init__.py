"""Count again what a result says of its predictions, rows and mapping, with the same functions that made it.

Predictions are read from memory, after their form has been held against what the result and the task say; numbers that
libraries of another version may round otherwise are compared with a tolerance.
"""

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discbench.data import rows
from discbench.errors import DiscbenchError, NotAtHand
from discbench.results.forms.result import LEVELS
from discbench.submissions.findings import Unfit
from discbench.training.outcomes import dynamics
from discbench.training.outcomes.targets import unit_of
from discbench.values.types import Classes, Task
from discbench.words.names import printable

Record = dict[str, Any]
Found = Iterator[tuple[str, str]]
Array = NDArray[Any]
CLOSE = 1e-9
"""Scores of the same predictions by other versions of the libraries."""
ROUNDED = 1e-3
"""Of numbers stored with four digits."""
SLACK = 1 << 20
FIELDS = ("row", "outputs", "target")


@dataclass(frozen=True, slots=True)
class Known:
    """What must be known of a task's rows."""

    sha256: str
    partial: str
    sizes: tuple[int, int, int]
    train_targets: Array
    targets: Array
    groups: tuple[str, ...] | None
    """Of test."""
    copies: Sequence[Record]
    """Near copies of train rows; a way that cannot be counted here has `why`."""
    loaded: rows.Loaded
    """All of them, for what is run again."""
    numbers: Array | None = None
    """Of train, where its publisher has an order."""
    spread: Record = field(default_factory=dict)
    """How labels are spread, as `rows.labels` tells it."""


def read(task: Task, directory: Path | None, *, download: bool) -> Known | str:
    """Return what must be known of a task's rows, or why they are not at hand."""
    from discbench.data import rowcache

    try:
        loaded = rowcache.load(task, directory, download=download, unverified=True)
    except NotAtHand:
        return "give --data-dir, or --fetch to download them"
    except DiscbenchError as error:
        return str(error)
    train, test = loaded.train, loaded.test
    return Known(
        loaded.sha256,
        loaded.partial,
        loaded.sizes,
        train.targets,
        test.targets,
        test.groups,
        loaded.copies,
        loaded,
        train.numbers,
        rows.labels(task, loaded),
    )


@dataclass(frozen=True, slots=True)
class Answers:
    """The predictions of a cell: (rows,), (rows, outputs), (rows,)."""

    row: Array
    outputs: Array
    target: Array


def kept(cell: Record, split: str, count: int, numbers: Array | None = None) -> NDArray[np.int64]:
    """Return which of a split's `count` rows a cell takes; of train rows with `numbers` perhaps the first of them.

    What is returned is shared, and not to be changed.
    """
    if "take" in cell:
        return rows.chosen(count, None, 1.0, 0, take=cell["take"][rows.SPLITS.index(split)])
    if split != "train":
        return _chosen(count, cell["limit"], 1.0, cell["seed"])
    if cell["subset"] == "first" and numbers is not None:
        return rows.chosen(count, cell["limit"], cell["fraction"], cell["seed"], numbers=numbers)
    return _chosen(count, cell["limit"], cell["fraction"], cell["seed"])


@lru_cache(maxsize=64)
def _chosen(count: int, limit: int | None, fraction: float, seed: int) -> NDArray[np.int64]:
    return rows.chosen(count, limit, fraction, seed)


def unpack(content: bytes, count: int, task: Task) -> Answers:
    """Return predictions from a parquet file that may hold anything.

    Args:
        content: The file.
        count: How many rows it must have.
        task: Whose kind of target and width of outputs it must have.

    Raises:
        Unfit: It is no such file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(content))
        _check_footer(file.metadata, count, task.target.outputs)
        _check_types(file.schema_arrow, task)
        table = file.read(columns=list(FIELDS), use_threads=False).combine_chunks()
        outputs = table["outputs"].combine_chunks()
        lengths = outputs.value_lengths().to_numpy(zero_copy_only=False)
        flat = outputs.flatten()
        nulls = flat.null_count + sum(table[name].null_count for name in FIELDS)
        if nulls or not np.all(lengths == task.target.outputs):
            raise Unfit(f"does not hold {task.target.outputs} outputs for every row")
        found = flat.to_numpy().reshape(-1, task.target.outputs)
        row, target = table["row"].to_numpy(), table["target"].to_numpy()
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, MemoryError, OverflowError) as error:
        raise Unfit(f"holds no predictions ({type(error).__name__}: {printable(str(error), 80)})") from error
    if not np.isfinite(found).all() or not np.isfinite(target).all():
        raise Unfit("holds NaN or infinite numbers")
    return Answers(row, found, target)


def _check_footer(footer: Any, count: int, width: int) -> None:  # noqa: ANN401 - pyarrow is untyped
    """Bound what reading will take, by what the file says of itself."""
    if footer.num_rows != count:
        raise Unfit(f"has {footer.num_rows} rows, but the result counts {count}")
    if footer.num_columns != len(FIELDS):
        raise Unfit(f"has {footer.num_columns} columns, not {', '.join(FIELDS)}")
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    if sum(chunk.num_values for chunk in chunks) > count * (width + 2):
        raise Unfit("has more numbers than its rows need")
    if sum(chunk.total_uncompressed_size for chunk in chunks) > count * (8 * width + 64) + SLACK:
        raise Unfit("unpacks to more than its rows need")


def _check_types(schema: Any, task: Task) -> None:  # noqa: ANN401 - pyarrow is untyped
    import pyarrow as pa

    label = pa.int64() if isinstance(task.target, Classes) else pa.float32()
    named = {name: schema.field(name).type for name in schema.names} if len(set(schema.names)) == len(FIELDS) else {}
    listed = named.get("outputs")
    fits = listed is not None and pa.types.is_list(listed) and listed.value_type == pa.float32()
    if not fits or named.get("row") != pa.int32() or named.get("target") != label:
        raise Unfit(f"has columns {printable(str(named) if named else schema.names)}")


def counts(record: Record, sizes: tuple[int, int, int]) -> Found:
    """Check how many rows of each split were used."""
    if all(size <= most for size, most in zip(sizes, record["cell"].get("take", (0, 0, 0)), strict=True)):
        yield "counts", "it takes all rows of every split, and then no number of them is named"
    for split, size in zip(rows.SPLITS, sizes, strict=True):
        wanted = len(kept(record["cell"], split, size))
        if record["counts"][split] != wanted:
            yield "counts", f"{split} has {wanted} rows for this cell, but {record['counts'][split]} are counted"


def marks(record: Record, sizes: tuple[int, int, int] | None) -> Found:
    """Check the marks; without the sizes of the splits `limited` is taken as it is."""
    limit, said = record["cell"]["limit"], record["marks"]
    limited = "limited" in said if sizes is None and limit else limit is not None and limit < max(sizes or (0,))
    reasons = {
        "limited": limited,
        "partial": bool(record["dataset"]["partial"]),
        "float32": "precision" in record["run"],
        "unverified": record["dataset"]["status"] != "verified",
    }
    wanted = [name for name, holds in reasons.items() if holds]
    if said != wanted:
        yield "marks", f"it is marked {printable(said)}, but it earns {wanted}"


def copies(record: Record, known: Known) -> Found:
    """Check the near copies that a result names, in each way that can be counted here.

    Forms need a package that whoever ran the cell may lack; the other ways are counted everywhere. A task may have got
    its twin with families on one side (`apart`) after the cell was run.
    """
    said = {way["by"]: way for way in record["dataset"].get("copies", [])}
    for way in known.copies:
        told = said.get(way["by"])
        if told is None and way["by"] != "form":
            yield "copies", f"near copies by {way['by']} are not named; have the cell run again"
        elif told is not None and "why" not in way and told not in (way, {**way, "apart": ""}):
            yield "copies", f"near copies by {way['by']} are not those that the task's rows have"
    if strange := sorted(set(said) - {way["by"] for way in known.copies}):
        yield "copies", f"near copies by {', '.join(strange)} are none that the task counts"


def spread(record: Record, known: Known) -> Found:
    """Check how a result says that the labels of each split are spread, and the words for its classes."""
    said, found = record["dataset"], known.spread
    if "labels" not in said:
        yield "labels", "how labels are spread is not named; have the cell run again"
        return
    for split, wanted in found["labels"].items():
        told = said["labels"][split]
        if set(told) != set(wanted) or any(not _alike(told[name], wanted[name]) for name in wanted):
            yield "labels", f"the labels of {split} are not spread as those of the task's rows"
    if said.get("words", []) != found.get("words", []):
        yield "labels", "the words for the classes are not those of the task's rows"


def _alike(said: Any, found: Any) -> bool:  # noqa: ANN401 - a list of counts, or a number of six digits
    return said == found if not isinstance(found, float) else math.isclose(said, found, rel_tol=ROUNDED, abs_tol=1e-6)


def answered(record: Record, found: Answers, known: Known) -> Found:
    """Check that the answers are to the right rows with the task's own labels."""
    cell = record["cell"]
    if cell["subset"] == "first" and cell["fraction"] < 1 and known.numbers is None:
        yield "rows", "it was trained on the first rows, but the task's rows have no order of their publisher's"
    wanted = kept(cell, "test", known.sizes[2])
    if not np.array_equal(found.row, wanted):
        yield "rows", "the rows that were answered are not those that the cell's limit and seed choose"
    elif not np.array_equal(found.target, known.targets[wanted]):
        wrong = int((found.target != known.targets[wanted]).sum())
        yield "targets", f"{wrong} of {len(wanted)} labels are not the task's own"


def scores(record: Record, found: Answers, task: Task, groups: tuple[str, ...] | None) -> Found:
    """Check scores, resampled scores and `collapsed` against the predictions."""
    from discbench.training.outcomes import score

    voted = score.vote(task.target, found.outputs, found.target, groups)
    for name, value in measured(task, voted).items():
        said = record["scores"]["test"].get(name)
        if said is None or not math.isclose(said, value, rel_tol=CLOSE, abs_tol=CLOSE):
            yield "scores", f"test {name} is {value!r} by its predictions, not {printable(said)}"
    if record["collapsed"] != score.collapsed(task.metric, task.target, voted):
        yield "scores", f"collapsed is {not record['collapsed']} by its predictions, not {record['collapsed']}"
    said, drawn = record["resampled"], score.resample(task.metric, voted)
    wrong = [i for i, pair in enumerate(zip(said, drawn, strict=True)) if not _near(*pair)]
    if wrong:
        yield "scores", f"resampled score {wrong[0]} is {drawn[wrong[0]]} by its predictions, not {said[wrong[0]]}"


def measured(task: Task, voted: Any) -> dict[str, float]:  # noqa: ANN401 - score.Voted, whose module is heavy
    """Return every metric of the task by name, as `score.measure` does, without its wrapping for other libraries."""
    given = {"output": voted.outputs, "prediction": voted.predictions}
    return {metric.name: metric(voted.targets, given[metric.needs]) for metric in task.metrics}


def _near(said: float, found: float) -> bool:
    return math.isclose(said, found, rel_tol=ROUNDED, abs_tol=1e-6)


def labels(record: Record, found: Answers, task: Task) -> Found:
    """Check, where the task's rows are not at hand, that labels are at least of the task's kind."""
    if isinstance(task.target, Classes) and not ((found.target >= 0) & (found.target < task.target.n)).all():
        yield "targets", f"labels of {task.id} are 0..{task.target.n - 1}, but others occur"
    if len(set(found.row.tolist())) != record["counts"]["test"] or (found.row < 0).any():
        yield "rows", "a row is answered twice"


def reference(task: Task, labels: Array) -> float:
    """Return the train loss of the best constant answer, in the unit in which labels are learnt."""
    return float(dynamics.reference(task.target, labels))


def speed(record: Record, task: Task, known: Known | None) -> Found:
    """Check the training dynamics: exactly where the labels are at hand, else against the stored reference."""
    said, loss = record["dynamics"], record["curve"]["loss"]
    if said is None:
        return
    if known is not None:
        taken = known.train_targets[kept(record["cell"], "train", known.sizes[0], known.numbers)]
        base = dynamics.reference(task.target, unit_of(record["cell"]["recipe"], task.target, taken).given(taken))
        if not math.isclose(said["reference"], base, rel_tol=1e-5):
            yield "dynamics", f"the loss of guessing is {base:.6g}, not {said['reference']}"
    relative = dynamics.smoothed(loss) / said["reference"]
    wanted = {"area": float(np.mean(loss)) / said["reference"], "final": float(relative[-1])}
    for name, value in wanted.items():
        if not math.isclose(said[name], value, rel_tol=ROUNDED, abs_tol=1e-6):
            yield "dynamics", f"{name} is {value:.4g} by the loss curve, not {said[name]}"
    for level in LEVELS:
        first, last = (dynamics.settles(relative, level * (1 + turn * ROUNDED)) for turn in (1, -1))
        found = said["levels"][f"{level:g}"]
        if not (first or math.inf) <= (found or math.inf) <= (last or math.inf):
            yield "dynamics", f"the loss stays below {level:g} from step {first}, not {found}"
