"""What a file is, by its first bytes: said where a table was expected and something else was found."""

MOST = 64
"""Bytes that tell it."""
UNZIP = "unpack it first (discbench.data.unpack); a spreadsheet (.xlsx) is saved as CSV"
FASTA = "read_rows reads tables; make a Row of each of its records"
BINARY = (
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
)
"""First bytes, what they tell, what to do."""
TEXT = (
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
"""The same of text, in lower case and behind blanks."""


def told(head: bytes, *, but: str = "", text: bool = True) -> str:
    """Return `; it is a gzip file: let its name end in .gz`, or nothing where the bytes do not tell.

    Args:
        head: The file's first bytes, `MOST` of them or more.
        but: What was looked for, which is no surprise.
        text: Whether to tell kinds of text too; not where only the encoding is wrong.
    """
    start = head[:MOST].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    found = [(kind, advice) for first, kind, advice in BINARY if head.startswith(first)]
    found += [(kind, advice) for first, kind, advice in TEXT if text and start.startswith(first)]
    return next((f"; it is {kind}: {advice}" for kind, advice in found if kind != but), "")
