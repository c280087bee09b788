"""No padding computed: linear layers, norms and feed-forward on real tokens only, between the first layer and the last.

Tokens of all rows stand one after another as one row, (1, tokens, width). Attention takes them apart (`attention`).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from discbench.training.engine.batches import Collect, Current
from discbench.training.engine.layers import first_of, replaced, split, with_first


@contextmanager
def packed(layers: list[nn.Module], current: Current, *, short: bool) -> Iterator[None]:
    """Run with padding left out between the first layer and the last; `short`: the last one gives one place a row."""
    with ExitStack() as stack:
        for number, layer in enumerate(layers):
            first, last = number == 0, layer is layers[-1] and not short
            stack.enter_context(replaced(layer, _between(layer.forward, current, first=first, last=last)))
        yield


def _between(inner: Callable[..., Any], current: Current, *, first: bool, last: bool) -> Callable[..., Any]:
    def forward(*args: Any, **given: Any) -> Any:  # noqa: ANN401 - the layer's own arguments
        if not current.packed:
            return inner(*args, **given)
        hidden, rest, others = split(args, given)
        if first:
            hidden = Collect.apply(hidden.flatten(0, 1), current.tokens).unsqueeze(0)
        if others.get("position_embeddings") is not None:
            others["position_embeddings"] = tuple(_rotary(x, current) for x in others["position_embeddings"])
        out = inner(hidden, *rest, **others)
        if not last:
            return out
        wide = Unpacked.apply(first_of(out)[0], current.tokens, current.rows * current.width)
        return with_first(out, wide.view(current.rows, current.width, -1))

    return forward


def _rotary(wide: Tensor, current: Current) -> Tensor:
    """Return (1, tokens, width) of (rows or 1, places, width)."""
    assert current.tokens is not None
    each = current.tokens if len(wide) > 1 else current.tokens % current.width
    return wide.flatten(0, 1).index_select(0, each).unsqueeze(0)


class Unpacked(torch.autograd.Function):
    """Packed tokens (tokens, width) -> (places, width), 0 where there is padding."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, places: Tensor, count: int) -> Tensor:  # noqa: ANN401 - torch's context
        """Scatter."""
        ctx.places = places
        return tokens.new_zeros(count, tokens.shape[1]).index_copy_(0, places, tokens)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        """Gather."""
        return gradient.reshape(-1, gradient.shape[-1]).index_select(0, ctx.places), None, None
