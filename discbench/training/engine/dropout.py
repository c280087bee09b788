"""Dropout whose mask costs 1 to 2 ns an element on a CPU: 16 random bits an element, four elements a draw."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

LEVELS = 2**16
PIECE = 2**17
"""Elements drawn at once; their bits stay in a core's own cache."""


class Bits:
    """Random bits for dropout, from NumPy's SFC64: the same seed gives the same bits in every release."""

    def __init__(self, seed: int) -> None:
        self.source = np.random.SFC64(seed)

    @property
    def state(self) -> dict[str, Any]:
        """Where the bits are, as JSON; set it to go on from there."""
        found: Any = self.source.state
        return {**found, "state": [int(word) for word in found["state"]["state"]]}

    @state.setter
    def state(self, saved: dict[str, Any]) -> None:
        words = np.array(saved["state"], dtype=np.uint64)
        found: Any = {**saved, "state": {"state": words}}
        self.source.state = found

    def keep(self, shape: torch.Size, p: float) -> tuple[Tensor, float]:
        """Return a mask of uint8, 0 with probability `p`, and the scale that keeps the mean.

        `p` is rounded to a multiple of 1 / 65,536, and the scale is that of the rounded one.
        """
        size, least = shape.numel(), round(p * LEVELS)
        mask: NDArray[np.bool_] = np.empty(size, dtype=np.bool_)
        for start in range(0, size, PIECE):
            part = mask[start : start + PIECE]
            lanes = self.source.random_raw((len(part) + 3) // 4).view(np.uint16)[: len(part)]
            np.greater_equal(lanes, least, out=part)
        return torch.from_numpy(mask.view(np.uint8)).view(shape), LEVELS / max(1, LEVELS - least)


@dataclass(frozen=True, slots=True)
class Drop:
    """Dropout with probability `p`; without bits torch draws the mask."""

    p: float
    bits: Bits | None

    def mask(self, given: Tensor) -> tuple[Tensor | None, float]:
        """Return (mask of uint8, scale), or (None, 1) where nothing is dropped."""
        if self.p == 0.0:
            return None, 1.0
        if self.bits is not None:
            return self.bits.keep(given.shape, self.p)
        kept = torch.empty(given.shape, dtype=torch.uint8, device=given.device).bernoulli_(1 - self.p)
        return kept, 0.0 if self.p == 1.0 else 1 / (1 - self.p)


def scaled(given: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Return `given` where the mask is 1, times the scale, and 0 elsewhere."""
    return given if mask is None else mask.to(given.dtype).mul_(scale).mul_(given)


class _Dropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: Tensor, drop: Drop) -> Tensor:  # noqa: ANN401 - torch's context
        mask, ctx.scale = drop.mask(given)
        ctx.save_for_backward(mask)
        return scaled(given, mask, ctx.scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (mask,) = ctx.saved_tensors
        return scaled(gradient, mask, ctx.scale), None


class CheapDropout(nn.Dropout):
    """Stands in for a model's `nn.Dropout`."""

    def __init__(self, p: float, bits: Bits) -> None:
        super().__init__(p)
        self.drop = Drop(p, bits)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Drop in training, pass on otherwise."""
        if not self.training or self.p == 0.0:
            return input
        found: Tensor = _Dropped.apply(input, self.drop)
        return found


def replace_dropout(model: nn.Module, bits: Bits) -> list[tuple[nn.Module, str, nn.Module]]:
    """Put cheap ones in the place of a model's dropout modules; return (parent, name, the one of before) of each."""
    found: list[tuple[nn.Module, str, nn.Module]] = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if type(child) is nn.Dropout
    ]
    for parent, name, child in found:
        cheap = CheapDropout(float(child.p), bits)  # type: ignore[arg-type]
        cheap.train(child.training)
        setattr(parent, name, cheap)
    return found
