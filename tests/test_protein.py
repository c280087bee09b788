"""The protein readers take TAPE's own JSON and the CSV copies alike."""

import json
import tarfile

import pytest

from discbench import rowcache, rows
from discbench.data import reading
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
        ("protein.fluorescence", (21446, 5362, 27217), 3.7192121, 3.0),
    ],
)
def test_the_published_rows_are_verified(real_data, name, sizes, first, mean):
    loaded = rowcache.load(TASKS[name], real_data, download=False)

    assert (sizes, "verified") == (loaded.sizes, loaded.status)
    assert pytest.approx(float(loaded.train.targets[0]), abs=1e-6) == first
    if name == "protein.stability":
        assert [0.18, 0.28, 1.00] == [round(float(part.targets.mean()), 2) for part in loaded[:3]]
