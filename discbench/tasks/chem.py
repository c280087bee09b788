"""Molecules written as SMILES: does it pass the blood-brain barrier, does it dissolve?

MoleculeNet (Wu et al. 2018), beyond the paper: one symbol a character. No split files are published for these sets;
the split here is random, 80/10/10 with seed 0, over distinct strings. Many strings spell one molecule: the twins
`-grouped` keep all its spellings on one side, which takes RDKit (extra `chem`).
"""

from functools import partial

from discbench import Classes, Dataset, Form, RandomTable, Row, Scalar, Task, auroc, hookimpl, rmse, spearman
from discbench.data import fetch, local, read_rows, split
from discbench.errors import DataError

BUCKET = "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets"
SMILES = "#%()+-./0123456789:=@ABCDEFGHIKLMNOPRSTUVXYZ[\\]abcdefghiklmnoprstuy"
# name: file upstream, name in a data directory, columns of SMILES and label, target
PARTS = (0.8, 0.1, 0.1)
SETS = {
    "bbbp": ("BBBP.csv", "moleculenet/BBBP.csv", "smiles", "p_np", Classes(2)),
    "bace": ("bace.csv", "moleculenet/bace.csv", "mol", "Class", Classes(2)),
    "esol": (
        "delaney-processed.csv",
        "moleculenet/ESOL_delaney-processed.csv",
        "smiles",
        "measured log solubility in mols per litre",
        Scalar(),
    ),
    "freesolv": ("SAMPL.csv", "moleculenet/SAMPL.csv", "smiles", "expt", Scalar()),
    "lipophilicity": ("Lipophilicity.csv", "moleculenet/Lipophilicity.csv", "smiles", "exp", Scalar()),
}
ABOUT = {
    "bbbp": "does the molecule pass the blood-brain barrier?",
    "bace": "does the molecule inhibit beta-secretase 1?",
    "esol": "log solubility in water, mol/l",
    "freesolv": "free energy of hydration, kcal/mol",
    "lipophilicity": "log distribution between octanol and water",
}


def molecules(name):
    """The first row of each distinct SMILES string."""
    file, copy, smiles, label, target = SETS[name]
    path = local(copy) or fetch(f"{BUCKET}/{file}", max_bytes=50 << 20)
    found = {}
    classes = (0, 1) if isinstance(target, Classes) else None
    for row in read_rows(path, symbols=smiles, label=label, classes=classes):
        found.setdefault(str(row.symbols).strip(), row.target if isinstance(target, Classes) else float(row.target))
    return [Row(s, y) for s, y in found.items()]


def load(name):
    """Cut 80/10/10 with seed 0."""
    return split(molecules(name), parts=PARTS, seed=0)


def load_grouped(name):
    """Cut 80/10/10 with seed 0, all spellings of a molecule on one side; their labels may differ, and all are kept.

    A family is called by the least of its spellings: what RDKit writes may change between its releases.
    """
    if MOLECULE.missing:
        raise DataError(f"chem.{name}-grouped tells molecules apart by RDKit, but {MOLECULE.missing}")
    rows, spellings = molecules(name), {}
    forms = {row.symbols: canonical(row.symbols) or row.symbols for row in rows}
    for smiles, form in forms.items():
        spellings[form] = min(smiles, spellings.get(form, smiles))
    return split(rows, parts=PARTS, seed=0, by=lambda row: spellings[forms[row.symbols]])


def canonical(smiles):
    """RDKit's canonical SMILES, equal for all spellings of a molecule; None for what it cannot read.

    Salts, charges and tautomers stay what they are: another form, another molecule.
    """
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    return None if molecule is None else Chem.MolToSmiles(molecule)


MOLECULE = Form(name="a molecule", of=canonical, needs="rdkit", install="discbench[chem]")


def chem(name, load, suffix="", sizes=None, sha256=None):
    """One MoleculeNet task with one of its two splits."""
    target = SETS[name][4]
    return Task(
        name=f"chem.{name}{suffix}",
        version=1,
        dataset=Dataset(
            partial(load, name),
            source=f"{BUCKET}/{SETS[name][0]}",
            license="MIT (MoleculeNet)",
            cite="10.1039/C7SC02664A",
            sizes=sizes,
            rows_sha256=sha256,
            form=MOLECULE,
            apart="" if suffix else f"chem.{name}-grouped",
        ),
        mapping=RandomTable(SMILES),
        target=target,
        metric=auroc if isinstance(target, Classes) else rmse,
        also=() if isinstance(target, Classes) else (spearman,),
        max_symbols=254,
        chance=0.5 if isinstance(target, Classes) else None,
        about=ABOUT[name] + (" (spellings of a molecule on one side)" if suffix else ""),
    )


@hookimpl
def discbench_tasks():
    """Five sets of single-molecule properties, each split by string and by molecule."""
    known = {
        "bbbp": ((1640, 205, 205), "c216d413d148f18e9c6d2ec8983ef7a72b7adb62ea675acf8c4c186f2a037a07"),
        "esol": ((898, 112, 113), "432d8abe2ab56994365c8d6268c6f5068043d9f89c418a4e37d1b8ea8dade848"),
    }
    grouped = {
        "bbbp": ((1640, 205, 205), "0de97ce64e652d41c7ad7be7e0edcdfbd96ebe3c63b38070718a553e9c9f043a"),
        "esol": ((899, 112, 112), "370b9d47e3667cc702002b17c0bfbdd4d54ffa118d484cc763fbf070bf48bd12"),
    }
    return [
        *(chem(name, load, "", *known.get(name, ())) for name in SETS),
        *(chem(name, load_grouped, "-grouped", *grouped.get(name, ())) for name in SETS),
    ]
