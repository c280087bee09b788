"""The hub's formats: `.eval_results/*.yaml` of a model, `eval.yaml` of a benchmark's dataset, a card's model-index."""

from typing import Any

from discbench.errors import UserError
from discbench.exports.selection import Files, Record, Selection, all_of, finished_at, main_init, words
from discbench.results.store import folder_name

GAIN = ".gain"
TASK_TYPE = "text-classification"
"""The hub's name for what is fine-tuned here: a sequence classifier."""


def _yaml(value: Any) -> bytes:  # noqa: ANN401 - what YAML can say
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1000)
    return text.encode()


def to_eval_results(selection: Selection) -> Files:
    """Return `<org__model>/.eval_results/discbench.yaml` for each checkpoint that is no baseline.

    The hub takes one number for a task: each of ours is two of its tasks, the score and the gain, with seeds, spread
    and interval in the notes. Only unchanged recipes on all train rows are exported.

    Raises:
        UserError: No benchmark was named, or a checkpoint has two numbers for one task.
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    if not selection.benchmark:
        raise UserError("--to hf-eval-results needs --benchmark ORG/NAME: the benchmark's dataset on the hub")
    made: dict[str, dict[str, EvalResultEntry]] = {}
    for way, entries in selection.ways:
        few = way["fraction"] < 1 or way["take"]
        if way["checkpoint"].startswith("baseline:") or way["changed"] or few:
            continue
        mine = made.setdefault(folder_name(way["checkpoint"]), {})
        for task, value, notes, when in _numbers(selection, way, entries):
            if task in mine:
                raise UserError(
                    f"{way['checkpoint']} has two numbers for {task}: {mine[task].notes} | {notes};"
                    " choose one with --recipe or --rates, or export a store that holds one of them"
                )
            mine[task] = EvalResultEntry(
                dataset_id=selection.benchmark,
                task_id=task,
                value=value,
                date=when,
                notes=notes,
                source_url=selection.source_url or None,
                source_name="discbench" if selection.source_url else None,
            )
    if not any(made.values()):
        raise UserError("nothing can be exported: no checkpoint was run with an unchanged recipe on all train rows")
    return {
        f"{name}/.eval_results/discbench.yaml": _yaml(
            eval_result_entries_to_yaml([made[name][t] for t in sorted(made[name])])
        )
        for name in sorted(made)
        if made[name]
    }


def _numbers(selection: Selection, way: Record, entries: list[Record]) -> list[tuple[str, float, str, str]]:
    """Return (task id, value, notes, date) of a way's scores and gains."""
    found = []
    how = f"discbench; {', '.join(words(way))}; revision {way['revision']}"
    for entry in entries:
        init, name = main_init(entry), entry["about"]["name"]
        if init is None:
            continue
        when = finished_at(all_of(selection, [entry])).isoformat()
        column, gain = entry["inits"][init], entry["gains"].get(init)
        spread = "" if column["sd"] is None else f", sd {column['sd']:.4f}"
        found.append(
            (
                name,
                column["mean"],
                f"{entry['about']['metric']}, mean of {column['n']} seeds{spread}; {init}; {how}",
                when,
            )
        )
        if gain:
            found.append(
                (
                    f"{name}{GAIN}",
                    gain["mean"],
                    f"gain over scratch in {entry['about']['metric']}{_bounds(gain)}; {how}",
                    when,
                )
            )
    return found


def _bounds(gain: Record) -> str:
    held = f", {gain['n']} seeds paired"
    return held if gain["low"] is None else f", 95 % interval {gain['low']:+.4f} to {gain['high']:+.4f}{held}"


def to_eval_yaml(selection: Selection) -> Files:
    """Return `eval.yaml` for the benchmark's dataset: the boards that the hub is to make."""
    names = sorted({entry["about"]["name"] for entry in selection.entries if entry["about"]})
    tasks = [{"id": f"{name}{end}", "config": name, "split": "test"} for name in names for end in ("", GAIN)]
    record = {
        "name": "discbench",
        "description": "How well a pretrained checkpoint learns a discipline it never saw: score after fine-tuning, and"
        " gain over the same architecture trained from scratch, seeds paired.",
        "evaluation_framework": "discbench",
        "tasks": tasks,
    }
    note = b"# The hub knows evaluation_framework only once it is on its list; ask for it there.\n"
    return {"eval.yaml": note + _yaml(record)}


def to_model_index(selection: Selection) -> Files:
    """Return `<org__model>/README.md` for each checkpoint that is no baseline: a card with the results in front."""
    from huggingface_hub import EvalResult, ModelCardData

    found: dict[str, list[EvalResult]] = {}
    for way, entries in selection.ways:
        if way["checkpoint"].startswith("baseline:"):
            continue
        for entry in entries:
            init = main_init(entry)
            if init is not None:
                found.setdefault(way["checkpoint"], []).extend(_results(EvalResult, selection, way, entry, init))
    files: Files = {}
    for name in sorted(found):
        data = ModelCardData(model_name=name, eval_results=found[name], tags=["discbench"])
        title = "".join(c if c.isalnum() or c in " ._/:@+-" else " " for c in name)
        about = "Results of discbench: score after fine-tuning, gain over scratch."
        text = f"---\n{data.to_yaml()}\n---\n\n# {title}\n\n{about}\n"
        files[f"{folder_name(name)}/README.md"] = text.encode()
    if not files:
        raise UserError("nothing can be exported: the store holds baselines and controls only")
    return files


def _results(kind: Any, selection: Selection, way: Record, entry: Record, init: str) -> list[Any]:  # noqa: ANN401 - EvalResult
    about, column, gain = entry["about"], entry["inits"][init], entry["gains"].get(init)
    shared = {
        "task_type": TASK_TYPE,
        "task_name": "sequence classification or regression after fine-tuning",
        "dataset_type": f"discbench/{about['name']}",
        "dataset_name": f"{entry['task']} ({', '.join(words(way))})",
        "dataset_config": ", ".join(words(way)),  # what the hub's library tells results of one dataset apart by
        "dataset_split": "test",
        "dataset_revision": entry["rows"],
        **({"source_url": selection.source_url, "source_name": "discbench"} if selection.source_url else {}),
    }
    args = {"seeds": column["n"], "sd": column["sd"], "init": init}
    made = [
        kind(
            metric_type=about["metric"],
            metric_name=f"{about['metric']} ({init})",
            metric_value=column["mean"],
            metric_args=args,
            **shared,
        )
    ]
    if gain:
        bounds = {"seeds": gain["n"], "low": gain["low"], "high": gain["high"], "level": 0.95}
        name = f"gain over scratch in {about['metric']} ({init})"
        made.append(kind(metric_type="gain", metric_name=name, metric_value=gain["mean"], metric_args=bounds, **shared))
    return made
