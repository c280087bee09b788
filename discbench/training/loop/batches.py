"""Shuffled batches without end, whose place can be saved: divided among processes, cut where memory is short."""

from collections.abc import Iterator
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from discbench.models.inputs import Inputs
from discbench.values.recipes import Recipe

Part = dict[str, Tensor]
"""What `Inputs.batch` makes of some rows, and `weight`: what their mean loss counts for in the batch's."""


class RowNumbers(Dataset[int]):
    """The numbers 0..rows-1; `Inputs.batch` makes a batch of them."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> int:
        return row


class Batches:
    """This process's share of shuffled batches without end, each as a list of parts.

    All processes draw the same batches of `recipe.batch` rows; each takes every n-th row of them. The mean over the
    processes of the sum of weighted losses is the mean over the batch's rows, also where they do not divide. A process
    without a row takes the batch's first, at weight 0.

    Args:
        inputs: The train rows.
        recipe: For its batch.
        seed: Of the order.
        accelerator: Of the processes that share a batch, and its device.
        rows: Most rows of a part; by default a batch is one part.
    """

    def __init__(
        self, inputs: Inputs, recipe: Recipe, seed: int, accelerator: Accelerator, rows: int | None = None
    ) -> None:
        self._inputs, self._rows, self._accelerator = inputs, rows or recipe.batch, accelerator
        self._generator = torch.Generator().manual_seed(seed)
        self._began, self._drawn, self._skip = self._generator.get_state(), 0, 0
        self._loader: DataLoader[Any] = DataLoader(
            RowNumbers(len(inputs)),
            batch_size=recipe.batch,
            shuffle=True,
            generator=self._generator,
            collate_fn=self._share,
            drop_last=recipe.drop_last and len(inputs) >= recipe.batch,
        )

    def _share(self, rows: list[int]) -> list[Part]:
        if self._skip:
            self._skip -= 1
            return []
        rank, processes = self._accelerator.process_index, self._accelerator.num_processes
        own = rows[rank::processes]
        if not own:
            return [{**self._inputs.batch(rows[:1]), "weight": torch.tensor(0.0)}]
        parts = [own[start : start + self._rows] for start in range(0, len(own), self._rows)]
        return [
            {**self._inputs.batch(part), "weight": torch.tensor(len(part) * processes / len(rows))} for part in parts
        ]

    def __iter__(self) -> Iterator[list[Part]]:
        """Go on where they are."""
        while True:
            self._began, self._drawn = self._generator.get_state(), 0
            for parts in self._loader:
                self._drawn += 1
                if parts:
                    device = self._accelerator.device
                    yield [{name: tensor.to(device) for name, tensor in part.items()} for part in parts]

    @property
    def place(self) -> tuple[Tensor, int]:
        """The generator's state when the epoch began, and how many batches of it were drawn."""
        return self._began, self._drawn

    def go_to(self, began: Tensor, drawn: int) -> None:
        """Take up a place that another run of the same rows had, before the first batch is drawn."""
        self._generator.set_state(began)
        self._skip = drawn
