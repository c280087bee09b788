"""What a board tells of each task on it: what the task says of itself, and what results hold of its rows.

No row is read: the shares of labels are those that results hold, so one store gives the same bytes on every machine.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

Record = dict[str, Any]
SPLITS = ("train", "validation", "test")


def cards(results: Iterable[Record], entries: Iterable[Record], said: Mapping[str, Record]) -> list[Record]:
    """Return a record for each task that has results, in the order of their ids.

    Args:
        results: Of cells, in any order.
        entries: Those of the board.
        said: What tasks say of themselves (`cells.said`), by id; of a task that is not in it only its results tell.
    """
    of_task: dict[str, list[Record]] = defaultdict(list)
    for result in sorted(results, key=lambda r: str(r["id"])):
        of_task[result["cell"]["task"]].append(result)
    trivial = _trivial(entries)
    return [_task(name, of_task[name], said.get(name), trivial) for name in sorted(of_task)]


def _task(name: str, results: list[Record], says: Record | None, trivial: dict[tuple[str, str], Record]) -> Record:
    finished = [result for result in results if result["status"] == "finished"]
    known: dict[str, list[Record]] = defaultdict(list)
    for result in finished:
        known[result["cell"]["rows"]].append(result)
    return {
        "task": name,
        "facts": finished[0]["task"] if finished else None,
        "said": says,
        "datasets": [_dataset(rows, known[rows], says, trivial.get((name, rows), {})) for rows in sorted(known)],
    }


def _dataset(sha256: str, results: list[Record], says: Record | None, trivial: Record) -> Record:
    held = [result.get("dataset", {}) for result in results]
    return {
        "sha256": sha256,
        "pinned": None if says is None else says["rows_sha256"] == sha256,
        "partial": next((data["partial"] for data in held if data.get("partial")), ""),
        "rows": _sizes(results),
        "labels": next((data["labels"] for data in held if "labels" in data), None),
        "words": next((data["words"] for data in held if "words" in data), []),
        "copies": next((data["copies"] for data in held if "copies" in data), None),
        "trivial": trivial,
    }


def _sizes(results: list[Record]) -> dict[str, int | None]:
    """Return the rows of each split as whole as any result knows them: by its labels, or as far as it took all."""
    found: dict[str, int | None] = dict.fromkeys(SPLITS)
    for result in results:
        cell = result["cell"]
        labels = result.get("dataset", {}).get("labels")
        for split in SPLITS:
            if labels is not None:
                found[split] = labels[split]["rows"]
            elif cell["limit"] is None and (split != "train" or cell["fraction"] == 1):
                found[split] = found[split] or result.get("counts", {}).get(split)
    return found


def _trivial(entries: Iterable[Record]) -> dict[tuple[str, str], Record]:
    """Return (task, rows) -> baseline -> its test score, of baselines that had all rows."""
    found: dict[tuple[str, str], Record] = defaultdict(dict)
    for entry in entries:
        name, whole = entry["checkpoint"], entry["fraction"] == 1 and "limited" not in entry["marks"]
        means = [column["mean"] for column in entry["inits"].values() if column["n"]]
        if name.startswith("baseline:") and whole and means:
            found[entry["task"], entry["rows"]][name] = means[0]
    return found
