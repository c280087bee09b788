"""What came out of an explanation, in words."""

from typing import Any

from discbench.results.explaining.rank import ROUNDING
from discbench.results.stats import LEVEL

Record = dict[str, Any]


def significant(row: Record) -> bool:
    """Tell whether a correlation is significant at 5 %, corrected for all that were tried."""
    return bool(row["p"] <= 1 - LEVEL + ROUNDING)


def in_words(row: Record) -> str:
    """Return what came out of one predictor."""
    if significant(row):
        way = "more of it, more gain" if row["rho"] > 0 else "more of it, less gain"
        nearer = row["error"] < row["error_of_mean"]
        return f"predicts: {way}" if nearer else f"{way}, but the mean is nearer to a left-out gain"
    return "not significant" if row["needed"] is not None else "too few checkpoints to be significant"


def of_all(tried: list[Record], n: int, where: str) -> str:
    """Return what came out, in a sentence or two."""
    if not tried:
        return f"Nothing could be tried: no predictor is known and varies over the {n} checkpoints of {where}."
    some = f"the {len(tried)} predictors that were tried" if len(tried) > 1 else "the one predictor that was tried"
    good = [row for row in tried if row["significant"]]
    if good:
        names = ", ".join(f"{row['name']} ({row['rho']:+.2f})" for row in good)
        of = f"{len(good)} of {some} {'is' if len(good) == 1 else 'are'} significant at n = {n}, {where}: {names}."
        better = [row["name"] for row in good if row["error"] < row["error_of_mean"]]
        nearer = f"{', '.join(better)} also" if better else "None of them"
        verb = "come" if len(better) > 1 else "comes"
        return f"{of} {nearer} {verb} nearer to the gain of a left-out checkpoint than the mean of the others."
    least = [row["needed"] for row in tried if row["needed"] is not None]
    had = (
        f"a rank correlation would have to be {min(least):.2f} or more"
        if least
        else "not even a perfect order would be at so few"
    )
    none = f"none of {some} is" if len(tried) > 1 else f"{some} is not"
    return f"Nothing does, at n = {n}: {none} significant, {where}; {had}."
