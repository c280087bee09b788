"""Training dynamics over seeds: mean curves, mean steps to a level, and how much sooner pretrained learns."""

import math
from itertools import pairwise
from typing import Any

import numpy as np

POINTS = 40
"""Points of a mean curve."""

Record = dict[str, Any]


def mean_curve(results: list[Record]) -> Record | None:
    """Return the training loss averaged over seeds and over equal stretches of steps, at most `POINTS` of them."""
    losses = [r["curve"]["loss"] for r in results if r.get("curve", {}).get("loss")]
    if not losses:
        return None
    longest = max(map(len, losses))
    edges = np.unique(np.linspace(0, longest, min(POINTS, longest) + 1).astype(int))
    steps, means = [], []
    for start, end in pairwise(edges):
        there = [np.mean(loss[start:end]) for loss in losses if len(loss) > start]
        steps.append(int(end))
        means.append(float(f"{np.mean(there):.3g}"))
    return {"steps": steps, "loss": means}


def dynamics(results: list[Record]) -> Record | None:
    """Return the mean area, and per level the mean steps to it, None unless every seed reaches it."""
    found = [r["dynamics"] for r in results if r.get("dynamics")]
    if not found:
        return None
    levels = {}
    for level in found[0]["levels"]:
        steps = [d["levels"][level] for d in found]
        levels[level] = None if None in steps else float(np.mean(steps))
    return {"area": float(np.mean([d["area"] for d in found])), "levels": levels}


def ratio(controls: list[Record], results: list[Record]) -> Record | None:
    """Return how many times as many steps scratch needs as pretrained, seeds paired (Kao & Lee 2021, figure 3).

    Taken at the lowest level that both reach in every paired seed; the geometric mean over seeds. `area` is the ratio
    of the mean areas under the loss. None where a seed of one has no curve.
    """
    theirs, ours = ({r["cell"]["seed"]: r["dynamics"] for r in of if r.get("dynamics")} for of in (controls, results))
    seeds = sorted(set(theirs) & set(ours))
    if not seeds:
        return None
    areas = [float(np.mean([d[s]["area"] for s in seeds])) for d in (theirs, ours)]
    found: Record = {
        "steps": None,
        "level": None,
        "area": areas[0] / areas[1] if areas[1] > 0 else None,
        "n": len(seeds),
    }
    for level in sorted(ours[seeds[0]]["levels"], key=float):
        pairs = [(theirs[s]["levels"][level], ours[s]["levels"][level]) for s in seeds]
        if all(a is not None and b is not None for a, b in pairs):
            logs = [math.log(a / b) for a, b in pairs]
            return {**found, "steps": math.exp(float(np.mean(logs))), "level": level}
    return found
