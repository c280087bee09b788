"""What is tried as a predictor of the gain: a list that was fixed before any gain was seen, one number a checkpoint.

Nothing else is computed, so that the correction counts all that was tried.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from discbench.results import headline

Record = dict[str, Any]
Key = tuple[str, str]
"""Checkpoint and revision."""
STEPS, WINDOW = 50, 10
"""The loss drop is that of the last `WINDOW` of the first `STEPS` steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """A number of each checkpoint."""

    name: str
    means: str
    """In the words of a table."""
    source: Literal["pair", "single", "fact", "count", "curve"]
    """`pair`: a probe of pretrained against its own scratch twin. `single`: a probe of one model, pretrained less
    scratch. `fact`: what a card or a file of facts says. `count`, `curve`: of the runs themselves."""
    value: str = ""
    """Of a probe: the value that stands for it."""
    log: bool = False
    """Whether the line of the left-out error is drawn over its logarithm; ranks do not change by it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A predictor's numbers."""

    values: dict[Key, float]
    tasks: list[str] = field(default_factory=list)
    """Tasks that a probe was taken on, those of which the values are means."""


PREDICTORS = (
    Predictor(name="pwcca", means="likeness to scratch of the last hidden states, above chance", source="pair",
              value="pwcca_x"),
    Predictor(name="attention", means="distance of attention maps from scratch's", source="pair", value="mean"),
    Predictor(name="isometry", means="share of singular values near 1, less scratch's", source="single",
              value="near_one"),
    Predictor(name="gradients", means="mean cosine of two rows' gradients, less scratch's", source="single",
              value="mean"),
    Predictor(name="perturbation", means="relative shift of the output under noise of 0.0001, less scratch's",
              source="single", value="relative_0.0001"),
    Predictor(name="held_out_loss", means="held-out loss of pre-training, nats a masked token", source="fact"),
    Predictor(name="parameters", means="size: parameters, embeddings and head included", source="count", log=True),
    Predictor(name="layers", means="depth: layers", source="fact"),
    Predictor(name="tokens_seen", means="tokens seen in pre-training", source="fact", log=True),
    Predictor(name="loss_drop", means=f"loss drop by step {STEPS}, less scratch's", source="curve"),
)  # fmt: skip


def values(
    predictor: Predictor,
    results: Iterable[Record],
    measurements: Iterable[Record],
    facts: Mapping[Key, Mapping[str, float]],
) -> Found:
    """Return a predictor's number of each checkpoint that has one.

    Args:
        predictor: Which.
        results: Finished results of one suite (and discipline) only.
        measurements: Of probes, on tasks of these results only.
        facts: (checkpoint, revision) -> field -> number.
    """
    if predictor.source == "fact":
        return Found({key: float(of[predictor.name]) for key, of in facts.items() if predictor.name in of})
    if predictor.source == "count":
        return Found(_sizes(results))
    if predictor.source == "curve":
        return Found(_drops(results))
    return _probed(predictor, measurements)


def _key(of: Record) -> Key:
    return of["checkpoint"], of["revision"]


def _sizes(results: Iterable[Record]) -> dict[Key, float]:
    """Return parameters; heads differ by task, and the smallest counts."""
    found: dict[Key, list[float]] = defaultdict(list)
    for result in results:
        if "counts" in result:
            found[_key(result["cell"])].append(result["counts"]["parameters"])
    return {key: float(min(of)) for key, of in found.items()}


def _drops(results: Iterable[Record]) -> dict[Key, float]:
    """Return by how much more pretrained's loss has dropped by `STEPS` than scratch's, as a share of guessing's.

    Seeds paired; the mean over seeds, then as the headline's over tasks. A checkpoint with a shorter run has none.
    """
    runs: dict[Key, dict[tuple[str, int], dict[str, float | None]]] = defaultdict(lambda: defaultdict(dict))
    for result in results:
        cell = result["cell"]
        if cell["init"] in {"pretrained", "scratch"}:
            runs[_key(cell)][result["task"]["name"], cell["seed"]][cell["init"]] = _drop(result)
    found = {}
    for key, pairs in runs.items():
        by_task: dict[str, list[float]] = defaultdict(list)
        for (task, _), of in pairs.items():
            mine, control = of.get("pretrained"), of.get("scratch")
            if mine is None or control is None:
                break
            by_task[task].append(mine - control)
        else:
            found[key] = headline.adaptability({task: float(np.mean(each)) for task, each in by_task.items()})
    return found


def _drop(result: Record) -> float | None:
    loss, dynamics = result.get("curve", {}).get("loss") or [], result.get("dynamics")
    if len(loss) < STEPS or not dynamics:
        return None
    return 1 - float(np.mean(loss[STEPS - WINDOW : STEPS])) / float(dynamics["reference"])


def _probed(predictor: Predictor, measurements: Iterable[Record]) -> Found:
    """Return a probe's number: the mean over seeds, then as the headline's over the tasks that most checkpoints share.

    Measurements of one task that were taken otherwise (rows, mapping) never mix: those that most checkpoints have
    count.
    """
    taken = [m for m in measurements if _counts(predictor, m["probe"], m)]
    ways: dict[str, dict[str, dict[Key, list[Record]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for measured in taken:
        way = {
            name: measured["probe"][name]
            for name in ("probe", "rows", "limit", "mapping", "map_specials", "draw", "max_tokens")
        }
        of = ways[measured["probe"]["task"]][json.dumps(way, sort_keys=True)]
        of[_key(measured["probe"]["model"])].append(measured)
    by_task = {}
    for task, of_task in sorted(ways.items()):
        scored = [{key: v for key, of in held.items() if (v := _scalar(predictor, of)) is not None}
                  for _, held in sorted(of_task.items())]  # fmt: skip
        by_task[task] = max(scored, key=len)
    most = max(map(len, by_task.values()), default=0)
    tasks = [task for task, of in by_task.items() if of and len(of) == most]
    whole = set.intersection(*(set(by_task[task]) for task in tasks)) if tasks else set()
    means = {key: headline.adaptability({task.split("@")[0]: by_task[task][key] for task in tasks}) for key in whole}
    return Found(means, tasks)


def _counts(predictor: Predictor, probe: Record, measured: Record) -> bool:
    """Tell whether a measurement is one that a predictor is made of: the whole probe, of the last layer."""
    model, other = probe["model"], probe["against"]
    pair = predictor.source == "pair"
    twin = other is not None and _key(other) == _key(model) and other["init"] == "scratch"
    return bool(
        probe["probe"].split("@")[0] == predictor.name
        and measured.get("status", "finished") == "finished"
        and not probe["as_published"]
        and probe["layers"][-1] == -1
        and (twin and model["init"] == "pretrained" if pair else other is None)
        and measured["values"].get(predictor.value) is not None
    )


def _scalar(predictor: Predictor, measured: list[Record]) -> float | None:
    """Return the mean over seeds of one checkpoint's measurements on one task; None without any scratch to subtract."""
    found: dict[int, dict[str, float]] = defaultdict(dict)
    for each in sorted(measured, key=lambda m: json.dumps(m["probe"], sort_keys=True)):
        model = each["probe"]["model"]
        found[model["seed"]].setdefault(model["init"], _above_chance(each["values"], predictor.value))
    if predictor.source == "pair":
        return float(np.mean([of["pretrained"] for of in found.values()]))
    pairs = [of["pretrained"] - of["scratch"] for of in found.values() if {"pretrained", "scratch"} <= set(of)]
    return float(np.mean(pairs)) if pairs else None


def _above_chance(held: Record, name: str) -> float:
    """Return a value, or where the probe gives its null, which share of the way from there to 1 it goes."""
    value, chance = float(held[name]), held.get(f"null_{name}")
    return value if chance is None or chance >= 1 else (value - float(chance)) / (1 - float(chance))
