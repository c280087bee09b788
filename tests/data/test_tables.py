"""Tables of one's own: each form that users have gives its rows, or one line that names file, line, column and cell."""

import bz2
import csv
import gzip
import io
import json
import lzma
import re

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from discbench import Row
from discbench.data import number, read_json, read_parquet, read_rows, read_table
from discbench.errors import DataError

ROWS = [Row("ACGT", 0), Row("GGAC", 1), Row("TTTA", 1)]
RECORDS = [{"seq": row.symbols, "label": row.target} for row in ROWS]
FRAME = pd.DataFrame(RECORDS)
CSV = "seq,label\nACGT,0\nGGAC,1\nTTTA,1\n"


def rows(path, content, **asked):
    """Write a file and read its columns seq and label."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_rows(path, **{"symbols": "seq", "label": "label", **asked})


def refused(path, content, **asked):
    """Return what is said of a file, without its folder."""
    with pytest.raises(DataError) as error:
        rows(path, content, **asked)
    line = str(error.value)
    assert "\n" not in line
    assert "fetch" not in line
    return line.replace(f"{path.parent}/", "")


JSON = {
    "records": json.dumps(RECORDS),
    "records, indent=0": json.dumps(RECORDS, indent=0),
    "records, indent=2": json.dumps(RECORDS, indent=2),
    "records with a byte-order mark": "\ufeff" + json.dumps(RECORDS),
    "lines in .json": "\n".join(map(json.dumps, RECORDS)),
    "lines with blank ones": "\n\n".join(map(json.dumps, RECORDS)) + "\n\n \n",
    "lines of two and more": "\n".join(json.dumps(record, indent=1) for record in RECORDS),
    "pandas' default": FRAME.to_json(),
    "orient=columns of another order": FRAME[["label", "seq"]].to_json(),
    "orient=index": FRAME.to_json(orient="index"),
    "orient=split": FRAME.to_json(orient="split"),
    "orient=split without index": FRAME.to_json(orient="split", index=False),
    "orient=table": FRAME.to_json(orient="table"),
    "orient=records": FRAME.to_json(orient="records"),
    "columns as lists": json.dumps(FRAME.to_dict(orient="list")),
    "one split": json.dumps({"train": RECORDS}),
    "one split of columns": json.dumps({"train": FRAME.to_dict(orient="list")}),
    "data beside a version": json.dumps({"version": "1.1", "data": RECORDS}),
}


@pytest.mark.parametrize("form", JSON)
def test_json_in_each_form_that_says_what_it_is_gives_its_rows(form, tmp_path):
    assert ROWS == rows(tmp_path / "a.json", JSON[form])


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.JSONL"])
def test_a_file_of_json_lines_may_hold_one_line(name, tmp_path):
    assert ROWS[:1] == rows(tmp_path / name, json.dumps(RECORDS[0]) + "\n")


def test_read_json_gives_a_list_for_lines_and_the_value_otherwise(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n')
    (tmp_path / "a.json").write_text('{"a": 1}\n')

    assert [{"a": 1}] == read_json(tmp_path / "a.jsonl")
    assert {"a": 1} == read_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    "mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r", "\n", "\r\n", '"', "\t", ","]
)
def test_a_separator_within_a_text_is_part_of_it(mark, tmp_path):
    text = f"one{mark}two"
    lines = "".join(json.dumps({"seq": f"{text} {i}", "label": i}, ensure_ascii=False) + "\n" for i in range(3))
    cells = io.StringIO()
    csv.writer(cells).writerows([["seq", "label"], *[[f"{text} {i}", i] for i in range(3)]])

    wanted = [Row(f"{text} {i}", i) for i in range(3)]
    assert wanted == rows(tmp_path / "a.jsonl", lines)
    assert wanted == rows(tmp_path / "a.csv", cells.getvalue())


def test_a_split_of_several_is_named_and_never_mixed_with_the_others(tmp_path):
    both = json.dumps({"train": RECORDS, "test": RECORDS[:1]})

    assert ROWS[:1] == rows(tmp_path / "a.json", both, split="test")
    assert "a.json has 2 tables; say split= with one of 'train', 'test'" == refused(tmp_path / "a.json", both)
    assert "a.json has no split 'dev'; say split= with one of 'train', 'test'" == refused(
        tmp_path / "a.json", both, split="dev"
    )
    assert "a.csv: split='test' names a table within a JSON object, but this is one table" == refused(
        tmp_path / "a.csv", CSV, split="test"
    )


TOLD_OF_JSON = {
    "orient=values": (
        FRAME.to_json(orient="values"),
        "a.json, record 1: an object of named fields was expected, but ['ACGT', 0] stands there; rows without names of columns (pandas' orient='values') do not say what they are: write them with orient='records'",
    ),
    "a key twice": (
        '[{"seq": "A", "label": 0, "label": 1}]',
        "a.json, line 1: it cannot be read as JSON (an object has the key 'label' twice; name them apart)",
    ),
    "two columns of one name": (
        '{"columns": ["seq", "label", "label"], "data": [["A", 0, 1]]}',
        "a.json: 2 columns are called 'label'; name them apart",
    ),
    "a field that one record lacks": (
        '[{"seq": "A", "label": 0}, {"seq": "C"}]',
        "a.json, record 2, column 'label': a label was expected, but nothing stands there; leave such rows out",
    ),
    "columns of unlike length": (
        '{"seq": ["A", "C"], "label": [1]}',
        "a.json: columns have a value for each row, but 'seq' has 2 and 'label' has 1, or for others",
    ),
    "cut off": (
        json.dumps(RECORDS)[:30].rstrip(),
        "a.json, line 1, column 30: it is not valid JSON (Expecting value); is it whole?",
    ),
    "a comma too many": (
        '[{"seq": "A",\n "label": 0,},\n {"seq": "C", "label": 1}]',
        "a.json, line 2, column 12: it is not valid JSON (Illegal trailing comma before end of object)",
    ),
    "another column": (
        '{"train": [{"Seq": "A", "label": 0}]}',
        "a.json has no column 'seq'; did you mean 'Seq'? it has 2 columns: 'Seq', 'label'",
    ),
    "no record": ("[]", "a.json holds no record"),
    "empty": (" \n", "a.json is empty"),
    "a number": ("3", "a.json: records were expected, but 3 was found"),
    "a web page": (
        "<!DOCTYPE html><html>",
        "a.json, line 1, column 1: it is not valid JSON (Expecting value); it is a web page: take the address of the file itself",
    ),
}


@pytest.mark.parametrize("form", TOLD_OF_JSON)
def test_json_of_another_form_is_told_with_its_place(form, tmp_path):
    content, line = TOLD_OF_JSON[form]
    found = refused(tmp_path / "a.json", content)

    if form == "a comma too many":  # Python words it by version
        found, line = found.split(" (")[0].split(", column")[0], line.split(" (")[0].split(", column")[0]
    assert line == found


LINES = {
    "a byte-order mark": ("a.csv", "\ufeff" + CSV),
    "UTF-16 with a mark": ("a.csv", CSV.encode("utf-16")),
    "UTF-32 with a mark": ("a.csv", CSV.encode("utf-32")),
    "Windows' line ends": ("a.csv", CSV.replace("\n", "\r\n")),
    "old line ends": ("a.csv", CSV.replace("\n", "\r")),
    "no line end": ("a.csv", CSV.rstrip()),
    "blank lines": ("a.csv", "\n" + CSV.replace("GGAC", "\n  \nGGAC") + "\n \n\n"),
    "empty rows of a spreadsheet": ("a.csv", CSV + ",\n,\n"),
    "semicolons": ("a.csv", CSV.replace(",", ";")),
    "bars": ("a.csv", CSV.replace(",", "|")),
    "tabs in .csv": ("a.csv", CSV.replace(",", "\t")),
    "commas in .tsv": ("a.tsv", CSV),
    "tabs": ("a.tsv", CSV.replace(",", "\t")),
    "tabs in .TSV": ("a.TSV", CSV.replace(",", "\t")),
    "a spreadsheet's first line": ("a.csv", "sep=;\r\n" + CSV.replace(",", ";")),
    "Unicode text of a spreadsheet": ("a.txt", CSV.replace(",", "\t").encode("utf-16")),
    "quotes": ("a.csv", CSV.replace("GGAC", '"GGAC"').replace("seq", '"seq"')),
    "blanks round labels": ("a.csv", CSV.replace(",0", ", 0").replace(",1", ",1 ")),
    "whole numbers as floats": ("a.csv", CSV.replace(",0", ",0.0").replace(",1", ",1.")),
    "pandas with index": ("a.csv", FRAME.to_csv()),
    "two columns of one name that nobody asked for": ("a.csv", "x,seq,x,label\n,ACGT,,0\n,GGAC,,1\n,TTTA,,1\n"),
    "gzip": ("a.csv.gz", gzip.compress(CSV.encode())),
    "xz": ("a.csv.xz", lzma.compress(CSV.encode())),
    "bzip2": ("a.csv.bz2", bz2.compress(CSV.encode())),
    "Zstandard": ("a.csv.zst", pa.compress(CSV.encode(), codec="zstd", asbytes=True)),
    "JSON in gzip": ("a.json.gz", gzip.compress(FRAME.to_json().encode())),
}


@pytest.mark.parametrize("form", LINES)
def test_a_table_of_lines_in_each_form_gives_its_rows(form, tmp_path):
    assert ROWS == rows(tmp_path / LINES[form][0], LINES[form][1])


def test_a_field_may_be_as_long_as_a_chromosome(tmp_path):
    assert [Row("ACGT" * 100_000, 1)] == rows(tmp_path / "a.csv", f"seq,label\n{'ACGT' * 100_000},1\n")
    assert 131_072 == csv.field_size_limit()


TOLD = {
    "a column twice": ("a.csv", "seq,label,label\nA,0,1\n", "a.csv: columns 2 and 3 are both called 'label'; name them apart"),
    "a cell too few": (
        "a.csv", "seq,label\nA,1\nC\nG,1\n",
        "a.csv, line 3: 2 columns were expected, as in its first line, but there are 1",
    ),
    "cut off": (
        "a.csv", CSV + "AC",
        "a.csv, line 5: 2 columns were expected, as in its first line, but there are 1; is the file whole?",
    ),
    "lines are counted over cells of several": (
        "a.csv", 'seq,label\n"A\nC\nG",1\n\nC,x\n',
        "a.csv, line 6, column 'label': label 'x' is not a number, as others are; if labels are classes, name them in their order with classes=",
    ),
    "and over a first line": (
        "a.csv", "sep=;\nseq;label\nA;1\nC;\n",
        "a.csv, line 4, column 'label': a label was expected, but nothing stands there; leave such rows out",
    ),
    "a header alone": ("a.csv", "seq,label\n", "a.csv has columns and no rows"),
    "empty": ("a.csv", "", "a.csv is empty"),
    "an empty cell of symbols": (
        "a.csv", "seq,label\nA,1\n ,0\n",
        "a.csv, line 3, column 'seq': symbols are a text, or a list of texts or whole numbers, but nothing stands there",
    ),
    "a quote that is not closed": (
        "a.csv", 'seq,label\nA,1\n"C,0\n',
        "a.csv, line 3: it cannot be read (unexpected end of data); if quotes are part of the text, say quoting=csv.QUOTE_NONE",
    ),
    "quotes that would swallow lines": (
        "a.tsv", 'seq\tlabel\n"Hello\t1\nyou\t0\nthere"\t0\n',
        "a.tsv, line 2: one cell would reach to line 4 and hold tabs, by its quotes; if quotes are part of the text, say quoting=csv.QUOTE_NONE",
    ),
    "another encoding": (
        "a.csv", "seq,label\nA,1\ncaf\xe9,0\n".encode("latin-1"),
        "a.csv, line 3: byte 0xe9 is not UTF-8; save the file as UTF-8",
    ),
    "gzip under a plain name": (
        "a.csv", gzip.compress(CSV.encode()), "a.csv is no text; it is a gzip file: let its name end in .gz"
    ),
    "FASTA": (
        "a.fasta", ">P1\nMKV\n",
        "a.fasta has no column 'seq'; it is FASTA: read_rows reads tables; make a Row of each of its records",
    ),
    "JSON under another name": (
        "a.txt", '[{"seq": "A"}]',
        "a.txt has no column 'seq'; it is JSON: let its name end in .json or .jsonl",
    ),
    "a pointer to a file": (
        "a.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "a.csv has no column 'seq'; it is a Git LFS pointer: it stands for the file; `git lfs pull` brings the file itself",
    ),
    "a blank in a name": (
        "a.csv", "seq, label\nA, 1\n", "a.csv has no column 'label'; did you mean ' label'? it has 2 columns: 'seq', ' label'"
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", TOLD)
def test_a_table_of_lines_that_is_none_is_told_with_its_place(form, tmp_path):
    name, content, line = TOLD[form]

    assert line == refused(tmp_path / name, content)


def test_of_many_columns_the_nearest_are_named(tmp_path):
    head = ",".join(["Sequence", "Class", *[f"descriptor {i}" for i in range(593)]])

    assert "a.csv has no column 'seq'; did you mean 'Sequence'? it has 595 columns" == refused(
        tmp_path / "a.csv", f"{head}\n{',' * 594}\n", label="Class"
    )


def test_no_file_and_a_folder_are_told(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(DataError, match=f"^{re.escape(str(path))} is no file; is its path right\\?$"):
            read_rows(path, symbols="seq", label="label")


def test_a_cut_zstandard_file_is_told(tmp_path):
    whole = pa.compress(CSV.encode() * 500, codec="zstd", asbytes=True)

    assert refused(tmp_path / "a.csv.zst", whole[: len(whole) // 2]).startswith("a.csv.zst cannot be read (")


def test_a_file_that_was_fetched_may_be_fetched_again(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCBENCH_CACHE", str(tmp_path))
    folder = tmp_path / "downloads" / "x"
    folder.mkdir(parents=True)
    (folder / "a.csv.gz").write_bytes(gzip.compress(CSV.encode())[:20])

    with pytest.raises(DataError, match=r"is it whole\? remove it to have it fetched again$"):
        read_rows(folder / "a.csv.gz", symbols="seq", label="label")


# symbols


def test_symbols_of_several_characters_stand_in_one_cell(tmp_path):
    wanted = [Row(["A1", "B2", "C3"], 0), Row(["A1"], 1)]

    assert wanted == rows(tmp_path / "a.csv", "seq,label\nA1 B2  C3 ,0\nA1,1\n", separator=" ")
    assert wanted == rows(tmp_path / "a.csv", "seq;label\nA1, B2,C3;0\nA1;1\n", separator=",")
    assert (
        "a.csv, line 2, column 'seq': symbols are a text, or a list of texts or whole numbers, but 'A1--C3' stands there"
        == refused(tmp_path / "a.csv", "seq,label\nA1--C3,0\n", separator="-")
    )


@pytest.mark.parametrize("lists", [[["A1", "B2"], ["C3"]], [[60, 62], [64]]])
def test_lists_are_symbols_in_json_parquet_and_as_pandas_writes_them_into_csv(lists, tmp_path):
    frame = pd.DataFrame({"seq": lists, "label": [0, 1]})
    frame.to_csv(tmp_path / "a.csv")
    frame.to_json(tmp_path / "a.json")
    frame.to_parquet(tmp_path / "a.parquet")

    wanted = [Row(found, i) for i, found in enumerate(lists)]
    for name in ("a.csv", "a.json", "a.parquet"):
        assert wanted == read_rows(tmp_path / name, symbols="seq", label="label")


def test_a_text_in_brackets_among_others_stays_a_text(tmp_path):
    assert [Row("[1]", 0), Row("[Na+].[Cl-]", 1)] == rows(tmp_path / "a.csv", "seq,label\n[1],0\n[Na+].[Cl-],1\n")


@pytest.mark.parametrize("cell", ["7", "null", "[]", '["A", null]', "[1.5]", '{"a": 1}', "true", '["A", ""]'])
def test_what_are_no_symbols_is_told(cell, tmp_path):
    assert refused(tmp_path / "a.jsonl", f'{{"seq": {cell}, "label": 1}}\n{{"seq": "A", "label": 1}}').startswith(
        "a.jsonl, line 1, column 'seq': symbols are a text, or a list of texts or whole numbers, but "
    )


# items


def test_the_name_of_an_item_is_a_text(tmp_path):
    found = rows(
        tmp_path / "a.jsonl", '{"seq": "A", "label": 0, "of": 7}\n{"seq": "C", "label": 0, "of": "x"}\n', group="of"
    )

    assert ["7", "x"] == [row.group for row in found]


@pytest.mark.parametrize("cell", ['""', '" "', "null", "NaN", "[1]"])
def test_a_row_without_an_item_is_refused_where_others_have_one(cell, tmp_path):
    line = refused(
        tmp_path / "a.jsonl",
        f'{{"seq": "A", "label": 0, "of": "x"}}\n{{"seq": "C", "label": 0, "of": {cell}}}\n',
        group="of",
    )

    assert line.startswith(
        "a.jsonl, line 2, column 'of': the name of the item that this row is a segment of was expected, but "
    )
    assert line.endswith(" stands there; give each row one, its own if it belongs to no other")


# families


@pytest.mark.parametrize(
    ("cell", "family"), [('""', None), ('" "', None), ("null", None), ("NaN", None), ("7", "7"), ('"x"', "x")]
)
def test_an_empty_cell_is_a_row_without_relatives(cell, family, tmp_path):
    found = rows(
        tmp_path / "a.jsonl",
        f'{{"seq": "A", "label": 0, "of": "x"}}\n{{"seq": "C", "label": 1, "of": {cell}}}\n',
        family="of",
    )

    assert [("x", 0), (family, 1)] == [(row.family, row.target) for row in found]
    assert [None, None] == [row.group for row in found]


def test_a_family_that_is_no_name_is_told(tmp_path):
    line = refused(tmp_path / "a.jsonl", '{"seq": "A", "label": 0, "of": [1]}\n', family="of")

    assert line.startswith("a.jsonl, line 1, column 'of': the name of a family was expected, but ")
    assert line.endswith(" stands there; leave it empty for a row without relatives")


# parquet


def test_parquet_columns_of_each_kind_are_read(tmp_path):
    seq = ["ACGT", "GGAC"]
    kinds = {
        "large": pa.array(seq, pa.large_string()),
        "coded": pa.array(seq).dictionary_encode(),
        "plain": pa.array(seq),
    }
    labels = {"class": pa.array([0, 1], pa.int8()), "flag": pa.array([False, True]), "word": pa.array(["no", "yes"]).dictionary_encode(), "half": pa.array([0, 1], pa.float16()), "exact": pa.array([0, 1]).cast(pa.decimal128(30, 2))}  # fmt: skip
    pq.write_table(pa.table({**kinds, **labels}), tmp_path / "a.parquet")

    for symbols in kinds:
        for label in labels:
            assert [Row("ACGT", 0), Row("GGAC", 1)] == read_rows(tmp_path / "a.parquet", symbols=symbols, label=label)


def test_parquet_is_told_as_tables_of_lines_are(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["A"])] * 2, names=["seq", "seq"]), path)
    with pytest.raises(DataError, match=r"a.parquet: columns 1 and 2 are both called 'seq'; name them apart$"):
        read_rows(path, symbols="seq", label="seq")
    pq.write_table(pa.table({"seq": ["A", "C"], "label": [0.5, None]}), path)
    with pytest.raises(
        DataError, match=r"a.parquet, row 2, column 'label': a label was expected, but nothing stands there"
    ):
        read_rows(path, symbols="seq", label="label")
    assert (
        "a.parquet is no parquet file (Parquet magic bytes not found in footer. Either the file is corrupted or this is not a parquet file.); is it whole?"
        == refused(path, CSV)
    )
    pq.write_table(pa.table({"seq": ["A"]}), path)
    with pytest.raises(DataError, match=r"has no column 'label'; it has 1 column: 'seq'$"):
        read_parquet(path, ("seq", "label"))


# tables as they are


def test_a_table_as_it_is_has_all_columns_or_those_asked_for(tmp_path):
    (tmp_path / "a.csv").write_text("a,b,b\n1,2,3\n")

    assert [{"a": "1"}] == read_table(tmp_path / "a.csv", columns=("a",))
    with pytest.raises(DataError, match=r"columns 2 and 3 are both called 'b'; name them apart$"):
        read_table(tmp_path / "a.csv")
    assert [{"a,b,b": "1,2,3"}] == read_table(tmp_path / "a.csv", delimiter=";")


def test_quotes_are_text_where_that_is_said(tmp_path):
    text = 'seq\tlabel\n"Hello\t1\nthere"\t0\n'

    assert [Row('"Hello', 1), Row('there"', 0)] == rows(tmp_path / "a.tsv", text, quoting=csv.QUOTE_NONE)


def test_one_label_alone_is_a_number_or_told(tmp_path):
    assert [1, 1.0, -0.5, 3] == [number(text, tmp_path) for text in ("1", "1.0", [-0.5], 3)]
    for text in ("x", "", None, "nan", [1, 2], "1_000", True):
        with pytest.raises(DataError):
            number(text, tmp_path)
