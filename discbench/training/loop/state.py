"""The whole state of training as plain values and tensors, and put back, so that a run goes on to the same bytes."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from discbench.training.answers import Best, moving
from discbench.training.engine.dropout import Bits
from discbench.training.loop.batches import Batches

Record = dict[str, Any]
Tensors = dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Whatever a step of training reads or changes, as it lives in the loop."""

    model: nn.Module
    """With its savings on, so that a cut word embedding is saved as cut."""
    optimizer: Any
    batches: Batches
    loss: list[float]
    """Of every step so far."""
    validation: list[tuple[int, float]]
    best: Best
    bits: Bits | None
    """Of cheap dropout; None where torch draws its masks."""
    accelerator: Accelerator

    def taken(self) -> tuple[Record, Tensors]:
        """Return the state as (JSON, tensors on the CPU); a few of them share memory with the loop's own."""
        began, drawn = self.batches.place
        of_optimizer, moments = _optimizer_taken(self.optimizer.state_dict())
        of_random, draws = _random_taken(self.accelerator)
        scaler = self.accelerator.scaler
        record = {
            "drawn": drawn,
            "loss": self.loss,
            "validation": self.validation,
            "best": {"score": float(self.best.score), "step": self.best.step, "kept": self.best.state is not None},
            "optimizer": of_optimizer,
            "random": of_random,
            "bits": self.bits and self.bits.state,
            "scaler": scaler and scaler.state_dict(),
        }
        tensors = {
            **_under("model", moving(self.model)),
            **_under("optimizer", moments),
            **_under("random", draws),
            **_under("best", self.best.state or {}),
            "best_outputs": torch.from_numpy(self.best.outputs),
            "batches": began,
        }
        return record, _at_rest(tensors)

    @torch.no_grad()
    def put_back(self, record: Record, tensors: Tensors) -> None:
        """Make the loop's state that of a saved one.

        Raises:
            Exception: Of any kind, where it is not a state of this model and optimiser; the loop's own is spoilt then.
        """
        now, saved = moving(self.model), _below("model", tensors)
        if {n: t.shape for n, t in now.items()} != {n: t.shape for n, t in saved.items()}:
            raise ValueError("its weights are not those of this model")
        for name, tensor in now.items():
            tensor.copy_(saved[name])
        self.optimizer.load_state_dict(_optimizer_of(record["optimizer"], _below("optimizer", tensors)))
        self.loss[:] = record["loss"]
        self.validation[:] = [(step, value) for step, value in record["validation"]]
        best = record["best"]
        self.best.score, self.best.step = best["score"], best["step"]
        self.best.outputs = tensors["best_outputs"].numpy()
        if best["kept"]:
            self.best.state = {name: tensor.to(now[name].device) for name, tensor in _below("best", tensors).items()}
        self.batches.go_to(tensors["batches"], record["drawn"])
        if self.bits is not None:
            self.bits.state = record["bits"]
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(record["scaler"])
        _random_put_back(record["random"], _below("random", tensors), self.accelerator)


def _at_rest(tensors: Tensors) -> Tensors:
    """Return tensors as safetensors takes them: on the CPU, contiguous, none with another's memory."""
    found: Tensors = {}
    taken: set[int] = set()
    for name, tensor in tensors.items():
        still = tensor.detach().cpu().contiguous()
        memory = still.untyped_storage().data_ptr()
        found[name] = still.clone() if memory in taken else still
        taken.add(memory)
    return found


def _under(folder: str, tensors: Tensors) -> Tensors:
    return {f"{folder}/{name}": tensor for name, tensor in tensors.items()}


def _below(folder: str, tensors: Tensors) -> Tensors:
    start = f"{folder}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _optimizer_taken(found: Record) -> tuple[Record, Tensors]:
    """Return a `state_dict` of torch's form as (JSON, tensors); tensors are named by weight and part."""
    plain: dict[str, Record] = {}
    tensors: Tensors = {}
    for number, parts in found["state"].items():
        for name, part in parts.items():
            if isinstance(part, Tensor):
                tensors[f"{number}/{name}"] = part
            else:
                plain.setdefault(str(number), {})[name] = part
    return {"plain": plain, "groups": found["param_groups"]}, tensors


def _optimizer_of(record: Record, tensors: Tensors) -> Record:
    state: dict[int, Record] = {int(number): dict(parts) for number, parts in record["plain"].items()}
    for place, tensor in tensors.items():
        number, _, name = place.partition("/")
        state.setdefault(int(number), {})[name] = tensor
    return {"state": state, "param_groups": record["groups"]}


def _random_taken(accelerator: Accelerator) -> tuple[Record, Tensors]:
    """Return the states of torch's, NumPy's and Python's own generators."""
    _, keys, place, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002 - whoever uses it
    version, numbers, left = random.getstate()
    tensors = {
        "torch": torch.get_rng_state(),
        "numpy": torch.from_numpy(np.asarray(keys).astype(np.int64)),
        "python": torch.tensor(numbers, dtype=torch.int64),
    }
    if accelerator.device.type == "cuda":
        tensors["cuda"] = torch.cuda.get_rng_state(accelerator.device)
    return {"numpy": [place, has_gauss, gauss], "python": [version, left]}, tensors


def _random_put_back(record: Record, tensors: Tensors, accelerator: Accelerator) -> None:
    torch.set_rng_state(tensors["torch"])
    keys = tensors["numpy"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, *record["numpy"]))  # noqa: NPY002
    version, left = record["python"]
    random.setstate((version, tuple(tensors["python"].tolist()), left))
    if accelerator.device.type == "cuda":
        torch.cuda.set_rng_state(tensors["cuda"], accelerator.device)
