"""What a file is, by its first bytes: said where a table was expected and something else was found."""

MOST = 64
"""Bytes that tell it."""
UNZIP = "unpack it first (discbench.data.unpack); a spreadsheet (.xlsx) is saved as CSV"
FASTA = "read_rows reads tables; make a Row of each of its records"
KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "a gzip file", "let its name end in .gz"),
    (b"\xfd7zXZ\x00", "an xz file", "let its name end in .xz"),
    (b"BZh", "a bzip2 file", "let its name end in .bz2"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file", "let its name end in .zst"),
    (b"PK\x03\x04", "a zip archive", UNZIP),
    (b"PAR1", "a Parquet file", "let its name end in .parquet"),
    (b"ARROW1", "an Arrow file", "write it as Parquet"),
    (b"\x89HDF", "an HDF5 file", "write it as Parquet or CSV"),
    (b"SQLite format 3", "an SQLite database", "write the table as CSV"),
    (b"\x93NUMPY", "a NumPy array", "numpy.load reads it"),
    (b"%PDF", "a PDF", "a table in it must be taken out first"),
    (b"version https://git-lfs", "a Git LFS pointer", "it stands for the file; `git lfs pull` brings the file itself"),
    (b"<!doctype html", "a web page", "take the address of the file itself"),
    (b"<html", "a web page", "take the address of the file itself"),
    (b"<?xml", "XML", "write it as CSV"),
    (b"locus ", "a GenBank file", FASTA),
    (b"@sq\t", "a SAM file", FASTA),
    (b">", "FASTA", FASTA),
    (b"{", "JSON", "let its name end in .json or .jsonl"),
    (b"[", "JSON", "let its name end in .json or .jsonl"),
)
BINARY = 11
"""So many of them are told by exact bytes; the rest is text, in any case and behind blanks."""


def told(head: bytes, expected: str) -> str:
    """Return `; it is a gzip file: let its name end in .gz`, or nothing where the bytes do not tell.

    Args:
        head: The file's first bytes, `MOST` of them or more.
        expected: What was looked for: `JSON` is no surprise in a file that was read as JSON.
    """
    text = head[:MOST].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for place, (first, kind, advice) in enumerate(KINDS):
        if kind != expected and (head if place < BINARY else text).startswith(first):
            return f"; it is {kind}: {advice}"
    return ""
