"""What a probe of a plugin answered, checked before it is kept."""

import json
from collections.abc import Iterator
from typing import Any

from discbench.values.measurement import Probe
from discbench.words.foreign import number, quoted

PARTS = ("values", "figure", "warnings")
LARGEST_FIGURE = 1_000_000
"""Characters of a figure as JSON: it lies in every store and board."""


def checked(probe: Probe, found: Any) -> dict[str, Any]:  # noqa: ANN401 - a plugin's answer
    """Return what a probe measured.

    Raises:
        TypeError: Anything but a dict of finite numbers by name under `values`, and if there are any, a `figure` that
            JSON can hold and `warnings` as a list of sentences.
    """
    values = found.get("values") if isinstance(found, dict) else None
    if not isinstance(values, dict) or not values:
        raise TypeError(
            f"probe {probe.name!r} must return a dict with numbers by name under 'values', found {quoted(found)}"
        )
    for wrong in _faults(found):
        raise TypeError(f"probe {probe.name!r}: {wrong}")
    whole = {name: int(v) if isinstance(v, int) else None if v is None else float(v) for name, v in values.items()}
    return {**found, "values": whole}


def _faults(found: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with an answer: what was found, then what may be there."""
    for part in found:
        if part not in PARTS:
            yield f"it returned {part!r}; an answer has {', '.join(PARTS)}"
    for name, value in found["values"].items():
        if not isinstance(name, str):
            yield f"a value is named {name!r}; names are words"
        if value is not None and number(value) is None:
            yield f"{name} is {quoted(value)}; values are finite numbers or None"
    warnings = found.get("warnings", [])
    if not isinstance(warnings, list) or not all(isinstance(warning, str) for warning in warnings):
        yield f"warnings are {quoted(warnings)}; a list of sentences was expected"
    yield from _strange_figure(found.get("figure"))


def _strange_figure(figure: object) -> Iterator[str]:
    try:
        size = len(json.dumps(figure, allow_nan=False))
    except (TypeError, ValueError) as error:
        yield f"its figure cannot be kept as JSON ({error}); lists and dicts of finite numbers can"
    else:
        if size > LARGEST_FIGURE:
            yield f"its figure has {size:,} characters; keep it under {LARGEST_FIGURE:,}, as histograms or samples"
