"""Results of runs that never were: for boards of any size, with gaps, failures, collapses and marks among them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from discbench.results.forms.result import FORMAT, LEVELS, LIBRARIES, RESAMPLES
from discbench.results.store import Store, as_text, folder_name
from discbench.values.cells import cell_id
from discbench.values.recipes import as_record, recipe_for

FAMILIES = ("bert", "roberta", "albert", "electra", "gpt2", "esm")
DISCIPLINES = ("protein", "dna", "music", "formal", "chem", "glue")


def results(checkpoints: int, tasks: int, seeds: int, *, steps: int = 60, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield pretrained and scratch results; some checkpoints lack a task, some cells fail, collapse or are cut."""
    draw = np.random.RandomState(seed)
    worth = draw.normal(0.08, 0.05, checkpoints)
    for c in range(checkpoints):
        for t in range(tasks - (c % 10 == 9)):
            for s in range(seeds):
                for init in ("pretrained", "scratch"):
                    score = 0.6 + (worth[c] if init == "pretrained" else 0) + draw.normal(0, 0.02)
                    yield _result(c, t, s, init, float(score), steps, draw)


def _result(c: int, t: int, s: int, init: str, score: float, steps: int, draw: np.random.RandomState) -> dict[str, Any]:
    discipline = DISCIPLINES[t % len(DISCIPLINES)]
    cell = {
        "checkpoint": f"org/{FAMILIES[c % len(FAMILIES)]}-{c:04}",
        "revision": "0" * 40,
        "task": f"{discipline}.made-up-{t}@1",
        "rows": "0" * 64,
        "mapping": "random",
        "mapping_seed": s,
        "map_specials": False,
        "init": init,
        "seed": s,
        "fraction": 1.0,
        "subset": "drawn",
        "limit": 64 if c % 25 == 24 else None,
        "recipe": as_record(recipe_for("paper", init, {})),
        "changed": {},
        "specials": {},
    }
    rate = 8 if init == "pretrained" else 3
    loss = [float(f"{v:.4g}") for v in np.exp(-rate * np.arange(steps) / steps) + draw.uniform(0, 0.05, steps)]
    reached = {"0.5": int(steps / rate), "0.1": int(2.3 * steps / rate) if init == "pretrained" else None}
    levels = {f"{level:g}": reached.get(f"{level:g}") for level in LEVELS}
    head = {
        "format": FORMAT,
        "id": cell_id(cell),
        "cell": cell,
        "run": {
            "seconds": 1.0,
            "finished": "2026-01-01T00:00:00+00:00",
            "versions": dict.fromkeys(("python", *LIBRARIES), "1.0"),
            "hardware": {"device": "none", "threads": 1, "processes": 1},
        },
        "task": {
            "name": f"{discipline}.made-up-{t}",
            "discipline": discipline,
            "definition": "0" * 12,
            "metric": "accuracy",
            "higher_is_better": True,
            "chance": 0.5,
            "ceiling": 1.0,
            "control": False,
            "specialist": {"name": "S", "score": 0.9, "source": "made up"} if t % 3 == 0 else None,
        },
    }
    if draw.uniform() < 0.005:
        return {**head, "status": "failed", "cause": "CellError: made up", "marks": []}
    return {
        **head,
        "status": "finished",
        "scores": {split: {"accuracy": score} for split in ("test", "validation", "test_of_last_state")},
        "resampled": [float(f"{v:.4g}") for v in draw.normal(score, 0.02, RESAMPLES)],
        "collapsed": bool(draw.uniform() < 0.01),
        "curve": {"loss": loss, "validation": [[steps, score]], "best_step": steps},
        "dynamics": {"reference": 1.0, "levels": levels, "area": float(np.mean(loss)), "final": loss[-1]},
        "counts": {
            **dict.fromkeys(("train", "validation", "test"), 64),
            "steps": steps,
            "parameters": 1000,
            "trained_parameters": 1000,
        },
        "mapping_sha256": "0" * 64,
        "dataset": {"sha256": cell["rows"], "status": "verified", "partial": ""},
        "predictions": {"file": f"{cell_id(cell)}.predictions.parquet", "sha256": "0" * 64},
        "marks": ["limited"] if cell["limit"] else [],
    }


def write(root: Path, made: Iterator[dict[str, Any]]) -> int:
    """Write results as a store holds them; return how many."""
    count = 0
    for result in made:
        cell = result["cell"]
        folder = root / folder_name(cell["checkpoint"]) / cell["revision"] / folder_name(cell["task"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{result['id']}.json").write_text(as_text(result), encoding="utf-8")
        count += 1
    assert sum(1 for _ in Store(root).results()) == count
    return count
