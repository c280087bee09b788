"""DNA tasks: where does a gene's coding part begin and end?

UCI splice junctions (Kao & Lee 2021, §3.1 and appendix G.3).
"""

from discbench import Classes, Dataset, RandomTable, Row, Specialist, Task, accuracy, hookimpl
from discbench.data import fetch, open_text, split
from discbench.errors import DataError

SPLICE_URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/molecular-biology/splice-junction-gene-sequences/splice.data"
SPLICE_FILE = "ebbae10c85d3c285e2a2489a37e42bc2ee8d91d15005e391a9962fa3389a114f"
SPLICE_CLASSES = ("EI", "IE", "N")


def load_splice():
    """Read `class, name, sequence` lines and cut them 90/5/5 after one shuffle with seed 100, as the authors do."""
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
    return split(rows, parts=(0.90, 0.05, 0.05), seed=100)


@hookimpl
def discbench_tasks():
    """The paper's splice task. Letters beyond ACGT are kept: N any, D AGT, R AG, S CG."""
    return [
        Task(
            name="dna.splice",
            version=1,
            dataset=Dataset(
                load_splice,
                source=SPLICE_URL,
                license="CC-BY-4.0",
                cite="10.24432/C5M888",
                sizes=(2871, 159, 160),
                rows_sha256="f4e5afe370280c66c3be0323966f09d6c15e78b3e4d4e56c26798c680f656525",
                overlap="125 sequences occur more than once in the published file, and its split is by row",
            ),
            mapping=RandomTable("ACGTNDRS"),
            target=Classes(3, SPLICE_CLASSES),
            metric=accuracy,
            chance=0.519,
            specialist=Specialist(name="Hilbert-CNN", score=0.941, source="Kao & Lee 2021, Table 5"),
            about="exon-intron border, intron-exon border or neither, in the middle of 60 bases",
        )
    ]
