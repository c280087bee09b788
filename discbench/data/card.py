"""Data cards: what a task's rows are, as a record and as text.

Everything that can be known of rows without a model: sizes, labels, lengths, letters, copies and near copies within and
across splits, what an answer that ignores the input scores, and what loading costs. Rows are described as models get
them, after the task's cut: two that differ only behind it are copies.
"""

import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discbench.data import rowcache
from discbench.data.classes import remarks
from discbench.data.rows import SPLITS, Encoded, Loaded, constant, describe
from discbench.errors import DataError
from discbench.values.cells import said
from discbench.values.mapping import RandomTable
from discbench.values.types import Classes, Task
from discbench.words import copies

Record = dict[str, Any]
MOST_LETTERS, MOST_LABELS = 24, 12
"""So many symbols and classes are listed, the most frequent first."""
RARE = 0.0005


def card(task: Task, directory: Path | None = None, *, download: bool = False, unverified: bool = True) -> Record:
    """Return the data card of a task; of rows that are not at hand it says so.

    Args:
        task: Whose card.
        directory: Where to look for files first; else `DISCBENCH_DATA`.
        download: Whether files that are not at hand may be downloaded.
        unverified: Describe rows even if they are not those that the task names.
    """
    began = time.monotonic()
    try:
        loaded = rowcache.load(task, directory, download=download, unverified=unverified)
    except DataError as error:
        return {**static(task), "rows": None, "why": str(error)}
    seconds = time.monotonic() - began
    return {**static(task), "rows": described(task, loaded), "loading": cost(seconds)}


def static(task: Task) -> Record:
    """Return what the task itself says."""
    says, special = said(task), task.specialist
    same = ("about", "target", "classes", "mapping", "longest", "license", "cite", "sizes", "published", "overlap")
    return {
        "task": task.id,
        **{name: says[name] for name in same},
        "metric": task.metric.name,
        "also": says["metrics"][1:],
        "symbols": says["symbols"] or "text",
        "source": says["source"] or "generated",
        "specialist": special and f"{special.name} {special.score:.3f} ({special.source})",
        "chance": task.chance,
        "ceiling": task.ceiling,
    }


def cost(seconds: float) -> Record:
    """Return the seconds of loading, and the greatest memory that this process has had so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": round(seconds, 2), "peak_mib": peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)}


def described(task: Task, loaded: Loaded) -> Record:
    """Return what the rows are."""
    splits = dict(zip(SPLITS, loaded[:3], strict=True))
    keys = {name: _keys(split) for name, split in splits.items()}
    return {
        "sha256": loaded.sha256,
        "status": loaded.status,
        "partial": loaded.partial,
        "splits": {name: _split(task, split, keys[name]) for name, split in splits.items()},
        "shared": {
            f"{later} rows also in {earlier}": sum(key in known for key in keys[later])
            for earlier, later in (("train", "validation"), ("train", "test"), ("validation", "test"))
            for known in (set(keys[earlier]),)
        },
        "near": list(loaded.copies),
        "families_on_two_sides": _on_two_sides(splits),
        "letters": _letters(task, splits),
        "words": list(loaded.words),
        "remarks": remarks(task, {name: describe(task.target, split.targets) for name, split in splits.items()}),
        "majority": majority(task, loaded),
    }


def _on_two_sides(splits: dict[str, Encoded]) -> int | None:
    """Return how many families have rows in more than one split; None if no row has a family."""
    found = [set(split.families) - {None} for split in splits.values() if split.families]
    return sum(count > 1 for count in Counter(name for names in found for name in names).values()) if found else None


def _keys(split: Encoded) -> list[Any]:
    if split.texts is not None:
        return list(split.texts)
    bounds = zip(split.offsets, split.offsets[1:], strict=False)
    return [split.codes[start:end].tobytes() for start, end in bounds]


def _split(task: Task, split: Encoded, keys: list[Any]) -> Record:
    labels: dict[Any, set[Any]] = {}
    for key, target in zip(keys, split.targets.tolist(), strict=True):
        labels.setdefault(key, set()).add(target)
    lengths = lengths_of(split)
    return {
        "rows": len(split),
        "groups": len(set(split.groups)) if split.groups else None,
        "families": len(set(split.families) - {None}) if split.families else None,
        "labels": describe(task.target, split.targets),
        "length": {"least": int(lengths.min()), "mean": round(float(lengths.mean()), 1), "most": int(lengths.max())},
        "copies": len(keys) - len(labels),
        "contradictions": sum(len(found) > 1 for found in labels.values()),
    }


def lengths_of(split: Encoded) -> NDArray[np.int64]:
    """Return the symbols of each row; of texts the words, both texts of a pair together."""
    if split.texts is None:
        return split.lengths
    return np.array([len(first.split()) + len((second or "").split()) for first, second in split.texts])


def _letters(task: Task, splits: dict[str, Encoded]) -> dict[str, int] | None:
    if not isinstance(task.mapping, RandomTable):
        return None
    counts = np.zeros(task.mapping.symbols, dtype=np.int64)
    for split in splits.values():
        counts += np.bincount(split.codes, minlength=len(counts))
    alphabet = list(task.mapping.alphabet)
    return {str(alphabet[place]): int(counts[place]) for place in np.argsort(-counts, kind="stable") if counts[place]}


def majority(task: Task, loaded: Loaded) -> dict[str, float]:
    """Return the test scores of the best answer that ignores the input, as `baseline:majority` gives it."""
    outputs = constant(task, loaded.train, len(loaded.test))
    targets, kept = loaded.test.targets, np.arange(len(loaded.test))
    if loaded.test.groups is not None:
        _, kept = np.unique(np.asarray(loaded.test.groups), return_index=True)
    answers = outputs.argmax(axis=1) if isinstance(task.target, Classes) else outputs[:, 0].astype(np.float64)
    given = {"output": outputs[kept], "prediction": answers[kept]}
    return {metric.name: metric(targets[kept], given[metric.needs]) for metric in task.metrics}


def text(record: Record) -> str:
    """Return a card as lines of text."""
    lines = [record["task"], f"  {record['about']}", ""]
    lines += [f"  {name:<13}{value}" for name, value in _facts(record).items() if value not in {None, ""}]
    found = record["rows"]
    if found is None:
        return "\n".join([*lines, "", f"  rows         not at hand: {record['why']}"])
    lines += ["", f"  {'':<13}{'train':>22}{'validation':>22}{'test':>22}"]
    lines += [f"  {name:<13}" + "".join(f"{value:>22}" for value in row) for name, row in _table(found).items()]
    shared = [f"{count} {what}" for what, count in found["shared"].items()]
    apart = found["families_on_two_sides"]
    shared += [] if apart is None else [f"{apart} families on two sides"]
    lines += [f"  {'shared':<13}" + ", ".join(shared)]
    lines += _near(found["near"])
    lines += _wrapped("alphabet", _shares(found["letters"], record["symbols"])) if found["letters"] else []
    lines += [line for name in SPLITS for line in _wrapped(name, _labels(record, found["splits"][name]["labels"]))]
    lines += _wrapped("in words", _numbered(found["words"])) if found["words"] else []
    lines += [f"  {'majority':<13}" + ", ".join(f"{name} {score:.3f}" for name, score in found["majority"].items())]
    lines += [line for remark in found["remarks"] for line in _wrapped("remark", remark.split())]
    loading = record["loading"]
    return "\n".join([*lines, f"  {'loading':<13}{loading['seconds']} s, at most {loading['peak_mib']} MiB so far"])


def _near(ways: list[Record]) -> list[str]:
    """Return a line for each way of being a near copy and each split, or why none is known."""
    lines = [f"rows that {way['what']}: not counted, {way['why']}" for way in ways if "why" in way]
    lines += [copies.told(way, name) for way in ways if "why" not in way for name in SPLITS[1:]]
    return [f"  {'' if place else 'near copies':<13}{line}" for place, line in enumerate(lines)]


def _facts(record: Record) -> Record:
    unit = "tokens" if record["symbols"] == "text" else "symbols"
    cut = f", rows cut after {record['longest']} {unit}" if record["longest"] else ""
    found = record["rows"]
    status = found and f"{found['status']}, SHA-256 {found['sha256']}"
    return {
        "target": f"{record['target']}, {record['metric']}" + "".join(f", {name}" for name in record["also"]),
        "symbols": f"{record['symbols']}, mapping {record['mapping']}{cut}",
        "upstream": record["source"],
        "licence": record["license"],
        "cite": record["cite"],
        "the paper": record["published"],
        "specialist": record["specialist"],
        "chance": record["chance"],
        "ceiling": record["ceiling"],
        "overlap": record["overlap"],
        "rows": status,
        "partial": found and found["partial"],
    }


def _table(found: Record) -> dict[str, list[str]]:
    splits = [found["splits"][name] for name in SPLITS]
    table = {"rows": [f"{s['rows']:,}" for s in splits]}
    for kind in ("groups", "families"):
        if any(s[kind] is not None for s in splits):
            table[kind] = [f"{s[kind] or 0:,}" for s in splits]
    table["length"] = [f"{s['length']['least']}..{s['length']['most']}, mean {s['length']['mean']}" for s in splits]
    table["copies"] = [f"{s['copies']:,}" for s in splits]
    table["two labels"] = [f"{s['contradictions']:,}" for s in splits]
    return table


def _shares(letters: dict[str, int], symbols: int) -> list[str]:
    total = sum(letters.values())
    listed = [
        f"{letter} {count / total:.1%}" if count > RARE * total else f"{letter} ({count} in all)"
        for letter, count in list(letters.items())[:MOST_LETTERS]
    ]
    more = [f"and {len(letters) - len(listed)} more"] if len(letters) > len(listed) else []
    return [f"{len(letters)} of {symbols} symbols occur:", *listed, *more]


def _numbered(words: list[str]) -> list[str]:
    listed = [f"{place} {word}," for place, word in enumerate(words[:MOST_LABELS])]
    more = [f"and {len(words) - len(listed)} more"] if len(words) > len(listed) else []
    return [*listed[:-1], listed[-1].rstrip(",") if not more else listed[-1], *more]


def _labels(record: Record, labels: Record) -> list[str]:
    if "counts" not in labels:
        return [f"mean {labels['mean']:.3f},", f"sd {labels['sd']:.3f},", f"{labels['min']:.3f}..{labels['max']:.3f}"]
    names = record["classes"] or record["rows"]["words"] or [f"class {label}" for label in range(len(labels["counts"]))]
    counted = [(label, count) for label, count in Counter(dict(enumerate(labels["counts"]))).most_common() if count]
    listed = [f"{names[label]} {count}," for label, count in counted[:MOST_LABELS]]
    more = [f"and {len(counted) - len(listed)} more classes"] if len(counted) > len(listed) else []
    return [*listed[:-1], listed[-1].rstrip(",") if not more else listed[-1], *more]


def _wrapped(name: str, words: list[str], width: int = 100) -> list[str]:
    lines, line = [], f"  {name:<13}"
    for word in words:
        if len(line) + len(word) > width and line.strip():
            lines.append(line.rstrip())
            line = " " * 15
        line += word + " "
    return [*lines, line.rstrip()]
