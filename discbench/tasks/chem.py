"""Molecules written as SMILES: does it pass the blood-brain barrier, does it dissolve?

MoleculeNet (Wu et al. 2018), beyond the paper: one symbol a character. No split files are published for these sets;
the split here is random, 80/10/10 with seed 0, over distinct strings.
"""

from functools import partial

from discbench import Classes, Dataset, RandomTable, Row, Scalar, Task, auroc, hookimpl, rmse, spearman
from discbench.data import fetch, local, read_rows, split

BUCKET = "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets"
SMILES = "#%()+-./0123456789:=@ABCDEFGHIKLMNOPRSTUVXYZ[\\]abcdefghiklmnoprstuy"
# name: file upstream, name in a data directory, columns of SMILES and label, target
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


def load(name):
    """The first row of each distinct SMILES string, cut 80/10/10 with seed 0."""
    file, copy, smiles, label, target = SETS[name]
    path = local(copy) or fetch(f"{BUCKET}/{file}", max_bytes=50 << 20)
    found = {}
    classes = (0, 1) if isinstance(target, Classes) else None
    for row in read_rows(path, symbols=smiles, label=label, classes=classes):
        found.setdefault(str(row.symbols).strip(), row.target if isinstance(target, Classes) else float(row.target))
    return split([Row(s, y) for s, y in found.items()], parts=(0.8, 0.1, 0.1), seed=0)


def chem(name, sizes=None, sha256=None):
    """One MoleculeNet task."""
    target = SETS[name][4]
    return Task(
        name=f"chem.{name}",
        version=1,
        dataset=Dataset(
            partial(load, name),
            source=f"{BUCKET}/{SETS[name][0]}",
            license="MIT (MoleculeNet)",
            cite="10.1039/C7SC02664A",
            sizes=sizes,
            rows_sha256=sha256,
        ),
        mapping=RandomTable(SMILES),
        target=target,
        metric=auroc if isinstance(target, Classes) else rmse,
        also=() if isinstance(target, Classes) else (spearman,),
        max_symbols=254,
        chance=0.5 if isinstance(target, Classes) else None,
        about=ABOUT[name],
    )


@hookimpl
def discbench_tasks():
    """Five sets of single-molecule properties."""
    known = {
        "bbbp": ((1640, 205, 205), "c216d413d148f18e9c6d2ec8983ef7a72b7adb62ea675acf8c4c186f2a037a07"),
        "esol": ((898, 112, 113), "432d8abe2ab56994365c8d6268c6f5068043d9f89c418a4e37d1b8ea8dade848"),
    }
    return [chem(name, *known.get(name, ())) for name in SETS]
