"""A model with savings on, and as it was before when it is done."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from discbench.training.engine import attention, batches, compact, dropout, layers, packing, pooled, repeated

VOCABULARY, FIRST_LAYER, LAST_LAYER, LAST_KEYS, PADDING, DROPOUT = NAMES = (
    "vocabulary",
    "first_layer",
    "last_layer",
    "last_keys",
    "padding",
    "dropout",
)
"""The word embedding cut to the ids that occur; the first layer's projections made once for tokens that are alike; the
last layer at the place that the head reads; its keys and values not made; linear layers on real tokens only; masks of
dropout from 16 bits an element."""

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
    unlike: float = batches.UNLIKE
    """As of `batches.Current`; a trial takes all rows for large, and all tokens for alike enough."""

    def without(self, name: str, why: str) -> "Plan":
        """Return the plan with one saving less."""
        if name not in self.on:
            return self
        return replace(self, on=tuple(n for n in self.on if n != name), off={**self.off, name: why})


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
    current = batches.Current(small=plan.small, unlike=plan.unlike)
    bits = dropout.Bits(seed) if DROPOUT in plan.on else None
    inside = {FIRST_LAYER, LAST_LAYER, PADDING} & set(plan.on)
    if LAST_KEYS in plan.on and LAST_LAYER not in plan.on:
        raise layers.Unlike("a last layer that is whole")
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
    first: layers.Projections | None
    """Of the first layer, where its projections are looked for."""
    place: str
    last: layers.Projections | None


def _layers(model: nn.Module, plan: Plan, current: batches.Current) -> _Layers:
    assert plan.sample is not None
    sample = plan.sample
    mode, handle = model.training, batches.watch(model, current, pack=False)
    model.eval()
    try:

        def run() -> Tensor:
            return outputs_of(model, sample)

        found = layers.stack_of(model, run)
        first = layers.projections_of(found[0], run) if FIRST_LAYER in plan.on else None
        if LAST_LAYER not in plan.on:
            return _Layers(found, first, "", None)
        place = layers.place_of(found[-1], run, current)
        return _Layers(found, first, place, layers.projections_of(found[-1], run))
    finally:
        handle.remove()
        model.train(mode)


@contextmanager
def _changed(found: _Layers, plan: Plan, current: batches.Current) -> Iterator[None]:
    with ExitStack() as stack:
        if found.first is not None and (found.last is None or len(found.stack) > 1):  # one layer is the last
            stack.enter_context(repeated.once(found.first, current))
        if found.last is not None:
            fold = LAST_KEYS in plan.on
            stack.enter_context(pooled.shortened(found.stack[-1], found.last, found.place, current, fold=fold))
        if PADDING in plan.on:
            stack.enter_context(packing.packed(found.stack, current, short=found.last is not None))
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
    return replace(plan, ids=tuple(sorted(set(ids))))
