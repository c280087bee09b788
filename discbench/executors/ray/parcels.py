"""Rows and checkpoints on their way to a node that has no disk of ours: bytes, known by their SHA-256."""

import contextlib
import hashlib
import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from discbench.data import cache_directory
from discbench.data.rows import Loaded
from discbench.errors import CheckpointError, place_fault
from discbench.values.checkpoints import Checkpoint, revision_of
from discbench.values.content import content_sha256, deciding
from discbench.words import parts

Files = dict[str, bytes]
"""A checkpoint's files, by path below its folder."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Bytes that lie in Ray's object store."""

    ref: Any
    """An object reference; in here Ray does not fetch it before it is asked for."""
    sha256: str


def packed(loaded: Loaded) -> tuple[bytes, str]:
    """Return a task's rows as bytes, and their SHA-256."""
    content = pickle.dumps(loaded)
    return content, hashlib.sha256(content).hexdigest()


def unpacked(content: bytes, sha256: str) -> Any:  # noqa: ANN401 - what was packed
    """Return what was packed by the driver of this very sweep.

    Raises:
        ValueError: The bytes are others.
    """
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"other bytes arrived than were sent ({len(content)} of them)")
    return pickle.loads(content)  # noqa: S301 - of our own driver


def is_here(checkpoint: Checkpoint) -> bool:
    """Tell whether a checkpoint need not be sent: a directory that is here with the same content, or a hub's."""
    if checkpoint.baseline or not checkpoint.local:
        return True
    folder = Path(checkpoint.location)
    try:
        return folder.is_dir() and revision_of(folder) == checkpoint.revision
    except CheckpointError:
        return False


def files_of(checkpoint: Checkpoint) -> tuple[Files, str]:
    """Return the files that decide what a directory does, and the SHA-256 over them."""
    folder = Path(checkpoint.location)
    return {os.path.relpath(path, folder): path.read_bytes() for path in deciding(folder)}, content_sha256(folder)


def kept(sha256: str) -> Path:
    """Return where a checkpoint that was sent lies on a node."""
    return cache_directory() / "checkpoints" / sha256


def laid_out(checkpoint: Checkpoint, sha256: str, files: Callable[[], Files]) -> Checkpoint:
    """Write a checkpoint that was sent into the cache of this node, once; return it with its place here.

    Args:
        checkpoint: As the driver has it.
        sha256: Over its files.
        files: Gives them; called where they are not here.

    Raises:
        CheckpointError: The cache cannot be written, or other bytes arrived than were sent.
    """
    where = kept(sha256)
    try:
        if not (where.is_dir() and content_sha256(where) == sha256):
            _write(where, files())
    except OSError as error:
        raise CheckpointError(
            f"model {checkpoint.name!r} cannot be kept on this node: {place_fault(error, where)} (DISCBENCH_CACHE)"
        ) from error
    if content_sha256(where) != sha256:
        raise CheckpointError(f"model {checkpoint.name!r}: other bytes arrived on this node than were sent")
    return replace(checkpoint, location=str(where))


def _write(where: Path, files: Files) -> None:
    where.parent.mkdir(parents=True, exist_ok=True)
    part = parts.begun_folder(where.parent)
    try:
        for name, content in files.items():
            path = part / name
            if not path.resolve().is_relative_to(part.resolve()):
                raise OSError(f"{name} leads out of the checkpoint's folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        shutil.rmtree(where, ignore_errors=True)
        with contextlib.suppress(OSError):  # another worker of this node was first
            part.rename(where)
    finally:
        shutil.rmtree(part, ignore_errors=True)
