"""Find, download, check, open and unpack the files that rows come from, and split the rows.

Every file is looked for in this order: the data directory (`--data-dir`, else `DISCBENCH_DATA`), the cache
(`DISCBENCH_CACHE`, else `~/.cache/discbench`), its address. In the data directory and in the cache a file may
lie as it is or compressed (`.xz`, `.gz`, `.bz2`, `.zst`).
"""

import fnmatch
import hashlib
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from discbench.data.formats.bounds import allowed, check_unpacked
from discbench.data.formats.opening import BROKEN, OPENERS, again, cache_directory, cause, read_bytes
from discbench.errors import DataError, NotAtHand, place_fault
from discbench.words import parts


@dataclass
class Reading:
    """Where one load may look, and which files it used."""

    directory: Path | None = None
    download: bool = True
    used: list[Path] = field(default_factory=list)
    missed: list[Path] = field(default_factory=list)
    """What was looked for and is not there."""


_reading: ContextVar[Reading] = ContextVar("reading")


def current() -> Reading:
    """Return the reading that is going on, or one that follows the environment."""
    given = os.environ.get("DISCBENCH_DATA")
    return _reading.get(None) or Reading(Path(given) if given else None)


@contextmanager
def reading(directory: Path | None = None, *, download: bool = True) -> Iterator[Reading]:
    """Let `fetch` and `local` look into `directory` first, and note the files that they hand out."""
    now = Reading(directory or current().directory, download)
    token = _reading.set(now)
    try:
        yield now
    finally:
        _reading.reset(token)


def local(name: str) -> Path | None:
    """Return the file `name` (a path relative to the data directory), plain or compressed, if it is there."""
    now = current()
    if now.directory is None:
        return None
    for candidate in (now.directory / (name + suffix) for suffix in ("", *OPENERS)):
        if candidate.is_file():
            now.used.append(candidate)
            return candidate
        now.missed.append(candidate)
    return None


def fetch(url: str, *, sha256: str | None = None, name: str | None = None, max_bytes: int = 2 << 30) -> Path:
    """Return the file of an address: from the data directory, the cache, or downloaded.

    Args:
        url: Where the publisher keeps the file.
        sha256: Of the file as downloaded; checked before the file is used.
        name: Path below the data directory under which a local copy is accepted; by default the address's last part.
        max_bytes: A download larger than this is refused.

    Raises:
        DataError: No such file, no network, too large, or another SHA-256 than expected.
    """
    from discbench.data.download import download

    basename = url.rstrip("/").rsplit("/", 1)[-1]
    copy = name or basename
    found = local(copy)
    if found is None:
        found = cache_directory() / "downloads" / hashlib.sha256(url.encode()).hexdigest()[:12] / basename
        if not found.is_file():
            if not current().download:
                raise NotAtHand(
                    f"{basename} of {url} is not at hand; fetch it with `discbench data fetch`{_elsewhere(copy)}"
                )
            download(url, found, max_bytes, f"put a copy as {copy} into the data directory" + _elsewhere(copy))
        current().used.append(found)
    _check_sha256(found, sha256, url)
    return found


def _elsewhere(name: str) -> str:
    """Return a hint where a file of that name lies in the data directory, but not in the folder where it belongs."""
    folder, basename = current().directory, name.rsplit("/", 1)[-1]
    if folder is not None and (folder / name).is_dir():
        return f"; {folder / name} is a folder, no file"
    if folder is None or "/" not in name or not (folder / basename).is_file():
        return ""
    return f"; {folder / basename} is not read: it belongs at {folder / name}"


def _check_sha256(path: Path, expected: str | None, url: str) -> None:
    if expected is None:
        return
    found = file_sha256(path)
    if found != expected and path.suffix in OPENERS:
        found = hashlib.sha256(read_bytes(path)).hexdigest()
    if found != expected:
        raise DataError(
            f"{path} has SHA-256 {found[:12]}…, but the task was written for {expected[:12]}… of {url};"
            " remove the file to have it fetched again"
        )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(archive: Path) -> Path:
    """Extract a tar or zip archive into the cache, once; return the directory.

    Members that would land outside that directory, links out of it and devices are refused.
    """
    where = cache_directory() / "unpacked" / file_sha256(archive)[:16]
    if where.is_dir():
        return where
    try:
        part = parts.begun_folder(where.parent)
    except OSError as error:
        raise DataError(f"{archive} cannot be unpacked: {place_fault(error, where)} (DISCBENCH_CACHE)") from error
    try:
        if zipfile.is_zipfile(archive) or archive.suffix == ".zip":
            _unzip(archive, part)
        else:
            _untar(archive, part)
        part.rename(where)
    except BROKEN as error:
        shutil.rmtree(part, ignore_errors=True)
        if where.is_dir():
            return where
        raise DataError(f"{archive} cannot be unpacked ({cause(error)}); {again(archive)}") from error
    return where


def _untar(archive: Path, into: Path) -> None:
    with tarfile.open(archive) as tar:
        size = 0
        for member in tar:
            size += member.size
            check_unpacked(size, allowed(archive))
        tar.extractall(into, filter="data")


def _unzip(archive: Path, into: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        check_unpacked(sum(member.file_size for member in file.infolist()), allowed(archive))
        for name in file.namelist():
            if not (into / name).resolve().is_relative_to(into.resolve()):
                raise zipfile.BadZipFile(f"member {name!r} leads outside the archive's folder")
        file.extractall(into)  # noqa: S202 - every member was checked


def find_member(folder: Path, pattern: str) -> Path:
    """Return the one file below `folder` whose name matches `pattern`."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and fnmatch.fnmatch(path.name, pattern))
    if len(found) != 1:
        raise DataError(
            f"{folder} should hold one {pattern!r}, found {[p.name for p in found]}; is it the right archive?"
        )
    return found[0]
