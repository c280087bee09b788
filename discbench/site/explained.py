"""What explains the gain, as pictures that stand alone: correlations with their intervals, and the points."""

from pathlib import Path
from typing import Any

from discbench.errors import UserError
from discbench.results.store import write_whole
from discbench.site.charts import BLUE, ORANGE, svg, x_of
from discbench.site.picture import INK

Record = dict[str, Any]
WORDS = ["significant", "not significant"]
COLUMNS = 3
SIDE = 190
GAIN = {"field": "gain", "type": "quantitative", "title": "gain", "scale": {"zero": False}}


def correlations(found: Record, theme: str) -> str:
    """Return each predictor's rank correlation with the gain, its interval, and from where it is significant."""
    rows = [{"name": row["name"], "rho": row["rho"], "low": row["low"], "high": row["high"],
             "needed": row["needed"], "least": row["needed"] and -row["needed"],
             "of": WORDS[not row["significant"]]} for row in found["predictors"]]  # fmt: skip
    title = "rank correlation with the gain, 95 % interval; ticks: from where significant"
    y = {"field": "name", "type": "nominal", "sort": [row["name"] for row in rows], "title": None}
    x = {**x_of("rho", title), "scale": {"domain": [-1, 1]}}
    colour = {"field": "of", "type": "nominal", "title": None,
              "scale": {"domain": WORDS, "range": [ORANGE, BLUE]}}  # fmt: skip
    tick = {"type": "tick", "color": INK[theme], "thickness": 1, "opacity": 0.7, "size": 14}
    layers = [
        {"mark": {"type": "rule", "color": INK[theme], "opacity": 0.6}, "encoding": {"x": {"datum": 0}}},
        {"transform": [{"filter": "isValid(datum.low)"}], "mark": {"type": "rule", "strokeWidth": 2},
         "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": colour}},
        *({"transform": [{"filter": "isValid(datum.needed)"}], "mark": tick,
           "encoding": {"y": y, "x": {**x, "field": of}}} for of in ("least", "needed")),
        {"mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
         "encoding": {"y": y, "x": x, "color": colour}},
    ]  # fmt: skip
    label = f"Rank correlations of {len(rows)} predictors with the gain, over {len(found['checkpoints'])} checkpoints"
    spec = {"data": {"values": rows}, "width": 420, "height": {"step": 24}, "layer": layers}
    return svg(spec, label).replace("currentColor", INK[theme])


def points(found: Record, theme: str) -> str:
    """Return the gain of each checkpoint over each predictor, a panel a predictor."""
    panels = [
        {"title": {"text": f"{row['name']} ({row['rho']:+.2f})", "color": INK[theme], "fontSize": 12},
         "width": SIDE, "height": 130,
         "data": {"values": [{"x": of["values"][row["name"]], "gain": of["gain"]} for of in found["checkpoints"]
                             if of["values"][row["name"]] is not None]},
         "mark": {"type": "point", "filled": True, "size": 45, "opacity": 0.8, "color": BLUE},
         "encoding": {"x": _axis(row, found), "y": GAIN}}
        for row in found["predictors"]
    ]  # fmt: skip
    label = f"Gain over each of {len(panels)} predictors, a point a checkpoint"
    return svg({"concat": panels, "columns": COLUMNS, "spacing": 24}, label).replace("currentColor", INK[theme])


def _axis(row: Record, found: Record) -> Record:
    """Return an x axis that ends at the points; logarithmic where the line was drawn so."""
    values = [of["values"][row["name"]] for of in found["checkpoints"] if of["values"][row["name"]] is not None]
    if not row["log"]:
        return {**x_of("x", row["name"]), "scale": {"zero": False, "padding": 8}, "axis": {"tickCount": 5}}
    scale = {"type": "log", "nice": False, "domain": [min(values) / 1.3, max(values) * 1.3]}
    return {**x_of("x", row["name"]), "scale": scale, "axis": {"tickCount": 3, "format": "~s"}}


def pictures(found: Record, out: Path) -> list[Path]:
    """Draw an explanation for light and for dark ground: `explained-*.svg` and `points-*.svg`.

    Raises:
        UserError: The extra `site` is not installed, or `out` cannot be written.
    """
    try:
        drawn = {
            out / f"{name}-{theme}.svg": draw(found, theme)
            for name, draw in (("explained", correlations), ("points", points))
            for theme in INK
        }
    except ImportError as error:
        raise UserError(
            f"--out draws figures and needs the package {error.name!r}; pip install 'discbench[site]', or print --json"
        ) from None
    try:
        for path, text in drawn.items():
            write_whole(path, text.encode())
    except OSError as error:
        raise UserError(f"--out {str(out)!r} cannot be written ({error.strerror}); choose another directory") from error
    return list(drawn)
