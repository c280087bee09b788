"""The losses of all steps, and what is told of one that is no number."""

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from discbench.errors import CellError
from discbench.values.recipes import Recipe


class NotFinite(CellError):  # noqa: N818 - says what a loss is
    """A training loss is NaN or infinite."""


class Losses:
    """The losses of all steps; read from a device other than the CPU once in `EVERY` steps, for each time it waits."""

    EVERY = 16

    def __init__(self, known: list[float], accelerator: Accelerator) -> None:
        self.known = known
        self._waiting: list[Tensor] = []
        self._accelerator = accelerator
        self._most = 1 if accelerator.device.type == "cpu" else self.EVERY
        self._whole = self._most == accelerator.num_processes == 1

    def take(self, loss: Tensor) -> None:
        """Add a step's loss, of this process's share of the batch."""
        if self._whole:
            self.known.append(_finite(loss.item(), len(self.known)))
            return
        self._waiting.append(loss)
        if len(self._waiting) >= self._most:
            self.read()

    def read(self) -> None:
        """Bring `known` up to date."""
        if not self._waiting:
            return
        together = self._accelerator.reduce(torch.stack(self._waiting), reduction="mean").tolist()
        self._waiting.clear()
        for loss in together:
            self.known.append(_finite(loss, len(self.known)))

    def low_enough(self, recipe: Recipe, epoch: int) -> bool:
        """Tell whether an epoch has just ended whose mean loss is below the recipe's `stop_below`."""
        if recipe.stop_below is None or (len(self.known) + len(self._waiting)) % epoch:
            return False
        self.read()
        return float(np.mean(self.known[-epoch:])) < recipe.stop_below


def _finite(loss: float, step: int) -> float:
    if not np.isfinite(loss):
        advice = (
            "try a smaller learning rate (--set lr=...)"
            if step
            else "no weight has moved yet: the targets or the checkpoint's weights are too large"
        )
        raise NotFinite(f"the training loss is {loss} at step {step + 1}; {advice}")
    return loss
