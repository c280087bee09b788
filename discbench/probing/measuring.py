"""Run one measurement: rows of a task through one model or two, a probe's numbers out, a record in the store."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from discbench.data import rows
from discbench.errors import UserError
from discbench.models import building as models
from discbench.models import families
from discbench.models.inputs import Inputs
from discbench.probing.answers import checked
from discbench.results.forms.result import FORMAT
from discbench.results.store import Result, Store
from discbench.training import record
from discbench.training.run import Bench
from discbench.values.checkpoints import Checkpoint, check_unchanged
from discbench.values.mapping import TextTable
from discbench.values.measurement import Measurement, Probe, Side
from discbench.values.types import Task
from discbench.words.foreign import apart, ended

Say = Callable[[int], None]
"""Told how many rows have been measured."""
CAUSE = 500


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows as a model takes them."""

    inputs: dict[str, Tensor]
    """input_ids, attention_mask, and token_type_ids of text pairs: (batch, length)."""
    targets: Tensor
    rows: list[int]
    compared: Tensor
    """(batch, length), boolean: tokens with a partner in the other model; all real ones where there is none."""


@dataclass(frozen=True, slots=True)
class Given:
    """What one model reads."""

    inputs: Inputs
    around: tuple[int, int]
    """Special ids before and after a row."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What is known of a measurement before any weight is read."""

    configs: tuple[Any, ...]
    """transformers' configuration of the model, and of the other one if there is one."""
    given: tuple[Given, ...]
    """What each of them reads."""
    there: int
    """How many test rows the task has."""

    def tokens(self) -> int:
        """Return how many tokens are measured, or compared where there are two models; UserError as in `pairs`."""
        total = int(self.given[0].inputs.lengths.sum())
        if len(self.given) == 1 or partners(*self.given):
            return total
        return total - len(self.given[0].inputs) * sum(self.given[0].around)


def partners(given: Given, other: Given, *, same_places: bool = False) -> bool:
    """Tell whether all tokens of two models have partners, special ones included; else only symbols have.

    Raises:
        UserError: They read the rows as different numbers of tokens.
    """
    whole = bool((given.inputs.lengths == other.inputs.lengths).all())
    symbols = [each.inputs.lengths - sum(each.around) for each in (given, other)]
    if not whole and (same_places or not (symbols[0] == symbols[1]).all()):
        raise UserError(
            f"the models read the same rows as {int(given.inputs.lengths.sum())} and"
            f" {int(other.inputs.lengths.sum())} tokens, so that tokens have no partners; take a task"
            " with an alphabet, or a model with the same tokenizer"
        )
    return whole


@dataclass
class Subject:
    """What a probe measures: one model or two in eval mode, and a task's test rows as each reads them."""

    model: Any
    """A sequence classifier with a fresh head; `discbench.probes.evaluation.encoder_of` gives its body."""
    given: Given
    other: Any = None
    other_given: Given | None = None
    say: Say = lambda _: None
    done: int = 0

    def other_model(self) -> Any:  # noqa: ANN401
        """Return the second model."""
        assert self.other is not None
        return self.other

    def tell(self, rows: int) -> None:
        """Report that so many further rows have been measured."""
        self.done += rows
        self.say(self.done)

    def tell_share(self, share: float) -> None:
        """Report that so much of the work is done, where it does not go row by row."""
        self.say(max(1, round(share * len(self.given.inputs))))

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield the rows of the first model in their order."""
        for part in _parts(len(self.given.inputs), size):
            yield _batch(self.model, self.given, part, whole=True)

    def pairs(self, size: int, *, same_places: bool = False) -> Iterator[tuple[Batch, Batch]]:
        """Yield the same rows as each model reads them; `compared` marks tokens that belong together.

        Args:
            size: Rows at once.
            same_places: Whether tokens must stand at the same places in both.

        Raises:
            UserError: The models read the rows as different numbers of tokens.
        """
        assert self.other_given is not None
        whole = partners(self.given, self.other_given, same_places=same_places)
        for part in _parts(len(self.given.inputs), size):
            yield (
                _batch(self.model, self.given, part, whole=whole),
                _batch(self.other, self.other_given, part, whole=whole),
            )


def _parts(count: int, size: int) -> Iterator[list[int]]:
    for start in range(0, count, size):
        yield list(range(start, min(start + size, count)))


def _batch(model: Any, given: Given, part: list[int], *, whole: bool) -> Batch:  # noqa: ANN401
    drawn = given.inputs.batch(part)
    device = next(model.parameters()).device
    names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in drawn]
    inputs: dict[str, Tensor] = {name: drawn[name].to(device) for name in names}
    compared = inputs["attention_mask"].bool()
    if not whole:
        before, after = given.around
        places = compared.cumsum(dim=1)
        compared = compared & (places > before) & (places <= places[:, -1:] - after)
    return Batch(inputs, drawn["targets"].to(device), part, compared)


def measure(
    measurement: Measurement,
    probe: Probe,
    task: Task,
    checkpoints: dict[str, Checkpoint],
    bench: Bench,
    say: Say,
) -> Result:
    """Measure and store; a measurement that is in the store is returned as it is.

    A failure is recorded with its cause and returned.
    """
    store = Store(bench.place.results)
    with store.holds.waited(measurement, bench.place.device):
        known = store.get_probe(measurement)
        if known is not None and known["status"] == "finished":
            return known
        began = time.monotonic()
        _reset_peak()
        try:
            with models.quietly(verbose=bench.place.verbose):
                subject = subject_of(measurement, task, checkpoints, bench, say)
            with apart():
                found = checked(probe, probe.measure(subject, measurement))
            result: Result = {"status": "finished", "values": found["values"], "figure": found.get("figure")}
            result["warnings"] = found.get("warnings", [])
        except (Exception, SystemExit) as error:  # noqa: BLE001 - one failure is recorded, the others go on
            cause = " ".join(str(error).split())[:CAUSE]
            named = cause if isinstance(error, UserError) else f"{type(error).__name__}: {cause}"
            named = f"probe {probe.name!r} failed: {ended(error)}" if isinstance(error, SystemExit) else named
            result = {"status": "failed", "cause": named, "values": {}, "figure": None, "warnings": []}
        run = {**record.run_of(began, bench.place.device), "peak_memory_mib": _peak()}
        store.put_probe(
            measurement, {"format": FORMAT, "id": measurement.id, "probe": measurement.record, **result, "run": run}
        )
        return store.get_probe(measurement) or {}


def unstored(measurement: Measurement, cause: str) -> Result:
    """Return the result of a measurement that was not taken, for what lies at its place in the store."""
    about = {"format": FORMAT, "id": measurement.id, "probe": measurement.record, "status": "failed", "cause": cause}
    return {**about, "values": {}, "figure": None, "warnings": [], "run": {}}


def subject_of(
    measurement: Measurement, task: Task, checkpoints: dict[str, Checkpoint], bench: Bench, say: Say
) -> Subject:
    """Build the models of a measurement, in eval mode, and the rows as each of them reads them."""
    model, given = _side(measurement.model, measurement, task, checkpoints, bench)
    if measurement.against is None:
        return Subject(model, given, say=say)
    other, other_given = _side(measurement.against, measurement, task, checkpoints, bench)
    return Subject(model, given, other, other_given, say)


def preview_of(measurement: Measurement, task: Task, checkpoints: dict[str, Checkpoint], bench: Bench) -> Preview:
    """Read configurations and rows of a measurement, but no weights."""
    sides = [side for side in (measurement.model, measurement.against) if side is not None]
    found = [checkpoints[f"{side.checkpoint}@{side.revision}"] for side in sides]
    with models.quietly(verbose=bench.place.verbose):
        configs = tuple(models.load_config(checkpoint) for checkpoint in found)
        given = tuple(_given(checkpoint, measurement, task, bench)[0] for checkpoint in found)
    return Preview(configs, given, len(bench.rows_of(task).test))


def _given(checkpoint: Checkpoint, measurement: Measurement, task: Task, bench: Bench) -> tuple[Given, Any]:
    """Return the drawn rows as a checkpoint reads them, and its vocabulary."""
    bench.check_reading(task, measurement, checkpoint)
    table, vocabulary = bench.mapped(task, measurement, checkpoint)
    test, seed = bench.rows_of(task).test, measurement.mapping_seed
    numbers = test.numbers if measurement.draw == "first" else None
    split = test.take(rows.chosen(len(test), measurement.limit, 1.0, seed, numbers=numbers))
    inputs = bench.inputs_of(checkpoint, task, split, table, vocabulary, measurement.max_tokens)
    around = (0, 0) if isinstance(task.mapping, TextTable) else (len(vocabulary.prefix), len(vocabulary.suffix))
    return Given(inputs, around), vocabulary


def _side(
    side: Side, measurement: Measurement, task: Task, checkpoints: dict[str, Checkpoint], bench: Bench
) -> tuple[Any, Given]:
    checkpoint = checkpoints[f"{side.checkpoint}@{side.revision}"]
    given, vocabulary = _given(checkpoint, measurement, task, bench)
    model = models.build(checkpoint, side.init, task.target.outputs, side.seed, vocabulary)  # type: ignore[arg-type]
    check_unchanged(checkpoint)
    limit, longest = families.position_limit(model), int(given.inputs.lengths.max())
    if limit is not None and longest > limit:
        raise UserError(
            f"{task.name} has rows of {longest} tokens, but {checkpoint.name!r} numbers {limit} positions;"
            f" cut the rows with --max-tokens {limit}"
        )
    inputs = replace(given.inputs, left=families.pads_left(model))
    return model.to(_device(bench)).eval(), replace(given, inputs=inputs)


def _device(bench: Bench) -> str:
    return "cuda" if bench.place.device != "cpu" and torch.cuda.is_available() else "cpu"


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Linux: start the high-water mark anew
    except OSError:
        return


def _peak() -> int:
    """Return the most memory that the process held since `_reset_peak`, in MiB."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))
