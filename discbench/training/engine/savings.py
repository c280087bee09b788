"""A model with savings on, and as it was before when it is done."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from discbench.training.engine import attention, batches, compact, dropout, layers, packing, pooled

VOCABULARY, LAST_LAYER, PADDING, DROPOUT = NAMES = ("vocabulary", "last_layer", "padding", "dropout")
"""The word embedding cut to the ids that occur; the last layer at the place that the head reads; linear layers on real
tokens only; masks of dropout from 16 bits an element."""

Batch = dict[str, Tensor]
"""What a model is called with: `input_ids` and `attention_mask` (rows, places)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which savings to use on a model, and what they must know."""

    on: tuple[str, ...] = ()
    off: dict[str, str] = field(default_factory=dict)
    """Why the others are off."""
    sample: Batch | None = None
    """A batch of rows of unequal lengths, by which layers are found."""
    ids: tuple[int, ...] = ()
    """What rows may hold."""
    small: int = batches.SMALL

    def without(self, name: str, why: str) -> "Plan":
        """Return the plan with one saving less."""
        if name not in self.on:
            return self
        on = tuple(n for n in self.on if n != name)
        return Plan(on=on, off={**self.off, name: why}, sample=self.sample, ids=self.ids, small=self.small)


def outputs_of(model: nn.Module, batch: Batch) -> Tensor:
    """Return (rows, outputs) of a sequence classifier."""
    found: Tensor = model(**batch).logits
    return found


@contextmanager
def applied(model: Any, plan: Plan, seed: int) -> Iterator[dropout.Bits | None]:  # noqa: ANN401 - transformers' models
    """Run with the plan's savings, and give the bits of dropout's masks; the model is as it was when it is done.

    Args:
        model: A sequence classifier of transformers, on the CPU.
        plan: What to save.
        seed: Of the masks of dropout.

    Raises:
        Unlike: The model has not the form that a saving is for.
    """
    current = batches.Current(small=plan.small)
    bits = dropout.Bits(seed) if DROPOUT in plan.on else None
    inside = {LAST_LAYER, PADDING} & set(plan.on)
    with ExitStack() as stack:
        found = _layers(model, plan, current) if inside else None
        if VOCABULARY in plan.on:
            stack.enter_context(compact.compacted(model, plan.ids))
        if inside or (bits is not None and _has_interface(model)):
            stack.enter_context(_attention(model, attention.Context(current, bits)))
        if found is not None:
            stack.enter_context(_changed(found, plan, current))
            stack.callback(batches.watch(model, current, pack=PADDING in plan.on).remove)
        if bits is not None:
            stack.enter_context(_cheap_dropout(model, bits))
        yield bits


@dataclass(frozen=True, slots=True)
class _Layers:
    stack: list[nn.Module]
    place: str
    parts: layers.Projections | None


def _layers(model: nn.Module, plan: Plan, current: batches.Current) -> _Layers:
    assert plan.sample is not None
    sample = plan.sample
    mode, handle = model.training, batches.watch(model, current, pack=False)
    model.eval()
    try:
        found = layers.stack_of(model, lambda: outputs_of(model, sample))
        if LAST_LAYER not in plan.on:
            return _Layers(found, "", None)
        last = found[-1]
        place = layers.place_of(last, lambda: outputs_of(model, sample), current)
        return _Layers(found, place, layers.projections_of(last, lambda: outputs_of(model, sample)))
    finally:
        handle.remove()
        model.train(mode)


@contextmanager
def _changed(found: _Layers, plan: Plan, current: batches.Current) -> Iterator[None]:
    with ExitStack() as stack:
        if found.parts is not None:
            stack.enter_context(pooled.shortened(found.stack[-1], found.parts, found.place, current))
        if PADDING in plan.on:
            stack.enter_context(packing.packed(found.stack, current, short=found.parts is not None))
        yield


def _has_interface(model: Any) -> bool:  # noqa: ANN401
    return bool(model._can_set_attn_implementation())  # noqa: SLF001 - asked before a warning would tell


@contextmanager
def _attention(model: Any, context: attention.Context) -> Iterator[None]:  # noqa: ANN401
    if not _has_interface(model):
        raise layers.Unlike("an attention of its own that transformers cannot exchange")
    attention.register()
    before = model.config._attn_implementation  # noqa: SLF001 - what set_attn_implementation sets
    model.set_attn_implementation(attention.NAME)
    for module in model.modules():
        module.__dict__["discbench_context"] = context
    try:
        yield
    finally:
        model.set_attn_implementation(before)
        for module in model.modules():
            module.__dict__.pop("discbench_context", None)


@contextmanager
def _cheap_dropout(model: nn.Module, bits: dropout.Bits) -> Iterator[None]:
    found = dropout.replace_dropout(model, bits)
    try:
        yield
    finally:
        for parent, name, child in found:
            setattr(parent, name, child)


def with_ids(plan: Plan, ids: Iterable[int]) -> Plan:
    """Return the plan for rows that hold these ids."""
    return Plan(on=plan.on, off=plan.off, sample=plan.sample, ids=tuple(sorted(set(ids))), small=plan.small)
