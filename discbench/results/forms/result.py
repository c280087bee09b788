"""The form of a result: one description that the store's reader, `verify` and the JSON Schema share.

It holds what board, site and exports rely on: which fields there are, of which type, within which bounds, and what
they say together. Whoever adds a field to results adds a line here; fields of cells and recipes come from their
dataclasses.
"""

from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from discbench.values.cells import CELL, NOTHING, SHA256, cell_fault, cell_id
from discbench.values.rates import SEARCH
from discbench.values.types import Specialist
from discbench.words.forms import (
    Decimal,
    Decimals,
    Fields,
    Form,
    Maybe,
    OneOf,
    Row,
    Schema,
    Several,
    Table,
    Text,
    Truth,
    Whole,
    fault,
    told,
)

Record = dict[str, Any]
FORMAT = 1
RESAMPLES = 200
"""Resamples of the test items; the standard error of a standard error is then about 5 %."""
LEVELS = (0.9, 0.75, 0.5, 0.25, 0.1, 0.05, 0.01)
"""Shares of the loss of guessing to which learning is timed."""
LIBRARIES = ("discbench", "torch", "transformers", "accelerate", "datasets", "numpy", "scipy", "scikit-learn")
"""Whose versions a result names, beside Python's."""
SPLITS = ("train", "validation", "test")
MARKS = ("limited", "partial", "float32", "unverified")
WAYS = ("stretch", "text", "form")
"""Ways of being a near copy."""
MOST_STEPS = 10**7
MOST_LOSS = 3.5e38
"""Losses are computed in single precision."""
YEARS = range(2020, 2200)

ID = Text(16, "[0-9a-f]{16}", 16)
LINE = Text(4000)
COUNT, SOME = Whole(0, 10**15), Whole(1, 10**8)
SCORES = Table(Decimal(), (1, 50), Text(100))
NUMBER = Decimal(whole=True)
TASK = Fields(
    {
        "name": Text(),
        "discipline": Text(),
        "definition": Text(12, "[0-9a-f]{12}", 12),
        "metric": Text(100),
        "higher_is_better": Truth(),
        "chance": Maybe(NUMBER),
        "ceiling": Maybe(NUMBER),
        "control": Truth(),
        "specialist": Maybe(Fields({f.name: NUMBER if f.name == "score" else Text(500) for f in fields(Specialist)})),
    },
    about={"definition": "Hash of what a score is made of, the rows apart: symbols, cut, target, metric."},
)
ENGINE = Fields(
    {"on": Several(Text(100), (0, 100), unique=True), "off": Table(Text(500), (0, 100), Text(100))},
    about={"on": "Savings of the training step that were on.", "off": "Those that were off, and why."},
)
RUN = Fields(
    {
        "seconds": Decimal(0.0, 1e10),
        "finished": Text(25, r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\+00:00", 25),
        "versions": Fields(dict.fromkeys(("python", *LIBRARIES), Text(100, "[0-9][0-9A-Za-z.+!_-]*"))),
        "hardware": Fields({"device": Text(), "threads": SOME, "processes": SOME}),
    },
    {
        "engine": ENGINE,
        "accumulate": Whole(2, 10**8),
        "answered": SOME,
        "precision": OneOf(("no",)),
        "resumed": Several(Whole(1, MOST_STEPS), (1, 10**6)),
        "notes": Several(LINE, (1, 10**4)),
        "start": SHA256,
        "shared": Fields({"checkpoint": Text(), "id": ID}),
    },
    about={
        "seconds": "What its training took, in all processes that had a part in it; of one that is shared, finding it.",
        "accumulate": "Parts in which a batch was computed, gradients added up, where memory did not hold it whole.",
        "answered": "Most tokens of a batch that was only answered, where memory did not hold as many as usual.",
        "precision": "What it was trained in, where in the 16 bits of its recipe the loss was not finite.",
        "resumed": "Steps after which training went on from a saved state, in the order of the interruptions.",
        "notes": "What became of saved states and of training that was tried again, a line each.",
        "start": "Of scratch: the SHA-256 of all that a byte of the result depends on: first weights, rows as token"
        " ids, the cell without its checkpoint's names, code, versions, hardware, savings.",
        "shared": "The cell of another checkpoint, of the same `start`, whose training and result this is.",
    },
)
NEAR = Fields(
    {
        "rows": SOME,
        "near": COUNT,
        "same_label": Maybe(Decimal(0.0, 1.0)),
        "correlation": Maybe(Decimal(-1.0, 1.0)),
    }
)
WAY = Fields(
    {
        "by": OneOf(WAYS),
        "length": Maybe(SOME),
        "what": Text(),
        "apart": Text(least=0),
        "validation": NEAR,
        "test": NEAR,
    }
)
SPREAD = Fields(
    {"rows": SOME},
    {"counts": Several(COUNT, (2, 10**6)), "mean": Decimal(), "sd": Decimal(0.0), "min": Decimal(), "max": Decimal()},
    about={"rows": "All of the split.", "counts": "Of each class.", "mean": "Of numbers, as `sd`, `min`, `max`."},
)
DATASET = Fields(
    {"sha256": SHA256, "status": OneOf(("verified", "unverified")), "partial": Text(2000, least=0)},
    {
        "copies": Several(WAY, (0, len(WAYS))),
        "labels": Fields(dict.fromkeys(SPLITS, SPREAD)),
        "words": Several(Text(400, least=0), (2, 10**6)),
    },
    about={
        "copies": "Validation and test rows that are near copies of a train row, in each way of being one: of the whole"
        " splits. Results made before it was recorded have none.",
        "labels": "How the labels of each split are spread. Results made before it was recorded have none.",
        "words": "What the source calls the classes, in their order, where its labels are words.",
    },
)
READING = Fields(
    {
        "spelling": Text(40, "(as given|joined|spaced|[2-8]-mers( overlapping)?)(, (U for T|upper case|lower case))?"),
        "unknown": Decimal(0.0, 0.01),
        "by_symbol": Truth(),
    },
    about={
        "spelling": "How rows were written for the checkpoint's tokenizer.",
        "unknown": "Share of unknown tokens in all train rows of the task.",
        "by_symbol": "Whether each symbol is one token.",
    },
)
IDENTIFIED = Fields({"sha256": SHA256, "status": OneOf(("verified", "unverified")), "partial": Text(2000, least=0)})
HEAD: dict[str, Form] = {"format": OneOf((FORMAT,)), "id": ID, "cell": CELL, "task": TASK, "run": RUN}
CURVE = Fields(
    {
        "loss": Decimals((0, MOST_STEPS), 0.0, MOST_LOSS),
        "validation": Several(Row((Whole(1, MOST_STEPS), Decimal())), (0, MOST_STEPS)),
        "best_step": Whole(0, MOST_STEPS),
    },
    about={
        "loss": "Mean training loss of every step, four digits.",
        "validation": "(step, primary metric, higher is better).",
        "best_step": "The step whose state was scored.",
    },
)
SPEED = Fields(
    {
        "reference": Decimal(5e-324, MOST_LOSS),
        "levels": Fields({f"{level:g}": Maybe(Whole(1, MOST_STEPS)) for level in LEVELS}),
        "area": Decimal(0.0),
        "final": Decimal(0.0),
    },
    about={
        "reference": "Train loss of the best constant answer.",
        "levels": "Share of the reference -> steps until the smoothed loss stays below it.",
        "area": "Mean relative loss over all steps.",
        "final": "Relative loss of the last window.",
    },
)
FINISHED = Fields(
    {
        **HEAD,
        "status": OneOf(("finished",)),
        "scores": Fields({"test": SCORES, "validation": SCORES, "test_of_last_state": SCORES}),
        "resampled": Decimals((RESAMPLES, RESAMPLES)),
        "collapsed": Truth(),
        "curve": CURVE,
        "dynamics": Maybe(SPEED),
        "counts": Fields(
            {
                **dict.fromkeys(SPLITS, SOME),
                **dict.fromkeys(("steps", "parameters", "trained_parameters"), COUNT),
            }
        ),
        "mapping_sha256": Maybe(SHA256),
        "dataset": DATASET,
        "marks": Several(OneOf(MARKS), (0, len(MARKS)), unique=True),
        "predictions": Fields({"file": Text(pattern=r"[0-9a-f]{16}\.predictions\.parquet"), "sha256": SHA256}),
    },
    {"chosen": Table(NUMBER, (0, 10)), "reading": READING},
    about={
        "id": "The first 16 digits of the SHA-256 of the cell's canonical JSON (sorted keys, no spaces).",
        "scores": "Of the selected state, which boards are made of, and of the last one.",
        "resampled": "The primary metric on bootstrap samples of the test items, higher is better; four digits.",
        "collapsed": "Whether the model answers (nearly) the same to everything, as far as the primary metric can see.",
        "counts": "Rows of each split as used, optimiser steps, parameters.",
        "chosen": "What a baseline chose on validation.",
        "reading": "Under mapping `native`: how the checkpoint's own tokenizer read the rows. Results made"
        " before it was recorded have none, and were read symbol by symbol.",
        "mapping_sha256": "Of the mapping table's ids in decimal with commas between; null for baselines.",
    },
)
SEARCHED = Fields(
    {
        **{
            name: form
            for name, form in FINISHED.needed.items()
            if name not in {"scores", "resampled", "counts", "dataset"}
        },
        "scores": Fields({"validation": SCORES}),
        "counts": Fields(
            {
                **dict.fromkeys(SPLITS[:2], SOME),
                **dict.fromkeys(("steps", "parameters", "trained_parameters"), COUNT),
            }
        ),
        "dataset": IDENTIFIED,
    },
    {"reading": READING},
    about={
        **FINISHED.about,
        "scores": "Of the selected state on validation, or on held-out train rows where validation is what is scored.",
        "collapsed": "Whether the model answers (nearly) the same to every validation row.",
        "counts": "Rows that were learnt from and compared on, optimiser steps, parameters.",
    },
)
"""Of a cell of a search for rates."""
FAILURE: dict[str, Form] = {"status": OneOf(("failed",)), "cause": LINE, "marks": Several(OneOf(MARKS), (0, 0))}
FAILED = Fields({**HEAD, **FAILURE})
BURIED = Fields({"format": OneOf((FORMAT,)), "id": ID, "cell": CELL, "task": Fields({}), **FAILURE})
"""Of a cell whose worker was ended: nobody is left who knows the task, or when and on what it ran."""


def result_fault(record: Any) -> str | None:  # noqa: ANN401 - JSON
    """Return why JSON is no result of a cell as discbench writes it, in one printable line, or None."""
    failed = type(record) is dict and record.get("status") == "failed"
    form = (FAILED if "run" in record else BURIED) if failed else SEARCHED if _of_search(record) else FINISHED
    wrong = fault(form, record) or cell_fault(record["cell"])
    return wrong or next(_together(record), None)


def _of_search(record: Any) -> bool:  # noqa: ANN401 - JSON
    cell = record.get("cell") if type(record) is dict else None
    return type(cell) is dict and cell.get("rate") == SEARCH


def _together(record: Record) -> Iterator[str]:
    """Yield what fields of a result cannot say together."""
    yield from _of_head(record)
    if record["status"] == "finished":
        yield from _of_cell(record)
        yield from _of_run(record)
        yield from _of_curve(record)


def _of_head(record: Record) -> Iterator[str]:
    cell, about = record["cell"], record["task"]
    if record["id"] != cell_id(cell):
        yield told("$.id", f"{cell_id(cell)}, the hash of its cell,", record["id"])
    if "run" not in record:
        return
    if about["name"] != cell["task"].rpartition("@")[0] or about["discipline"] != about["name"].partition(".")[0]:
        yield told("$.task.name", f"the name of {cell['task']}", f"{about['name']} of {about['discipline']}")
    try:
        ended = datetime.fromisoformat(record["run"]["finished"])
    except ValueError:
        ended = datetime.min.replace(tzinfo=UTC)
    if ended.year not in YEARS:
        yield told("$.run.finished", "a time from 2020 on", record["run"]["finished"])


def _of_cell(record: Record) -> Iterator[str]:
    cell, counts, scores = record["cell"], record["counts"], record["scores"]
    trivial = cell["init"] == NOTHING
    if record["predictions"]["file"] != f"{record['id']}.predictions.parquet":
        yield told("$.predictions.file", f"{record['id']}.predictions.parquet", record["predictions"]["file"])
    held = scores["validation"]
    if len({tuple(sorted(of)) for of in scores.values()}) > 1 or record["task"]["metric"] not in held:
        yield told("$.scores", f"{record['task']['metric']} and the same metrics for each", sorted(held))
    if record["dataset"]["sha256"] != cell["rows"]:
        yield told("$.dataset.sha256", cell["rows"], record["dataset"]["sha256"])
    if (record["mapping_sha256"] is None) != trivial:
        yield told("$.mapping_sha256", "null for a baseline, and a hash for others", record["mapping_sha256"])
    if "reading" in record and cell["mapping"] != "native":
        yield "$.reading: mapping native has it, and nothing else"
    if ("chosen" in record) != trivial:
        yield "$.chosen: baselines have it, and nothing else"
    yield from _of_copies(record["dataset"].get("copies", []))
    yield from _of_labels(record["dataset"], counts)
    if counts["trained_parameters"] > counts["parameters"]:
        yield told("$.counts.trained_parameters", f"at most {counts['parameters']}", counts["trained_parameters"])
    if record["marks"] != [mark for mark in MARKS if mark in record["marks"]]:
        yield told("$.marks", f"the order of {', '.join(MARKS)}", record["marks"])


def _of_run(record: Record) -> Iterator[str]:
    """Yield where a result says that it was trained in a way that its cell cannot have asked for."""
    cell, run = record["cell"], record["run"]
    recipe = cell["recipe"]
    named = sorted({"accumulate", "answered", "precision", "resumed"} & set(run))
    if cell["init"] == NOTHING and named:
        yield f"$.run.{named[0]}: a baseline has none, for it has no steps"
        return
    if run.get("accumulate", 1) > recipe.get("batch", 1):
        yield told("$.run.accumulate", f"at most the {recipe['batch']} rows of a batch", run["accumulate"])
    if "precision" in run and recipe["precision"] == "no":
        yield told("$.run.precision", "none, for the recipe asks for 32 bits", run["precision"])
    if ("precision" in run) != ("float32" in record["marks"]):
        yield told("$.marks", "float32 where, and only where, $.run.precision is named", record["marks"])
    steps = record["counts"]["steps"]
    if {"start", "shared"} & set(run) and cell["init"] != "scratch":
        yield told("$.run.start", "none but of init scratch", cell["init"])
    if "shared" in run and "start" not in run:
        yield "$.run.shared: where, and only where, $.run.start is named too"
    if run.get("shared") == {"checkpoint": cell["checkpoint"], "id": record["id"]}:
        yield "$.run.shared: another cell, not this one"
    if any(step >= steps for step in run.get("resumed", [])):
        yield told("$.run.resumed", f"steps before {steps}", run["resumed"])


def _of_labels(data: Record, counts: Record) -> Iterator[str]:
    """Yield where the spread of labels is of neither kind, or of other rows than those that were counted."""
    said = data.get("labels", {})
    for split, spread in said.items():
        place, kinds = f"$.dataset.labels.{split}", ({"rows", "counts"}, {"rows", "mean", "sd", "min", "max"})
        if set(spread) not in kinds:
            yield told(place, "rows with counts of classes, or with mean, sd, min and max", sorted(spread))
        elif sum(spread.get("counts", [spread["rows"]])) != spread["rows"]:
            yield told(f"{place}.counts", f"{spread['rows']} rows in all", sum(spread["counts"]))
        elif not spread.get("min", 0.0) <= spread.get("max", 0.0):
            yield told(f"{place}.min", f"at most {spread['max']}", spread["min"])
        if counts[split] > spread["rows"]:
            yield told(f"$.counts.{split}", f"at most {spread['rows']}", counts[split])
    classes = {len(spread.get("counts", ())) for spread in said.values()}
    if len(classes) > 1 or ("words" in data and {len(data["words"])} != classes):
        yield "$.dataset.labels: its splits and words are not of the same classes"


def _of_copies(ways: list[Record]) -> Iterator[str]:
    named = [way["by"] for way in ways]
    if len(set(named)) < len(named):
        yield told("$.dataset.copies", "each way once", named)
    for way in ways:
        for split in ("validation", "test"):
            found = way[split]
            if found["near"] > found["rows"]:
                yield told(f"$.dataset.copies.{split}.near", f"at most {found['rows']}", found["near"])


def _of_curve(record: Record) -> Iterator[str]:
    curve, steps = record["curve"], record["counts"]["steps"]
    marks = [step for step, _ in curve["validation"]]
    if len(curve["loss"]) != steps:
        yield told("$.curve.loss", f"a loss for each of {steps} steps", len(curve["loss"]))
    if marks != sorted(set(marks)) or (marks and marks[-1] > steps):
        yield told("$.curve.validation", f"steps in order up to {steps}", marks)
    if curve["best_step"] not in (marks or [0]):
        yield told("$.curve.best_step", "a step that was validated", curve["best_step"])
    if (record["cell"]["init"] == NOTHING) != (steps == 0) or bool(steps) != bool(marks):
        yield told("$.counts.steps", "none for a baseline, and some for others", steps)
    if (record["dynamics"] is None) != (steps == 0):
        yield told("$.dynamics", "null for a baseline, and learning speed for others", record["dynamics"])
    late = {step for step in (record["dynamics"] or {"levels": {}})["levels"].values() if (step or 0) > steps}
    if late:
        yield told("$.dynamics.levels", f"steps up to {steps}", max(late))


def bounds(least: float, most: float, *, higher_is_better: bool) -> tuple[float, float]:
    """Return the bounds of a metric turned so that higher is better."""
    return (least, most) if higher_is_better else (-most, -least)


def schema() -> Schema:
    """Return the JSON Schema of a stored result."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://discbench.dev/schemas/cell-1.schema.json",
        "title": "discbench result of one cell",
        "description": "What a store holds for one run: RESULTS/<org__model>/<revision>/<task@version>/<cell id>.json."
        " Made from discbench.results.forms, which also tells 1 from 1.0 and holds fields against each other.",
        "oneOf": [FINISHED.schema, SEARCHED.schema, FAILED.schema, BURIED.schema],
    }
