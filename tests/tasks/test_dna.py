"""The DNA readers take UCI's file and every form of the histone marks; grouped splits keep relatives together."""

from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from discbench.data import reading, rowcache, rows
from discbench.errors import DataError
from discbench.tasks import dna

TASKS = {task.name: task for task in dna.discbench_tasks()}
SPLICE = TASKS["dna.splice"]
MADE = [("ACGT" * 5 + "A" * i, i % 2) for i in range(1, 21)]


def test_the_published_rows_are_verified_and_cut_as_the_paper_cuts_them(real_data):
    loaded = rowcache.load(SPLICE, real_data, download=False)

    assert ((2871, 159, 160), "verified") == (loaded.sizes, loaded.status)
    assert {0: 767, 1: 768, 2: 1655} == Counter(t for part in loaded[:3] for t in part.targets.tolist())
    assert {60} == set(loaded.train.lengths.tolist())


def test_a_line_of_another_form_is_named(tmp_path, monkeypatch):
    (tmp_path / "splice").mkdir()
    (tmp_path / "splice" / "splice.data").write_text("EI,   X-1,   ACGT\nsomething else\n")
    monkeypatch.setattr(dna, "SPLICE_FILE", None)

    with reading(tmp_path), pytest.raises(DataError, match=r"line 2: 'EI\|IE\|N, name, sequence' was expected"):
        dna.load_splice()


def test_the_published_windows_have_the_known_copies_and_letters(real_data):
    with reading(real_data, download=False):
        found = dna.splice_rows()
    copies = Counter(row.symbols for row in found)
    labels = {
        symbols: {row.target for row in found if row.symbols == symbols} for symbols, n in copies.items() if n > 1
    }

    assert (3190, 3005, 125) == (len(found), len(copies), len(labels))
    assert 1 == sum(len(targets) > 1 for targets in labels.values())
    assert 15 == sum(bool(set(row.symbols) - set("ACGT")) for row in found)


def shares_with_train(splits, length):
    """Which share of the test rows has a stretch of `length` in common with train."""
    train = {piece for row in splits.train for piece in pieces(row.symbols, length)}
    return sum(not train.isdisjoint(pieces(row.symbols, length)) for row in splits.test) / len(splits.test)


def pieces(symbols, length):
    return {symbols[start : start + length] for start in range(max(1, len(symbols) - length + 1))}


def test_a_fifth_of_the_papers_splice_test_rows_leak_and_none_of_the_grouped_ones(real_data):
    with reading(real_data, download=False):
        assert pytest.approx(0.194, abs=0.001) == shares_with_train(dna.load_splice(), 20)
        assert 0.0 == shares_with_train(dna.load_splice_grouped(), 20)


def test_a_quarter_of_h3s_test_windows_overlap_train_and_none_of_the_grouped_ones(real_data):
    with reading(real_data, download=False):
        assert pytest.approx(0.233, abs=0.001) == shares_with_train(dna.load_histone("H3"), 100)
        assert 0.0 == shares_with_train(dna.load_histone_grouped("H3"), 32)


def test_the_grouped_splice_rows_are_verified_and_of_the_papers_shares(real_data):
    loaded = rowcache.load(TASKS["dna.splice-grouped"], real_data, download=False)

    assert ((2872, 159, 159), "verified") == (loaded.sizes, loaded.status)


@pytest.mark.parametrize(("mark", "count"), [("H3", 4185), ("H3K9ac", 7767)])
def test_a_part_of_a_mark_is_read_marked_and_never_called_complete(real_data, mark, count):
    loaded = rowcache.load(TASKS[f"dna.{mark.lower()}"], real_data, download=False)

    assert count == sum(loaded.sizes)
    assert ("unverified", f"{count} of {dna.MARKS[mark]} rows") == (loaded.status, loaded.partial)


def test_the_papers_sizes_are_those_of_one_shuffle_cut_at_90_and_95_percent():
    assert [(13468, 748, 749), (13140, 730, 731), (25003, 1389, 1390)] == [
        TASKS[f"dna.{mark}"].dataset.sizes for mark in ("h3", "h4", "h3k9ac")
    ]
    assert 10 == len(dna.MARKS)


def write_text(folder):
    (folder / "H3.txt").write_text("".join(f">iY{i}_{i}\n{s}\n{y}\n" for i, (s, y) in enumerate(MADE)))


def write_fasta(folder):
    (folder / "H3").mkdir()
    for name, part in (("train", MADE[:18]), ("test", MADE[18:])):
        records = "".join(f">YBR{i}C_X|{y}\n{s[:10]}\n{s[10:]}\n" for i, (s, y) in enumerate(part))
        (folder / "H3" / f"{name}.fna").write_text(records)


def write_parquet(folder):
    (folder / "H3").mkdir()
    for name, part in (("train", MADE[:5]), ("test", MADE[5:])):
        columns = {"sequence": [s for s, _ in part], "name": ["x"] * len(part), "label": [y for _, y in part]}
        pq.write_table(pa.table(columns), folder / "H3" / f"{name}.parquet")


def write_csv(folder):
    (folder / "H3.csv").write_text("sequence,label,source,probe_id\n" + "".join(f"{s},{y},x,\n" for s, y in MADE))


def test_all_forms_of_a_mark_give_the_same_rows(tmp_path):
    hashes = set()
    for write in (write_text, write_fasta, write_parquet, write_csv):
        folder = tmp_path / write.__name__ / "dna_histone"
        folder.mkdir(parents=True)
        write(folder)
        with reading(folder.parent, download=False):
            splits = dna.load_histone("H3")
        hashes.add(rows.digest(splits))
        assert ("20 of 14965 rows", 18, 1, 1) == (
            splits.partial,
            len(splits.train),
            len(splits.validation),
            len(splits.test),
        )

    assert 1 == len(hashes)


def test_a_whole_file_put_beside_a_part_is_read_instead_of_the_cached_part(tmp_path):
    folder = tmp_path / "dna_histone"
    folder.mkdir()
    write_csv(folder)
    before = rowcache.load(TASKS["dna.h3"], tmp_path, download=False)
    (folder / "H3.txt").write_text("".join(f">iY\n{s}\n{y}\n" for s, y in [*MADE, ("ACGTACGTTT", 1)]))
    after = rowcache.load(TASKS["dna.h3"], tmp_path, download=False)

    assert ["20 of 14965 rows", "21 of 14965 rows"] == [before.partial, after.partial]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("H3.txt", ">a\nACGT\n2\n", r"'>name', bases and label 0 or 1 were expected, found '>a', 'ACGT', '2'"),
        ("H3.txt", ">a\nACGT\n", r"label 0 or 1 were expected, found '>a', 'ACGT', ''"),
        ("H3.txt", ">a\nACGU\n1\n", r"found '>a', 'ACGU', '1'"),
        ("H3.txt", "", r"H3: 14965 rows were expected, found none"),
        ("H3.csv", "bases,label\nACGT,1\n", "H3.csv has no column 'sequence'; it has 2 columns: 'bases', 'label'"),
        ("H3.txt", ">a\n>b\n1\n", r"found '>a', '>b', '1'"),
    ],
)
def test_a_mark_of_another_form_is_told_in_one_line(tmp_path, name, text, line):
    (tmp_path / "dna_histone").mkdir()
    (tmp_path / "dna_histone" / name).write_text(text)

    with reading(tmp_path, download=False), pytest.raises(DataError, match=line):
        dna.load_histone("H3")
