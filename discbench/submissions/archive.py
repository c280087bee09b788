"""A zip archive that has one reading: what two programs could read differently is refused.

Each file lies right behind the one before, the list behind the last, and nothing else is there: no prefix, gap, comment
or extra field, so no second name. The header of each file says what the list says of it. Read in memory, within bounds.
"""

import stat
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from discbench.words.names import printable

END, END64, LISTED, LOCAL = b"PK\5\6", b"PK\6\7", b"PK\1\2", b"PK\3\4"
END_FORM, LISTED_FORM, LOCAL_FORM = (struct.Struct(form) for form in ("<4s4H2LH", "<4s6H3L5H2L", "<4s5H3L2H"))
ENCODED = 1 << 11
"""The flag of a name in UTF-8."""
STORED, DEFLATED = 0, 8
MOST_NAME = 600


class Ambiguous(Exception):  # noqa: N818 - it is what the name says
    """An archive that could be read in two ways, or in none; its text says why."""


class Member(NamedTuple):
    """A file of an archive, as its list and its own header say alike."""

    name: str
    start: int
    """Of its data."""
    packed: int
    """Bytes in the archive."""
    size: int
    """Bytes unpacked, as it says."""
    crc: int
    method: int


@dataclass(frozen=True, slots=True)
class Archive:
    """The files of an archive by name."""

    path: Path
    members: dict[str, Member]

    def read(self, name: str, most: int) -> bytes:
        """Return a file's content, or its first `most` + 1 bytes.

        Raises:
            ValueError: It is not what the list says of it.
        """
        member = self.members[name]
        with self.path.open("rb") as file:
            file.seek(member.start)
            raw = file.read(member.packed)
        if member.method == STORED:
            content, rest = raw[: most + 1], b""
        else:
            unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
            content = unpacking.decompress(raw, most + 1)
            rest = unpacking.unused_data if unpacking.eof or len(content) > most else b"unfinished"
        if len(content) > most:
            return content
        if rest or len(content) != member.size or zlib.crc32(content) != member.crc:
            raise ValueError("its data are not those that the list names, by size or CRC-32")
        return content


def listed(path: Path, most: int) -> Archive:
    """Return an archive's files.

    Raises:
        Ambiguous: It can be read in two ways or in none, or lists more than `most` files.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(LOCAL))
        if size < END_FORM.size or start != LOCAL:
            raise Ambiguous("it is no zip archive that begins with a file")
        offset, length, count = _end(file, size, most)
        file.seek(offset)
        content = file.read(length)
        entries = _entries(content, count)
        members: dict[str, Member] = {}
        at = 0
        for entry, name in entries:
            member = _member(file, at, entry, name)
            if member.name in members:
                raise Ambiguous(f"it holds {printable(member.name)!r} twice")
            members[member.name] = member
            at = member.start + member.packed
    if at != offset:
        raise Ambiguous("something lies between its files and their list")
    return Archive(path, members)


def _end(file: BinaryIO, size: int, most: int) -> tuple[int, int, int]:
    """Return (offset, length, entries) of the list."""
    file.seek(max(0, size - END_FORM.size - 20))
    tail = file.read()
    sign, disk, first, here, count, length, offset, comment = END_FORM.unpack(tail[-END_FORM.size :])
    if sign != END or comment:
        raise Ambiguous("its end is not that of a whole zip archive without a comment")
    if tail[:4] == END64:
        raise Ambiguous("it is a zip64 archive, of more than 65,535 files or 4 GiB")
    if disk or first or here != count or offset + length != size - END_FORM.size:
        raise Ambiguous("its list of files is not where its end says")
    if count > most:
        raise Ambiguous(f"it lists {count} files, more than {most // 2} cells have; split it")
    if length > count * (LISTED_FORM.size + MOST_NAME):
        raise Ambiguous(f"its list of files is longer than {count} files need")
    return offset, length, count


def _entries(content: bytes, count: int) -> list[tuple[tuple[int, ...], bytes]]:
    """Return (fields, name) of each entry of the list."""
    found: list[tuple[tuple[int, ...], bytes]] = []
    at = 0
    for _ in range(count):
        if len(content) - at < LISTED_FORM.size or content[at : at + 4] != LISTED:
            raise Ambiguous(f"its list does not hold the {count} files that its end counts")
        _, *fields = LISTED_FORM.unpack_from(content, at)
        at += LISTED_FORM.size
        name = content[at : at + fields[9]]
        at += fields[9]
        if fields[10] or fields[11]:
            raise Ambiguous(
                f"{printable(name.decode('utf-8', 'replace'))!r} has a comment or an extra field in the list"
            )
        found.append((tuple(fields), name))
    if at != len(content):
        raise Ambiguous(f"its list holds more than the {count} files that its end counts")
    return found


def _member(file: BinaryIO, at: int, entry: tuple[int, ...], raw: bytes) -> Member:
    """Return the file that begins at a place, if that is the listed one."""
    _, needed, flags, method, time, date, crc, packed, size, _, _, _, disk, _, kind, offset = entry
    named = printable(raw.decode("utf-8", "replace"))
    try:
        name = raw.decode("utf-8" if flags & ENCODED else "ascii")
    except UnicodeDecodeError:
        raise Ambiguous(f"the name {named!r} is neither ASCII nor UTF-8 that says so") from None
    if stat.S_IFMT(kind >> 16) not in {0, stat.S_IFREG}:
        raise Ambiguous(f"{named!r} is a link or a device, not a file")
    if flags & ~ENCODED or method not in {STORED, DEFLATED} or (method == STORED and packed != size):
        raise Ambiguous(f"{named!r} is encrypted, streamed, or packed by another method than deflate")
    if disk or offset != at:
        raise Ambiguous(f"{named!r} does not begin where the file before it ends")
    file.seek(at)
    head = file.read(LOCAL_FORM.size + len(raw))
    wanted = LOCAL_FORM.pack(LOCAL, needed, flags, method, time, date, crc, packed, size, len(raw), 0) + raw
    if head != wanted:
        raise Ambiguous(f"{named!r} is called or described otherwise by its own header than by the list")
    return Member(name, at + len(head), packed, size, crc, method)
