"""A saved state as one file: safetensors, with everything that is no tensor as JSON in its header, and a hash over all.

No pickle: nothing that is read is run.
"""

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from discbench.words import parts

Record = dict[str, Any]
Tensors = dict[str, Tensor]


class Unfit(Exception):  # noqa: N818 - says what a file is
    """A file holds no state that can be gone on from; the text says why, in words that follow `it`."""


def write(path: Path, record: Record, tensors: Tensors) -> None:
    """Write a state so that it is there whole or not at all, whatever is killed when.

    Args:
        path: The file; its folder is made.
        record: JSON; numbers that are not finite are allowed.
        tensors: On the CPU, contiguous.

    Raises:
        OSError: It cannot be written; what was there before stays.
    """
    text = json.dumps(record, sort_keys=True)
    about = {"discbench": text, "sha256": _sha256(text, tensors)}
    try:
        with parts.passing_folder(path.parent) as folder:
            part = folder / path.name
            save_file(tensors, part, metadata=about)
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.chmod(0o644)  # as results are: whoever runs the sweep again may be another user
            os.replace(part, path)
    except SafetensorError as error:  # what the library makes of a full disk
        raise OSError(None, " ".join(str(error).split()), str(path)) from error


def read(path: Path) -> tuple[Record, Tensors]:
    """Return a state as it was written.

    Raises:
        Unfit: It is damaged, or no such file.
    """
    tensors: Tensors = {}
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            for name in file.keys():  # noqa: SIM118 - no dictionary
                tensors[name] = file.get_tensor(name).clone()
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise Unfit(f"cannot be read ({' '.join(str(error).split())[:200]})") from error
    text = about.get("discbench")
    if text is None:
        raise Unfit("is a file of another kind")
    if about.get("sha256") != _sha256(text, tensors):
        raise Unfit("was damaged: its bytes do not have the hash that it names")
    with contextlib.suppress(ValueError, RecursionError):
        record = json.loads(text)
        if type(record) is dict:
            return record, tensors
    raise Unfit("is a file of another kind")


def _sha256(text: str, tensors: Tensors) -> str:
    """Return the hash of the JSON and of all tensors with their names, kinds and shapes."""
    found = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return found.hexdigest()
