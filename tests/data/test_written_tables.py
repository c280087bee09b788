"""Whatever a table holds, in each format that pandas and Python write, its rows come back."""

import csv
import json

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from discbench import Row
from discbench.data import read_rows
from discbench.data.formats.cells import as_list
from discbench.errors import DataError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(lambda s: s.strip())
WORDS = st.sampled_from(["EI", "IE", "N", "cell, membrane", 'say "x"', "two\nlines", "é"])
WHOLE = st.integers(-3, 10**15)
NUMBERS = st.integers(-(10**6), 10**6).map(lambda n: n / 64)
LABELS = st.one_of(*(st.lists(kind, min_size=8, max_size=8) for kind in (WHOLE, WORDS, NUMBERS, st.booleans())))
NAMES = st.lists(TEXT.filter(lambda s: "\0" not in s), min_size=2, max_size=2, unique=True).filter(
    lambda names: not names[0].startswith("sep=")
)


@st.composite
def tables(draw):
    """Texts, labels of one kind, and names of their columns."""
    texts = draw(st.lists(TEXT, min_size=1, max_size=8).filter(lambda found: any(as_list(x) is None for x in found)))
    return draw(NAMES), texts, draw(LABELS)[: len(texts)]


def wanted(texts, labels):
    """The rows by hand."""
    if isinstance(labels[0], str):
        order = sorted(set(labels))
        return [Row(text, order.index(label)) for text, label in zip(texts, labels, strict=True)]
    whole = all(label == int(label) and abs(label) <= 2**53 for label in labels)
    kind = int if whole else float
    return [Row(text, kind(label)) for text, label in zip(texts, labels, strict=True)]


COMMON = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(path, names):
    return read_rows(path, symbols=names[0], label=names[1])


@COMMON
@given(tables())
def test_what_pandas_writes_is_read(tmp_path, table):
    names, texts, labels = table
    frame = pd.DataFrame(dict(zip(names, (texts, labels), strict=True)))
    rows = wanted(texts, labels)

    for orient in ("columns", "index", "split", "records", "table"):
        frame.to_json(tmp_path / "a.json", orient=orient, double_precision=15, force_ascii=orient == "index")
        assert rows == read(tmp_path / "a.json", names)
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True, double_precision=15, force_ascii=False)
    assert rows == read(tmp_path / "a.jsonl", names)
    frame.to_parquet(tmp_path / "a.parquet")
    assert rows == read(tmp_path / "a.parquet", names)
    for separator, quoting, name in ((",", csv.QUOTE_MINIMAL, "a.csv.gz"), (";", csv.QUOTE_ALL, "a.csv")):
        frame.to_csv(tmp_path / name, sep=separator, quoting=quoting)
        if quoting == csv.QUOTE_ALL or not any("\r" in cell for cell in (*names, *texts)):  # see below
            assert rows == read(tmp_path / name, names)


@COMMON
@given(
    tables(),
    st.sampled_from(",;|"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_the_csv_and_json_modules_write_is_read(tmp_path, table, delimiter, end, encoding):
    names, texts, labels = table
    cells = list(zip(texts, labels, strict=True))
    with (tmp_path / "a.csv").open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter, lineterminator=end).writerows([names, *cells])
    with (tmp_path / "a.jsonl").open("w", newline="", encoding=encoding) as file:
        file.writelines(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + end for row in cells)

    assert wanted(texts, labels) == read(tmp_path / "a.jsonl", names)
    try:
        found = read(tmp_path / "a.csv", names)
    except DataError:  # before Python 3.13 the csv module leaves a line end in a cell unquoted if it is not the file's
        assert any(sign in cell for cell in (*names, *texts, *map(str, labels)) for sign in "\r\n")
    else:
        assert wanted(texts, labels) == found
