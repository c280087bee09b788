"""Archives with one thing in them that two readers could read differently; all small and harmless."""

import struct
import zlib
from dataclasses import dataclass, field

LOCAL, LISTED, END = "<4s5H3L2H", "<4s6H3L5H2L", "<4s4H2LH"


@dataclass
class Packed:
    """A file of an archive, and all that a packer says of it, here and in the list."""

    name: bytes
    content: bytes
    own_name: bytes | None = None
    data: bytes | None = None
    flags: int = 0
    own_flags: int | None = None
    crc: int | None = None
    size: int | None = None
    own_size: int | None = None
    extra: bytes = b""
    own_extra: bytes = b""
    comment: bytes = b""
    before: bytes = b""
    method: int = 8
    attributes: int = 0o100644 << 16
    offset: int | None = None


@dataclass
class Whole:
    """An archive."""

    files: list[Packed]
    order: list[int] | None = None
    count: int | None = None
    gap: bytes = b""
    listed_more: bytes = b""
    places: list[int] = field(default_factory=list)

    def bytes(self):
        """Return it as bytes: right offsets and lengths, whatever else it says."""
        out, entries = b"", []
        for each in self.files:
            out += each.before
            deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
            data = each.data if each.data is not None else deflate.compress(each.content) + deflate.flush()
            crc = zlib.crc32(each.content) if each.crc is None else each.crc
            size = len(each.content) if each.size is None else each.size
            own_size = size if each.own_size is None else each.own_size
            own_name = each.name if each.own_name is None else each.own_name
            own_flags = each.flags if each.own_flags is None else each.own_flags
            offset = len(out) if each.offset is None else self.places[each.offset]
            self.places.append(len(out))
            about = (20, own_flags, each.method, 0, 33, crc, len(data), own_size)
            out += struct.pack(LOCAL, b"PK\3\4", *about, len(own_name), len(each.own_extra))
            out += own_name + each.own_extra + data
            about = (788, 20, each.flags, each.method, 0, 33, crc, len(data), size)
            lengths = (len(each.name), len(each.extra), len(each.comment))
            head = struct.pack(LISTED, b"PK\1\2", *about, *lengths, 0, 0, each.attributes, offset)
            entries.append(head + each.name + each.extra + each.comment)
        out += self.gap
        listed = b"".join(entries[i] for i in self.order or range(len(entries))) + self.listed_more
        count = len(entries) if self.count is None else self.count
        return out + listed + struct.pack(END, b"PK\5\6", 0, 0, count, count, len(listed), len(out), 0)


def extra(kind, data):
    """Return an extra field."""
    return struct.pack("<HH", kind, len(data)) + data


def second(name):
    """Return the extra field of a second name, in UTF-8."""
    return extra(0x7075, b"\1" + struct.pack("<L", zlib.crc32(b"x")) + name)


def first(**changes):
    """Return a change of an archive's first file."""

    def change(whole):
        for name, value in changes.items():
            setattr(whole.files[0], name, value(whole.files[0]) if callable(value) else value)

    return change


def whole(**changes):
    """Return a change of an archive as a whole."""

    def change(archive):
        for name, value in changes.items():
            setattr(archive, name, value(archive) if callable(value) else value)

    return change


def twin(archive):
    """List the first file's data once more under another name."""
    archive.files.append(Packed(b"a/b/c/d.json", archive.files[0].content, offset=0))


def deflated(content):
    """Return raw deflate."""
    packing = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packing.compress(content) + packing.flush()


KINDS = {
    "a comment of a file": first(comment=b"hello"),
    "an extra field in the list": first(extra=extra(0x5455, b"\0" * 5)),
    "an extra field at the file": first(own_extra=extra(0x5455, b"\0" * 5)),
    "extra fields at both": first(extra=extra(0x5455, b"\0"), own_extra=extra(0x5455, b"\0")),
    "a second name in the list": first(extra=second(b"other.json")),
    "a second name at the file": first(own_extra=second(b"other.json")),
    "a gap between files": lambda archive: setattr(archive.files[1], "before", b"\0" * 9),
    "a file that is not listed": lambda archive: setattr(
        archive, "gap", struct.pack(LOCAL, b"PK\3\4", 20, 0, 0, 0, 33, 0, 0, 0, 1, 0) + b"x"
    ),
    "a gap before the list": whole(gap=b"\0" * 7),
    "bytes behind the list": whole(listed_more=b"\0" * 46),
    "a count below the list": whole(count=lambda archive: len(archive.files) - 1),
    "a count above the list": whole(count=lambda archive: len(archive.files) + 1),
    "a list in another order": whole(order=lambda archive: list(reversed(range(len(archive.files))))),
    "one file's data under two names": twin,
    "another name at the file": first(own_name=lambda file: file.name.replace(b"b", b"c")),
    "another case at the file": first(own_name=lambda file: file.name.upper()),
    "another size at the file": first(own_size=1),
    "a size that neither has": first(size=1),
    "a checksum that is wrong": first(crc=1),
    "a streamed file": first(flags=8),
    "an encrypted file": first(flags=1),
    "flags that differ": first(own_flags=1 << 11),
    "bytes behind a file's end": first(data=lambda file: deflated(file.content) + b"more"),
    "a file without its end": first(data=lambda file: deflated(file.content)[:-3]),
    "a stored file of another size": first(method=0, data=b"x"),
    "another method": first(method=12),
    "a folder": lambda archive: archive.files.append(Packed(b"a/", b"", attributes=0o040755 << 16)),
    "a link": first(attributes=0o120777 << 16),
    "a device": first(attributes=0o060644 << 16),
    "a name that is no UTF-8": lambda archive: archive.files.append(Packed(b"a/b/c/\xff.json", b"{}", flags=1 << 11)),
    "a name in an old encoding": lambda archive: archive.files.append(Packed(b"a/b/c/\x82.json", b"{}")),
}
"""Kind -> what it changes in an honest archive."""
