"""CSV in long form, and tables for papers in LaTeX."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from discbench.exports.selection import Files, Record, Selection, words
from discbench.results import board, stats
from discbench.values.recipes import changes

CELL_FIELDS = (
    "id", "checkpoint", "revision", "task", "discipline", "init", "seed", "mapping", "mapping_seed", "map_specials",
    "recipe", "changed", "fraction", "subset", "limit", "take", "rate", "lr", "status", "marks", "metric",
    "higher_is_better", "score", "validation", "collapsed", "train_rows", "test_rows", "steps", "parameters", "seconds",
    "finished", "rows",
)  # fmt: skip
ENTRY_FIELDS = (
    "checkpoint", "revision", "task", "metric", "mapping", "map_specials", "mapping_seed", "recipe", "changed",
    "fraction", "subset", "limit", "take", "rate", "marks", "init", "n", "mean", "sd", "collapsed", "failed", "gain",
    "gain_low", "gain_high", "gain_low_with_rows", "gain_high_with_rows", "gain_n", "recovery", "rows",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_csv(selection: Selection) -> Files:
    """Return `cells.csv`, a line a cell, and `entries.csv`, a line an init of a board's entry.

    Failed cells have no score; marked ones name their marks. Text that a spreadsheet would run begins with `'`.
    """
    entries = [_entry_line(entry, init) for entry in selection.entries for init in entry["inits"]]
    cells = [_cell_line(result) for result in selection.results]
    return {"cells.csv": _written(CELL_FIELDS, cells), "entries.csv": _written(ENTRY_FIELDS, entries)}


def _written(fields: Sequence[str], lines: list[Record]) -> bytes:
    sink = io.StringIO()
    writer = csv.DictWriter(sink, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _plain(line.get(name)) for name in fields} for line in lines)
    return sink.getvalue().encode()


def _plain(value: Any) -> Any:  # noqa: ANN401 - a field's value
    if isinstance(value, dict):
        value = ";".join(f"{k}={v}" for k, v in sorted(value.items()))
    if isinstance(value, (list, tuple)):
        value = ";".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _cell_line(result: Record) -> Record:
    cell, counts, about = result["cell"], result.get("counts", {}), result["task"]
    scores, run = result.get("scores", {}), result.get("run", {})  # a cell whose process was killed tells of neither
    metric = about.get("metric")
    return {
        **cell,
        "id": result["id"],
        "recipe": cell["recipe"]["name"],
        "changed": changes(cell),
        "lr": cell["recipe"]["lr"],
        "discipline": about.get("discipline"),
        "status": result["status"],
        "marks": result["marks"],
        "metric": metric,
        "higher_is_better": about.get("higher_is_better"),
        "score": scores.get("test", {}).get(metric),
        "validation": scores.get("validation", {}).get(metric),
        "collapsed": result.get("collapsed"),
        "train_rows": counts.get("train"),
        "test_rows": counts.get("test"),
        "steps": counts.get("steps"),
        "parameters": counts.get("parameters"),
        "seconds": run.get("seconds"),
        "finished": run.get("finished"),
    }


def _entry_line(entry: Record, init: str) -> Record:
    column, gain = entry["inits"][init], entry["gains"].get(init) or {}
    both = gain.get("both") or {}
    return {
        **entry,
        **{name: column[name] for name in ("n", "mean", "sd", "collapsed", "failed")},
        "metric": (entry["about"] or {}).get("metric"),
        "init": init,
        "gain": gain.get("mean"),
        "gain_low": gain.get("low"),
        "gain_high": gain.get("high"),
        "gain_low_with_rows": both.get("low"),
        "gain_high_with_rows": both.get("high"),
        "gain_n": gain.get("n"),
        "recovery": gain.get("recovery"),
    }


SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''",
}  # fmt: skip
NOTES = {
    "limited": "on a limited number of rows",
    "partial": "on a part of the published rows",
    "float32": "in 32 bits, for in the 16 that the recipe asks for the loss was not finite",
    "unverified": "on rows whose hash is not the one that the task names",
}


def escaped(text: object) -> str:
    """Return text that LaTeX prints as it is; control characters as `?`."""
    return "".join(SPECIAL.get(c, c if c.isprintable() else "?") for c in str(text))


def to_latex(selection: Selection) -> Files:
    """Return `discbench.tex`: a booktabs table for each checkpoint and way of running it."""
    head = [
        "% Made by `discbench export --to latex`. Needs \\usepackage{booktabs}.",
        "% Means over seeds with standard deviations (n-1). Gain: pretrained minus scratch, seeds paired, with its",
        "% 95 % interval.",
        "% Bold: the best init, where the 95 % interval of its paired difference from the next best leaves out 0.",
        "",
    ]
    tables = [_table(way, entries, i) for i, (way, entries) in enumerate(selection.ways, start=1)]
    return {"discbench.tex": "\n".join([*head, *tables]).encode()}


def _table(way: Record, entries: list[Record], number: int) -> str:
    inits = list(dict.fromkeys(i for e in entries for i in e["inits"]))
    inits.sort(key=board.init_order)
    seeds = sorted({entry["inits"][i]["n"] for entry in entries for i in entry["inits"]})
    count = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else f"{seeds[0]} seed{'s' * (seeds[0] != 1)}"
    gains = any(entry["gain"] for entry in entries)
    names = [*(("score" if i == "none" else i) for i in inits), *(["gain [95\\,\\%]"] * gains)]
    caption = f"{escaped(way['checkpoint'])}: {escaped(', '.join(words({**way, 'marks': []})))}; {count}."
    lines = [
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{caption}}}",
        f"\\label{{tab:discbench-{number}}}",
        f"\\begin{{tabular}}{{ll{'r' * len(names)}}}",
        "\\toprule",
        " & ".join(["task", "metric", *names]) + " \\\\",
        "\\midrule",
        *(_line(entry, inits, gains=gains) for entry in entries),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    notes = _notes(entries, inits)
    if notes:
        lines += ["", "\\smallskip", f"\\footnotesize {' '.join(notes)}"]
    return "\n".join([*lines, "\\end{table}", ""])


def _notes(entries: list[Record], inits: list[str]) -> list[str]:
    marks = sorted({mark for entry in entries for mark in entry["marks"]})
    found = [f"$^{{\\mathrm{{{mark[0]}}}}}$~{NOTES[mark]}." for mark in marks]
    columns = [entry["inits"][i] for entry in entries for i in inits if i in entry["inits"]]
    if any(column["collapsed"] for column in columns):
        found.append("$^{*}$~some seeds give constant predictions.")
    if any(column["failed"] for column in columns):
        found.append("$^{\\dagger}$~some seeds failed and are left out.")
    return found


def _line(entry: Record, inits: list[str], *, gains: bool) -> str:
    about, best = entry["about"] or {}, _best(entry)
    marks = "".join(f"$^{{\\mathrm{{{mark[0]}}}}}$" for mark in entry["marks"])
    arrow = "" if about.get("higher_is_better", True) else " $\\downarrow$"
    cells = [f"{escaped(entry['task'])}{marks}", f"{escaped(about.get('metric', '--'))}{arrow}"]
    cells += [_score(entry["inits"].get(init), bold=init == best) for init in inits]
    return " & ".join([*cells, *([_gain(entry["gain"])] * gains)]) + " \\\\"


def _score(column: Record | None, *, bold: bool) -> str:
    if not column:
        return "--"
    flags = "$^{*}$" * bool(column["collapsed"]) + "$^{\\dagger}$" * bool(column["failed"])
    if not column["n"]:
        return f"--{flags}"
    mean = f"\\mathbf{{{column['mean']:.3f}}}" if bold else f"{column['mean']:.3f}"
    spread = "" if column["sd"] is None else f" \\pm {column['sd']:.3f}"
    return f"${mean}{spread}${flags}"


def _gain(gain: Record | None) -> str:
    if gain is None:
        return "--"
    bounds = "" if gain["low"] is None else f"\\ [{gain['low']:+.3f}, {gain['high']:+.3f}]"
    return f"${gain['mean']:+.3f}{bounds}$"


def _best(entry: Record) -> str | None:
    """Return the best init if the 95 % interval of its paired difference from the next best leaves out 0."""
    sign = 1.0 if (entry["about"] or {}).get("higher_is_better", True) else -1.0
    ranked = sorted((i for i, c in entry["inits"].items() if c["n"]), key=lambda i: -sign * entry["inits"][i]["mean"])
    if len(ranked) < 2:  # noqa: PLR2004 - one alone is not the best of any
        return None
    first, second = (entry["inits"][init]["scores"] for init in ranked[:2])
    bounds = stats.interval([sign * (first[s] - second[s]) for s in sorted(set(first) & set(second), key=int)])
    return ranked[0] if bounds and bounds[0] > 0 else None
