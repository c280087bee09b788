"""The board as terminal text."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from discbench.results import leaktext, probetext, published, references
from discbench.results.board import init_order, shown
from discbench.results.rates import text as ratetext
from discbench.words.names import counted

Record = dict[str, Any]
NONE = "\N{EN DASH}"
PLUS_MINUS = "\N{PLUS-MINUS SIGN}"


def board(record: Record, out: Console, *, paper: bool = False) -> None:
    """Print a board: per task, mean and sd of each init and gain with intervals; every score by seed; learning speed.

    Args:
        record: As `discbench.results.board.build` makes it.
        out: Where to.
        paper: Whether to set the paper's own figures beside, where it has them.
    """
    record = shown(record)
    for title, entries in _blocks(record).items():
        inits = sorted({i for e in entries for i in e["inits"]}, key=init_order)
        out.print(f"\n{title}", style="bold")
        out.print(_means(entries, inits))
        leaktext.leaks(entries, out)
        for note in references.notes(entries):
            out.print(note, highlight=False)
        out.print(_scores(entries, inits))
        _table_if_any(_speed(entries), out)
        _table_if_any(_low_data(entries), out)
        ratetext.rates(entries, out)
        if paper:
            _table_if_any(_paper(entries), out)
    _table_if_any(_variance(record), out)
    probetext.table(record["probes"], out)
    _headlines(record, out)
    for table in record.get("suites", []):
        suite(table, out, record["entries"])


def _table_if_any(table: Table, out: Console) -> None:
    if table.row_count:
        out.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left")
    return table


def _blocks(record: Record) -> dict[str, list[Record]]:
    blocks: dict[str, list[Record]] = {}
    for entry in record["entries"]:
        blocks.setdefault(f"{entry['checkpoint']}  {way_of(entry)}{_marked(entry)}", []).append(entry)
    return blocks


def way_of(entry: Record) -> str:
    """Return how a checkpoint was run, in words: mapping, recipe and whatever was changed."""
    parts = [f"mapping {entry['mapping']}"]
    if entry["map_specials"]:
        parts.append("special ids moved")
    if entry["mapping_seed"] is not None:
        parts.append(f"mapping seed {entry['mapping_seed']}")
    parts.append(f"recipe {entry['recipe']}" + (", rates tuned" if entry.get("rate") else ""))
    parts += [f"{field}={value}" for field, value in entry["changed"].items()]
    if entry["limit"]:
        parts.append(f"limit {entry['limit']}")
    if entry["take"]:
        parts.append("at most " + "/".join(map(str, entry["take"])) + " rows")
    if entry["fraction"] < 1:
        parts.append(f"{entry['fraction']:g} of train, {entry['subset']}")
    return ", ".join(parts)


def _marked(entry: Record) -> str:
    return f"  [{'; '.join(entry['marks'])}]" if entry["marks"] else ""


def _means(entries: list[Record], inits: list[str]) -> Table:
    heads = [f"{init}\nmean {PLUS_MINUS} sd (n)" for init in inits]
    unused = any(e["unused"] for e in entries)
    table = _table(
        "task",
        "metric (chance)",
        *heads,
        *(["unused ids\npretrained"] if unused else []),
        "gain over scratch\n95 % over seeds",
        "95 % over seeds\nand test rows",
    )
    table.columns[1].justify = "left"
    for entry in entries:
        about = entry["about"] or {}
        chance = "" if about.get("chance") is None else f" ({about['chance']:.2f})"
        cells = [mean(entry["inits"].get(init)) for init in inits]
        other = [mean(entry["unused"] and {**entry["unused"], "failed": []})] if unused else []
        both = (entry["gain"] or {}).get("both")
        table.add_row(
            leaktext.with_sign(entry),
            f"{about.get('metric', '?')}{chance}",
            *cells,
            *other,
            gain(entry["gain"]),
            bounds(both) if both else NONE,
        )
    return table


def mean(column: Record | None) -> str:
    """Return an init's mean, standard deviation and count in words."""
    if not column or not column["n"]:
        return "failed" if column and column["failed"] else NONE
    spread = "" if column["sd"] is None else f" {PLUS_MINUS} {column['sd']:.3f}"
    failed = f", {len(column['failed'])} failed" if column["failed"] else ""
    return f"{column['mean']:.3f}{spread} ({column['n']}{failed})"


def bounds(of: Record) -> str:
    """Return an interval."""
    return f"[{of['low']:+.3f}, {of['high']:+.3f}]"


def gain(record: Record | None) -> str:
    """Return a gain with its interval, or why there is none."""
    if record is None:
        return "needs scratch"
    if record["low"] is None:
        return f"{record['mean']:+.3f} (n {record['n']}: no interval)"
    return f"{record['mean']:+.3f} {bounds(record)}"


def _scores(entries: list[Record], inits: list[str]) -> Table:
    seeds = sorted({s for e in entries for c in e["inits"].values() for s in c["scores"]}, key=int)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, caption="* constant predictions", caption_justify="left")
    if not any(c["collapsed"] for e in entries for c in e["inits"].values()):
        table.caption = None
    table.add_column("every score, by seed")
    for init in inits:
        table.add_column(f"{init}: seed {' '.join(seeds)}")
    for entry in entries:
        table.add_row(entry["task"], *(_row(entry["inits"].get(init), seeds) for init in inits))
    return table


def _row(column: Record | None, seeds: list[str]) -> str:
    if not column:
        return NONE
    flat = {str(s) for s in column["collapsed"]}
    return " ".join(short(column["scores"].get(s)) + ("*" if s in flat else "") for s in seeds)


def short(score: float | None) -> str:
    """Return a score with three decimals and no leading zero; a dash for none."""
    if score is None:
        return NONE
    text = f"{score:.3f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def _speed(entries: list[Record]) -> Table:
    table = _table(
        "learning speed", "loss\nlevel", "steps\npretrained", "steps\nscratch", "scratch needs", "loss area\nratio"
    )
    for entry in entries:
        ratio = entry["ratio"]
        if not ratio:
            continue
        level = ratio["level"]
        steps = [entry["inits"][i]["dynamics"]["levels"][level] if level else None for i in ("pretrained", "scratch")]
        table.add_row(
            entry["task"],
            level or NONE,
            *(NONE if s is None else f"{s:.0f}" for s in steps),
            "no level that both reach" if ratio["steps"] is None else f"{ratio['steps']:.2f} x",
            NONE if ratio["area"] is None else f"{ratio['area']:.2f}",
        )
    if table.row_count:
        table.caption = "levels are shares of the loss of the best constant answer"
        table.caption_justify = "left"
    return table


def _low_data(entries: list[Record]) -> Table:
    table = _table("few train rows", "share", "validation\npretrained", "validation\nscratch", "gain on validation")
    for entry in entries:
        if entry["fraction"] < 1:
            held = [entry["inits"].get(i, {}).get("validation") for i in ("pretrained", "scratch")]
            values = [NONE if v is None else f"{v:.3f}" for v in held]
            table.add_row(entry["task"], f"{entry['fraction']:g}", *values, gain(entry["validation_gain"]))
        for low in entry["low_data"]:
            table.add_row(entry["task"], f"{low['fraction']:g} ({low['recipe']})", NONE, NONE, gain(low["gain"]))
    return table


def _paper(entries: list[Record]) -> Table:
    table = _table(
        "Kao & Lee 2021", "table", "model", f"published {PLUS_MINUS} sd", "here, pretrained", "here, scratch"
    )
    for entry in entries:
        about = entry["about"] or {}
        ours = [mean(entry["inits"].get(i)) for i in ("pretrained", "scratch")]
        for row in published.of_task(about.get("name", ""), entry["mapping"]):
            spread = "" if row["sd"] is None else f" {PLUS_MINUS} {row['sd']:.3f}"
            table.add_row(entry["task"], str(row["table"]), row["model"], f"{row['score']:.3f}{spread}", *ours)
    return table


def _variance(record: Record) -> Table:
    table = _table("where the spread comes from", "init", "grid", "sd of mapping", "sd of seed", "rest")
    for row in record["variance"]:
        sds = [f"{row[name]:.3f}" for name in ("mapping_sd", "seed_sd", "rest_sd")]
        grid = f"{counted(row['mappings'], 'mapping')} x {counted(row['seeds'], 'seed')}"
        table.add_row(f"{row['checkpoint']} {row['task']}", row["init"], grid, *sds)
    return table


def _headlines(record: Record, out: Console) -> None:
    for row in record["checkpoints"]:
        if row["adaptability"] is None:
            continue
        over_seeds = "no interval" if row["low"] is None else f"95 % interval {row['low']:+.3f} to {row['high']:+.3f}"
        both = row["both"]
        over_rows = f" (with test rows {both['low']:+.3f} to {both['high']:+.3f})" if both else ""
        missing = f"; incomplete, missing {', '.join(row['missing'])}" if row["missing"] else ""
        marked = f"; marked {', '.join(row['marks'])}, not for comparison with whole runs" if row["marks"] else ""
        disciplines = ", ".join(f"{name} {mean:+.3f}" for name, mean in row["disciplines"].items())
        out.print(
            Text.assemble(
                f"\nadaptability of {row['checkpoint']} (mean gain over scratch; {way_of(row)}): ",
                (f"{row['adaptability']:+.3f}", "bold"),
                f", {over_seeds}{over_rows}, {counted(row['n'], 'seed')} ({disciplines})",
                f"{missing}{marked}{_rank(row)}{shares(row)}",
            )
        )


def suite(table: Record, out: Console, entries: Sequence[Record] = ()) -> None:
    """Print a suite's table: ranks, adaptability, disciplines; then who lacks what, and which marked runs are there."""
    names = sorted({name for row in table["checkpoints"] for name in row["disciplines"]})
    out.print(Text.assemble("\n", (f"suite {table['id']}", "bold"), f"  {table['about']}"))
    shown = _table("checkpoint", "rank (95 %)", "adaptability\n95 % over seeds and test rows", *names)
    for row in sorted(table["checkpoints"], key=lambda r: (not r["complete"], -(r["adaptability"] or 0.0))):
        rank = row["rank"]
        place = f"{rank['place']} ({rank['low']} to {rank['high']})" if rank else NONE
        value = NONE if row["adaptability"] is None else f"{row['adaptability']:+.3f}"
        both = f" {bounds(row['both'])}" if row["both"] else ""
        cells = [f"{row['disciplines'][n]:+.3f}" if n in row["disciplines"] else NONE for n in names]
        mean = f"{value}{both} {part_of(row, table)}".rstrip()
        shown.add_row(row["checkpoint"], place if row["complete"] else "incomplete", mean, *cells)
    out.print(shown)
    ratetext.of_suite(table, out)
    for row in table["checkpoints"]:
        if row["missing"]:
            out.print(f"{row['checkpoint']} lacks {lacking(row['missing'])}{_left_out(row, entries)}")


def _left_out(row: Record, entries: Sequence[Record]) -> str:
    """Return which tasks that a checkpoint lacks it was run on with marks, in words; "" where there are none."""
    own = [e for e in entries if (e["checkpoint"], e["revision"]) == (row["checkpoint"], row["revision"])]
    marked = {e["task"]: ", ".join(e["marks"]) for e in own if e["marks"] and e["task"] in row["missing"]}
    told = ", ".join(f"{task} ({marks})" for task, marks in sorted(marked.items()))
    return f"; marked runs have no place: {told}" if told else ""


def lacking(missing: Record) -> str:
    """Return what a checkpoint lacks in a suite, in words: tasks that lack the same runs together."""
    tasks: dict[str, list[str]] = {}
    for task, inits in missing.items():
        alike = {tuple(seeds) for seeds in inits.values()}
        parts = [f"{init} seed {', '.join(map(str, seeds))}" for init, seeds in inits.items()]
        runs = (
            "; ".join(parts)
            if len(alike) > 1 or len(inits) == 1
            else f"{' and '.join(inits)}, seed {', '.join(map(str, *alike))}"
        )
        tasks.setdefault(runs, []).append(task)
    return "; ".join(f"{', '.join(names)} ({runs})" for runs, names in tasks.items())


def part_of(row: Record, table: Record) -> str:
    """Return over how many of a suite's tasks an incomplete checkpoint's mean is, in words; "" of a complete one."""
    whole = sum(len(part["tasks"]) for part in table["parts"])
    return "" if row["complete"] or row["adaptability"] is None else f"of {len(row['tasks'])} of {whole} tasks"


def shares(row: Record) -> str:
    """Return what a headline counts of tasks whose score is an error, in words; "" where there are none."""
    told = ", ".join(f"{name} {share:+.3f}" for name, share in row["shares"].items())
    return f"; errors count by the share of scratch's error that is gone: {told}" if told else ""


def _rank(row: Record) -> str:
    if not row["rank"]:
        return ""
    rank, others = row["rank"], row["inseparable"]
    apart = f", not separable from {', '.join(others)}" if others else ", separable from all others"
    return f"; rank {rank['place']} (95 % interval {rank['low']} to {rank['high']}){apart}"


def _with_rows(difference: Record | None) -> str:
    """Return the interval over seeds and test rows; of too few seeds that over test rows alone, named so."""
    if difference is None or difference["rows"] is None:
        return NONE
    return bounds(difference["both"]) if difference["both"] else f"{bounds(difference['rows'])} rows alone"


def comparison(found: Record, out: Console) -> None:
    """Print what `discbench.results.compare.compare` found."""
    out.print(
        Text.assemble(
            "\n",
            (f"{found['one']} minus {found['other']}", "bold"),
            f", init {found['init']}; positive: the first is better",
        )
    )
    trivial = any(found[side].startswith("baseline:") for side in ("one", "other"))  # it has no gain
    table = _table(
        "task",
        "metric",
        "first",
        "second",
        "difference of scores\n95 % over seeds",
        "\nand test rows",
        *(() if trivial else ("difference of gains\n95 % over seeds", "\nand test rows")),
    )
    ways = {way_of(row) for row in found["tasks"]}
    for row in found["tasks"]:
        name = row["task"] if len(ways) == 1 else f"{row['task']}  {way_of(row)}"
        ours = "needs scratch of both" if row["gain"] is None else gain(row["gain"])
        score = "no shared seed" if row["score"] is None else gain(row["score"])
        cells = [name, row["metric"], f"{row['one']:.3f}", f"{row['other']:.3f}", score, _with_rows(row["score"])]
        table.add_row(*cells, *(() if trivial else (ours, _with_rows(row["gain"]))))
    if len(ways) == 1:
        out.print(min(ways))
    out.print(table)
