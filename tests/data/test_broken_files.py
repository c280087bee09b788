"""Whatever is wrong with a file, its reader says so in one line that names it, and the cache holds nothing of it."""

import bz2
import gzip
import json
import lzma
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from discbench.data import files, rowcache
from discbench.errors import DataError
from discbench.plugins import registry

TASKS = registry.tasks(registry.plugins())
SPLICE = b"EI,   ATRINS-DONOR-521,   CCAGCTGCATCACAGGAGGCCAGCGAGCAGGTCTGTTCCAAGGGCCTTCGAGCCAGTCTG\n"
CSV = b"seq,label\nMKV,1.5\nMKA,0.5\n"
DEEPLOC = b">P1 Nucleus-U\nMKV\n"
HISTONE = b">iY1\nACGT\n1\n"
COLA = b"gj04\t1\t\tThe sailors rode the breeze.\n"
CHEM = b"num,name,p_np,smiles\r\n1,a,1,CCO\r\n"
# task -> (file in the data directory, a small piece of its right content)
FILES = {
    "dna.splice": ("splice/splice.data", SPLICE),
    "dna.h3": ("dna_histone/H3.txt", HISTONE),
    "dna.h4-grouped": ("dna_histone/H4.csv", b"sequence,label\nACGT,1\n"),
    "protein.stability": ("stability/stability_train.csv", CSV),
    "protein.fluorescence": ("fluorescence/fluorescence_train.csv", CSV),
    "protein.localization": ("localization/deeploc_data.fasta", DEEPLOC),
    "glue.cola": ("glue/CoLA/dev.tsv", COLA),
    "chem.bbbp": ("moleculenet/BBBP.csv", CHEM),
    "music.maestro": ("maestro/maestro-v1.0.0-midi.zip", b""),
}
NOT_UTF8 = "é".encode("latin-1") + b"\n"


def told(name, root, monkeypatch, suffix, content):
    """Load a task whose file holds `content`; return the error, after checking that it is one line and nothing is kept."""
    file = root / "data" / (FILES[name][0] + suffix)
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    monkeypatch.setenv("DISCBENCH_CACHE", str(root / "cache"))
    with pytest.raises(DataError) as error:
        rowcache.load(TASKS[name], root / "data", download=False)
    assert "\n" not in str(error.value)
    assert [] == [p for p in (root / "cache").rglob("*") if p.is_file()]
    return str(error.value)


@pytest.mark.parametrize("name", FILES)
def test_an_empty_file(name, tmp_path, monkeypatch):
    assert told(name, tmp_path, monkeypatch, "", b"")


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("music")])
def test_a_file_that_is_not_utf8(name, tmp_path, monkeypatch):
    line = told(name, tmp_path, monkeypatch, "", FILES[name][1] + NOT_UTF8)

    assert "; save it as UTF-8" in line or "byte 0xe9 is not UTF-8; save the file as UTF-8" in line or "SHA-256" in line
    assert FILES[name][0] in line


@pytest.mark.parametrize("suffix,pack", [(".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress)])
@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("music")])
def test_a_compressed_file_that_is_cut_off(name, suffix, pack, tmp_path, monkeypatch):
    whole = pack(FILES[name][1] * 200)

    assert f"{FILES[name][0]}{suffix} cannot be read" in told(
        name, tmp_path, monkeypatch, suffix, whole[: len(whole) // 2]
    )


@pytest.mark.parametrize("name", ["dna.h3", "protein.stability", "glue.cola"])
def test_a_compressed_file_with_bytes_changed_in_the_middle(name, tmp_path, monkeypatch):
    whole = bytearray(gzip.compress(FILES[name][1] * 200))
    whole[20:30] = bytes(10)

    assert f"{FILES[name][0]}.gz cannot be read" in told(name, tmp_path, monkeypatch, ".gz", bytes(whole))


@pytest.mark.parametrize("suffix,pack", [(".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress)])
@pytest.mark.parametrize("name", ["dna.h3", "protein.stability", "protein.localization", "chem.bbbp"])
def test_a_file_that_unpacks_to_far_more_than_its_size(name, suffix, pack, tmp_path, monkeypatch):
    line = told(name, tmp_path, monkeypatch, suffix, pack(FILES[name][1] + bytes(18 << 20)))

    assert f"{FILES[name][0]}{suffix} cannot be read (OSError: it unpacks to more than 100 times its size" in line


def archive_of(path, kind, content):
    """An archive in TAPE's place with one large member."""
    path.parent.mkdir(parents=True)
    member = path.parent / "stability_train.json"
    member.write_bytes(content)
    if kind == "tar":
        with tarfile.open(path, "w:gz") as tar:
            tar.add(member, "stability/stability_train.json")
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.write(member, "stability/stability_train.json")
    member.unlink()


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_an_archive_that_unpacks_to_far_more_than_its_size(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("DISCBENCH_CACHE", str(tmp_path / "cache"))
    archive_of(tmp_path / "data" / "stability" / "stability.tar.gz", kind, bytes(18 << 20))

    with pytest.raises(
        DataError, match=r"stability.tar.gz cannot be unpacked \(OSError: it unpacks to more than 100 times"
    ):
        rowcache.load(TASKS["protein.stability"], tmp_path / "data", download=False)
    assert [] == [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"[{", "is not valid JSON"),
        (
            json.dumps([{"primary": "MK", "fluorescence": [1.0]}]).encode(),
            r"has no column 'stability_score'; it has 2 columns: 'primary', 'fluorescence'",
        ),
        (
            json.dumps([{"primary": "MK", "stability_score": ["high"]}]).encode(),
            "record 1, column 'stability_score': a number was expected, but label 'high' is a word",
        ),
        (b"[]", "holds no record"),
        (b'[{"primary": "\xe9"}]', "line 1: byte 0xe9 is not UTF-8; save the file as UTF-8"),
    ],
)
def test_tapes_json_of_another_form(content, line, tmp_path):
    archive_of(tmp_path / "stability" / "stability.tar.gz", "tar", content)

    with pytest.raises(DataError, match=line):
        rowcache.load(TASKS["protein.stability"], tmp_path, download=False)


def test_a_parquet_file_that_is_cut_off_or_has_other_columns(tmp_path):
    folder = tmp_path / "dna_histone" / "H3"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"bases": ["ACGT"] * 50, "label": [1] * 50}), folder / "train.parquet")
    (folder / "test.parquet").write_bytes((folder / "train.parquet").read_bytes())
    with pytest.raises(DataError, match=r"train.parquet has no column 'sequence'; it has 2 columns: 'bases', 'label'"):
        rowcache.load(TASKS["dna.h3"], tmp_path, download=False)
    whole = (folder / "train.parquet").read_bytes()
    (folder / "train.parquet").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(DataError, match=r"train.parquet is no parquet file"):
        rowcache.load(TASKS["dna.h3"], tmp_path, download=False)


def test_harmless_files_may_shrink_as_much_as_they_like(tmp_path):
    (tmp_path / "zeros.gz").write_bytes(gzip.compress(bytes(4 << 20)))

    assert bytes(4 << 20) == files.read_bytes(tmp_path / "zeros.gz")


def test_a_broken_cache_of_rows_or_notes_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "moleculenet").mkdir()
    (tmp_path / "moleculenet" / "BBBP.csv").write_bytes(
        CHEM + b"".join(b"%d,a,1,C%s\r\n" % (i, b"C" * i) for i in range(30))
    )
    before = rowcache.load(TASKS["chem.bbbp"], tmp_path, download=False, unverified=True)
    for file in (tmp_path / "cache").rglob("*.arrow"):
        file.write_bytes(b"not arrow")

    assert before.sha256 == rowcache.load(TASKS["chem.bbbp"], tmp_path, download=False, unverified=True).sha256
