"""A careful forger: an honest submission with one thing changed, signed again so that ids, hashes, paths and list agree.

`forgeries(handed)` yields one harmless variation for each class of field and of value; `signed` makes files of it.
"""

import copy
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from stores import by_id, write

from discbench.results.store import folder_name, pack_predictions, unpack_predictions
from discbench.submissions import manifest, submit
from discbench.sweeps.plan import cells
from discbench.training.outcomes import score
from discbench.training.run import Bench
from discbench.values.cells import Request
from discbench.values.checkpoints import locate
from discbench.values.place import Place

TASK = "formal.factor"


@dataclass
class Handed:
    """One result as it is handed in."""

    record: dict[str, Any]
    answers: bytes

    def changed(self, change: Callable[..., None]) -> None:
        """Change its predictions: `change(rows, outputs, targets)` in place."""
        parts = [np.array(part) for part in read(self.answers)]
        change(*parts)
        self.answers = pack_predictions(*parts)


@dataclass
class Forgery:
    """A submission with one thing changed."""

    kind: str
    """The class of the change."""
    what: str
    handed: list[Handed]
    manifest: Callable[[dict[str, Any]], None] = field(default=lambda _: None)


def honest(root: Path) -> list[Handed]:
    """Run a small honest store: two inits of two seeds, and both baselines."""
    write(root, [TASK], limit=16, overrides={"epochs": "2.0", "batch": "8"})
    task = by_id()[f"{TASK}@1"]
    bench = Bench(Place(results=root))
    for name in ("baseline:majority", "baseline:kmer"):
        request = Request(inits=("scratch",), seeds=(0,), recipe="quick", overrides={}, limit=16)
        for cell in cells([locate(name)], [task], {TASK: bench.rows_of(task).sha256}, request):
            bench.run(cell, locate(name), task, lambda *_: None)
    return read_store(sorted(root.glob("*/*/*/*.json")))


def read_store(paths: list[Path]) -> list[Handed]:
    """Return results as they are handed in."""
    return [
        Handed(json.loads(path.read_text()), path.with_name(f"{path.stem}.predictions.parquet").read_bytes())
        for path in paths
    ]


def read(answers: bytes) -> Any:
    """Return (rows, outputs, targets) of predictions in memory."""
    return unpack_predictions(io.BytesIO(answers))  # type: ignore[arg-type] # pyarrow reads both


def signed(forgery: Forgery) -> dict[str, bytes]:
    """Return the files of a submission: ids, hashes, paths and list agree with what was forged."""
    files: dict[str, bytes] = {}
    listed = []
    for each in forgery.handed:
        record, cell = each.record, each.record.get("cell")
        text = json.dumps(cell, sort_keys=True, separators=(",", ":"))
        identity = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        digest = hashlib.sha256(each.answers).hexdigest()
        if "id" in record:
            record["id"] = identity
        if isinstance(record.get("predictions"), dict) and {"file", "sha256"} <= set(record["predictions"]):
            record["predictions"] |= {"file": f"{identity}.predictions.parquet", "sha256": digest}
        named = cell if isinstance(cell, dict) else {}
        places = [folder_name(str(named.get(part, "x")))[:80] for part in ("checkpoint", "revision", "task")]
        path = "/".join([*places, f"{identity}.json"])
        files[path] = (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()
        files[path.replace(".json", ".predictions.parquet")] = each.answers
        content = hashlib.sha256(files[path]).hexdigest()
        listed.append({"id": identity, "path": path, "sha256": content, "predictions": digest})
    made = listing(sorted(listed, key=lambda cell: cell["path"]), [each.record for each in forgery.handed])
    forgery.manifest(made)
    files["submission.json"] = manifest.as_bytes(made)
    return files


def listing(listed: list[dict[str, Any]], records: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the list of a submission as the packer derives it, where it can."""
    order = {cell["id"]: place for place, cell in enumerate(listed)}
    try:
        ordered = sorted(records, key=lambda record: order[record["id"]])
        return manifest.manifest(listed, [r["cell"] for r in ordered], [r["run"]["versions"] for r in ordered])
    except Exception:  # noqa: BLE001 - the forged record is of another form
        return manifest.manifest(listed, [], [])


def packed(path: Path, files: dict[str, bytes]) -> Path:
    """Write the files as an archive of the form that `discbench submit` writes."""
    path.write_bytes(submit._zipped(files))
    return path


def unpacked(root: Path, files: dict[str, bytes]) -> Path:
    """Write the files as a store."""
    with zipfile.ZipFile(io.BytesIO(submit._zipped(files))) as archive:
        archive.extractall(root)
    return root


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the places of JSON, of a list only the first, holders first."""
    if path:
        yield path
    if isinstance(value, dict):
        for key in sorted(value):
            yield from places(value[key], (*path, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


SIGNED = {("id",), ("predictions", "file"), ("predictions", "sha256")}
"""What is written anew by whoever signs."""
LONG = "x" * 5000
WORDS = {
    "empty text": "",
    "long text": LONG,
    "control character": "a\x1b[31mb",
    "line break": "a\nb",
    "direction character": "a\u202eb",
    "format character": "a\u200bb",
    "private character": "a\ue000b",
    "terminal markup": "a[/bold]b",
    "page markup": "<script>a</script>",
    "formula": "=1+1",
    "blanks around": " a ",
}


def variations(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield (class of change, value) for one value: another type, another form, out of bounds."""
    yield "null", None
    yield "another type", ([] if isinstance(value, dict) else {"a": 1})
    yield "word for anything", "word"
    if isinstance(value, bool):
        yield "number for truth", int(value)
    elif isinstance(value, int | float):
        yield "text for number", str(value)
        yield "truth for number", True
        if float(value).is_integer():
            yield "whole as decimal", float(value) if isinstance(value, int) else int(value)
        yield from {"below": -1, "far below": -1e300, "far above": 1e300, "half": 0.5, "NaN": float("nan")}.items()
        yield from {"infinite": float("inf"), "above 2^53": 2**60, "large": 10**15}.items()
    elif isinstance(value, str):
        yield from WORDS.items()
        yield "other case", value.upper()
    elif isinstance(value, list):
        yield from {"shorter": value[:-1], "longer": [*value, *value[-1:]], "emptied": []}.items()
    elif isinstance(value, dict):
        yield "further field", {**value, "note": 1}
        yield "long key", {**value, LONG: 1}
        yield "odd key", {**value, "a\u202e[/b]\n": 1}


def has(holder: Any, key: Any) -> bool:
    """Tell whether JSON has something at a key or a place of a list."""
    return key in holder if isinstance(holder, dict) else isinstance(holder, list) and key in range(len(holder))


def put(record: dict[str, Any], path: tuple[Any, ...], value: Any) -> bool:
    """Put a value at a place; tell whether there is such a place."""
    holder: Any = record
    for key in path[:-1]:
        if not has(holder, key):
            return False
        holder = holder[key]
    if not has(holder, path[-1]):
        return False
    holder[path[-1]] = value
    return True


def of_fields(handed: list[Handed]) -> Iterator[Forgery]:
    """Yield forgeries by field: of each place of a result each variation, and the field left out, in all cells alike."""
    seen: set[str] = set()
    for model in ({"pretrained"}, {"none"}):
        original = next(each.record for each in handed if each.record["cell"]["init"] in model)
        for path in places(original):
            value: Any = original
            for key in path:
                value = value[key]
            for kind, other in [*variations(value), ("left out", ...)]:
                name = f"{'.'.join(map(str, path))}: {kind}"
                same = other is not ... and json.dumps(other) == json.dumps(value)
                item = isinstance(path[-1], int) and other is ...
                if name not in seen and not same and not item and (other is ... or path not in SIGNED):
                    seen.add(name)
                    yield Forgery(kind, name, everywhere(handed, path, other))


def everywhere(handed: list[Handed], path: tuple[Any, ...], value: Any) -> list[Handed]:
    """Return copies in which a place holds another value, or nothing."""
    made = copy.deepcopy(handed)
    for each in made:
        if value is not ...:
            put(each.record, path, copy.deepcopy(value))
        elif put(each.record, path, None):
            holder: Any = each.record
            for key in path[:-1]:
                holder = holder[key]
            del holder[path[-1]]
    return made


def of_runs(handed: list[Handed]) -> Iterator[Forgery]:
    """Yield forgeries of whole runs: each result is well formed, and says what is not so."""
    for name, change in RUNS.items():
        made = copy.deepcopy(handed)
        change(made)
        kind, _, what = name.partition(": ")
        yield Forgery(kind, what, made)


def of_list(handed: list[Handed]) -> Iterator[Forgery]:
    """Yield forgeries of the list of a submission."""
    for name, change in LISTS.items():
        yield Forgery("list", name, copy.deepcopy(handed), change)


def forgeries(handed: list[Handed]) -> Iterator[Forgery]:
    """Yield all forgeries."""
    yield from of_fields(handed)
    yield from of_runs(handed)
    yield from of_list(handed)


def models(handed: list[Handed]) -> list[Handed]:
    """Return the results that are no baseline's."""
    return [each for each in handed if each.record["cell"]["init"] != "none"]


def baselines(handed: list[Handed]) -> list[Handed]:
    """Return the results of baselines."""
    return [each for each in handed if each.record["cell"]["init"] == "none"]


def seeds(new: dict[int, int]) -> Callable[[list[Handed]], None]:
    """Return a change: the runs claim other seeds."""

    def change(handed: list[Handed]) -> None:
        for each in models(handed):
            cell = each.record["cell"]
            cell["seed"] = cell["mapping_seed"] = new[cell["seed"]]

    return change


def repeated(handed: list[Handed], noise: float) -> None:
    """Let seed 1 claim the answers of seed 0, up to noise; its scores are counted anew."""
    task = by_id()[f"{TASK}@1"]
    random = np.random.default_rng(0)
    for each in [e for e in models(handed) if e.record["cell"]["seed"] == 1]:
        init = each.record["cell"]["init"]
        other = next(e for e in models(handed) if e.record["cell"]["init"] == init and e.record["cell"]["seed"] == 0)
        own = {"cell", "id", "mapping_sha256"}
        each.record |= copy.deepcopy({name: value for name, value in other.record.items() if name not in own})
        rows, outputs, targets = (np.array(part) for part in read(other.answers))
        outputs = (outputs + noise * random.normal(size=outputs.shape)).astype(np.float32)
        each.answers = pack_predictions(rows, outputs, targets)
        voted = score.vote(task.target, outputs, targets, None)
        each.record["scores"]["test"] = score.measure(task.metrics, task.target, voted)
        each.record["resampled"] = score.resample(task.metric, voted)
        if each.record["curve"]["best_step"] == each.record["counts"]["steps"]:
            each.record["scores"]["test_of_last_state"] = each.record["scores"]["test"]


def faster(share: float) -> Callable[[list[Handed]], None]:
    """Return a change: a loss that falls elsewhere, with the learning speed made of it."""

    def change(handed: list[Handed]) -> None:
        from stores import rows_of

        from discbench.submissions.recount import kept
        from discbench.training.outcomes import dynamics

        for each in models(handed):
            record = each.record
            record["curve"]["loss"] = [float(f"{share * loss:.4g}") for loss in record["curve"]["loss"]]
            train = rows_of(TASK).train
            taken = train.targets[kept(record["cell"], "train", len(train))]
            record["dynamics"] = dynamics.measure(record["curve"]["loss"], by_id()[f"{TASK}@1"].target, taken)

    return change


def all_cells(**fields: Any) -> Callable[[list[Handed]], None]:
    """Return a change: fields of all models' cells."""

    def change(handed: list[Handed]) -> None:
        for each in models(handed):
            each.record["cell"] |= copy.deepcopy(fields)

    return change


def recipes(**fields: Any) -> Callable[[list[Handed]], None]:
    """Return a change: fields of all models' recipes, named as changed."""

    def change(handed: list[Handed]) -> None:
        for each in models(handed):
            each.record["cell"]["recipe"] |= fields
            each.record["cell"]["changed"] |= fields

    return change


def better_baseline(handed: list[Handed]) -> None:
    """Let a baseline answer like a model."""
    model = models(handed)[0]
    each = baselines(handed)[0]
    each.answers = model.answers
    for name in ("scores", "resampled", "collapsed"):
        each.record[name] = copy.deepcopy(model.record[name])
    each.record["scores"]["test_of_last_state"] = each.record["scores"]["test"]


def named_baseline(name: str, revision: str = "1") -> Callable[[list[Handed]], None]:
    """Return a change: baselines of another name."""

    def change(handed: list[Handed]) -> None:
        for each in baselines(handed):
            each.record["cell"] |= {"checkpoint": name, "revision": revision}
        del handed[-1]

    return change


def a_baseline(**fields: Any) -> Callable[[list[Handed]], None]:
    """Return a change: fields of baselines' results, holder by holder."""

    def change(handed: list[Handed]) -> None:
        for each in baselines(handed):
            for name, value in fields.items():
                each.record[name] |= value

    return change


def second_checkpoint(handed: list[Handed]) -> None:
    """Hand in the same runs as another checkpoint's, too."""
    for each in copy.deepcopy(models(handed)):
        each.record["cell"] |= {"checkpoint": "org/other", "revision": "a" * 40}
        handed.append(each)


def second_mapping(handed: list[Handed]) -> None:
    """Hand in the same runs as those of another mapping, too."""
    for each in copy.deepcopy(models(handed)):
        each.record["cell"] |= {"mapping": "shift"}
        handed.append(each)


def times(text: str) -> Callable[[list[Handed]], None]:
    """Return a change: when the runs ended."""

    def change(handed: list[Handed]) -> None:
        for each in handed:
            each.record["run"]["finished"] = text

    return change


def validations(add: float) -> Callable[[list[Handed]], None]:
    """Return a change: every validation, and with it the score of the scored step."""

    def change(handed: list[Handed]) -> None:
        for each in models(handed):
            record = each.record
            record["curve"]["validation"] = [[step, value + add] for step, value in record["curve"]["validation"]]
            held = dict(record["curve"]["validation"])[record["curve"]["best_step"]]
            record["scores"]["validation"]["accuracy"] = held

    return change


def one_failed(handed: list[Handed]) -> None:
    """Hand in a failed cell that holds more than failed cells do."""
    handed[0].record |= {"status": "failed", "cause": "x"}


RUNS: dict[str, Callable[[list[Handed]], None]] = {
    "seeds: 3 and 7": seeds({0: 3, 1: 7}),
    "seeds: 1 and 2": seeds({0: 1, 1: 2}),
    "seeds: very large": seeds({0: 10**9, 1: 10**12}),
    "counted twice: another checkpoint": second_checkpoint,
    "counted twice: another mapping": second_mapping,
    "recipe: batch as decimal": recipes(batch=24.0),
    "recipe: clip as whole": recipes(clip=1),
    "recipe: unknown field": recipes(note=1),
    "recipe: rate of zero": recipes(lr=0.0),
    "recipe: huge rate": recipes(lr=1e300),
    "cell: seed as decimal": lambda handed: [e.record["cell"].update(seed=float(e.record["cell"]["seed"])) for e in models(handed)] and None,
    "cell: fraction as whole": all_cells(fraction=1),
    "cell: limit as decimal": all_cells(limit=16.0),
    "cell: unknown field": all_cells(note="x"),
    "cell: unknown special id": all_cells(specials={"bos": 1}),
    "cell: special id": all_cells(specials={"cls": 1.0}),
    "cell: unknown mapping": all_cells(mapping="chosen"),
    "cell: subset without effect": all_cells(subset="first"),
    "name: control characters": all_cells(checkpoint="a\x1b[2Jb"),
    "name: direction": all_cells(checkpoint="a\u202eb"),
    "name: markup of the terminal": all_cells(checkpoint="a[/bold]b"),
    "name: opening markup": all_cells(checkpoint="[red]b"),
    "name: page markup": all_cells(checkpoint="<b>b</b>"),
    "name: formula": all_cells(checkpoint="=1+1"),
    "name: organisation alone": all_cells(checkpoint="/"),
    "name: slashes": all_cells(checkpoint="a/b/c"),
    "name: dots": all_cells(checkpoint=".."),
    "name: long": all_cells(checkpoint="a" * 200),
    "name: long in bytes": all_cells(checkpoint="\u00e9" * 190),
    "name: blank": all_cells(checkpoint=" "),
    "name: revision with line": all_cells(revision="a\nb"),
    "name: revision with markup": all_cells(revision="[/]"),
    "baseline: answers of a model": better_baseline,
    "baseline: unknown": named_baseline("baseline:mine"),
    "baseline: revision": named_baseline("baseline:majority", "2"),
    "baseline: chosen": a_baseline(chosen={"n": 9}),
    "baseline: parameters": a_baseline(counts={"parameters": 5, "trained_parameters": 5}),
    "baseline: validation": lambda handed: [e.record["scores"]["validation"].update(accuracy=1.0) for e in baselines(handed)] and None,
    "times: no time": times("yesterday"),
    "times: thirteenth month": times("2026-13-01T00:00:00+00:00"),
    "times: hour of 25": times("2026-01-01T25:00:00+00:00"),
    "times: zone of 99 hours": times("2026-01-01T00:00:00+99:99"),
    "times: year 1": times("0001-01-01T00:00:00+00:00"),
    "times: year 9999": times("9999-12-31T23:59:59-23:59"),
    "times: without zone": times("2026-01-01T00:00:00"),
    "curve: half the loss": faster(0.5),
    "curve: negative loss": faster(-1.0),
    "curve: huge loss": faster(1e200),
    "curve: validation above the metric": validations(5.0),
    "curve: validation below the metric": validations(-5.0),
    "status: failed with scores": one_failed,
}  # fmt: skip


def of_first(**fields: Any) -> Callable[[dict[str, Any]], None]:
    """Return a change of the first cell of a list."""
    return lambda manifest: manifest["cells"][0].update(fields)


LISTS: dict[str, Callable[[dict[str, Any]], None]] = {
    "commands of others": lambda m: m.update(commands=["rm -r /tmp/nothing"]),
    "no commands": lambda m: m.update(commands=[]),
    "a further command": lambda m: m["commands"].append("discbench eval"),
    "versions of others": lambda m: m.update(versions={"torch": ["0"]}),
    "a further library": lambda m: m["versions"].update(mine=["1"]),
    "version of discbench": lambda m: m.update(discbench="\x1b[2J"),
    "long version of discbench": lambda m: m.update(discbench=LONG),
    "another version": lambda m: m.update(version="1.1"),
    "a further field": lambda m: m.update(note="x"),
    "no versions": lambda m: m.pop("versions"),
    "another id": of_first(id="0" * 16),
    "another path": of_first(path="a/b/c/d.json"),
    "another hash": of_first(sha256="0" * 64),
    "another hash of predictions": of_first(predictions="0" * 64),
    "a cell twice": lambda m: m["cells"].append(m["cells"][0]),
    "a cell less": lambda m: m["cells"].pop(),
    "another order": lambda m: m["cells"].reverse(),
}
