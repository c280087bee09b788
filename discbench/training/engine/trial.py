"""Which savings a checkpoint can have: its outputs and gradients with them, held against those without."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from discbench.training.engine.compact import rows_kept
from discbench.training.engine.savings import NAMES, VOCABULARY, Batch, Plan, applied, outputs_of

TOLERANCE = 1e-4
"""Of the greatest output, and of the greatest part of each weight's gradient: sums in another order give 1e-6."""
NOTHING = 1e-6
"""Of the greatest gradient of all weights: below it is rounding (a key's bias has no gradient at all)."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model makes of some batches, with its dropout off."""

    outputs: list[Tensor]
    gradients: dict[str, Tensor]
    """Of each weight; of the word embedding those rows only that a cut one has."""
    beyond: float
    """Greatest gradient of its other rows."""


def tried(model: Any, samples: Sequence[Batch], names: Sequence[str] = NAMES) -> Plan:  # noqa: ANN401
    """Return the savings that change nothing, all of them together tried first.

    What an architecture is called plays no part. Where all together disagree, each is added to those that agreed.

    Args:
        model: A sequence classifier on the CPU, in float32; it is left as it was.
        samples: Batches; the last one has rows of unequal lengths.
        names: What to try.
    """
    ids = {int(i) for batch in samples for i in batch["input_ids"].flatten()}
    plan = Plan(sample=samples[-1], ids=tuple(sorted(ids)), small=0, unlike=1.0)
    try:
        plain = answers_of(model, samples, plan)
    except Exception as error:  # noqa: BLE001 - an architecture may take rows of certain lengths only
        return Plan(off=dict.fromkeys(names, f"the plain model does not answer the trial's rows: {_told(error)}"))
    if not _fault(model, samples, plain, replace(plan, on=tuple(names))):
        return _for_use(replace(plan, on=tuple(names)))
    on: tuple[str, ...] = ()
    off: dict[str, str] = {}
    for name in names:
        why = _fault(model, samples, plain, replace(plan, on=(*on, name)))
        if why:
            off[name] = why
        else:
            on = (*on, name)
    return _for_use(replace(plan, on=on, off=off))


def _for_use(plan: Plan) -> Plan:
    usual = Plan()
    return replace(plan, small=usual.small, unlike=usual.unlike)


def _fault(model: Any, samples: Sequence[Batch], plain: Answers, plan: Plan) -> str:  # noqa: ANN401
    """Return why a plan is not to be used, or nothing."""
    try:
        with applied(model, plan, 0):
            fast = answers_of(model, samples, plan)
    except Exception as error:  # noqa: BLE001 - whatever a foreign architecture does with what it is given
        return _told(error)
    return disagreement(plain, fast)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"


def answers_of(model: Any, samples: Sequence[Batch], plan: Plan) -> Answers:  # noqa: ANN401
    """Return a model's outputs on batches, and the gradient of all its weights; dropout is off.

    The loss weighs all outputs unlike each other, so that none cancels another.
    """
    mode, learnt = model.training, {name: p.requires_grad for name, p in model.named_parameters()}
    model.eval().requires_grad_(True)  # noqa: FBT003 - torch's signature
    found, loss = [], torch.zeros(())
    try:
        for batch in samples:
            outputs = outputs_of(model, batch)
            weights = torch.linspace(0.5, 1.5, outputs.numel()).view(outputs.shape)
            loss = loss + (outputs * weights).sum()
            found.append(outputs.detach().clone())
        loss.backward()
        return _with_gradients(model, found, plan)
    finally:
        model.train(mode)
        for name, p in model.named_parameters():
            p.grad = None
            p.requires_grad_(learnt[name])


def _with_gradients(model: Any, outputs: list[Tensor], plan: Plan) -> Answers:  # noqa: ANN401
    table = model.get_input_embeddings()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    beyond = 0.0
    for name, p in model.named_parameters():
        if p is table.weight and p.grad is not None and VOCABULARY not in plan.on:
            rows = rows_kept(model, plan.ids)
            beyond = float(p.grad.abs().amax(dim=1).index_fill_(0, rows, 0.0).max())
            gradients[name] = p.grad[rows]
    return Answers(outputs, gradients, beyond)


def disagreement(plain: Answers, fast: Answers) -> str:
    """Return in what two models' answers differ beyond rounding, or nothing."""
    for one, other in zip(plain.outputs, fast.outputs, strict=True):
        off = float((one - other).abs().max() / one.abs().max())
        if not off <= TOLERANCE:
            return f"outputs differ by {off:.0e}"
    greatest = max((float(g.abs().max()) for g in plain.gradients.values()), default=0.0)
    if abs(plain.beyond - fast.beyond) > NOTHING * greatest:
        return "rows of the word embedding learn that no batch names"
    for name, wanted in plain.gradients.items():
        found = fast.gradients.get(name)
        off = float((wanted if found is None else wanted - found).abs().max())
        if not off <= TOLERANCE * float(wanted.abs().max()) + NOTHING * greatest:
            return f"the gradient of {name} differs by {off / max(greatest, 1e-30):.0e}"
    return ""
