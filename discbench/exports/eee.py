"""Every Eval Ever 0.3.0: one record for each checkpoint and way of running it, valid by its schema.

The schema has no place for controls, seeds and recipes: they stand in its free strings; our own JSON stays the source.
"""

import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

from discbench.exports.selection import Files, Record, Selection, all_of, finished_at, main_init, organised, words
from discbench.results.headline import WAY
from discbench.results.store import folder_name
from discbench.values.metrics import BUILT_IN
from discbench.words.forms import FINITE

SCHEMA = Path(__file__).parent / "schemas" / "every-eval-ever-0.3.0.schema.json"
VERSION = "0.3.0"
RANGES: dict[str, tuple[float | str, float | str]] = {
    metric.name: (metric.least, metric.most if metric.most < FINITE else "Infinity") for metric in BUILT_IN
}
ANY: tuple[float | str, float | str] = ("-Infinity", "Infinity")
OVER_SEEDS = "seeds: each is a training run of its own"


def to_eee(selection: Selection) -> Files:
    """Return `data/discbench/<developer>/<model>/<uuid>.json` for each way of running a checkpoint."""
    files: Files = {}
    for way, entries in selection.ways:
        results = [result for entry in entries for result in _results(selection, entry)]
        results += _headline(selection, way)
        if not results:
            continue
        cells = all_of(selection, entries)
        developer, model = organised(way)
        record = _record(selection, way, results, cells)
        name = uuid.UUID(bytes=hashlib.sha256(record["evaluation_id"].encode()).digest()[:16], version=4)
        content = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
        files[f"data/discbench/{folder_name(developer)}/{folder_name(model)}/{name}.json"] = content.encode()
    return files


def _record(selection: Selection, way: Record, results: list[Record], cells: list[Record]) -> Record:
    when, versions = finished_at(cells), cells[0]["run"]["versions"]
    developer, model = organised(way)
    how = hashlib.sha256(json.dumps(way, sort_keys=True).encode()).hexdigest()[:12]
    return {
        "schema_version": VERSION,
        "evaluation_id": f"discbench/{developer}/{model}/{how}/{int(when.timestamp())}",
        "evaluation_timestamp": str(int(when.timestamp())),
        "retrieved_timestamp": str(int(when.timestamp())),
        "source_metadata": {
            "source_name": "discbench",
            "source_type": "evaluation_run",
            "source_organization_name": "discbench",
            **({"source_organization_url": selection.source_url} if selection.source_url else {}),
            "evaluator_relationship": "third_party",
        },
        "eval_library": {
            "name": "discbench",
            "version": versions["discbench"],
            "additional_details": {k: v for k, v in versions.items() if k != "discbench"},
        },
        "model_info": {
            "name": way["checkpoint"],
            "id": f"{developer}/{model}",
            "developer": developer,
            "inference_platform": "local",
            "inference_engine": {"name": "transformers", "version": versions.get("transformers", "unknown")},
            "additional_details": {
                "deployment_type": "self_deployed",
                "model_availability": _availability(way),
                "revision": way["revision"],
                "parameters": str(cells[0]["counts"]["parameters"]),
                "trained": "fine-tuned for each task and seed: " + "; ".join(words(way)),
                "recipe": json.dumps(cells[0]["cell"]["recipe"], sort_keys=True),
            },
        },
        "evaluation_results": results,
    }


def _availability(way: Record) -> str:
    """Return whether others can have the weights: a commit is the hub's, and what is shipped comes with the package."""
    shipped = way["checkpoint"].partition(":")[0] in {"builtin", "baseline"}
    return "open_weights" if shipped or not way["revision"].startswith("sha256-") else "unknown"


def _results(selection: Selection, entry: Record) -> list[Record]:
    """Return the score of an entry's main init, and its gain over scratch."""
    init = main_init(entry)
    if init is None:
        return []
    column, about, gain = entry["inits"][init], entry["about"], entry["gains"].get(init)
    details = {
        "init": init,
        "scores_by_seed": json.dumps(column["scores"], sort_keys=True),
        "collapsed_seeds": json.dumps(column["collapsed"]),
        "cells": json.dumps(column["cells"], sort_keys=True),
        **{f"control_{i}": _words(c) for i, c in entry["inits"].items() if i != init},
        **({"marks": ", ".join(entry["marks"])} if entry["marks"] else {}),
    }
    score = {"score": column["mean"], "details": details, "uncertainty": _spread(column)}
    low, high = RANGES.get(about["metric"], ANY)
    found = [_result(selection, entry, init, about["metric"], score, (low, high), lower=not about["higher_is_better"])]
    if gain:
        ends = (low - high, high - low) if isinstance(low, float) and isinstance(high, float) else ANY
        found.append(_result(selection, entry, init, "gain", _gained(gain, about["metric"]), ends, lower=False))
    return found


def _words(column: Record) -> str:
    spread = "" if column["sd"] is None else f", sd {column['sd']:.6g}"
    return "none finished" if not column["n"] else f"mean {column['mean']:.6g}{spread}, {column['n']} seeds"


def _spread(column: Record) -> Record:
    found: Record = {"num_samples": column["n"]}
    if column["sd"] is not None:
        found["standard_deviation"] = column["sd"]
        found["standard_error"] = {"value": column["sd"] / column["n"] ** 0.5, "method": f"analytic, over {OVER_SEEDS}"}
    return found


def _gained(gain: Record, metric: str) -> Record:
    uncertainty: Record = {"num_samples": gain["n"]}
    if gain["low"] is not None:
        uncertainty["confidence_interval"] = {
            "lower": gain["low"],
            "upper": gain["high"],
            "confidence_level": 0.95,
            "method": f"paired Student interval, over {OVER_SEEDS}",
        }
    details = {"metric": metric, "control": "scratch", "pairs_by_seed": json.dumps(gain["pairs"], sort_keys=True)}
    if gain["both"]:
        details["interval_with_test_rows"] = f"{gain['both']['low']:.6g} to {gain['both']['high']:.6g}"
    if gain["recovery"] is not None:
        details["recovery"] = f"{gain['recovery']:.6g}"
    return {"score": gain["mean"], "details": details, "uncertainty": uncertainty}


def _result(
    selection: Selection, entry: Record, init: str, metric: str, score: Record, ends: tuple[Any, Any], *, lower: bool
) -> Record:
    who = "the baseline" if init == "none" else init
    what = f"{entry['task']} {'gain over scratch' if metric == 'gain' else who}"
    about = f"after fine-tuning on {entry['task']}, rows {entry['rows'][:12]}"
    rows = {
        "rows_sha256": entry["rows"],
        "discipline": entry["about"]["discipline"],
        "chance": str(entry["about"]["chance"]),
    }
    return {
        "evaluation_result_id": hashlib.sha256(json.dumps([_way(entry), what], sort_keys=True).encode()).hexdigest()[
            :16
        ],
        "evaluation_name": what,
        "source_data": {"dataset_name": entry["task"], "source_type": "other", "additional_details": rows},
        "evaluation_timestamp": str(int(finished_at(all_of(selection, [entry])).timestamp())),
        "metric_config": {
            "evaluation_description": f"{metric} of {who}, mean over seeds, {about}"
            if metric != "gain"
            else f"score of {init} minus score of scratch (the same architecture untrained), seeds paired, {about}",
            "metric_id": f"discbench.{metric}",
            "metric_name": metric,
            "metric_kind": metric,
            "lower_is_better": lower,
            "score_type": "continuous",
            "min_score": ends[0],
            "max_score": ends[1],
        },
        "score_details": score,
    }


def _way(entry: Record) -> Record:
    return {name: entry[name] for name in (*WAY, "rows", "specials")}


def _headline(selection: Selection, way: Record) -> list[Record]:
    """Return the adaptability of a checkpoint, where it is complete."""
    found = next((h for h in selection.headlines if all(h[name] == way[name] for name in WAY)), None)
    if found is None or found["adaptability"] is None or not found["complete"]:
        return []
    gain = {**found, "mean": found["adaptability"], "pairs": {}, "recovery": None}
    score = _gained(gain, "each task's own")
    score["details"] |= {
        "tasks": ", ".join(found["tasks"]),
        "disciplines": json.dumps(found["disciplines"], sort_keys=True),
    }
    return [
        {
            "evaluation_result_id": hashlib.sha256(
                json.dumps([way, "adaptability"], sort_keys=True).encode()
            ).hexdigest()[:16],
            "evaluation_name": "discipline adaptability",
            "source_data": {"dataset_name": ", ".join(found["tasks"]), "source_type": "other"},
            "metric_config": {
                "evaluation_description": "mean gain over scratch, of an error as a share of scratch's:"
                " over tasks of a discipline, then over disciplines",
                "metric_id": "discbench.adaptability",
                "metric_name": "adaptability",
                "metric_kind": "gain",
                "lower_is_better": False,
                "score_type": "continuous",
                "min_score": "-Infinity",
                "max_score": "Infinity",
            },
            "score_details": score,
        }
    ]
