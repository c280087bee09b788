"""Notes of many MIDI files in one archive, read in parallel and kept.

A file's notes are those of its one instrument, in pretty_midi's order (a note is appended when it ends).
"""

import hashlib
import io
import multiprocessing
import os
import sys
import zipfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from discbench.data.files import file_sha256
from discbench.data.formats.opening import again, cache_directory
from discbench.errors import DataError
from discbench.words import interruption, parts

LARGEST = 16 << 20
"""Bytes of one unpacked MIDI file; MAESTRO's longest has less than a megabyte."""

DIVISION = 12
"""Byte of a MIDI file whose first bit says that time is counted in SMPTE frames."""

READING = "notes of the one instrument"
"""What is taken from a file; notes kept under another reading are not used."""


class Notes(NamedTuple):
    """The notes of one file."""

    pitches: NDArray[np.uint8]
    """(notes,): 0..127."""
    starts: NDArray[np.float64]
    """(notes,): seconds."""


def parse(content: bytes, name: str) -> Notes:
    """Read one MIDI file.

    Raises:
        DataError: It is no MIDI file, or one in SMPTE frames (pretty_midi 0.2.11 names another fault then), or holds no
            notes, or those of several instruments (which of them is the piece?).
    """
    import pretty_midi

    if content.startswith(b"MThd") and len(content) > DIVISION and content[DIVISION] & 0x80:
        told = "counts its time in SMPTE frames, but ticks of a quarter note are read"
        raise DataError(f"{name} {told}; write it anew with ticks, or leave it out")
    try:
        played = [part for part in pretty_midi.PrettyMIDI(io.BytesIO(content)).instruments if part.notes]
    except Exception as error:
        told = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise DataError(f"{name} is no MIDI file that can be read ({told}); is it whole?") from error
    if len(played) != 1:
        found = f"notes of {len(played)} instruments, {', '.join(map(_called, played))}" if played else "no notes"
        raise DataError(f"{name} is a MIDI file with {found}, but a piece is the notes of one; leave it out")
    notes = played[0].notes
    return Notes(np.array([n.pitch for n in notes], np.uint8), np.array([n.start for n in notes], np.float64))


def _called(part: Any) -> str:  # noqa: ANN401 - pretty_midi is untyped
    return "drums" if part.is_drum else repr(part.name.strip() or f"program {part.program}")


def members(archive: Path) -> dict[str, str]:
    """Return the archive's MIDI files: path, with and without the top folder -> full name.

    Raises:
        DataError: It is no zip archive.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            names = [n for n in file.namelist() if n.lower().endswith((".mid", ".midi"))]
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{archive} is no zip archive ({error}); {again(archive)}") from error
    return {**{name.partition("/")[2]: name for name in names}, **{name: name for name in names}}


def _read(archive: Path, names: Sequence[str]) -> list[Notes]:
    with zipfile.ZipFile(archive) as file:
        return [parse(_content(file, archive, name), f"{archive}: {name}") for name in names]


def _content(file: zipfile.ZipFile, archive: Path, name: str) -> bytes:
    size = file.getinfo(name).file_size
    if size > LARGEST:
        raise DataError(f"{archive}: {name} unpacks to {size:,} bytes, which no piano piece has; {again(archive)}")
    try:
        return file.read(name)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
        raise DataError(f"{archive}: {name} cannot be unpacked ({error}); {again(archive)}") from error


def read_all(archive: Path, names: Sequence[str]) -> list[Notes]:
    """Return the notes of the named members, in their order; parsed once and kept in the cache."""
    asked = hashlib.sha256("\n".join([READING, *names]).encode()).hexdigest()
    kept = cache_directory() / "midi" / f"{file_sha256(archive)[:16]}-{asked[:16]}.npz"
    try:
        return _recall(kept)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        _keep(kept, _parallel(archive, names))
    return _recall(kept)


def _recall(path: Path) -> list[Notes]:
    with np.load(path) as found:
        cuts = found["cuts"]
        pairs = zip(np.split(found["pitches"], cuts), np.split(found["starts"], cuts), strict=True)
        return [Notes(*pair) for pair in pairs]


def _keep(path: Path, notes: list[Notes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parts.clear(path.parent.glob(parts.PATTERN))
    cuts = np.cumsum([len(n.pitches) for n in notes])[:-1]
    handle, part = parts.begun(path.parent)
    with os.fdopen(handle, "wb") as file:
        np.savez_compressed(
            file,
            pitches=np.concatenate([n.pitches for n in notes]),
            starts=np.concatenate([n.starts for n in notes]),
            cuts=cuts,
        )
        Path(part).chmod(0o644)
        os.replace(part, path)


def _parallel(archive: Path, names: Sequence[str]) -> list[Notes]:
    chunks = [names[i : i + 16] for i in range(0, len(names), 16)]
    import joblib

    workers = joblib.cpu_count()
    if multiprocessing.current_process().daemon or workers == 1 or len(chunks) == 1:
        return [notes for chunk in chunks for notes in _read(archive, chunk)]
    # forking is safe and cheap while no library has started threads; torch has
    context = multiprocessing.get_context("spawn" if "torch" in sys.modules else "fork")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=interruption.follow) as pool:
        try:
            return [notes for found in pool.map(partial(_read, archive), chunks) for notes in found]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
