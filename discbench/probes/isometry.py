"""Singular values of the input-output Jacobian: how near to an isometry a model is (Kao & Lee 2021, §4).

J[p, i; q, j] = d h_last[p, i] / d e[q, j], with h_last the last layer's output at position p and e the embedding at
position q. All singular values 1 is a local isometry. Reverse mode, without any batching rule: the sequence is repeated
`copies` times in one batch and every copy is asked for the gradient of another output feature, so that each backward
pass yields `copies` rows of J through ordinary kernels, whatever the attention code.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, cast

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from discbench.errors import CheckpointError, UserError
from discbench.probes.evaluation import device_of, encoder_of, evaluating, last_hidden, real_tokens, requiring_grad

INVARIANCES = ("padding", "mode", "repeat")

GIB = 2**30


def singular_values(
    model: nn.Module,
    input_ids: Int[Tensor, "... length"],
    attention_mask: Shaped[Tensor, "... length"] | None = None,
    of: Literal["row", "blocks", "full"] = "row",
    wrt: Literal["embedding", "word"] = "embedding",
    position: int = 0,
    *,
    copies: int = 16,
    limit_gib: float = 4.0,
    token_type_ids: Int[Tensor, "... length"] | None = None,
) -> list[Float[Tensor, "..."]]:
    """Return the singular values of each sequence's Jacobian, largest first, one tensor on the CPU per sequence.

    Args:
        model: an encoder, or a model with a head, of which the encoder is taken; measured in eval mode.
        input_ids: (batch, length), or (length,) for one sequence.
        attention_mask: 1 for a real token, 0 for padding; padding is neither an input nor an output.
        of: "row": the output at `position` against all inputs, (min(width, real tokens * input width),); "blocks": the
            output at `position` against each input apart, (real tokens, width), as in the paper's figure; "full": all
            real outputs against all real inputs.
        wrt: "embedding": what enters the first layer (transformers' hidden_states[0], after LayerNorm), as in the
            paper's code; "word": the word embeddings, as in its text.
        position: the output position, counted in the padded sequence; negative from its end. Unused by "full".
        copies: rows of J per backward pass; memory grows with it, values do not depend on it. 8 to 16 suit a CPU core.
        limit_gib: the largest Jacobian of one sequence to hold, in GiB; its decomposition needs about as much again.
        token_type_ids: as input_ids, of models that tell the texts of a pair apart by them.

    Raises:
        UserError: a position in the padding, a mask that does not fit, a Jacobian above the limit, NaN.
        CheckpointError: a model whose embeddings cannot be found.
    """
    if of not in ("row", "blocks", "full") or wrt not in ("embedding", "word"):
        raise UserError(f"of={of!r}, wrt={wrt!r} was asked; of is row, blocks or full, and wrt is embedding or word")
    device = device_of(model)
    ids = torch.atleast_2d(input_ids).to(device)
    real = real_tokens(ids, None if attention_mask is None else torch.atleast_2d(attention_mask).to(device))
    types = [None] * len(ids) if token_type_ids is None else list(torch.atleast_2d(token_type_ids).to(device))
    encoder = encoder_of(model)
    with evaluating(encoder), requiring_grad(encoder, flag=False):
        source = _source(encoder, ids[:1], wrt)
        return [
            _of_sequence(encoder, source, *each, of, position, copies, limit_gib)
            for each in zip(ids, real, types, strict=True)
        ]


def _of_sequence(
    encoder: nn.Module,
    source: nn.Module,
    ids: Int[Tensor, "... length"],
    real: Bool[Tensor, "... length"],
    types: Int[Tensor, "... length"] | None,
    of: str,
    position: int,
    copies: int,
    limit_gib: float,
) -> Float[Tensor, "..."]:
    place = _place(real, position) if of != "full" else 0
    places = [int(p) for p in real.nonzero()] if of == "full" else [place]
    length = int(real.nonzero().max()) + 1
    graph = _Graph(encoder, source, ids[:length], real[:length], copies, types if types is None else types[:length])
    graph.check_size(len(places), limit_gib)
    rows = torch.cat([graph.rows(p) for p in places])[:, real[:length]]
    if of == "blocks":
        return torch.linalg.svdvals(rows.transpose(0, 1)).cpu()
    return torch.linalg.svdvals(rows.flatten(1)).cpu()


class _Graph:
    """One forward pass of a sequence repeated `copies` times, and the inputs its gradients are taken at."""

    def __init__(
        self,
        encoder: nn.Module,
        source: nn.Module,
        ids: Tensor,
        real: Bool[Tensor, "... length"],
        copies: int,
        types: Tensor | None,
    ) -> None:
        inputs = {"input_ids": ids.expand(copies, -1), "attention_mask": real.long().expand(copies, -1)}
        if types is not None:
            inputs["token_type_ids"] = types.expand(copies, -1)
        with torch.enable_grad(), _leaf_at(source) as leaves:
            self.output = last_hidden(encoder, inputs)
        self.leaf = leaves[0]
        self.copies = copies
        self.real = int(real.sum())

    def check_size(self, places: int, limit_gib: float) -> None:
        """Refuse a Jacobian that is too large to hold."""
        shape = (places * self.output.shape[2], self.real * self.leaf.shape[2])
        gib = shape[0] * shape[1] * self.leaf.element_size() / GIB
        if gib > limit_gib:
            raise UserError(
                f"a Jacobian of {shape[0]} x {shape[1]} takes {gib:.3g} GiB, above the limit of {limit_gib:g} GiB; "
                "ask for of='row' or of='blocks', shorter input, or a larger limit_gib"
            )

    def rows(self, place: int) -> Float[Tensor, "width length width_in"]:
        """Return the gradients of all output features at one position."""
        width = self.output.shape[2]
        parts = [self._some(place, range(i, min(i + self.copies, width))) for i in range(0, width, self.copies)]
        return torch.cat(parts)

    def _some(self, place: int, chosen: range) -> Float[Tensor, "chosen length width_in"]:
        picked = self.output[range(len(chosen)), place, list(chosen)]
        return torch.autograd.grad(picked.sum(), self.leaf, retain_graph=True)[0][: len(chosen)]


def _place(real: Bool[Tensor, "... length"], position: int) -> int:
    length = len(real)
    if not -length <= position < length or not real[position]:
        found = "padding" if -length <= position < length else f"outside the {length} positions"
        raise UserError(f"output position {position} was asked, but it is {found}; choose a real token's position")
    return position % length


def _source(encoder: nn.Module, ids: Int[Tensor, "1 length"], wrt: str) -> nn.Module:
    """Return the module whose output the Jacobian is taken at."""
    if wrt == "word":
        return _word_embeddings(encoder)
    made: list[tuple[nn.Module, Any]] = []
    hooks = [m.register_forward_hook(lambda module, _, out: made.append((module, out))) for m in encoder.modules()]
    try:
        with torch.no_grad():
            first = encoder(input_ids=ids, output_hidden_states=True).hidden_states[0]
    finally:
        for hook in hooks:
            hook.remove()
    # Dropout in eval mode and nn.Identity hand their input on: of all that return this tensor, the first made it.
    makers = [module for module, out in made if out is first]
    if not makers or _bypassed(encoder, makers[0], ids):
        raise CheckpointError(
            f"no module of {type(encoder).__name__} returns hidden_states[0] to all that read it, so no Jacobian can "
            "be taken there; use wrt='word'"
        )
    return makers[0]


def _bypassed(encoder: nn.Module, source: nn.Module, ids: Int[Tensor, "1 length"]) -> bool:
    """Tell whether words still reach the last layer when the graph is cut at the source."""
    with torch.enable_grad(), _leaf_at(_word_embeddings(encoder)) as words, _leaf_at(source):
        output = last_hidden(encoder, {"input_ids": ids})
        return torch.autograd.grad(output.sum(), words[0], allow_unused=True)[0] is not None


def _word_embeddings(encoder: nn.Module) -> nn.Module:
    module: nn.Module = cast("Any", encoder).get_input_embeddings()
    return module


@contextmanager
def _leaf_at(source: nn.Module) -> Iterator[list[Tensor]]:
    """Cut the graph at a module's output: what it returns becomes an input with gradients, and is listed."""
    leaves: list[Tensor] = []

    def cut(_: nn.Module, __: object, output: Tensor) -> Tensor:
        leaves.append(output.detach().requires_grad_())
        return leaves[-1]

    hook = source.register_forward_hook(cut)
    try:
        yield leaves
    finally:
        hook.remove()
