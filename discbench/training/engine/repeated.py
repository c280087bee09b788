"""The first layer's queries, keys and values, made once for all tokens of a batch that are alike.

What the first layer is given depends on a token's id and place alone, unless something was dropped before it. Rows of a
small alphabet have few such pairs: products are made of one token of each, and given to all.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from discbench.training.engine.batches import Current
from discbench.training.engine.layers import Projections, replaced


@contextmanager
def once(parts: Projections, current: Current) -> Iterator[None]:
    """Run with a first layer whose projections are made once for tokens that are alike."""
    made = [part for part in (parts.joint, parts.query, parts.key, parts.value) if part is not None]
    with ExitStack() as stack:
        for part in made:
            stack.enter_context(replaced(part, _of_alike(part, current)))
        yield


def _of_alike(module: nn.Module, current: Current) -> Callable[[Tensor], Tensor]:
    inner = module.forward

    def forward(given: Tensor) -> Tensor:
        alike = current.alike(given)
        if alike is None:
            return inner(given)
        first, group = alike
        short = _One.apply(given.flatten(0, -2), first)
        found: Tensor = _All.apply(inner(short), group)
        return found.view(*given.shape[:-1], -1)

    return forward


class _One(torch.autograd.Function):
    """Tokens (tokens, width) -> one of each kind (kinds, width); the others have no gradient of their own.

    They came from the same row of the embeddings, to which it makes no difference who brings the gradient.
    """

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, first: Tensor) -> Tensor:  # noqa: ANN401 - torch's context
        ctx.first, ctx.tokens = first, len(tokens)
        return tokens.index_select(0, first)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return gradient.new_zeros(ctx.tokens, gradient.shape[1]).index_copy_(0, ctx.first, gradient), None


class _All(torch.autograd.Function):
    """One of each kind (kinds, width) -> tokens (tokens, width); gradients of tokens that are alike are added up."""

    @staticmethod
    def forward(ctx: Any, kinds: Tensor, group: Tensor) -> Tensor:  # noqa: ANN401
        ctx.group, ctx.kinds = group, len(kinds)
        return kinds.index_select(0, group)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        found = gradient.new_zeros(ctx.kinds, gradient.shape[-1])
        return found.index_add_(0, ctx.group, gradient.reshape(-1, gradient.shape[-1])), None
