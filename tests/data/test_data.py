"""Files are found, checked, unpacked and read; whatever is wrong with one is a line that names it."""

import gzip
import hashlib
import io
import json
import lzma
import tarfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from discbench import Row, data
from discbench.data.download import download
from discbench.errors import DataError


class Ranged(SimpleHTTPRequestHandler):
    """A server on loopback that honours `Range` and can be told to cut answers short."""

    cut = None

    def do_GET(self):
        content = (self.directory_path / self.path.lstrip("/")).read_bytes()
        start = self.headers.get("Range")
        self.asked.append(start)
        first = int(start.removeprefix("bytes=").rstrip("-")) if start else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        self.wfile.write(content[first : type(self).cut or len(content)])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    """A folder served on loopback."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = type("Handler", (Ranged,), {"directory_path": folder, "asked": [], "cut": None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{running.server_port}", handler
        running.shutdown()


def test_fetch_prefers_the_data_directory_then_the_cache_then_the_address(server, tmp_path, monkeypatch):
    folder, address, handler = server
    monkeypatch.setenv("DISCBENCH_CACHE", str(tmp_path / "cache"))
    (folder / "rows.csv").write_text("served")

    assert "served" == data.fetch(f"{address}/rows.csv").read_text()
    (folder / "rows.csv").write_text("changed")
    assert "served" == data.fetch(f"{address}/rows.csv").read_text()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "rows.csv").write_text("local")
    with data.reading(tmp_path / "mine"):
        assert "local" == data.fetch(f"{address}/rows.csv").read_text()
    assert [None] == handler.asked


def test_a_download_goes_on_where_it_was_cut_off(server, tmp_path):
    folder, address, handler = server
    content = bytes(range(256)) * 4000
    (folder / "big.bin").write_bytes(content)
    handler.cut = 300_000

    with pytest.raises(DataError, match="cannot be fetched"):
        download(f"{address}/big.bin", tmp_path / "big.bin", 1 << 30)
    assert not (tmp_path / "big.bin").exists()
    handler.cut = None
    download(f"{address}/big.bin", tmp_path / "big.bin", 1 << 30)
    assert content == (tmp_path / "big.bin").read_bytes()
    assert [None, "bytes=300000-"] == handler.asked


def test_a_download_larger_than_allowed_leaves_nothing(server, tmp_path):
    folder, address, _ = server
    (folder / "big.bin").write_bytes(bytes(5000))

    with pytest.raises(DataError, match="sends more than the 1,000 bytes that its task allows; nothing was kept"):
        download(f"{address}/big.bin", tmp_path / "big.bin", 1000)
    assert list(tmp_path.glob("big*")) == []


def test_a_file_of_another_hash_is_refused_with_both_hashes(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"x")
    found, wanted = hashlib.sha256(b"x").hexdigest()[:12], "0" * 12

    with data.reading(tmp_path), pytest.raises(DataError) as error:
        data.fetch("http://127.0.0.1:9/a.csv", sha256="0" * 64)
    assert str(error.value) == (
        f"{tmp_path}/a.csv has SHA-256 {found}…, but the task was written for {wanted}… of http://127.0.0.1:9/a.csv;"
        " remove the file to have it fetched again"
    )


def test_a_compressed_copy_counts_as_the_file(tmp_path):
    (tmp_path / "a.csv.xz").write_bytes(lzma.compress(b"bases,label\nACG,1\n"))

    with data.reading(tmp_path):
        path = data.fetch("http://127.0.0.1:9/a.csv", sha256=hashlib.sha256(b"bases,label\nACG,1\n").hexdigest())
    assert data.read_rows(path, symbols="bases", label="label") == [Row("ACG", 1)]


def test_without_a_network_the_message_says_where_to_put_a_copy(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCBENCH_CACHE", str(tmp_path / "cache"))

    with pytest.raises(
        DataError, match=r"put a copy as a\.csv into the data directory \(--data-dir or DISCBENCH_DATA\)"
    ):
        data.fetch("http://127.0.0.1:9/a.csv")


@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress])
def test_a_truncated_file_is_named(tmp_path, pack):
    whole = pack(b"bases,label\n" + b"ACGTACGTTGCA,1\n" * 5000)
    path = tmp_path / ("a.csv.xz" if pack is lzma.compress else "a.csv.gz")
    path.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(DataError) as error:
        data.read_rows(path, symbols="bases", label="label")
    assert str(error.value).startswith(f"{path} cannot be read (EOFError: ")


def test_a_table_cut_in_the_middle_of_a_line_is_named_with_the_line(tmp_path):
    (tmp_path / "a.csv").write_text("bases,label\nACG,1\nAC")

    with pytest.raises(DataError, match=r"a\.csv, line 3: 2 columns were expected"):
        data.read_rows(tmp_path / "a.csv", symbols="bases", label="label")


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path):
    (tmp_path / "a.tsv").write_text("seq\tlabel\nACG\t1\n")

    with pytest.raises(DataError, match=r"a\.tsv has no column 'bases'; it has 2 columns: 'seq', 'label'"):
        data.read_rows(tmp_path / "a.tsv", symbols="bases", label="label")


def test_json_and_json_lines_give_the_same_rows(tmp_path):
    records = [{"primary": "MKV", "score": [0.5]}, {"primary": "MK", "score": [-1.0]}]
    (tmp_path / "a.json").write_text(json.dumps(records))
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))

    both = [data.read_rows(tmp_path / n, symbols="primary", label="score") for n in ("a.json", "a.jsonl")]
    assert [Row("MKV", 0.5), Row("MK", -1.0)] == both[0] == both[1]


def evil_tar(path):
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("../outside.txt")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))


def evil_zip(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("../outside.txt", "evil")


@pytest.mark.parametrize("make", [evil_tar, evil_zip])
def test_an_archive_never_writes_outside_its_folder(tmp_path, make, monkeypatch):
    monkeypatch.setenv("DISCBENCH_CACHE", str(tmp_path / "cache"))
    make(tmp_path / "archive")

    with pytest.raises(DataError, match="cannot be unpacked"):
        data.unpack(tmp_path / "archive")
    assert list(tmp_path.rglob("outside.txt")) == []


def test_split_keeps_segments_of_one_item_on_one_side_and_cuts_at_shares_of_items():
    rows = [Row("ACGT"[i % 4] * (i % 7 + 1), 0, group=f"piece {i // (i % 5 + 1)}") for i in range(400)]
    cut = data.split(rows, parts=(0.5, 0.25, 0.25), seed=3)
    pieces = [{row.group for row in part} for part in (cut.train, cut.validation, cut.test)]
    count = len({row.group for row in rows})

    assert [count // 2, int(0.75 * count) - count // 2] == [len(pieces[0]), len(pieces[1])]
    assert count == sum(map(len, pieces)) == len(set.union(*pieces))
    assert sorted(map(repr, rows)) == sorted(map(repr, [*cut.train, *cut.validation, *cut.test]))


def test_split_shuffles_once_and_cuts_at_the_whole_parts():
    rows = [Row("A" * (i + 1), 0) for i in range(3190)]
    cut = data.split(rows, parts=(0.90, 0.05, 0.05), seed=100)

    assert [2871, 159, 160] == [len(part) for part in (cut.train, cut.validation, cut.test)]
    assert cut == data.split(rows, parts=(0.90, 0.05, 0.05), seed=100)
    assert sorted(len(r.symbols) for part in (cut.train, cut.validation, cut.test) for r in part) == list(
        range(1, 3191)
    )
