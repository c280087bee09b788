"""Controls of one architecture: a training that begins as one in the store did is not done again.

Checkpoints of one shape, however they were pre-trained, have the same controls: the same first weights, the same rows
as token ids, the same batches. What such a training begins with has a hash, which is in the result. `.controls/<hash>`
in the store names the cell whose result it is.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from discbench.errors import StoreError
from discbench.models.inputs import Inputs
from discbench.results.store import CONTROLS, Result, Store, place, read_result, write_whole
from discbench.values.cells import Cell

OWN = ("checkpoint", "revision")
"""Fields of a cell that name a checkpoint; nothing of a control depends on them."""
NAMES = ("_name_or_path", "architectures", "transformers_version", "id2label", "label2id")
"""Fields of a configuration that say where it comes from, or what classes are called."""
CARRIED = ("versions", "hardware", "engine", "precision", "start")
"""What a result says of the training whose result it shares."""
OF_MEMORY = frozenset({"accumulate", "answered"})
"""What a result says where memory had a part in it: another machine of the kind may have more, so it is not shared."""
KERNELS = ("_attn_implementation", "_experts_implementation")
"""What a configuration holds of the way of computing, and leaves out of its dictionary."""


@dataclass
class Trained(Exception):  # noqa: N818 - it is what the name says
    """This training is in the store, under another checkpoint."""

    result: Result
    """What is the same in both."""
    predictions: bytes


@dataclass
class Control:
    """A control on its way: what it begins with, once that is known."""

    store: Store
    cell: Cell
    alone: bool = True
    """Whether one process trains it."""
    start: str = field(default="", init=False)

    def begins(self, model: nn.Module, splits: Sequence[Inputs], agreed: Mapping[str, Any]) -> None:
        """Take what training begins with.

        Args:
            model: Untrained; of transformers' own classes, for others may hold code of their own.
            splits: Rows that are learnt from, compared on, answered.
            agreed: What else a byte of the result may depend on; of its cell the checkpoint's names are left out.

        Raises:
            Trained: A training that began alike is in the store.
        """
        ours = type(model).__module__.startswith("transformers.")
        if self.cell.init != "scratch" or self.cell.mapping == "native" or not (ours and self.alone):
            return
        self.start = _hash(model, splits, agreed)
        found = self._found()
        if found is not None:
            raise Trained(*found)

    @property
    def said(self) -> dict[str, Any]:
        """What a result's `run` has of it."""
        return {"start": self.start} if self.start else {}

    def leave(self, result: Result) -> None:
        """Let later cells find a result that was trained and stored; where that cannot be written they are trained."""
        said = result["run"].keys()
        if not self.start or result["status"] != "finished" or "shared" in said or said & OF_MEMORY:
            return
        with suppress(OSError):
            write_whole(self._pointer, f"{place(self.cell.record)}\n".encode())

    @property
    def _pointer(self) -> Path:
        return self.store.root / CONTROLS / self.start

    def _found(self) -> tuple[Result, bytes] | None:
        """Return the shared part of another cell's result, and its answers, if both lie there as stored."""
        try:
            path = self.store.root / self._pointer.read_text(encoding="utf-8").strip()
            result = read_result(path)
            if path != self.store.root / place(result["cell"]):
                return None
            answers = path.with_name(result["predictions"]["file"]).read_bytes()
        except (OSError, UnicodeDecodeError, StoreError, KeyError):
            return None
        run = result["run"]
        if run.get("start") != self.start or hashlib.sha256(answers).hexdigest() != result["predictions"]["sha256"]:
            return None
        shared = {k: v for k, v in result.items() if k not in {"format", "id", "cell", "task", "run", "predictions"}}
        first = run.get("shared") or {"checkpoint": result["cell"]["checkpoint"], "id": result["id"]}
        return {**shared, "run": {**{k: run[k] for k in CARRIED if k in run}, "shared": first}}, answers


def _hash(model: nn.Module, splits: Sequence[Inputs], agreed: Mapping[str, Any]) -> str:
    config: dict[str, Any] = model.config.to_dict()  # type: ignore[union-attr, operator]
    config = json.loads(
        json.dumps(config, default=str)
    )  # keys that are numbers and names do not sort beside each other
    said = {
        **agreed,
        "cell": {k: v for k, v in agreed["cell"].items() if k not in OWN},
        "model": type(model).__qualname__,
        "config": {k: v for k, v in config.items() if k not in NAMES},
        "kernels": [str(getattr(model.config, name, None)) for name in KERNELS],
        "splits": [(split.pad, split.left) for split in splits],
    }
    found = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode())
    for name, weight in model.state_dict().items():
        _add(found, name, weight.numpy(force=True))
    for split in splits:
        for name in ("ids", "offsets", "targets", "types"):
            if (part := getattr(split, name)) is not None:
                _add(found, name, part)
    return found.hexdigest()


def _add(found: Any, name: str, numbers: Any) -> None:  # noqa: ANN401 - hashlib's own class; a NumPy array
    found.update(f"{name} {numbers.dtype} {numbers.shape}\n".encode())
    found.update(np.ascontiguousarray(numbers).tobytes())
