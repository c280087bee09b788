"""A hostile submission does no harm: it is refused in one line or told as findings, and nothing of it runs or is unpacked."""

import io
import json
import stat
import struct
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import by_id, write

from discbench.cli import cli
from discbench.errors import UserError
from discbench.results.store import as_text
from discbench.submissions import intake
from discbench.submissions.findings import Unfit
from discbench.submissions.recount import unpack
from discbench.submissions.submit import pack
from discbench.submissions.verify import Verifier
from discbench.values.cells import cell_id
from discbench.words.names import printable


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A submission of two cells: its files by name."""
    root = tmp_path_factory.mktemp("packed")
    write(root, seeds=(0,))
    with zipfile.ZipFile(io.BytesIO(pack(root)[0])) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def verify(path):
    return Verifier(tasks=by_id()).verify(path)


def zipped(path, files, method=zipfile.ZIP_DEFLATED):
    """Write an archive of (name or ZipInfo, content) pairs."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def refusal(path):
    with pytest.raises(UserError) as told:
        verify(path)
    assert "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize(
    "name",
    [
        "../outside.json", "/etc/passwd", "a/../../b/c.json", "a\\..\\b.json", "C:/a/b/c.json", "a//b/c.json", "a/b/c/d/e.json",
        ".hidden/b/c/d.json", "a/b/c/\u202egnp.json", "a/b/c/\x1b[31m.json", "a/b/c/" + "d" * 700, "./a/b/c.json", "a/b/c/ .json",
    ],
)  # fmt: skip
def test_a_path_that_no_store_has_is_refused(tmp_path, packed, name):
    path = zipped(tmp_path / "a.zip", [*packed.items(), (name, b"{}")])
    before = sorted(tmp_path.iterdir())

    assert "it holds a file named " in refusal(path)
    assert before == sorted(tmp_path.iterdir())


def test_a_name_cut_by_a_zero_byte_is_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", [("a/b/c/d.jsonX../../x", b"{}")])
    path.write_bytes(path.read_bytes().replace(b"jsonX", b"json\0"))

    assert "it holds a file named " in refusal(path)


def test_a_link_is_refused(tmp_path, packed):
    link = zipfile.ZipInfo("a/b/c/d.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16

    assert "is a link or a device" in refusal(zipped(tmp_path / "a.zip", [*packed.items(), (link, b"/etc/passwd")]))


def test_a_link_in_a_directory_is_refused(tmp_path):
    root = tmp_path / "store"
    path = write(root, inits=("scratch",), seeds=(0,))[0]
    (root / "other").symlink_to(path.parents[2])

    assert "is a link" in refusal(root)


def test_a_name_twice_is_refused(tmp_path, packed):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = zipped(tmp_path / "a.zip", [*packed.items(), next(iter(packed.items()))])

    assert "twice" in refusal(path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, packed):
    zeros = b"\0" * (40 << 20)

    assert "it unpacks to more than 100 times its size" in refusal(
        zipped(tmp_path / "a.zip", [*packed.items(), ("a/b/c/d.json", zeros)])
    )


def test_a_size_that_lies_gives_a_finding_not_more_bytes(tmp_path, packed):
    path = zipped(tmp_path / "a.zip", [*packed.items(), ("a/b/c/0000000000000000.json", b"[" + b" " * 100_000 + b"]")])
    true, false = struct.pack("<L", 100_002), struct.pack("<L", 10)
    path.write_bytes(path.read_bytes().replace(true, false))

    assert "cannot be read" in next(f.message for f in verify(path).findings if f.where.startswith("a/b/c"))


def test_a_million_cells_are_refused_before_their_list_is_read(tmp_path):
    path = tmp_path / "a.zip"
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 0x21, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    count = 60_002
    listed = entry * count
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(listed), 4, 0)
    path.write_bytes(b"PK\3\4" + listed + end)

    assert "it lists 60002 files, more than 30000 cells have; split it" in refusal(path)


@pytest.mark.parametrize(
    "spoil,told",
    [
        (lambda b: b"#!/bin/sh\n" + b, "no zip archive that begins with a file"),
        (lambda b: b + b"x", "its end is not that of a whole zip archive"),
        (lambda b: b[:-2] + b"\1\0c", "its end is not that of a whole zip archive"),
        (lambda b: b[: len(b) // 2], "its end is not that of a whole zip archive"),
        (lambda b: b[:-22] + b"PK\6\7" + b"\0" * 16 + b[-22:], "zip64"),
        (lambda b: b[:100] + b"y" * 7 + b[100:], "its list of files is not where its end says"),
        (lambda _: b"", "no zip archive"),
        (lambda _: b"\xff\xfe" * 500, "no zip archive"),
    ],
)
def test_an_archive_that_can_be_read_in_two_ways_or_in_none_is_refused(tmp_path, packed, spoil, told):
    path = zipped(tmp_path / "a.zip", packed.items())
    path.write_bytes(spoil(path.read_bytes()))

    assert told in refusal(path)


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(place=st.floats(0, 1), byte=st.integers(0, 255))
def test_an_archive_with_any_byte_changed_is_refused_or_found_wrong(tmp_path_factory, packed, place, byte):
    path = zipped(tmp_path_factory.mktemp("bytes") / "a.zip", packed.items())
    content = bytearray(path.read_bytes())
    at = int(place * (len(content) - 1))
    content[at] ^= byte
    path.write_bytes(content)
    try:
        verdict = verify(path)
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either end is right
    else:
        assert all("\n" not in finding.line for finding in verdict.findings)


@pytest.mark.parametrize(
    "text,told",
    [
        (b'{"a": NaN}', "it holds NaN"),
        (b'{"a": -Infinity}', "it holds -Infinity"),
        (b'{"a": 1e999}', "number 1e999 is too large"),
        (b'{"a": 9007199254740993}', "number 9007199254740993 is too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is too large"),
        (b'{"a": 1, "a": 2}', "an object has a key twice"),
        (b"[" * 100_000 + b"]" * 100_000, "nested more than 24 deep"),
        (b"[" * 30 + b"]" * 30, "nested more than 24 deep"),
        (b'{"a": "\\ud800"}', "surrogates not allowed"),
        (b"\xef\xbb\xbf{}", "is no strict JSON"),
        ("{}".encode("utf-16"), "is no strict JSON"),
        (b'{"a": "\xff"}', "is no strict JSON"),
        (b"{'a': 1}", "is no strict JSON"),
        (b"", "is no strict JSON"),
    ],
)
def test_json_that_readers_disagree_on_is_no_json(text, told):
    with pytest.raises(Unfit, match=told):
        intake.read_json(text)


@pytest.mark.parametrize("value", [[], 1, "x", None, {}, {"format": 1}, {"id": {"a": 1}}, [[[]]]])
def test_json_of_any_form_is_a_finding(tmp_path, value):
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    (folder / "d.json").write_text(json.dumps(value))

    assert ["form"] == [f.check for f in verify(tmp_path).findings]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(data=st.data(), value=JSON)
def test_a_result_with_anything_anywhere_is_a_finding_not_a_crash(tmp_path_factory, packed, data, value):
    name = data.draw(st.sampled_from([n for n in packed if n.endswith(".json") and n != intake.MANIFEST]))
    record = json.loads(packed[name])
    part = data.draw(st.sampled_from(sorted(record)))
    if isinstance(record[part], dict) and data.draw(st.booleans()):
        record[part][data.draw(st.sampled_from(sorted(record[part])))] = value
    else:
        record[part] = value
    if isinstance(record.get("cell"), dict) and data.draw(st.booleans()):
        record["id"] = cell_id(record["cell"])
    path = zipped(tmp_path_factory.mktemp("any") / "a.zip", {**packed, name: json.dumps(record).encode()}.items())
    verdict = verify(path)

    assert verdict.errors
    assert all(finding.line.isprintable() for finding in verdict.findings)


def test_a_script_in_a_models_name_is_only_ever_text(tmp_path):
    root = tmp_path / "store"
    path = write(root, inits=("scratch",), seeds=(0,))[0]
    record = json.loads(path.read_text())
    record["cell"]["checkpoint"] = "<script>alert(1)</script>\n::error::\x1b[2J$(touch owned)"
    path.write_text(as_text(record))
    done = CliRunner().invoke(cli, ["verify", str(root)])

    assert 1 == done.exit_code
    assert "\\n::error::\\x1b[2J" in done.stdout
    assert not any(line.startswith("::") for line in done.stdout.splitlines())
    assert "\x1b" not in done.stdout
    assert not Path("owned").exists()


def parquet(**columns):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return sink.getvalue()


ROWS = {"row": pa.array([0, 1], pa.int32()), "target": pa.array([0, 1], pa.int64())}


def outputs(*lists):
    return pa.array(lists, pa.list_(pa.float32()))


@pytest.mark.parametrize(
    "content,told",
    [
        (b"PAR1 not parquet PAR1", "holds no predictions"),
        (b"", "holds no predictions"),
        (b"\0" * 4096, "holds no predictions"),
        (parquet(**ROWS), "has 2 columns"),
        (parquet(**ROWS, outputs=outputs([0, 1], [0, 1]), more=[1, 2]), "has 4 columns"),
        (parquet(**ROWS, outputs=pa.array(["a", "b"])), "has columns"),
        (parquet(**ROWS, outputs=pa.array([[0.0, 1.0], [1.0, 0.0]])), "has columns"),
        (parquet(**ROWS, outputs=outputs([0, 1], [0])), "does not hold 2 outputs for every row"),
        (parquet(**ROWS, outputs=outputs([0, 1, 2], [0])), "does not hold 2 outputs for every row"),
        (parquet(**ROWS, outputs=outputs([0, 1], None)), "does not hold 2 outputs for every row"),
        (parquet(**ROWS, outputs=outputs([0, np.inf], [0, 1])), "holds NaN or infinite numbers"),
        (parquet(**{**ROWS, "row": pa.array([0, None], pa.int32())}, outputs=outputs([0, 1], [1, 0])), "does not hold"),
        (parquet(row=pa.array([0], pa.int32()), target=pa.array([0]), outputs=outputs([0, 1])), "has 1 rows"),
        (
            parquet(**ROWS, outputs=outputs(np.zeros(3_000_000, np.float32), [0, 1])),
            "has more numbers than its rows need",
        ),
        (
            parquet(row=ROWS["row"], target=pa.array([{"a": 1}, {"a": 2}]), outputs=outputs([0, 1], [1, 0])),
            "has columns",
        ),
    ],
)
def test_parquet_of_any_form_is_a_finding(content, told):
    with pytest.raises(Unfit, match=told):
        unpack(content, 2, by_id()["formal.factor@1"])


def test_parquet_that_is_as_it_should_be_is_read():
    found = unpack(parquet(**ROWS, outputs=outputs([0, 1], [1, 0])), 2, by_id()["formal.factor@1"])

    assert [[0, 1], [1, 0]] == found.outputs.tolist()


@pytest.mark.parametrize(
    "text,line", [("a\nb", "a\\nb"), ("\x1b[0m", "\\x1b[0m"), ("\u202e", "\\u202e"), ("x" * 200, "x" * 159 + "…")]
)
def test_what_is_shown_is_one_printable_line(text, line):
    assert line == printable(text)
