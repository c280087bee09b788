"""The chemistry readers take MoleculeNet's tables."""

import importlib.util
import re
import sys

import pytest

from discbench.data import reading, rowcache
from discbench.errors import DataError
from discbench.tasks import chem

TASKS = {task.name: task for task in chem.discbench_tasks()}


@pytest.mark.parametrize(
    ("name", "sizes", "labels"), [("chem.bbbp", (1640, 205, 205), {0, 1}), ("chem.esol", (898, 112, 113), None)]
)
def test_the_published_rows_are_verified(real_data, name, sizes, labels):
    loaded = rowcache.load(TASKS[name], real_data, download=False)

    assert (sizes, "verified") == (loaded.sizes, loaded.status)
    assert labels is None or labels == set(loaded.test.targets.tolist())


def test_a_molecule_that_is_written_twice_is_one_row(tmp_path):
    (tmp_path / "moleculenet").mkdir()
    lines = "".join(f"{i},m{i},{i % 2},C{'C' * (i % 10)}O \r\n" for i in range(20))
    (tmp_path / "moleculenet" / "BBBP.csv").write_bytes(f"num,name,p_np,smiles\r\n{lines}".encode())
    with reading(tmp_path, download=False):
        splits = chem.load("bbbp")

    assert (8, 1, 1) == (len(splits.train), len(splits.validation), len(splits.test))
    assert {"C" * (i + 1) + "O" for i in range(10)} == {
        row.symbols for part in (splits.train, splits.validation, splits.test) for row in part
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("num,p_np\n1,1\n", "BBBP.csv has no column 'smiles'; it has 2 columns: 'num', 'p_np'"),
        (
            "num,name,p_np,smiles\n1,a,yes,CC\n",
            "BBBP.csv, line 2, column 'p_np': label 'yes' is no class; classes are '0', '1'",
        ),
        ('num,name,p_np,smiles\n1,"a,1,CC\n', "cannot be read"),
    ],
)
def test_a_table_of_another_form_is_told_in_one_line(tmp_path, text, line):
    (tmp_path / "moleculenet").mkdir()
    (tmp_path / "moleculenet" / "BBBP.csv").write_text(text)

    with reading(tmp_path, download=False), pytest.raises(DataError, match=line):
        chem.load("bbbp")


def written(tmp_path, smiles):
    """A table of BBBP's form in which every molecule is listed with the labels 0, 1, 0, ..."""
    (tmp_path / "moleculenet").mkdir(exist_ok=True)
    lines = "".join(f"{i},m{i},{i % 2},{text}\n" for i, text in enumerate(smiles))
    (tmp_path / "moleculenet" / "BBBP.csv").write_text(f"num,name,p_np,smiles\n{lines}")
    return reading(tmp_path, download=False)


SPELLINGS = [text for n in range(2, 22) for text in ("C" * n + "O", "O" + "C" * n, f"C({'C' * (n - 1)})O")]


def test_all_spellings_of_a_molecule_are_on_one_side_whatever_their_labels(tmp_path):
    pytest.importorskip("rdkit")
    with written(tmp_path, [*SPELLINGS, "no SMILES"]):
        splits = chem.load_grouped("bbbp")
    parts = [splits.train, splits.validation, splits.test]

    assert [49, 6, 6] == [len(part) for part in parts]
    assert 1 == max(sum(f"C({'C' * (n - 1)})O" in {row.family for row in part} for part in parts) for n in range(2, 22))
    assert {"no SMILES"} == {row.family for part in parts for row in part if row.symbols == "no SMILES"}
    assert {0, 1} == {row.target for part in parts for row in part if row.family == "C(CC)O"}


def test_without_rdkit_a_grouped_twin_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rdkit", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    message = (
        "chem.bbbp-grouped tells molecules apart by RDKit, but rdkit is not installed; `pip install 'discbench[chem]'`"
    )
    with written(tmp_path, SPELLINGS), pytest.raises(DataError, match=f"^{re.escape(message)}$") as error:
        chem.load_grouped("bbbp")

    assert 2 == error.value.exit_code


def test_27_of_410_held_out_rows_of_bbbp_are_a_train_molecule_in_another_spelling_one_with_the_other_label(real_data):
    pytest.importorskip("rdkit")
    _, form = rowcache.load(TASKS["chem.bbbp"], real_data, download=False).copies
    held = [form[name] for name in ("validation", "test")]

    assert (27, 410) == tuple(sum(part[key] for part in held) for key in ("near", "rows"))
    assert [1, 0] == [round(part["near"] * (1 - part["same_label"])) for part in held]


@pytest.mark.parametrize(
    ("name", "sizes"), [("chem.bbbp-grouped", (1640, 205, 205)), ("chem.esol-grouped", (899, 112, 112))]
)
def test_the_twin_has_no_molecule_on_two_sides(real_data, name, sizes):
    pytest.importorskip("rdkit")
    loaded = rowcache.load(TASKS[name], real_data, download=False)

    assert (sizes, "verified") == (loaded.sizes, loaded.status)
    assert [0, 0] == [loaded.copies[1][part]["near"] for part in ("validation", "test")]


UPSTREAM = {
    "bace": ("bace.csv", "mol,CID,Class,Model,pIC50", "C{0}N,B{1},{2},Train,9.1"),
    "freesolv": ("SAMPL.csv", "iupac,smiles,expt,calc", "name,C{0}N,-{1}.5,-1.0"),
    "lipophilicity": ("Lipophilicity.csv", "CMPD_CHEMBLID,exp,smiles", "CHEMBL{1},{1}.54,C{0}N"),
    "esol": (
        "ESOL_delaney-processed.csv",
        "Compound ID,ESOL predicted log solubility in mols per litre,measured log solubility in mols per litre,smiles",
        '"a, {1}",-1.0,-{1}.25,C{0}N ',
    ),
}


@pytest.mark.parametrize("name", UPSTREAM)
def test_each_set_is_read_from_its_own_columns(tmp_path, name):
    file, head, line = UPSTREAM[name]
    (tmp_path / "moleculenet").mkdir()
    body = "".join(line.format("C" * i, i, i % 2) + "\n" for i in range(20))
    (tmp_path / "moleculenet" / file).write_text(f"{head}\n{body}")
    loaded = rowcache.load(TASKS[f"chem.{name}"], tmp_path, download=False, unverified=True)

    assert ((16, 2, 2), "unverified") == (loaded.sizes, loaded.status)
    assert 2 + 19 == max(part.lengths.max() for part in loaded[:3])
