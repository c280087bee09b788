"""A model's answers to rows, and the state that gives the best ones."""

from dataclasses import dataclass, field

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from numpy.typing import NDArray
from torch import Tensor, nn

from discbench.errors import CellError
from discbench.models.inputs import Inputs
from discbench.training.loop.way import Way, cause, free, lacks_memory

Outputs = NDArray[np.float32]
"""(rows, outputs): logits, or the predicted number."""
TOKENS = {"cpu": 2048}
"""Places in a batch that is only answered: on a CPU few, so that what a layer hands on stays in a core's own cache."""
MOST = 65_536
"""On other devices."""


def logits(model: nn.Module, drawn: dict[str, Tensor]) -> Tensor:
    """Return (rows, outputs) of a batch of `Inputs`."""
    given = {name: drawn[name] for name in ("input_ids", "attention_mask", "token_type_ids") if name in drawn}
    found: Tensor = model(**given).logits
    return found


def batches_of(inputs: Inputs, places: int) -> list[list[int]]:
    """Return all rows in batches, longest first, none of more than `places` places unless a row alone has them."""
    lengths = inputs.lengths
    found: list[list[int]] = []
    for row in np.argsort(-lengths, kind="stable").tolist():
        if not found or (len(found[-1]) + 1) * lengths[found[-1][0]] > places:
            found.append([])
        found[-1].append(row)
    return found


@torch.no_grad()
def predict(model: nn.Module, inputs: Inputs, accelerator: Accelerator, places: int | None = None) -> Outputs:
    """Return the model's outputs in eval mode, one row each, in the rows' order.

    Rows of like length go together. Each process answers every n-th batch, whatever the others do meanwhile.

    Args:
        model: A sequence classifier, as `models.build` or accelerate makes it.
        inputs: The rows.
        accelerator: Of the processes that answer together.
        places: Most places of a batch; by default what suits the device.
    """
    model = model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model
    model.eval()
    device = accelerator.device
    batches = batches_of(inputs, places or TOKENS.get(device.type, MOST))
    own = batches[accelerator.process_index :: accelerator.num_processes]
    answers = [
        logits(model, {name: tensor.to(device) for name, tensor in inputs.batch(rows).items()}).float() for rows in own
    ]
    found = [(rows, answer.cpu().numpy()) for rows, answer in zip(own, answers, strict=True)]
    whole = gather_object(found) if accelerator.num_processes > 1 else found
    order = np.concatenate([np.asarray(rows) for rows, _ in whole])
    assert np.array_equal(np.arange(len(inputs)), np.sort(order)), "each row is answered once"
    together = np.concatenate([answer for _, answer in whole])
    ordered = np.empty_like(together)
    ordered[order] = together
    return ordered


def predict_within(model: nn.Module, inputs: Inputs, accelerator: Accelerator, way: Way) -> Outputs:
    """Return `predict`'s outputs in batches that memory holds; `way.places` is halved until it holds one.

    Raises:
        CellError: It does not hold one row.
    """
    while True:
        lacking = ""
        try:
            return predict(model, inputs, accelerator, way.places)
        except Exception as error:
            if accelerator.num_processes > 1 or not lacks_memory(error):
                raise  # of several processes the others wait for this one
            lacking = cause(error)
        free(accelerator.device.type)
        places = way.places or TOKENS.get(accelerator.device.type, MOST)
        if all(len(rows) == 1 for rows in batches_of(inputs, places)):
            raise CellError(
                f"memory does not hold one row at a time to be answered ({lacking}); take a device with more memory,"
                " shorter rows (--set max_tokens=...) or a smaller checkpoint"
            )
        way.places = min(places, int(inputs.lengths.max()) * len(inputs)) // 2


@dataclass(slots=True)
class Best:
    """The state with the best validation so far; of equals the earlier."""

    score: float = -np.inf
    step: int = 0
    outputs: Outputs = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    state: dict[str, Tensor] | None = None

    def offer(self, step: int, score: float, outputs: Outputs, model: nn.Module, *, keep: bool) -> None:
        """Take a step's state if it is better than all before; `keep`: else the last one is wanted, and no copy."""
        if keep and not score > self.score:
            return
        self.score, self.step, self.outputs = score, step, outputs
        if keep:
            self._copy(model)

    def _copy(self, model: nn.Module) -> None:
        now = moving(model)
        if self.state is None:
            self.state = {name: torch.empty_like(tensor) for name, tensor in now.items()}
        for name, tensor in now.items():
            self.state[name].copy_(tensor)

    def restore(self, model: nn.Module) -> None:
        """Put the state back into its model."""
        assert self.state is not None
        for name, tensor in moving(model).items():
            tensor.copy_(self.state[name])


def moving(model: nn.Module) -> dict[str, Tensor]:
    """Return what training can change, by name: weights that learn, and buffers; no copies."""
    learnt = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    return {**learnt, **dict(model.named_buffers())}
