"""Protein tasks: how stable, how bright?

TAPE's splits of Rocklin 2017 and Sarkisyan 2016 (Kao & Lee 2021, §3.1 and appendix G.2).
"""

from discbench import Dataset, RandomTable, Row, Scalar, Specialist, Splits, Task, hookimpl, spearman
from discbench.data import fetch, find_member, local, read_json, read_table, unpack

TAPE = "http://s3.amazonaws.com/songlabdata/proteindata/data_raw_pytorch"
LETTERS = "ARNDCQEGHILKMFPSTWYV"
AMINO_ACIDS = LETTERS + "X"
SAME = str.maketrans("OU", "KC")


def residues(sequence):
    """The 20 amino acids and X: pyrrolysine O is read as K, selenocysteine U as C, any other letter as X; stops go."""
    letters = sequence.replace("*", "").upper().translate(SAME)
    return "".join(letter if letter in LETTERS else "X" for letter in letters)


def load_tape(name, label):
    """Read TAPE's published splits: a CSV per split in the data directory, or TAPE's own JSON."""
    splits = {}
    for split, short in (("train", "train"), ("validation", "valid"), ("test", "test")):
        table = local(f"{name}/{name}_{short}.csv")
        if table is not None:
            splits[split] = [Row(residues(row["seq"]), float(row["label"])) for row in read_table(table)]
            continue
        folder = unpack(fetch(f"{TAPE}/{name}.tar.gz", name=f"{name}/{name}.tar.gz", max_bytes=200 << 20))
        records = read_json(find_member(folder, f"{name}_{short}.json"))
        splits[split] = [Row(residues(r["primary"]), float(r[label][0])) for r in records]
    return Splits(**splits)


def load_stability():
    """TAPE stability: train and validation from four rounds of design, test 1-Hamming neighbours of 17 designs."""
    return load_tape("stability", "stability_score")


def load_fluorescence():
    """TAPE fluorescence: train and validation up to three mutations of avGFP, test four and more."""
    return load_tape("fluorescence", "log_fluorescence")


@hookimpl
def discbench_tasks():
    """The two regression tasks of the paper; lengths as the authors' code cuts them (less two special tokens)."""
    return [
        Task(
            name="protein.stability",
            version=1,
            dataset=Dataset(
                load_stability,
                source=f"{TAPE}/stability.tar.gz",
                license="none stated (Rocklin et al. 2017); TAPE's split BSD-3-Clause",
                cite="10.1126/science.aan0693",
                sizes=(53614, 2512, 12851),
                rows_sha256="0653469dda4502a8f910d9a6f2bcd3230c028f5710df1b7dc42756ea7b798b7c",
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
            name="protein.fluorescence",
            version=1,
            dataset=Dataset(
                load_fluorescence,
                source=f"{TAPE}/fluorescence.tar.gz",
                license="CC-BY-4.0 (figshare 3102154); TAPE's split BSD-3-Clause",
                cite="10.1038/nature17995",
                sizes=(21446, 5362, 27217),
                rows_sha256="4f68b6488dc4925bcf7f6b4f2dfe113ffb405096ebde6ad72afe659c11a222b4",
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
