"""Charts as SVG, drawn by Vega-Lite when the site is built; pages carry no charting script.

Text and axes are drawn in the page's own colour, so that they can be read in light and in dark.
"""

import re
from typing import Any

import numpy as np

from discbench.words.names import drawn, printable

Record = dict[str, Any]
BLUE, ORANGE = "#4a86c5", "#d9822b"
"""Pretrained and scratch, as in the paper's figures; both have contrast 3 to 1 on white and on the dark page."""
PALETTE = [BLUE, ORANGE, "#5a9e6f", "#b0679c", "#8c8c3e", "#7a7a7a"]
WIDTH = 420
LABEL, LETTER = 260, 5.5
"""Longest label of an axis, and a letter's width, in pixels."""
WIDER = 0.2
"""By which share a browser's letters may be wider than those that Vega-Lite measures; room is left for it."""
INNER = re.compile(r'\s(?:style|role|aria-roledescription|aria-label)="[^"]*"')
"""What the policy of the pages forbids, and what only repeats the label of the whole picture."""


def svg(spec: Record, label: str) -> str:
    """Return a Vega-Lite specification drawn as SVG, in the colours of whatever page it stands on."""
    import vl_convert

    quiet = {"labelColor": "currentColor", "titleColor": "currentColor", "domainColor": "currentColor"}
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "transparent",
        "config": {
            "font": "sans-serif",
            "view": {"stroke": None},
            "axis": {
                **quiet,
                "tickColor": "currentColor",
                "gridColor": "currentColor",
                "gridOpacity": 0.15,
                "labelLimit": LABEL,
            },
            "legend": {
                "labelColor": "currentColor",
                "titleColor": "currentColor",
                "orient": "bottom",
                "labelLimit": 420,
            },
            "range": {"category": PALETTE},
        },
        **spec,
    }
    text: str = vl_convert.vegalite_to_svg(drawn(spec), vl_version="5.20", allowed_base_urls=[])
    plain = INNER.sub("", text)
    return plain.replace("<svg ", f'<svg role="img" aria-label="{_escape(printable(label, 300))}" ', 1)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _interval_chart(rows: list[Record], title: str, label: str, *, zero: bool) -> str:
    names = [row["name"] for row in rows]
    y = {"field": "name", "type": "nominal", "sort": names, "title": None}
    layers: list[Record] = [
        {
            "mark": {"type": "rule", "color": BLUE, "strokeWidth": 2},
            "encoding": {"y": y, "x": x_of("low", title), "x2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 60, "color": BLUE, "opacity": 1},
            "encoding": {"y": y, "x": x_of("mean", title)},
        },
    ]
    if zero:
        layers.insert(
            0, {"mark": {"type": "rule", "color": "currentColor", "opacity": 0.6}, "encoding": {"x": {"datum": 0}}}
        )
    spare = WIDER * min(LABEL, max(map(len, names)) * LETTER)
    padding = {"left": 5 + round(spare), "right": 5, "top": 5, "bottom": 5}
    size = {"width": WIDTH, "height": {"step": 22}, "padding": padding}
    return svg({"data": {"values": rows}, **size, "layer": layers}, label)


def x_of(field: str, title: str) -> Record:
    """Return a quantitative x axis."""
    return {"field": field, "type": "quantitative", "title": title}


def gains(pairs: list[tuple[str, Record]]) -> str | None:
    """Return gains with their intervals over seeds and test rows (over seeds alone where rows are not known)."""
    rows = []
    for name, gain in pairs:
        bounds = gain.get("both") or gain
        low, high = bounds["low"], bounds["high"]
        rows.append(
            {
                "name": name,
                "mean": gain["mean"],
                "low": gain["mean"] if low is None else low,
                "high": gain["mean"] if high is None else high,
            }
        )
    if not rows:
        return None
    return _interval_chart(
        rows, "gain over scratch", f"Gain over scratch of {len(rows)} rows, with 95 % intervals", zero=True
    )


def ranks(rows: list[Record]) -> str | None:
    """Return rank intervals of the ranked checkpoints."""
    ranked = [
        {
            "name": f"{r['checkpoint']} ({r['way']})",
            "mean": r["rank"]["place"],
            "low": r["rank"]["low"],
            "high": r["rank"]["high"],
        }
        for r in rows
        if r["rank"]
    ]
    return (
        _interval_chart(ranked, "rank (1 is best)", f"Rank intervals of {len(ranked)} checkpoints", zero=False)
        if ranked
        else None
    )


MOST_AT_A_GLANCE = 30
"""So many checkpoints of a suite are drawn, the best first; its table has all."""
BESIDE = 450
"""Width that the panels of a suite's disciplines share, in pixels, so that the whole fits a page."""


def glance(suites: list[Record]) -> str | None:
    """Return all suites in one figure: rank with its interval, and the gain in each discipline beside it."""
    blocks = [_suite_block(suite) for suite in suites]
    if not blocks:
        return None
    spec = {"vconcat": blocks, "spacing": 30, "padding": {"left": 60, "right": 5, "top": 5, "bottom": 5}}
    return svg(spec, f"Ranks and gains by discipline of suites {', '.join(suite['id'] for suite in suites)}")


def _suite_block(suite: Record) -> Record:
    rows = suite["rows"][:MOST_AT_A_GLANCE]
    names = [_named(row) for row in rows]
    ranked = [row for row in rows if row["rank"]]
    places = [
        {"name": _named(r), "mean": r["rank"]["place"], "low": r["rank"]["low"], "high": r["rank"]["high"]}
        for r in ranked
    ]
    gains_of = [
        {"name": _named(row), "discipline": name, "gain": gain}
        for row in rows
        for name, gain in zip(suite["disciplines"], row["by"], strict=True)
        if gain is not None
    ]
    means = [
        {"name": _named(row), "gain": row["adaptability"], **(row["both"] or {"low": row["low"], "high": row["high"]})}
        for row in rows
        if row["adaptability"] is not None and row["complete"]
    ]
    panels = [_place_panel(places, names)] if places else []
    panels += [_gain_panel(means, "adaptability", names, labels=not panels, width=150)] if means else []
    # the mean is over disciplines, so they are drawn to one scale
    ends = [0.0, *(g["gain"] for g in gains_of)]
    scale = {"scale": {"domain": [min(ends), max(ends)], "nice": 3}}
    width = min(100, BESIDE // max(1, len(suite["disciplines"])))
    for name in suite["disciplines"]:
        own = [g for g in gains_of if g["discipline"] == name]
        panels.append(_gain_panel(own, f"{name}, gain", names, labels=not panels, width=width, more=scale))
    return {
        "title": {"text": suite["id"], "color": "currentColor", "anchor": "start"},
        "hconcat": panels,
        "spacing": 14,
    }


def _named(row: Record) -> str:
    return str(row["checkpoint"]) + ("" if row["complete"] else " (incomplete)")


def _rows_of(names: list[str], *, labels: bool) -> Record:
    axis = {"labels": labels, "ticks": labels, "domain": labels, "title": None}
    return {"field": "name", "type": "nominal", "sort": names, "axis": axis, "scale": {"domain": names}}


def _place_panel(places: list[Record], names: list[str]) -> Record:
    most = max(row["high"] for row in places)
    x = {
        "field": "mean",
        "type": "quantitative",
        "title": "rank",
        "scale": {"domain": [0.5, most + 0.5], "nice": False},
        "axis": {"format": "d", "values": list(range(1, most + 1, max(1, most // 6))), "grid": True},
    }
    y = _rows_of(names, labels=True)
    return {
        "data": {"values": places},
        "width": 150,
        "height": {"step": 20},
        "layer": [
            {
                "mark": {"type": "rule", "color": BLUE, "strokeWidth": 2},
                "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "color": BLUE, "opacity": 1},
                "encoding": {"y": y, "x": x},
            },
        ],
    }


def _gain_panel(
    values: list[Record], title: str, names: list[str], *, labels: bool = False, width: int, more: Record | None = None
) -> Record:
    y = _rows_of(names, labels=labels)
    x = {"field": "gain", "type": "quantitative", "title": title, "axis": {"tickCount": 3}, **(more or {})}
    zero = {"mark": {"type": "rule", "color": "currentColor", "opacity": 0.6}, "encoding": {"x": {"datum": 0}}}
    spans = [row for row in values if row.get("low") is not None]
    bars = {
        "data": {"values": spans},
        "mark": {"type": "rule", "color": ORANGE, "strokeWidth": 2},
        "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
    }
    dots = {
        "mark": {"type": "point", "filled": True, "size": 60, "color": ORANGE, "opacity": 1},
        "encoding": {"y": y, "x": x},
    }
    layers = [zero, bars, dots] if spans else [zero, dots]
    return {"data": {"values": values}, "width": width, "height": {"step": 20}, "layer": layers}


def curves(entry: Record) -> str | None:
    """Return the training loss of pretrained and scratch (Kao & Lee 2021, figures 3 and 4)."""
    values = [
        {"step": step, "loss": loss, "init": init}
        for init in ("pretrained", "scratch")
        if (entry["inits"].get(init) or {}).get("curve")
        for step, loss in zip(*(entry["inits"][init]["curve"][k] for k in ("steps", "loss")), strict=True)
    ]
    if not values:
        return None
    encoding = {
        "x": {"field": "step", "type": "quantitative", "title": "step"},
        "y": {"field": "loss", "type": "quantitative", "title": "training loss", "scale": {"zero": False}},
        "color": {
            "field": "init",
            "type": "nominal",
            "title": None,
            "scale": {"domain": ["pretrained", "scratch"], "range": [BLUE, ORANGE]},
        },
        "strokeDash": {
            "field": "init",
            "type": "nominal",
            "legend": None,
            "scale": {"domain": ["pretrained", "scratch"], "range": [[1, 0], [5, 3]]},
        },
    }
    spec = {
        "data": {"values": values},
        "width": 260,
        "height": 150,
        "mark": {"type": "line", "strokeWidth": 2},
        "encoding": encoding,
    }
    return svg(spec, f"Training loss on {entry['task']}, pretrained and scratch, by step")


def probe(name: str, figures: list[tuple[str, Record | None]]) -> str | None:
    """Return a probe's figure: distances by layer, densities of singular values or cosines, distance against noise."""
    given = [(label, figure) for label, figure in figures if figure]
    if not given:
        return None
    drawn = {
        "attention": _by_layer,
        "pwcca": _by_layer,
        "isometry": _histogram,
        "gradients": _histogram,
        "perturbation": _noise,
    }
    return drawn[name](name, given) if name in drawn else None


def _lines(values: list[Record], x: Record, y: Record, label: str) -> str | None:
    if not values:
        return None
    encoding = {"x": x, "y": y, "color": {"field": "model", "type": "nominal", "title": None, "legend": {"columns": 1}}}
    mark = {"type": "line", "point": True, "strokeWidth": 2}
    return svg({"data": {"values": values}, "width": WIDTH, "height": 180, "mark": mark, "encoding": encoding}, label)


def _by_layer(name: str, given: list[tuple[str, Record]]) -> str | None:
    key, title = ("mean", "distance of matched heads") if name == "attention" else ("pwcca_x", "PWCCA")
    values = [
        {"model": label, "layer": layer, "value": value}
        for label, figure in given
        if len(figure.get("layers", [])) > 1 and key in figure
        for layer, value in zip(figure["layers"], figure[key], strict=True)
    ]
    x = {"field": "layer", "type": "ordinal", "title": "layer"}
    return _lines(values, x, {"field": "value", "type": "quantitative", "title": title}, f"{title} by layer")


def _histogram(name: str, given: list[tuple[str, Record]]) -> str | None:
    title = "log10 of singular values" if name == "isometry" else "cosine of two examples' gradients"
    values = []
    for label, figure in given:
        edges, counts = np.asarray(figure["edges"]), np.asarray(figure["counts"], dtype=float)
        density = counts / max(1.0, counts.sum()) / np.diff(edges)
        centres = (edges[:-1] + edges[1:]) / 2
        values += [{"model": label, "x": float(a), "share": float(b)} for a, b in zip(centres, density, strict=True)]
    x = {"field": "x", "type": "quantitative", "title": title}
    encoding = {
        "x": x,
        "y": {"field": "share", "type": "quantitative", "title": "density"},
        "color": {"field": "model", "type": "nominal", "title": None, "legend": {"columns": 1}},
    }
    mark = {"type": "line", "interpolate": "step", "strokeWidth": 2}
    return svg(
        {"data": {"values": values}, "width": WIDTH, "height": 180, "mark": mark, "encoding": encoding},
        f"Density of {title}",
    )


def _noise(name: str, given: list[tuple[str, Record]]) -> str | None:
    del name
    values = [
        {"model": label, "std": std, "mean": mean}
        for label, figure in given
        for std, mean in zip(figure["std"], figure["mean"], strict=True)
        if std > 0 and mean > 0
    ]
    scale = {"type": "log"}
    x = {
        "field": "std",
        "type": "quantitative",
        "title": "sd of the noise on every weight",
        "scale": scale,
        "axis": {"format": "e"},
    }
    y = {
        "field": "mean",
        "type": "quantitative",
        "title": "distance of outputs",
        "scale": scale,
        "axis": {"format": "e"},
    }
    return _lines(values, x, y, "Distance of outputs under noise on the weights")
