"""The protein readers take TAPE's own JSON and the CSV copies alike."""

import json
import tarfile
from collections import Counter

import pytest

from discbench.data import reading, rowcache, rows
from discbench.errors import DataError
from discbench.tasks import protein

TASKS = {task.name: task for task in protein.discbench_tasks()}


def test_unusual_letters_are_read_as_plus_reads_them():
    assert "MKKCXXXXV" == protein.residues("MKOUBZJX*v")


def write_tape(folder, name, label, records):
    """Write an archive of TAPE's form: `<name>/<name>_{train,valid,test}.json`, labels in lists."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / f"{name}.tar.gz", "w:gz") as tar:
        for part, rows_ in records.items():
            path = folder / f"{name}_{part}.json"
            path.write_text(
                json.dumps(
                    [
                        {"id": str(i), "primary": s, "protein_length": len(s), label: [y]}
                        for i, (s, y) in enumerate(rows_)
                    ]
                )
            )
            tar.add(path, f"{name}/{name}_{part}.json")
            path.unlink()


def test_tapes_archive_and_csv_copies_of_the_same_rows_hash_the_same(tmp_path):
    records = {"train": [("MKVO*", -0.20999999344348907), ("MKW", 1.25)], "valid": [("MA", 0.5)], "test": [("MC", 2.0)]}
    write_tape(tmp_path / "a" / "stability", "stability", "stability_score", records)
    (tmp_path / "b" / "stability").mkdir(parents=True)
    for part, pairs in records.items():
        lines = "".join(f"{s},{y:.15f}\n" for s, y in pairs)
        (tmp_path / "b" / "stability" / f"stability_{part}.csv").write_text("seq,label\n" + lines)

    found = []
    for folder in ("a", "b"):
        with reading(tmp_path / folder, download=False):
            found.append(protein.load_stability())
    assert rows.digest(found[0]) == rows.digest(found[1])
    assert ["MKVK", "MKW"] == [r.symbols for r in found[0].train]


@pytest.mark.parametrize(
    ("name", "sizes", "first", "mean"),
    [
        ("protein.stability", (53614, 2512, 12851), -0.21, 0.18),
        ("protein.fluorescence", (21446, 5362, 27217), 3.762845, 3.0),
    ],
)
def test_the_published_rows_are_verified(real_data, name, sizes, first, mean):
    loaded = rowcache.load(TASKS[name], real_data, download=False)

    assert (sizes, "verified") == (loaded.sizes, loaded.status)
    numbers = loaded.train.numbers  # the file's first row where it has some, else the first in canonical order
    place = 0 if numbers is None else int(numbers.argmin())
    assert (name == "protein.stability") == (numbers is not None)
    assert pytest.approx(float(loaded.train.targets[place]), abs=1e-6) == first
    if name == "protein.stability":
        assert [0.18, 0.28, 1.00] == [round(float(part.targets.mean()), 2) for part in loaded[:3]]


def test_grouped_stability_has_tapes_train_and_validation_rows_and_no_family_on_two_sides(real_data):
    name = "protein.stability-grouped"
    with reading(real_data, download=False):
        splits, published = TASKS[name].dataset.load(), protein.load_stability()
    sides = [splits.train, splits.validation, splits.test]
    families = [{row.family for row in side} for side in sides]
    designs = Counter((row.symbols, row.target) for row in [*published.train, *published.validation])

    assert [44902, 5612, 5612] == [len(side) for side in sides]
    assert designs == Counter((row.symbols, row.target) for side in sides for row in side)
    assert 40570 == sum(map(len, families)) == len(set().union(*families))
    assert 48 == TASKS[name].max_symbols == TASKS["protein.stability"].max_symbols
    assert "verified" == rowcache.load(TASKS[name], real_data, download=False).status


def test_linkers_make_no_relatives_and_sixteen_residues_between_them_do(tmp_path):
    linker, core = "GSGGNGSGNGSGNGSSGNGS", "ARNDCQEGHILKMFPT"
    strangers = [(f"{letter * 7}{linker}", 0.1) for letter in "ACDEFHIKLM"]
    relatives = [(f"GSS{letter}{core}{letter}{linker}", 0.5) for letter in "ACDEFHIKLM"]
    write_tape(tmp_path / "stability", "stability", "stability_score", {"train": strangers, "valid": relatives})
    with reading(tmp_path, download=False):
        splits = TASKS["protein.stability-grouped"].dataset.load()
    rows_ = [*splits.train, *splits.validation, *splits.test]

    assert 11 == len({row.family for row in rows_})
    assert 1 == len({row.family for row in rows_ if core in row.symbols})
    assert {*strangers, *relatives} == {(row.symbols, row.target) for row in rows_}


def test_grouped_stability_is_the_same_whatever_order_its_rows_come_in(tmp_path):
    letters = "ARNDCQEGHILKMFPSTWYV"
    designs = [(letters[i:] + letters[:i] + "A" * (i % 3), i / 10) for i in range(19)]
    designs.append((designs[3][0], 9.0))
    found = []
    for folder, cut in (("a", 15), ("b", 5)):
        order = designs if folder == "a" else designs[::-1]
        write_tape(
            tmp_path / folder / "stability",
            "stability",
            "stability_score",
            {"train": order[:cut], "valid": order[cut:], "test": [("MC", 2.0)]},
        )
        with reading(tmp_path / folder, download=False):
            found.append(TASKS["protein.stability-grouped"].dataset.load())

    assert found[0] == found[1]
    assert 20 == sum(map(len, (found[0].train, found[0].validation, found[0].test)))


def test_stability_has_the_known_copies_and_fluorescence_the_known_share_of_dark_proteins(real_data):
    with reading(real_data, download=False):
        stability, fluorescence = protein.load_stability(), protein.load_fluorescence()
    train = Counter(row.symbols for row in stability.train)

    assert 43 == sum(count > 1 for count in train.values())
    assert 26 == len(set(train) & {row.symbols for row in stability.test})
    dark = [sum(r.target < 1.5 for r in part) / len(part) for part in (fluorescence.train, fluorescence.test)]
    assert [0.12, 0.47] == [round(share, 2) for share in dark]


@pytest.mark.parametrize("name", ["stability", "fluorescence"])
def test_a_table_with_other_columns_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / f"{name}_train.csv").write_text("sequence,label\nMK,1.0\n")

    with (
        reading(tmp_path, download=False),
        pytest.raises(DataError, match="has no column 'seq'; did you mean 'sequence'"),
    ):
        TASKS[f"protein.{name}"].dataset.load()


def test_a_long_protein_is_its_two_ends_of_which_the_task_keeps_ten_residues_of_the_tail():
    cut = protein.ends("A" * 600 + "C" * 401)

    assert ("A" * 500 + "A" * 99 + "C" * 401) == cut
    assert "A" * 1000 == protein.ends("A" * 1000)
    assert 510 == TASKS["protein.localization"].max_symbols
    assert "A" * 500 + "C" * 10 == protein.ends("A" * 600 + "C" * 600)[:510]


def write_deeploc(folder, train, test):
    """Write DeepLoc's own form: `>ACC Compartment-M [test]`, residues in lines of 60."""
    (folder / "localization").mkdir(parents=True)
    kinds = [f"{name}-{letter}" for name, letter in zip(protein.COMPARTMENTS, "MSUMSUMSUM", strict=True)]
    records = [f">P{i} {kinds[i % 10]}{' test' * (i >= train)}" for i in range(train + test)]
    records += [f">Q{i} Cytoplasm-Nucleus-U{' test' * (i % 2)}" for i in range(146)]
    letters = protein.LETTERS
    lines = [
        f"{head}\nM{letters[i % 20]}{letters[i // 20 % 20]}\n{letters[i // 400 % 20]}" for i, head in enumerate(records)
    ]
    (folder / "localization" / "deeploc_data.fasta").write_text("\n".join(lines) + "\n")


def test_deeplocs_own_file_is_cut_to_the_sizes_of_plus(tmp_path):
    write_deeploc(tmp_path, 11085, 2773)
    with reading(tmp_path, download=False):
        splits = protein.load_localization()

    assert (9977, 1108, 2773, "") == (len(splits.train), len(splits.validation), len(splits.test), splits.partial)
    assert set(range(10)) == {row.target for row in splits.train}
    assert {4} == {len(row.symbols) for row in splits.test}


def test_a_part_of_deeplocs_file_is_called_a_part(tmp_path):
    write_deeploc(tmp_path, 100, 20)
    with reading(tmp_path, download=False):
        splits = protein.load_localization()

    assert (90, 10, 20, "120 of 13858 proteins") == (
        len(splits.train), len(splits.validation), len(splits.test), splits.partial,
    )  # fmt: skip


def test_the_surrogate_is_never_called_the_whole(real_data):
    loaded = rowcache.load(TASKS["protein.localization"], real_data, download=False)

    assert ((5696, 1655, 2768), "unverified") == (loaded.sizes, loaded.status)
    assert "train is a surrogate of 5696 MultiLoc proteins, not DeepLoc's; test lacks 5 rows" == loaded.partial


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (">P1 Chloroplast-M\nMK\n", "compartment 'Chloroplast-M' is none of"),
        (">P1\nMK\n", r"'>ACCESSION Compartment-M \[test\]' and residues were expected, found 'P1'"),
        (">P1 Nucleus-U test\n", "and residues were expected, found 'P1 Nucleus-U test'"),
        ("", "holds no '>' record; is it a FASTA file?"),
    ],
)
def test_a_file_of_another_form_is_told_in_one_line(tmp_path, text, line):
    (tmp_path / "localization").mkdir()
    (tmp_path / "localization" / "deeploc_data.fasta").write_text(text)

    with reading(tmp_path, download=False), pytest.raises(DataError, match=line):
        protein.load_localization()
