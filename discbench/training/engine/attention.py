"""Attention for transformers' AttentionInterface: cheap dropout, one query a row, no padding computed.

Shapes: B rows, H heads, K heads of keys and values, L places, E width of a head, T real tokens of all rows.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from discbench.training.engine.batches import Block, Collect, Current, Spread
from discbench.training.engine.dropout import Bits, Drop, scaled
from discbench.training.engine.folded import Weights, attended

NAME = "discbench"


@dataclass(slots=True)
class Context:
    """What attention of one model needs beside its arguments."""

    current: Current
    bits: Bits | None = None


@dataclass(slots=True)
class Stash:
    """Keys and values of all places for a layer whose queries are those of one place a row."""

    keys: Tensor | None = None
    """(B, L, K * E), or packed (1, T, K * E)."""
    values: Tensor | None = None
    places: Tensor | None = None
    """(B,): the place of each row's query."""
    hidden: Tensor | None = None
    """Instead of keys and values what they would be made of, (B, L, D) or packed (1, T, D), and their weights."""
    weights: Weights | None = None


def register() -> None:
    """Make the function known to transformers; once is enough, again does no harm."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, _mask)


def _mask(**asked: Any) -> Tensor | None:  # noqa: ANN401 - transformers' arguments
    """Return who may look at whom, (B, 1, L, L) or None for all at all; a causal one is never left to be guessed."""
    from transformers.masking_utils import sdpa_mask

    found: Tensor | None = sdpa_mask(**{**asked, "allow_is_causal_skip": False})
    return found


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,  # noqa: ANN401 - what other implementations take
) -> tuple[Tensor, None]:
    """Return (B, L, H, E), or of packed tokens (1, T, H, E): transformers' own eager attention, for less.

    Raises:
        ValueError: Something is asked for that is not known here, so that a trial finds it out.
    """
    context: Context = module.__dict__["discbench_context"]
    stash: Stash | None = module.__dict__.get("discbench_stash")
    unknown = sorted(name for name, given in more.items() if given is not None and name in UNKNOWN)
    if unknown:
        raise ValueError(f"attention with {', '.join(unknown)}")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    drop = Drop(dropout if module.training else 0.0, context.bits)
    if stash is not None and stash.places is not None:
        return _one_query(query, stash, attention_mask, scale, drop, context.current), None
    if context.current.packed:
        return _packed(query, key, value, attention_mask, scale, drop, context.current), None
    return _dense(query, key, value, attention_mask, scale, drop).transpose(1, 2), None


UNKNOWN = ("softcap", "s_aux", "position_bias", "head_mask", "cu_seq_lens_q")
"""Arguments that change an answer and that only some implementations take; a sliding window is in the mask too."""


def _dense(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float, drop: Drop) -> Tensor:
    """Return (B, H, L, E) of a query (B, H, L, E), key and value (B, K, L, E)."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    found: Tensor = _Attention.apply(query, key, value, mask, scale, drop)
    return found


class _Attention(torch.autograd.Function):
    """Softmax of scaled products, dropout, a weighted sum. Kept for the way back: the softmax, and a byte of mask each.

    Of eager attention's three tensors of (B, H, L, L) one is left, and nothing is scaled beside a product.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any, scale: float, drop: Drop) -> Tensor:  # noqa: ANN401 - torch's context
        rows, heads, _, width = query.shape
        q, k, v = (x.reshape(rows * heads, -1, width) for x in (query, key, value))
        weights = torch.baddbmm(q.new_empty(1, 1, 1), q, k.mT, beta=0, alpha=scale)
        if mask is not None:
            weights.view(rows, heads, *weights.shape[1:]).masked_fill_(
                mask.logical_not(), torch.finfo(weights.dtype).min
            )
        weights = torch.softmax(weights, dim=-1)
        kept, ctx.up = drop.mask(weights)
        ctx.save_for_backward(q, k, v, weights, kept)
        ctx.scale, ctx.shape = scale, query.shape
        return torch.bmm(scaled(weights, kept, ctx.up), v).view(query.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:  # noqa: ANN401
        q, k, v, weights, kept = ctx.saved_tensors
        given = gradient.reshape(q.shape)
        of_value = torch.bmm(scaled(weights, kept, ctx.up).mT, given)
        of_weights = scaled(torch.bmm(given, v.mT), kept, ctx.up)
        of_scores = torch.ops.aten._softmax_backward_data(of_weights, weights, -1, weights.dtype)  # noqa: SLF001
        nothing = q.new_empty(1, 1, 1)
        of_query = torch.baddbmm(nothing, of_scores, k, beta=0, alpha=ctx.scale)
        of_key = torch.baddbmm(nothing, of_scores.mT, q, beta=0, alpha=ctx.scale)
        return (*(x.view(*ctx.shape[:2], -1, ctx.shape[3]) for x in (of_query, of_key, of_value)), None, None, None)


def _one_query(query: Tensor, stash: Stash, mask: Tensor | None, scale: float, drop: Drop, current: Current) -> Tensor:
    """Return (B, 1, H, E) of a query (B, H, 1, E)."""
    if mask is not None and mask.shape[2] > 1:
        alike = mask.stride(2) == 0
        rows = torch.arange(len(mask))
        mask = mask[:, :, :1] if alike else mask[rows, :, stash.places].unsqueeze(2)
    if stash.hidden is not None:
        assert stash.weights is not None
        of_row = None if mask is None else mask[:, 0]
        return attended(query, _unpacked(stash.hidden, current), stash.weights, of_row, scale, drop)
    assert stash.keys is not None
    assert stash.values is not None
    flat = (_unpacked(x, current) for x in (stash.keys, stash.values))
    key, value = (x.unflatten(-1, (-1, query.shape[-1])).transpose(1, 2) for x in flat)
    return _dense(query, key, value, mask, scale, drop).transpose(1, 2)


def _unpacked(wide: Tensor, current: Current) -> Tensor:
    """Return (B, L, width) of it, or of packed tokens (1, T, width)."""
    if not current.packed:
        return wide
    block = current.whole()
    spread: Tensor = Spread.apply(wide[0], block)
    return spread.view(current.rows, block.width, -1)


def _packed(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float, drop: Drop, current: Current
) -> Tensor:
    """Return (1, T, H, E) of packed tokens: a query (1, H, T, E), key and value (1, K, T, E)."""
    if mask is None:
        raise ValueError("rows of unequal lengths without a mask")
    width = query.shape[-1]
    tokens = query.shape[2]
    flat = [x[0].transpose(0, 1).reshape(tokens, -1) for x in (query, key, value)]
    found, places, source, before = [], [], [], 0
    for block in current.blocks():
        rows = len(block.rows)
        q, k, v = (Spread.apply(x, block).view(rows, block.width, -1, width).transpose(1, 2) for x in flat)
        out = _dense(q, k, v, _of_block(mask, block), scale, drop)
        found.append(out.transpose(1, 2).reshape(rows * block.width, -1))
        places.append(block.tokens)
        source.append(block.real + before)
        before += rows * block.width
    order = torch.empty(tokens, dtype=torch.int64)
    order[torch.cat(places)] = torch.cat(source)
    collected: Tensor = Collect.apply(found[0] if len(found) == 1 else torch.cat(found), order)
    return collected.view(1, tokens, -1, width)


def _of_block(mask: Tensor, block: Block) -> Tensor | None:
    """Return the part of a mask (B, 1, L, L) that a block needs; None if it forbids nothing."""
    queries = 1 if mask.stride(2) == 0 else block.width
    if block.full and queries == 1 and bool(mask[block.rows, :, 0, : block.width].all()):
        return None
    return mask[block.rows, :, :queries, : block.width]
