"""An explanation as terminal text."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

Record = dict[str, Any]
MEANS = "what it is"
HEAD = ("predictor", MEANS, "n", "rank correlation\n95 % interval", "p alone\n(corrected)",
        "left-out error\n(the mean's)", "verdict")  # fmt: skip
WIDE = 150
"""Characters of a line from which on the table says what each predictor is; below, lines under it do."""


def rows(found: Record) -> list[list[str]]:
    """Return a row for each predictor that was tried."""
    return [
        [
            row["name"],
            row["means"],
            str(row["n"]),
            f"{row['rho']:+.2f}{_interval(row)}",
            f"{_chance(row['p_alone'])} ({_chance(row['p'])})",
            f"{row['error']:.4f} ({row['error_of_mean']:.4f})",
            row["verdict"],
        ]
        for row in found["predictors"]
    ]


def _interval(row: Record) -> str:
    return "" if row["low"] is None else f" [{row['low']:+.2f}, {row['high']:+.2f}]"


def _chance(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "<0.001"  # noqa: PLR2004 - the last digit that is printed


def lines(found: Record) -> list[str]:
    """Return what stands under the table: the verdict first, then what the table goes without."""
    lacks = [
        f"{row['name']}: not known of {', '.join(row['missing'])}" for row in found["predictors"] if row["missing"]
    ]
    not_tried = [f"{row['name']} was not tried: {row['why']}" for row in found["untested"]]
    out = [f"left out, incomplete: {', '.join(found['incomplete'])}"] if found["incomplete"] else []
    out += [f"left out, the same weights as {other}: {name}" for name, other in found["twins"].items()]
    strange = [f"no checkpoint here is called {name!r}" for name in found.get("strangers", [])]
    taken = [f"{row['name']} was taken on {', '.join(row['tasks'])}" for row in found["predictors"] if row["tasks"]]
    other = [f"probes of other tasks do not count: {', '.join(found['elsewhere'])}"] if found["elsewhere"] else []
    return [found["verdict"], *taken, *lacks, *not_tried, *other, *out, *strange]


def table(found: Record, out: Console) -> None:
    """Print an explanation."""
    about = found["suite"] + (f", {found['discipline']}" if found["discipline"] else "")
    title = f"what explains the gain: {len(found['checkpoints'])} checkpoints of {about}"
    wide = out.width >= WIDE
    shown = [i for i, name in enumerate(HEAD) if wide or name != MEANS]
    if found["predictors"]:
        made = Table(box=SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
        for name in (HEAD[i] for i in shown):
            left = name in {HEAD[0], MEANS, HEAD[-1]}
            made.add_column(name, justify="left" if left else "right", no_wrap=not left, overflow="fold")
        for row in rows(found):
            made.add_row(*(Text(row[i]) for i in shown))
        out.print(made)
    meant = [] if wide else [f"{row['name']}: {row['means']}" for row in found["predictors"]]
    for line in [*lines(found)[:1], *meant, *lines(found)[1:]]:
        out.print(line, markup=False)
