"""Learning rates that are searched for: over which grid, on which seeds, and what a cell says of it."""

from collections.abc import Iterable

DEFAULT, TUNED, SEARCH = "default", "tuned", "search"
RATES = (DEFAULT, TUNED)
"""What may be asked for: the recipe's own rate, or one chosen for each checkpoint, init and task."""
ROLES = (TUNED, SEARCH)
"""What a cell says of its rate: it was chosen by a search, or the cell is of a search."""
FIRST_SEED = 1_000_000
"""Seeds from here on belong to searches; no suite's run and no run with a tuned rate has one."""
SEEDS = (FIRST_SEED, FIRST_SEED + 1)
"""Of each point of a grid. They draw its mapping tables as well."""
STEPS = (-2, -1, 0, 1, 2)
"""The first grid, in half decades from the recipe's own rate."""
WIDER = 4
"""A grid is widened by at most so many steps to either side."""
SHARE = 0.1
"""Of the train rows, where a search may not see validation: so many are held out of training and compared on."""


def rate(own: float, step: int) -> float:
    """Return the rate so many half decades from a recipe's own, 1 and 3 by turns: 1e-3, 3e-4, 1e-4."""
    return float(f"{own * (3 if step % 2 else 1) * 10.0 ** (step // 2):.3g}")


def grid(own: float) -> dict[int, float]:
    """Return step -> rate of the widest grid."""
    return {step: rate(own, step) for step in range(STEPS[0] - WIDER, STEPS[-1] + WIDER + 1)}


def step_of(own: float, lr: float) -> int | None:
    """Return which step of the widest grid a rate is, or None."""
    return next((step for step, found in grid(own).items() if found == lr), None)


def held_out(*, scored_on_validation: bool, fraction: float) -> bool:
    """Tell whether a search holds out train rows: where validation is what runs are scored on, it may not choose."""
    return scored_on_validation or fraction < 1


def listed(found: Iterable[float]) -> str:
    """Return rates as they are written, from the smallest."""
    return ", ".join(f"{lr:g}" for lr in sorted(found))
