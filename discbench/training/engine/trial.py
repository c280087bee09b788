"""Which savings a checkpoint can have: its outputs and gradients with them, held against those without."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from discbench.training.engine.savings import NAMES, Batch, Plan, applied, gradients

TOLERANCE = 1e-4
"""Of the greatest output, and of the greatest part of each weight's gradient: sums in another order give 1e-6."""
NOTHING = 1e-6
"""Of the greatest gradient of all weights: below it is rounding (a key's bias has no gradient at all)."""


def tried(model: Any, samples: Sequence[Batch], names: Sequence[str] = NAMES) -> Plan:  # noqa: ANN401
    """Return the savings that change nothing, all of them together tried first.

    What an architecture is called plays no part. Where all together disagree, each is added to those that agreed.

    Args:
        model: A sequence classifier on the CPU, in float32; it is left as it was.
        samples: Batches; the last one has rows of unequal lengths.
        names: What to try.
    """
    ids = {int(i) for batch in samples for i in batch["input_ids"].unique()}
    plan = Plan(sample=samples[-1], ids=tuple(sorted(ids)), small=0)
    plain = gradients(model, samples)
    if not _fault(model, samples, plain, replace(plan, on=tuple(names))):
        return replace(plan, on=tuple(names), small=Plan().small)
    on: tuple[str, ...] = ()
    off: dict[str, str] = {}
    for name in names:
        why = _fault(model, samples, plain, replace(plan, on=(*on, name)))
        if why:
            off[name] = why
        else:
            on = (*on, name)
    return replace(plan, on=on, off=off, small=Plan().small)


def _fault(
    model: Any,  # noqa: ANN401
    samples: Sequence[Batch],
    plain: tuple[list[Tensor], dict[str, Tensor]],
    plan: Plan,
) -> str:
    """Return why a plan is not to be used, or nothing."""
    try:
        with applied(model, plan, 0) as kept:
            outputs, found = gradients(model, samples)
    except Exception as error:  # noqa: BLE001 - whatever a foreign architecture does with what it is given
        return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    return _disagreement(plain, (outputs, found), kept)


def _disagreement(
    plain: tuple[list[Tensor], dict[str, Tensor]], fast: tuple[list[Tensor], dict[str, Tensor]], kept: Tensor | None
) -> str:
    for one, other in zip(plain[0], fast[0], strict=True):
        off = float((one - other).abs().max() / one.abs().max())
        if not off <= TOLERANCE:
            return f"outputs differ by {off:.0e}"
    greatest = max((float(g.abs().max()) for g in plain[1].values()), default=0.0)
    for name, gradient in plain[1].items():
        found = fast[1].get(name)
        wanted = gradient
        if found is not None and kept is not None and found.shape != gradient.shape:
            found = torch.zeros_like(gradient).index_copy_(0, kept, found)
        if found is None:
            found = torch.zeros_like(gradient)
        off = float((wanted - found).abs().max())
        if not off <= TOLERANCE * float(wanted.abs().max()) + NOTHING * greatest:
            return f"the gradient of {name} differs by {off / max(greatest, 1e-30):.0e}"
    return ""
