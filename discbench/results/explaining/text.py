"""An explanation as terminal text."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

Record = dict[str, Any]
HEAD = ("predictor", "what it is", "n", "rank correlation", "95 % interval", "p alone", "p corrected",
        "left-out error", "the mean's", "verdict")  # fmt: skip


def rows(found: Record) -> list[list[str]]:
    """Return a row for each predictor that was tried."""
    return [
        [
            row["name"],
            row["means"],
            str(row["n"]),
            f"{row['rho']:+.2f}",
            "\N{EN DASH}" if row["low"] is None else f"{row['low']:+.2f} to {row['high']:+.2f}",
            _chance(row["p_alone"]),
            _chance(row["p"]),
            f"{row['error']:.4f}",
            f"{row['error_of_mean']:.4f}",
            row["verdict"],
        ]
        for row in found["predictors"]
    ]


def _chance(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "<0.001"  # noqa: PLR2004 - the last digit that is printed


def lines(found: Record) -> list[str]:
    """Return what stands under the table: the verdict first, then what the table goes without."""
    lacks = [
        f"{row['name']}: not known of {', '.join(row['missing'])}" for row in found["predictors"] if row["missing"]
    ]
    not_tried = [f"{row['name']} was not tried: {row['why']}" for row in found["untested"]]
    out = [f"left out, incomplete: {', '.join(found['incomplete'])}"] if found["incomplete"] else []
    strange = [f"no checkpoint here is called {name!r}" for name in found.get("strangers", [])]
    taken = [f"{row['name']} was taken on {', '.join(row['tasks'])}" for row in found["predictors"] if row["tasks"]]
    other = [f"probes of other tasks do not count: {', '.join(found['elsewhere'])}"] if found["elsewhere"] else []
    return [found["verdict"], *taken, *lacks, *not_tried, *other, *out, *strange]


def table(found: Record, out: Console) -> None:
    """Print an explanation."""
    about = found["suite"] + (f", {found['discipline']}" if found["discipline"] else "")
    title = f"what explains the gain: {len(found['checkpoints'])} checkpoints of {about}"
    if found["predictors"]:
        made = Table(box=SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
        for name in HEAD:
            made.add_column(name, justify="left" if name in {HEAD[0], HEAD[1], HEAD[-1]} else "right")
        for row in rows(found):
            made.add_row(*map(Text, row))
        out.print(made)
    for line in lines(found):
        out.print(line, markup=False)
