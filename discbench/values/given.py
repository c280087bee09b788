"""What a user gives, in Python or as text, read as values."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from discbench.errors import UserError
from discbench.values import devices
from discbench.values.measurement import Probe
from discbench.values.types import Task


def listed(one_or_more: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a value or a sequence of them
    """Return values as a tuple: a name, a path, a task and a probe are one value each."""
    return (one_or_more,) if isinstance(one_or_more, str | Path | Task | Probe) else tuple(one_or_more)


def seeds_of(given: int | Sequence[int]) -> tuple[int, ...]:
    """Return so many seeds from 0, or those that are named.

    Raises:
        UserError: One that is no whole number from 0.
    """
    if isinstance(given, int):
        return tuple(range(given))
    strange = [seed for seed in given if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0]
    if strange:
        raise UserError(f"seed {strange[0]!r}: whole numbers from 0 were expected")
    return tuple(dict.fromkeys(given))


def data_directory(given: str | Path | None) -> Path | None:
    """Return the data directory, by option or environment.

    Raises:
        UserError: It does not exist.
    """
    text = given or os.environ.get("DISCBENCH_DATA")
    named = Path(text) if text else None
    if named is not None and not named.is_dir():
        found = "is a file" if named.exists() else "does not exist"
        raise UserError(f"data directory {str(named)!r} {found}; correct --data-dir or DISCBENCH_DATA")
    return named


def absolute(folder: Path) -> Path:
    """Return where a folder is, before foreign code may go elsewhere.

    Raises:
        UserError: It is named from the current folder, which is gone.
    """
    try:
        return folder.absolute()
    except OSError:
        raise UserError(
            f"--results {str(folder)!r} begins in the current folder, which was removed; go to another one, or give a"
            " whole path"
        ) from None


def device_of(given: str | None) -> str:
    """Return `cpu`, or `cuda` where a device is there."""
    return "cuda" if devices.chosen(None, given, devices.here()) else "cpu"


def taken(given: str | Sequence[int]) -> tuple[int, int, int] | None:
    """Return how many train, validation and test rows are taken, or None where nothing is given.

    Raises:
        UserError: Other than three whole numbers from 1.
    """
    if not given:
        return None
    parts = given.split(",") if isinstance(given, str) else list(given)
    found = [int(part) for part in parts if str(part).strip().isdigit()]
    if len(parts) != 3 or len(found) != 3 or min(found) < 1:  # noqa: PLR2004 - splits
        raise UserError(f"--take {given!r}: three whole numbers from 1 were expected, such as 1024,256,1024")
    return found[0], found[1], found[2]


def names(given: str | Sequence[str]) -> tuple[str, ...]:
    """Return names, given in a list or with commas between, once each."""
    parts = given.split(",") if isinstance(given, str) else given
    return tuple(dict.fromkeys(name.strip() for name in parts if name.strip()))


def changes(given: Mapping[str, object] | Sequence[str]) -> dict[str, str]:
    """Return fields of a recipe and their values, given as such or as FIELD=VALUE.

    Raises:
        UserError: A text without a sign of equality.
    """
    if isinstance(given, Mapping):
        return {field: str(value) for field, value in given.items()}
    parts = [(change, *change.partition("=")) for change in given]
    for change, _, sign, _ in parts:
        if not sign:
            raise UserError(f"--set {change!r}: FIELD=VALUE was expected, for example --set lr=5e-5")
    return {field: value for _, field, _, value in parts}


def mapping_seeds(given: str | Sequence[int]) -> tuple[int, ...]:
    """Return seeds, given in a list or with commas between.

    Raises:
        UserError: One that is no whole number from 0.
    """
    if not isinstance(given, str):
        return tuple(given)
    parts = [part.strip() for part in given.split(",") if part.strip()]
    if not all(part.isdigit() for part in parts):
        raise UserError(f"--mapping-seed {given!r}: whole numbers from 0 with commas between were expected")
    return tuple(dict.fromkeys(int(part) for part in parts))
