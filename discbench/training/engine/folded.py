"""One query a row without keys and values: their weights are folded into the query, and into what attention gives.

A query is compared with a place by q . (W_k h + b_k) = (W_k' q) . h + q . b_k, whose second part is the same for all
places of a row and so nothing to a softmax. What attention gives is the sum of a (W_v h + b_v) over places, which is
W_v (sum of a h) + b_v (sum of a). So two products of width x width a row stand for two a token.

Shapes: B rows, L places, D width of a layer, H heads of keys as of queries, E width of a head.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from discbench.training.engine.dropout import Drop, scaled
from discbench.training.engine.layers import Unlike


@dataclass(frozen=True, slots=True)
class Weights:
    """What makes keys and values of what a layer was given."""

    key: Tensor
    """(H * E, D)."""
    value: Tensor
    value_bias: Tensor | None
    """(H * E,)."""


def weights_of(joint: Any, key: nn.Module | None, value: nn.Module | None) -> Weights:  # noqa: ANN401 - any module
    """Return the weights of a layer's projections: of one for all three, or of two.

    Raises:
        Unlike: They are more than a product and a bias.
    """
    if joint is not None:
        width = joint.nf // 3  # transformers' Conv1D holds (inputs, outputs)
        return Weights(
            joint.weight[:, width : 2 * width].t(), joint.weight[:, 2 * width :].t(), joint.bias[2 * width :]
        )
    if type(key) is not nn.Linear or type(value) is not nn.Linear:
        raise Unlike("keys or values that no plain linear layer makes")
    return Weights(key.weight, value.weight, value.bias)


def attended(query: Tensor, hidden: Tensor, weights: Weights, mask: Tensor | None, scale: float, drop: Drop) -> Tensor:
    """Return (B, 1, H, E), what each row's query (B, H, 1, E) makes of the row's places (B, L, D).

    Args:
        query: Of one place a row.
        hidden: What keys and values would be made of.
        weights: What would make them.
        mask: (B, 1, L), who may be looked at; None for all.
        scale: Of the scores.
        drop: Dropout of the softmax.

    Raises:
        Unlike: There are fewer heads of keys than of queries.
    """
    rows, heads, _, width = query.shape
    if len(weights.key) != heads * width or len(weights.value) != heads * width:
        raise Unlike("fewer heads of keys than of queries")
    key, value = (w.unflatten(0, (heads, width)) for w in (weights.key, weights.value))
    bias = None if weights.value_bias is None else weights.value_bias.view(heads, 1, width)
    found: Tensor = _Folded.apply(query[:, :, 0].transpose(0, 1), hidden, key, value, bias, mask, scale, drop)
    return found.transpose(0, 1).reshape(rows, 1, heads, width)


class _Folded(torch.autograd.Function):
    """What queries (H, B, E) make of places (B, L, D): (H, B, E).

    Weights of keys and of values are (H, E, D), the bias of values (H, 1, E).
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's context
        query: Tensor,
        hidden: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor | None,
        mask: Tensor | None,
        scale: float,
        drop: Drop,
    ) -> Tensor:
        folded = torch.bmm(query, key).transpose(0, 1)  # (B, H, D)
        scores = torch.baddbmm(folded.new_empty(1, 1, 1), folded, hidden.mT, beta=0, alpha=scale)
        if mask is not None:
            scores.masked_fill_(mask.logical_not(), torch.finfo(scores.dtype).min)
        softmax = torch.softmax(scores, dim=-1)
        kept, ctx.up = drop.mask(softmax)
        looks = scaled(softmax, kept, ctx.up)
        summed = torch.bmm(looks, hidden).transpose(0, 1)  # (H, B, D)
        ctx.save_for_backward(query, hidden, key, value, bias, folded, softmax, kept, summed)
        ctx.scale = scale
        found = torch.bmm(summed, value.mT)
        return found if bias is None else found.add_(_total(looks, kept) * bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:  # noqa: ANN401
        query, hidden, key, value, bias, folded, softmax, kept, summed = ctx.saved_tensors
        looks = scaled(softmax, kept, ctx.up)
        of_summed = torch.bmm(gradient, value).transpose(0, 1)  # (B, H, D)
        of_looks = torch.bmm(of_summed, hidden.mT)
        of_bias = None
        if bias is not None:
            of_bias = (gradient * _total(looks, kept)).sum(dim=1, keepdim=True)
            if kept is not None:
                of_looks.add_((gradient * bias).sum(dim=2).t().unsqueeze(2))
        of_softmax = scaled(of_looks, kept, ctx.up)
        of_scores = torch.ops.aten._softmax_backward_data(of_softmax, softmax, -1, softmax.dtype)  # noqa: SLF001
        of_scores.mul_(ctx.scale)
        of_folded = torch.bmm(of_scores, hidden).transpose(0, 1)  # (H, B, D)
        of_hidden = torch.bmm(torch.cat([of_scores, looks], dim=1).mT, torch.cat([folded, of_summed], dim=1))
        return (
            torch.bmm(of_folded, key.mT),
            of_hidden,
            torch.bmm(query.mT, of_folded),
            torch.bmm(gradient.mT, summed),
            of_bias,
            None,
            None,
            None,
        )


def _total(looks: Tensor, kept: Tensor | None) -> Tensor | float:
    """Return the sum over places, (H, B, 1); of a whole softmax it is 1."""
    return 1.0 if kept is None else looks.sum(dim=-1, keepdim=True).transpose(0, 1)
