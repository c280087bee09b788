"""DNA tasks: where do a gene's coding parts meet, and which histone marks does a stretch of yeast DNA carry?

UCI splice junctions and the ten marks of Pokholok 2005 (Kao & Lee 2021, §3.1 and appendix G.3). Each task has a twin
`-grouped` whose split keeps related rows on one side.
"""

from functools import partial

from discbench import Classes, Dataset, RandomTable, Row, Specialist, Task, accuracy, hookimpl
from discbench.data import fetch, grouped_split, local, open_text, read_parquet, read_rows, split
from discbench.errors import DataError

SPLICE_URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/molecular-biology/splice-junction-gene-sequences/splice.data"
SPLICE_FILE = "ebbae10c85d3c285e2a2489a37e42bc2ee8d91d15005e391a9962fa3389a114f"
SPLICE_CLASSES = ("EI", "IE", "N")


PARTS = (0.90, 0.05, 0.05)
MARKS = {
    "H3": 14965, "H4": 14601, "H3K9ac": 27782, "H3K14ac": 33048, "H4ac": 34095, "H3K4me1": 31677, "H3K4me2": 30683,
    "H3K4me3": 36799, "H3K36me3": 34880, "H3K79me3": 28837,
}  # fmt: skip
"""Rows of each mark in the published files (the first three: Kao & Lee 2021, Table 11)."""
HUB = "https://huggingface.co/datasets/InstaDeepAI/nucleotide_transformer_downstream_tasks/resolve/main"
SPLICE_SHARED, HISTONE_SHARED = 20, 32
"""Bases that windows have in common only if they overlap, or are repeats of the genome."""
SPECIALISTS = {"H3": 0.873, "H4": 0.873, "H3K9ac": 0.791}


def splice_rows():
    """Read the `class, name, sequence` lines of the UCI file."""
    path = fetch(SPLICE_URL, sha256=SPLICE_FILE, name="splice/splice.data", max_bytes=1 << 20)
    rows = []
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            cells = [cell.strip() for cell in line.split(",")]
            if len(cells) != 3 or cells[0] not in SPLICE_CLASSES:
                raise DataError(
                    f"{path}, line {number}: 'EI|IE|N, name, sequence' was expected, found {line.strip()!r}"
                )
            rows.append(Row(cells[2], SPLICE_CLASSES.index(cells[0])))
    return rows


def load_splice():
    """Cut 90/5/5 after one shuffle with seed 100, as the authors do; their 1 % are the first rows after it."""
    return split(splice_rows(), parts=PARTS, seed=100, number=True)


def load_splice_grouped():
    """Cut 90/5/5 with windows that share 20 bases on one side: copies, and overlapping windows of one gene."""
    return grouped_split(splice_rows(), shared=SPLICE_SHARED, parts=PARTS, seed=100)


def three_lines(path):
    """Read records of three lines: `>name`, sequence, label 0 or 1 (the form of JAIST and Hilbert-CNN)."""
    with open_text(path) as file:
        lines = [line.strip() for line in file if line.strip()]
    return [labelled(path, *lines[i : i + 3]) for i in range(0, len(lines), 3)]


def fasta(path):
    """Read records of a header `>name|label` and a sequence (the form of the Hugging Face copy)."""
    with open_text(path) as file:
        records = [part.partition("\n") for part in file.read().split(">") if part.strip()]
    return [
        labelled(path, f">{head}", "".join(body.split()), head.strip().rpartition("|")[2]) for head, _, body in records
    ]


def labelled(path, name="", sequence="", label=""):
    """One row, or an error that says what stands in its place."""
    if not name.startswith(">") or not sequence or label not in {"0", "1"} or set(sequence) - set("ACGTN"):
        raise DataError(
            f"{path}: '>name', bases and label 0 or 1 were expected, found {name!r}, {sequence[:20]!r}, {label!r}"
        )
    return Row(sequence, int(label))


def parquet(path):
    """Read the columns sequence and label (the Hugging Face copy since 2025)."""
    return [labelled(path, ">", r["sequence"], str(r["label"])) for r in read_parquet(path, ("sequence", "label"))]


def histone_rows(mark):
    """All rows of a mark, sorted so that every form gives the same splits, and what is missing.

    Looked for: the three-line text in the data directory, the Hugging Face copy there (FASTA or Parquet, two halves),
    a CSV of part of the rows there, the Hugging Face copy.
    """
    folder = f"dna_histone/{mark}"
    text, fna, columns = (local(f"{folder}{end}") for end in (".txt", "/train.fna", "/train.parquet"))
    table = None if text or fna or columns else local(f"{folder}.csv")
    if text is not None:
        rows = three_lines(text)
    elif table is not None:
        found = read_rows(table, symbols="sequence", label="label", classes=(0, 1))
        rows = [labelled(table, ">", row.symbols, str(row.target)) for row in found]
    else:
        kind, read = ("fna", fasta) if fna else ("parquet", parquet)
        halves = [f"{half}.{kind}" for half in ("train", "test")]
        paths = [fetch(f"{HUB}/{mark}/{half}", name=f"{folder}/{half}", max_bytes=64 << 20) for half in halves]
        rows = [row for path in paths for row in read(path)]
    if not rows:
        raise DataError(f"{mark}: {MARKS[mark]} rows were expected, found none; are the files in {folder} whole?")
    missing = "" if len(rows) == MARKS[mark] else f"{len(rows)} of {MARKS[mark]} rows"
    return sorted(rows, key=lambda row: (row.symbols, row.target)), missing


def load_histone(mark):
    """Cut 90/5/5 after one shuffle of the sorted rows with seed 100 (the authors shuffle in their file's order)."""
    rows, missing = histone_rows(mark)
    return split(rows, parts=PARTS, seed=100, partial=missing, number=True)


def load_histone_grouped(mark):
    """Cut 90/5/5 with windows that share 32 bases on one side, and so on through their relatives.

    No 32 bases of a yeast genome are equal by chance (4^32 is 10^19), so this finds every overlap from there on, and
    the genome's repeats. In the rows at hand the largest family has 103 of 4185 windows (H3) and 115 of 7767 (H3K9ac).
    """
    rows, missing = histone_rows(mark)
    return grouped_split(rows, shared=HISTONE_SHARED, parts=PARTS, seed=100, partial=missing)


def sizes(count):
    """Rows of each split, as `split` cuts them."""
    first, second = int(PARTS[0] * count), int(round(PARTS[0] + PARTS[1], 9) * count)
    return first, second - first, count - second


def histone(mark, load, suffix="", overlap=""):
    """One task of a mark."""
    score = SPECIALISTS.get(mark) if not suffix else None
    return Task(
        name=f"dna.{mark.lower()}{suffix}",
        version=1,
        dataset=Dataset(
            partial(load, mark),
            source=f"{HUB}/{mark}",
            license="none stated (Pokholok et al. 2005; Tran et al., JAIST)",
            cite="10.1016/j.cell.2005.06.026",
            sizes=sizes(MARKS[mark]) if not suffix else None,
            published=f"{MARKS[mark]} in all (Table 11)" if mark in SPECIALISTS else "",
            overlap=overlap,
            shared=HISTONE_SHARED,
            apart="" if suffix else f"dna.{mark.lower()}-grouped",
        ),
        mapping=RandomTable("ACGTN"),
        target=Classes(2),
        metric=accuracy,
        max_symbols=500,
        specialist=score and Specialist(name="Hilbert-CNN", score=score, source="Kao & Lee 2021, Table 5"),
        about=f"does a 500-base window of yeast DNA carry {mark}?{' (families on one side)' if suffix else ''}",
    )


def splice(name, load, sha256, sizes, overlap="", specialist=None):
    """The splice task with one of its two splits."""
    return Task(
        name=name,
        version=1,
        dataset=Dataset(
            load,
            source=SPLICE_URL,
            license="CC-BY-4.0",
            cite="10.24432/C5M888",
            sizes=sizes,
            published="3190 in all (Table 11)",
            rows_sha256=sha256,
            overlap=overlap,
            shared=SPLICE_SHARED,
            apart="dna.splice-grouped" if overlap else "",
        ),
        mapping=RandomTable("ACGTNDRS"),
        target=Classes(3, SPLICE_CLASSES),
        metric=accuracy,
        max_symbols=60,
        chance=0.519,
        specialist=specialist,
        about="exon-intron border, intron-exon border or neither, in the middle of 60 bases",
    )


@hookimpl
def discbench_tasks():
    """Splice and the ten marks, each by the paper's split and by families.

    Letters beyond ACGT are symbols of their own: N any, D AGT, R AG, S CG.
    """
    windows = "neighbouring windows overlap, and the paper's split is by row"
    return [
        splice(
            "dna.splice",
            load_splice,
            "3af486f18a14e4bd00a235f0cc9a9a59734ad8896b723c7dc00cefc8f3ff44f5",
            (2871, 159, 160),
            overlap="125 sequences occur more than once in the published file, and its split is by row",
            specialist=Specialist(name="Hilbert-CNN", score=0.941, source="Kao & Lee 2021, Table 5"),
        ),
        splice(
            "dna.splice-grouped",
            load_splice_grouped,
            "a278539900d734ac670a751a567a787f1c3e6ef735d4c2391ae38d1853e77c85",
            (2872, 159, 159),
        ),
        *(histone(mark, load_histone, overlap=windows) for mark in MARKS),
        *(histone(mark, load_histone_grouped, "-grouped") for mark in MARKS),
    ]
