"""Protein tasks: where in the cell, how stable, how bright?

DeepLoc (Almagro Armenteros 2017) and TAPE's splits of Rocklin 2017 and Sarkisyan 2016 (Kao & Lee 2021, §3.1 and
appendix G.2).
"""

import re
from dataclasses import replace

from discbench import (
    Classes,
    Dataset,
    RandomTable,
    Row,
    Scalar,
    Specialist,
    Splits,
    Task,
    accuracy,
    hookimpl,
    spearman,
)
from discbench.data import (
    fetch,
    find_member,
    grouped_split,
    local,
    numbered,
    open_text,
    read_rows,
    read_table,
    shuffle,
    unpack,
)
from discbench.errors import DataError

SHORT = {"train": "train", "validation": "valid", "test": "test"}
TAPE = "http://s3.amazonaws.com/songlabdata/proteindata/data_raw_pytorch"
LETTERS = "ARNDCQEGHILKMFPSTWYV"
AMINO_ACIDS = LETTERS + "X"
DEEPLOC = "https://services.healthtech.dtu.dk/services/DeepLoc-1.0/deeploc_data.fasta"
COMPARTMENTS = (
    "Cell.membrane", "Cytoplasm", "Endoplasmic.reticulum", "Extracellular", "Golgi.apparatus", "Lysosome/Vacuole",
    "Mitochondrion", "Nucleus", "Peroxisome", "Plastid",
)  # fmt: skip
KNOWN = frozenset(LETTERS)
SAME = str.maketrans("OU", "KC")
STABILITY_SHARED = 16
LINKERS = re.compile("^[GSN]+|[GSN]+$")
"""What rows are filled up with to one length; it is the same in rows that have nothing else in common."""


def residues(sequence):
    """The 20 amino acids and X: pyrrolysine O is read as K, selenocysteine U as C, any other letter as X; stops go."""
    letters = sequence.replace("*", "").upper().translate(SAME)
    if KNOWN.issuperset(letters):
        return letters
    return "".join(letter if letter in LETTERS else "X" for letter in letters)


def load_tape(name, label, order, parts=("train", "validation", "test")):
    """Read TAPE's published splits: a CSV per split in the data directory, or TAPE's own JSON.

    `order` says whether both have the same rows first, so that they can be numbered; `parts` which splits are read.
    """
    splits = {split: [] for split in SHORT}
    for split in parts:
        short = SHORT[split]
        table = local(f"{name}/{name}_{short}.csv")
        if table is not None:
            found = read_rows(table, symbols="seq", label="label")
        else:
            folder = unpack(fetch(f"{TAPE}/{name}.tar.gz", name=f"{name}/{name}.tar.gz", max_bytes=200 << 20))
            found = read_rows(find_member(folder, f"{name}_{short}.json"), symbols="primary", label=label)
        splits[split] = [
            Row(residues(row.symbols), float(row.target), number=place if order else None)
            for place, row in enumerate(found)
        ]
    return Splits(**splits)


def compartment(label, path):
    """The class of `Nucleus-U` or `Nucleus`; None for `Cytoplasm-Nucleus`, which the task leaves out."""
    name = label[:-2] if label[-2:] in {"-M", "-S", "-U"} else label
    if name == "Cytoplasm-Nucleus":
        return None
    if name not in COMPARTMENTS:
        raise DataError(f"{path}: compartment {label!r} is none of {COMPARTMENTS}; is it DeepLoc's file?")
    return COMPARTMENTS.index(name)


def ends(sequence):
    """A protein longer than 1000 residues is its first and last 500, as the authors' code cuts it.

    The task then keeps the first 510, so that of such a protein ten residues of the tail are seen.
    """
    return sequence if len(sequence) <= 1000 else sequence[:500] + sequence[-500:]


def deeploc(path):
    """Read `>ACCESSION Compartment-M [test]` and residues; give (row, is it a test row)."""
    with open_text(path) as file:
        records = [part.partition("\n") for part in file.read().split(">")[1:]]
    if not records:
        raise DataError(f"{path} holds no '>' record; is it a FASTA file?")
    found = []
    for head, _, body in records:
        words = head.split()
        if len(words) < 2 or not body.strip():
            raise DataError(f"{path}: '>ACCESSION Compartment-M [test]' and residues were expected, found {head!r}")
        target = compartment(words[1], path)
        if target is not None:
            found.append((Row(residues(ends("".join(body.split()))), target, number=len(found)), words[2:] == ["test"]))
    return found


def load_localization():
    """DeepLoc's test rows; the others cut 9977/1108 after one shuffle with seed 100 (PLUS's sizes, not its members).

    Rows are numbered as in DeepLoc's file.
    """
    test, held_out = local("localization/deeploc_test_set.fasta"), local("localization/deeploc_our_val_set.fasta")
    table = local("localization/multiloc2003_train_surrogate.csv")
    if local("localization/deeploc_data.fasta") is None and test and held_out and table:
        train = [
            Row(residues(ends(r["seq"])), compartment(r["label"], table))
            for r in read_table(table, columns=("seq", "label"))
        ]
        return Splits(
            train=numbered(train),
            validation=[row for row, _ in deeploc(held_out)],
            test=[row for row, _ in deeploc(test)],
            partial=f"train is a surrogate of {len(train)} MultiLoc proteins, not DeepLoc's; test lacks 5 rows",
        )
    rows = deeploc(fetch(DEEPLOC, name="localization/deeploc_data.fasta", max_bytes=50 << 20))
    asked, rest = [row for row, is_test in rows if is_test], [row for row, is_test in rows if not is_test]
    missing = "" if (len(rest), len(asked)) == (11085, 2773) else f"{len(rows)} of 13858 proteins"
    order, cut = shuffle(rest, 100), len(rest) - int(0.1 * len(rest))
    return Splits(train=order[:cut], validation=order[cut:], test=asked, partial=missing)


def load_stability():
    """TAPE stability: train and validation from four rounds of design, test 1-Hamming neighbours of 17 designs."""
    return load_tape("stability", "stability_score", order=True)


def load_stability_grouped():
    """TAPE's train and validation rows in one, cut 80/10/10 with families on one side.

    Families share 16 residues beside the linkers at their ends, and so on through their relatives; the largest has 326
    of 56,126 rows. TAPE's test rows, mutants of 17 proteins, are left out: how a model orders 17 bunches of labels is
    another question.
    """
    found = load_tape("stability", "stability_score", order=False, parts=("train", "validation"))
    rows = sorted([*found.train, *found.validation], key=lambda row: (row.symbols, row.target))
    bare = [replace(row, symbols=LINKERS.sub("", row.symbols), number=place) for place, row in enumerate(rows)]
    dealt = grouped_split(bare, shared=STABILITY_SHARED, parts=(0.8, 0.1, 0.1), seed=100)
    return Splits(
        **{
            side: [replace(rows[row.number], family=row.family) for row in getattr(dealt, side)]
            for side in ("train", "validation", "test")
        }
    )


def load_fluorescence():
    """TAPE fluorescence: train and validation up to three mutations of avGFP, test four and more.

    Copies made anew from the published mutants have another order than TAPE's file, so rows have no number.
    """
    return load_tape("fluorescence", "log_fluorescence", order=False)


@hookimpl
def discbench_tasks():
    """The three tasks of the paper, and stability cut by families.

    Lengths are as the authors' code cuts them (less two special tokens).
    """
    return [
        Task(
            name="protein.localization",
            version=1,
            dataset=Dataset(
                load_localization,
                source=DEEPLOC,
                license="none stated (DeepLoc 1.0); sequences from UniProt CC-BY-4.0",
                cite="10.1093/bioinformatics/btx431",
                sizes=(9977, 1108, 2773),
                published="9977/1108/2773 in PLUS's own split of DeepLoc (Table 10)",
            ),
            mapping=RandomTable(AMINO_ACIDS),
            target=Classes(10, COMPARTMENTS),
            metric=accuracy,
            max_symbols=510,
            specialist=Specialist(name="PLUS-TFM", score=0.690, source="Kao & Lee 2021, Table 5"),
            about="in which of ten parts of the cell does the protein work?",
        ),
        Task(
            name="protein.stability",
            version=1,
            dataset=Dataset(
                load_stability,
                source=f"{TAPE}/stability.tar.gz",
                license="none stated (Rocklin et al. 2017); TAPE's split BSD-3-Clause",
                cite="10.1126/science.aan0693",
                sizes=(53614, 2512, 12851),
                published="53614/2512/12851 (Table 10)",
                rows_sha256="975252827a575bfb39fb250e8c8d43438ad523d3eda35179d11a850321fafbd0",
                overlap="26 sequences of the published train split are also in its test split",
            ),
            mapping=RandomTable(AMINO_ACIDS),
            target=Scalar(),
            metric=spearman,
            max_symbols=48,
            chance=0.0,
            specialist=Specialist(name="PLUS-TFM", score=0.760, source="Kao & Lee 2021, Table 5"),
            about="how much protease a designed mini-protein withstands",
        ),
        Task(
            name="protein.stability-grouped",
            version=1,
            dataset=Dataset(
                load_stability_grouped,
                source=f"{TAPE}/stability.tar.gz",
                license="none stated (Rocklin et al. 2017); TAPE's split BSD-3-Clause",
                cite="10.1126/science.aan0693",
                sizes=(44902, 5612, 5612),
                rows_sha256="f7a5044fad23ea372cf5ececcec6813c6aad156ada74d1df78370ccaced338cc",
            ),
            mapping=RandomTable(AMINO_ACIDS),
            target=Scalar(),
            metric=spearman,
            max_symbols=48,
            chance=0.0,
            about="how much protease a designed mini-protein withstands (families on one side)",
        ),
        Task(
            name="protein.fluorescence",
            version=1,
            dataset=Dataset(
                load_fluorescence,
                source=f"{TAPE}/fluorescence.tar.gz",
                license="CC-BY-4.0 (figshare 3102154); TAPE's split BSD-3-Clause",
                cite="10.1038/nature17995",
                sizes=(21446, 5362, 27217),
                published="21446/5362/27217 (Table 10)",
                rows_sha256="2c2a597bf409e9b0377db63b8e2c873539bb836cd45efa64f2bf5661882f8532",
            ),
            mapping=RandomTable(AMINO_ACIDS),
            target=Scalar(),
            metric=spearman,
            max_symbols=254,
            chance=0.0,
            specialist=Specialist(name="PLUS-TFM", score=0.630, source="Kao & Lee 2021, Table 5"),
            about="log brightness of mutants of the green fluorescent protein",
        ),
    ]
