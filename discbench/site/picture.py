"""A board as one picture that stands alone, for a README."""

from typing import Any

from discbench.site.charts import BLUE, ORANGE, PALETTE, svg, x_of

Record = dict[str, Any]
INK = {"light": "#1f2328", "dark": "#e6edf3"}
"""Text and axes of a picture that stands alone, which has no page to take its colour from."""
STEP = 44
"""Height of a task's row."""
SHAPES = ["circle", "square", "triangle-up", "diamond"]


def board(entries: list[Record], theme: str) -> str:
    """Return a picture of a board that stands alone: each task's scores by init, and its gain over scratch.

    Args:
        entries: Of one checkpoint and one way of running it.
        theme: `light` or `dark`, by the ground that it will stand on; its own is transparent.
    """
    tasks = [entry["task"].split("@")[0] for entry in entries]
    inits = list(
        dict.fromkeys(init for entry in entries for init in ("scratch", *entry["inits"]) if init in entry["inits"])
    )
    scores = [
        {
            "task": name,
            "init": init,
            "score": each["mean"],
            "low": each["mean"] - each["sd"],
            "high": each["mean"] + each["sd"],
        }
        for name, entry in zip(tasks, entries, strict=True)
        for init, each in entry["inits"].items()
    ]
    won = [
        {"task": name, "gain": gain["mean"], "low": gain["low"], "high": gain["high"]}
        for name, entry in zip(tasks, entries, strict=True)
        for gain in [entry["gain"]]
        if gain and gain["low"] is not None
    ]
    y = {"field": "task", "type": "nominal", "sort": tasks, "title": None}
    colour = {
        "field": "init",
        "type": "nominal",
        "title": None,
        "scale": {"domain": inits, "range": [ORANGE, BLUE, *PALETTE[2:]]},
    }
    shape = {"field": "init", "type": "nominal", "title": None, "scale": {"domain": inits, "range": SHAPES}}
    left = {
        "data": {"values": scores},
        "width": 330,
        "height": STEP * len(tasks),
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.45},
                "encoding": {
                    "y": y,
                    "yOffset": _row(inits),
                    "x": x_of("low", "score, mean and sd over seeds"),
                    "x2": {"field": "high"},
                    "color": colour,
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {
                    "y": y,
                    "yOffset": _row(inits),
                    "x": x_of("score", "score, mean and sd over seeds"),
                    "color": colour,
                    "shape": shape,
                },
            },
        ],
    }
    bare = {**y, "axis": {"labels": False, "ticks": False}}
    right = {
        "data": {"values": won},
        "width": 210,
        "height": STEP * len(tasks),
        "layer": [
            {"mark": {"type": "rule", "color": INK[theme], "opacity": 0.6}, "encoding": {"x": {"datum": 0}}},
            {
                "mark": {"type": "rule", "color": BLUE, "strokeWidth": 2},
                "encoding": {"y": bare, "x": x_of("low", "gain over scratch, 95 % interval"), "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70, "color": BLUE, "opacity": 1},
                "encoding": {"y": bare, "x": x_of("gain", "gain over scratch, 95 % interval")},
            },
        ],
    }
    label = f"Scores of {len(tasks)} tasks by init, and gains over scratch with 95 % intervals"
    return svg({"hconcat": [left, right], "spacing": 24}, label).replace("currentColor", INK[theme])


def _row(inits: list[str]) -> Record:
    """Return the place of an init within its task's row, so that equal scores do not hide each other."""
    return {"field": "init", "type": "nominal", "scale": {"domain": inits}}
