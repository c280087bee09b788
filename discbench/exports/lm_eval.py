"""The layout of lm-evaluation-harness 0.4: `<model>/results_<time>.json` and `samples_<task>_<time>.jsonl`.

Its `filter` names the init here, so scores, controls and gains stand in one table; `_stderr` is over seeds, not
documents. The rows themselves are not exported: a document is its row number.
"""

import hashlib
import json
import re
from datetime import UTC
from typing import Any

import numpy as np

from discbench.exports.selection import Files, Record, Selection, all_of, finished_at, organised, slug, words
from discbench.results import stats

NOT_SAFE = re.compile(r"[\"<>:/|\\?*\[\]]+")
"""What lm-evaluation-harness replaces in a model's name."""
NONE = "N/A"


def to_lm_eval(selection: Selection) -> Files:
    """Return, for each way of running a checkpoint, `<way>/<model>/results_<time>.json` and its samples."""
    files: Files = {}
    for way, entries in selection.ways:
        results = all_of(selection, entries)
        if not results:
            continue
        stamp = finished_at(results).astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
        folder = f"{slug(way)}/{sanitized(way['checkpoint'])}"
        files[f"{folder}/results_{stamp}.json"] = _json(_record(selection, way, entries, results), indent=2)
        for entry in entries:
            lines = [
                line for init in entry["inits"] for r in selection.of(entry, init) for line in _samples(selection, r)
            ]
            files[f"{folder}/samples_{entry['task'].split('@')[0]}_{stamp}.jsonl"] = b"".join(lines)
    return files


def sanitized(name: str) -> str:
    """Return a model's name as lm-evaluation-harness writes it in paths."""
    return NOT_SAFE.sub("__", name).lstrip(".") or "_"


def _json(value: Any, indent: int | None = None) -> bytes:  # noqa: ANN401 - JSON
    return (json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "replace")


def _record(selection: Selection, way: Record, entries: list[Record], results: list[Record]) -> Record:
    named = {entry["task"].split("@")[0]: entry for entry in entries}
    tests = {name: selection.result(_any_cell(entry))["counts"]["test"] for name, entry in named.items()}
    about = {name: entry["about"] for name, entry in named.items()}
    return {
        "results": {
            name: {"name": name, "alias": name, "sample_len": tests[name], **_scores(e)} for name, e in named.items()
        },
        "group_subtasks": {name: [] for name in named},
        "configs": {name: _config(entry) for name, entry in named.items()},
        "versions": {name: int(entry["task"].split("@")[1]) for name, entry in named.items()},
        "n-shot": dict.fromkeys(named, 0),
        "higher_is_better": {n: {a["metric"]: a["higher_is_better"], "gain": True} for n, a in about.items()},
        "n-samples": {name: {"original": count, "effective": count} for name, count in tests.items()},
        "config": _model(way, results),
        "git_hash": None,
        "date": finished_at(results).timestamp(),
        "pretty_env_info": "\n".join(f"{k}: {v}" for k, v in sorted(results[0]["run"]["versions"].items())),
        "transformers_version": results[0]["run"]["versions"].get("transformers", NONE),
        "lm_eval_version": f"not run; exported by discbench {results[0]['run']['versions']['discbench']}",
        "upper_git_hash": None,
        "task_hashes": {name: entry["rows"] for name, entry in named.items()},
        "model_source": "discbench",
        "model_name": way["checkpoint"],
        "model_name_sanitized": sanitized(way["checkpoint"]),
        "system_instruction": None,
        "system_instruction_sha": None,
        "fewshot_as_multiturn": None,
        "chat_template": None,
        "chat_template_sha": None,
        "total_evaluation_time_seconds": str(round(sum(r["run"]["seconds"] for r in results), 3)),
    }


def _any_cell(entry: Record) -> str:
    return next(str(cell) for column in entry["inits"].values() for cell in column["cells"].values())


def _scores(entry: Record) -> Record:
    metric: str = entry["about"]["metric"]
    found: Record = {}
    for init, column in entry["inits"].items():
        if not column["n"]:
            continue
        error = NONE if column["sd"] is None else column["sd"] / column["n"] ** 0.5
        found |= {f"{metric},{init}": column["mean"], f"{metric}_stderr,{init}": error}
        gain = entry["gains"].get(init)
        if gain:
            pairs = list(gain["pairs"].values())
            spread = stats.standard_error(pairs) if len(pairs) > 1 else NONE
            found |= {f"gain,{init}": gain["mean"], f"gain_stderr,{init}": spread}
    return found


def _config(entry: Record) -> Record:
    about = entry["about"]
    return {
        "task": about["name"],
        "output_type": "finetune",
        "test_split": "test",
        "metric_list": [
            {"metric": about["metric"], "aggregation": "mean over seeds", "higher_is_better": about["higher_is_better"]}
        ],
        "num_fewshot": 0,
        "metadata": {
            "version": int(entry["task"].split("@")[1]),
            "rows_sha256": entry["rows"],
            "chance": about["chance"],
            "marks": entry["marks"],
            "stderr": "over seeds",
            "gains": {init: gain for init, gain in entry["gains"].items() if gain},
        },
    }


def _model(way: Record, results: list[Record]) -> Record:
    cells = [r["cell"] for r in results]
    args = {
        "pretrained": "/".join(organised(way)),
        "checkpoint": way["checkpoint"],
        "revision": way["revision"],
        "way": "; ".join(words(way)),
    }
    return {
        "model": "discbench",
        "model_args": args,
        "model_num_parameters": results[0]["counts"]["parameters"],
        "model_revision": way["revision"],
        "batch_size": str(cells[0]["recipe"].get("batch", NONE)),
        "batch_sizes": [],
        "device": results[0]["run"]["hardware"]["device"],
        "use_cache": None,
        "limit": way["limit"],
        "bootstrap_iters": 0,
        "gen_kwargs": None,
        "seeds": sorted({cell["seed"] for cell in cells}),
    }


def _samples(selection: Selection, result: Record) -> list[bytes]:
    rows, outputs, targets = selection.answers(result)
    cell, classes = result["cell"], targets.dtype.kind in "iu"
    given = outputs.argmax(axis=1) if classes else outputs[:, 0].astype(np.float64)
    name = "correct" if classes else "squared_error"
    made = []
    for row, output, answer, target in zip(rows.tolist(), outputs, given.tolist(), targets.tolist(), strict=True):
        value = float(answer == target) if classes else (answer - target) ** 2
        made.append(
            _json(
                {
                    "doc_id": row,
                    "doc": {"row": row},
                    "target": str(target),
                    "arguments": {"gen_args_0": {"arg_0": f"row {row} of {cell['task']}, test"}},
                    "resps": [[str(x) for x in output.tolist()]],
                    "filtered_resps": [str(answer)],
                    "filter": f"{cell['init']}/seed-{cell['seed']}",
                    "metrics": [name],
                    "doc_hash": _hash(f"{cell['rows']}/test/{row}"),
                    "prompt_hash": _hash(f"{cell['task']}/test/{row}"),
                    "target_hash": _hash(str(target)),
                    name: value,
                }
            )
        )
    return made


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
