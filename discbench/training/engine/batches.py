"""What the batch in hand looks like: which tokens are real, which place the head reads."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

WASTE = 1.06
"""Places that may be computed for a real token in one block of rows: more blocks cost more calls."""
SMALL = 1024
"""Tokens that are never cut into further blocks: a call costs more than their padding."""
UNLIKE = 0.5
"""Share of tokens that may be unlike each other where work is done once for those that are alike."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of like length that are attended to together.

    `rows` (block,) are their numbers in the batch, `slots` (block * width,) the packed token in each of their places
    (0 where there is padding), `real` the places of their tokens, in the order of `tokens`, their packed numbers.
    """

    rows: Tensor
    width: int
    slots: Tensor
    real: Tensor
    tokens: Tensor

    @property
    def full(self) -> bool:
        """Whether nothing in it is padding."""
        return len(self.real) == len(self.slots)


@dataclass(slots=True)
class Current:
    """The batch that goes through the model now; one object for each model, seen by all that was put into it."""

    rows: int = 0
    width: int = 0
    lengths: Tensor | None = None
    """(rows,): real tokens of each row; None where nothing is padded."""
    tokens: Tensor | None = None
    """(real tokens,): their places in the flattened batch."""
    packed: bool = False
    """Whether padding is left out between the first and the last layer."""
    small: int = SMALL
    """Tokens that are never cut into further blocks."""
    unlike: float = UNLIKE
    """Share of tokens that may be unlike each other for `alike` to name those that are not."""
    _ids: Tensor | None = None
    _blocks: list[Block] = field(default_factory=list)
    _alike: tuple[Tensor, Tensor] | None = None
    _compared: Tensor | None = None
    """What `alike` was asked about last."""

    def see(self, mask: Tensor | None, ids: Tensor, *, pack: bool) -> None:
        """Look at a batch's attention mask (rows, width); rows are padded at the right or not at all."""
        self.rows, self.width = ids.shape
        self.lengths, self.tokens, self.packed, self._blocks = None, None, False, []
        self._ids, self._alike, self._compared = ids, None, None
        if mask is None or bool(mask.all()):
            return
        if not bool(mask[:, 0].all()):
            raise ValueError("rows are padded at the left")
        self.lengths = mask.sum(dim=1)
        self.packed = pack
        if pack:
            self.tokens = mask.reshape(-1).nonzero().squeeze(1)

    def last(self) -> Tensor:
        """Return (rows,): the place of each row's last real token."""
        if self.lengths is None:
            return torch.full((self.rows,), self.width - 1)
        return self.lengths - 1

    def starts(self) -> Tensor:
        """Return (rows,): the packed number of each row's first token."""
        assert self.lengths is not None
        return self.lengths.cumsum(0) - self.lengths

    def blocks(self) -> list[Block]:
        """Return the rows in blocks of like length, made once a batch."""
        if not self._blocks:
            assert self.lengths is not None
            lengths, starts = self.lengths.numpy(), self.starts().numpy()
            self._blocks = [_block(rows, lengths, starts) for rows in _groups(lengths, self.small)]
        return self._blocks

    def whole(self) -> Block:
        """Return all rows as one block, in their order."""
        assert self.lengths is not None
        return _block(np.arange(self.rows), self.lengths.numpy(), self.starts().numpy())

    def alike(self, given: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return which tokens have the same id at the same place, where enough of them have, and hold the same.

        Args:
            given: What tokens hold, (rows, width, any) or packed (1, tokens, any).

        Returns:
            The first token of each kind (kinds,) and each token's kind (tokens,); None where nothing is to be gained,
            or something else than id and place told tokens apart, as dropout does.
        """
        if given is not self._compared:
            self._compared, self._alike = given, self._kinds(given.flatten(0, -2))
        return self._alike

    def _kinds(self, flat: Tensor) -> tuple[Tensor, Tensor] | None:
        assert self._ids is not None
        pairs = (self._ids * self.width + torch.arange(self.width)).flatten()
        pairs = pairs if self.tokens is None or not self.packed else pairs[self.tokens]
        if len(pairs) != len(flat):
            return None
        _, first, group = np.unique(pairs.numpy(), return_index=True, return_inverse=True)
        if len(first) > self.unlike * len(pairs):
            return None
        found = torch.from_numpy(first), torch.from_numpy(group)
        return found if torch.equal(flat, flat.index_select(0, found[0]).index_select(0, found[1])) else None


def _groups(lengths: Any, small: int) -> list[Any]:  # noqa: ANN401 - NumPy's integers
    """Cut rows, longest first, where the next would bring too much padding."""
    order = np.argsort(-lengths, kind="stable")
    groups, start, tokens = [], 0, 0
    for at, row in enumerate(order):
        width, rows = int(lengths[order[start]]), at - start + 1
        tokens += int(lengths[row])
        if rows > 1 and tokens > small and rows * width > WASTE * tokens:
            groups.append(order[start:at])
            start, tokens = at, int(lengths[row])
    groups.append(order[start:])
    return groups


def _block(rows: Any, lengths: Any, starts: Any) -> Block:  # noqa: ANN401 - NumPy's integers
    width = int(lengths[rows].max())
    column = np.arange(width)
    real = column < lengths[rows, None]
    number = starts[rows, None] + column
    places = np.flatnonzero(real.reshape(-1))
    return Block(
        rows=torch.from_numpy(np.ascontiguousarray(rows)),
        width=width,
        slots=torch.from_numpy(np.where(real, number, 0).reshape(-1)),
        real=torch.from_numpy(places),
        tokens=torch.from_numpy(number.reshape(-1)[places]),
    )


class Spread(torch.autograd.Function):
    """Packed tokens (tokens, width) -> the places of a block (places, width); padding holds the first token's values.

    What padding holds is masked, so no gradient comes back from it.
    """

    @staticmethod
    def forward(ctx: Any, packed: Tensor, block: Block) -> Tensor:  # noqa: ANN401 - torch's context
        """Gather."""
        ctx.block, ctx.tokens = block, len(packed)
        return packed.index_select(0, block.slots)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        """Scatter: a token has one place in one block."""
        block: Block = ctx.block
        found = gradient.new_zeros(ctx.tokens, gradient.shape[1])
        found.index_copy_(0, block.tokens, gradient if block.full else gradient.index_select(0, block.real))
        return found, None


class Collect(torch.autograd.Function):
    """Places of blocks (places, width) -> packed tokens (tokens, width); `source` names the place of each token."""

    @staticmethod
    def forward(ctx: Any, places: Tensor, source: Tensor) -> Tensor:  # noqa: ANN401
        """Gather."""
        ctx.source, ctx.places = source, len(places)
        return places.index_select(0, source)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        """Scatter: each token comes from a place of its own, the others have no gradient."""
        found = gradient.new_zeros(ctx.places, gradient.shape[1])
        found.index_copy_(0, ctx.source, gradient.contiguous())
        return found, None


def watch(model: nn.Module, current: Current, *, pack: bool) -> Any:  # noqa: ANN401 - torch's handle
    """Keep `current` up to date with what the model is called with; return the handle that ends it."""

    def look(_: nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        ids = given["input_ids"] if "input_ids" in given else args[0]
        current.see(given.get("attention_mask"), ids, pack=pack)

    return model.register_forward_pre_hook(look, with_kwargs=True)
