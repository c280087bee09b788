"""MAESTRO: two readings of MIDI files that the test writes itself, and the facts of the real ones."""

import csv
import io
import lzma
import zipfile
from collections import Counter

import numpy as np
import pretty_midi
import pytest

from discbench.data import midi, reading, rowcache
from discbench.errors import DataError
from discbench.tasks import music
from discbench.training.outcomes.score import vote

TASKS = {task.name: task for task in music.discbench_tasks()}
HEAD = "canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration\n"


def midi_bytes(notes, program=0):
    """A MIDI file of (pitch, start, end) notes."""
    song = pretty_midi.PrettyMIDI(initial_tempo=120)
    piano = pretty_midi.Instrument(program)
    piano.notes = [pretty_midi.Note(80, pitch, start, end) for pitch, start, end in notes]
    song.instruments.append(piano)
    file = io.BytesIO()
    song.write(file)
    return file.getvalue()


def scale(count, first=21):
    """Notes one after another, pitches going up and around."""
    return [((first - 21 + i) % 88 + 21, i * 0.5, i * 0.5 + 0.4) for i in range(count)]


PIECES = [
    ("Bach", "train", "2004/a.midi", scale(300)),
    ("Chopin", "train", "2004/b.midi", scale(128)),
    ("Chopin", "validation", "2006/c.midi", scale(257)),
    ("Liszt, after Bach", "test", "2008/d.midi", scale(129)),
]


def write_maestro(root, pieces=PIECES, *, inside=True, left_out=(), extra=None, version="1.0.0"):
    """Write an archive of MAESTRO's own layout, the table inside it or beside it."""
    folder, name_of_it = root / "maestro", f"maestro-v{version}"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f'"{who}",Title,{part},2004,{name},x.wav,1.0\n' for who, part, name, _ in pieces]
    with zipfile.ZipFile(folder / f"{name_of_it}-midi.zip", "w") as archive:
        if inside:
            archive.writestr(f"{name_of_it}/{name_of_it}.csv", HEAD + "".join(lines))
        for _, _, name, notes in pieces:
            if name not in left_out:
                archive.writestr(f"{name_of_it}/{name}", notes if isinstance(notes, bytes) else midi_bytes(notes))
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
    if not inside:
        (folder / f"{name_of_it}.csv").write_text(HEAD + "".join(lines))
    return root


def load(root, name="music.maestro"):
    with reading(root, download=False):
        return TASKS[name].dataset.load()


def test_the_authors_reading_drops_the_last_block_even_if_it_is_whole():
    pitches, starts = np.arange(300) % 88 + 21, np.arange(300.0)

    assert [0, 0, 1, 1, 2] == [len(music.authors_segments(pitches[:n], starts[:n])) for n in (127, 128, 129, 256, 257)]
    assert {128} == {len(s) for s in music.authors_segments(pitches, starts)}


def test_the_authors_blocks_follow_note_ends_and_each_is_sorted_by_onset():
    pitches, starts = np.arange(129), np.arange(129.0)
    starts[[0, 127, 128]] = 1000.0, -1.0, -2.0  # the last note begins first, but ends in the dropped block

    segment = music.authors_segments(pitches, starts)[0]
    assert [127, 1, 2] == segment[:3].tolist()
    assert 0 == segment[-1]


def test_the_reading_by_onset_keeps_every_note_and_settles_chords_by_pitch():
    pitches, starts = np.array([60, 72, 64, 50]), np.array([1.0, 0.0, 0.0, 2.0])

    assert [[64, 72, 60, 50]] == [s.tolist() for s in music.onset_segments(pitches, starts)]
    assert [128, 1] == [len(s) for s in music.onset_segments(np.zeros(129, int), np.zeros(129))]


def test_notes_stand_in_the_order_of_their_ends(tmp_path):
    long_first = [(60, 0.0, 3.0), (62, 0.5, 1.0), (64, 1.5, 2.0)]
    found = midi.parse(midi_bytes(long_first), "x")

    assert [62, 64, 60] == found.pitches.tolist()
    assert [0.5, 1.5, 0.0] == pytest.approx(found.starts.tolist(), abs=1e-3)


def test_both_readings_of_an_archive_in_the_official_layout(tmp_path):
    splits = load(write_maestro(tmp_path))

    assert (2, 2, 1) == (len(splits.train), len(splits.validation), len(splits.test))
    assert {"2004/a.midi"} == {row.group for row in splits.train}
    assert [0, 1, 2] == [part[0].target for part in (splits.train, splits.validation, splits.test)]
    assert "4 of 1184 pieces" == splits.partial
    by_onset = load(tmp_path, "music.maestro-onset")
    assert [128, 128, 44, 128] == [len(row.symbols) for row in by_onset.train]


def test_the_table_may_lie_beside_the_archive(tmp_path):
    inside, beside = load(write_maestro(tmp_path / "a")), load(write_maestro(tmp_path / "b", inside=False))

    assert inside == beside


def test_version_two_has_its_own_pieces_and_split_and_version_one_borrows_its_files_only(tmp_path):
    moved = [(who, "test" if name == "2004/b.midi" else part, name, notes) for who, part, name, notes in PIECES]
    write_maestro(tmp_path, [*moved, ("Ravel", "train", "2018/e.midi", scale(130))], version="2.0.0")
    second = load(tmp_path, "music.maestro-v2")
    (tmp_path / "maestro" / "maestro-v1.0.0.csv").write_text(
        HEAD + "".join(f'"{who}",Title,{part},2004,{name},x.wav,1.0\n' for who, part, name, _ in PIECES)
    )
    first = load(tmp_path, "music.maestro-onset")

    assert {"2004/b.midi", "2008/d.midi"} == {row.group for row in second.test}
    assert [128, 128, 44, 128, 2] == [len(row.symbols) for row in second.train]
    assert ("5 of 1282 pieces", "4 of 1184 pieces") == (second.partial, first.partial)
    assert {"2004/a.midi", "2004/b.midi"} == {row.group for row in first.train}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("Ravel", "dev", "2018/e.midi", scale(130)), "has the split 'dev'; train, validation, test were expected"),
        (("Bach", "test", "2004/a.midi", scale(130)), "names '2004/a.midi' more than once; a piece has one split"),
    ],
)
def test_a_table_that_says_otherwise_than_maestros_is_refused(tmp_path, more, told):
    write_maestro(tmp_path, PIECES, inside=False)
    lines = [f'"{who}",Title,{part},2004,{name},x.wav,1.0\n' for who, part, name, _ in (*PIECES, more)]
    (tmp_path / "maestro" / "maestro-v1.0.0.csv").write_text(HEAD + "".join(lines))

    with pytest.raises(DataError, match=told):
        load(tmp_path)


def test_an_archive_that_is_cut_off_is_told_as_the_zip_file_that_its_name_says(tmp_path):
    (tmp_path / "maestro").mkdir()
    (tmp_path / "maestro" / "maestro-v2.0.0-midi.zip").write_bytes(b"PK, but cut off")

    with pytest.raises(DataError, match=r"maestro-v2.0.0-midi.zip cannot be unpacked \(BadZipFile"):
        load(tmp_path, "music.maestro-v2")


def test_a_piece_whose_file_is_missing_is_counted_and_keeps_its_composer_as_a_class(tmp_path):
    splits = load(write_maestro(tmp_path, left_out=("2004/a.midi",)), "music.maestro-onset")

    assert "3 of 1184 pieces" == splits.partial
    assert [1, 2] == [splits.train[0].target, splits.test[0].target]


def test_a_file_that_is_no_midi_file_is_named_and_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCBENCH_CACHE", str(tmp_path / "cache"))
    pieces = [*PIECES, ("Bach", "train", "2009/broken.midi", b"MThd, but not really")]

    with pytest.raises(
        DataError, match=r"maestro-v1.0.0/2009/broken.midi is no MIDI file that can be read \(.*\); is it whole\?"
    ):
        load(write_maestro(tmp_path, pieces))
    assert [] == list((tmp_path / "cache").glob("midi/*"))


def test_many_files_are_read_in_parallel_in_their_order_and_a_broken_one_is_named(tmp_path):
    pieces = [("Bach", "train", f"2004/{i}.midi", scale(130, 21 + i % 40)) for i in range(40)]
    root = write_maestro(tmp_path / "a", [*pieces, *PIECES[1:]])
    with reading(root, download=False):
        found = load(root)
    pieces[30] = ("Bach", "train", "2004/30.midi", b"nothing")

    assert [21 + i % 40 for i in range(40)] == [row.symbols[0] for row in found.train[:40]]
    with pytest.raises(DataError, match=r"2004/30.midi is no MIDI file"):
        load(write_maestro(tmp_path / "b", [*pieces, *PIECES[1:]]))


def test_a_file_whose_time_is_in_smpte_frames_is_refused_for_that():
    content = bytearray(midi_bytes(scale(3)))
    content[12:14] = bytes([256 - 25, 40])

    with pytest.raises(
        DataError, match=r"^x\.midi counts its time in SMPTE frames, but ticks of a quarter note are read;"
    ):
        midi.parse(bytes(content), "x.midi")


def test_a_note_struck_again_ends_with_the_first_and_one_without_length_is_left_out():
    again, empty = b"\x00\x90\x3c\x40", b"\x00\x90\x40\x40\x00\x80\x40\x00"
    ends = (
        b"\x81\x70\x90\x3c\x40\x00\x90\x3e\x40\x81\x70\x80\x3c\x00\x81\x70\x80\x3e\x00\x00\x80\x3c\x00\x00\xff\x2f\x00"
    )
    body = empty + again + ends
    content = b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk" + len(body).to_bytes(4, "big") + body

    assert [60, 60, 62] == midi.parse(content, "x").pitches.tolist()


def test_a_file_that_unpacks_to_more_than_any_piece_is_refused(tmp_path):
    pieces = [*PIECES, ("Bach", "train", "2009/bomb.midi", bytes(17 << 20))]
    root = write_maestro(tmp_path, pieces, inside=False)
    with zipfile.ZipFile(root / "maestro" / "maestro-v1.0.0-midi.zip") as archive:
        assert 17 << 20 == archive.getinfo("maestro-v1.0.0/2009/bomb.midi").file_size

    with pytest.raises(DataError, match=r"2009/bomb.midi unpacks to 17,825,792 bytes, which no piano piece has"):
        load(root)


def test_a_name_that_leads_out_of_the_archive_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCBENCH_CACHE", str(tmp_path / "cache"))
    root = write_maestro(tmp_path / "data", extra={"../../evil.midi": b"x"})

    with pytest.raises(DataError, match=r"'\.\./\.\./evil.midi' leads outside the archive's folder"):
        load(root)
    assert [] == list(tmp_path.rglob("evil.midi"))
    assert [] == [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_something_that_is_no_archive_is_told_in_one_line(tmp_path):
    write_maestro(tmp_path, inside=False)
    (tmp_path / "maestro" / "maestro-v1.0.0-midi.zip").write_bytes(b"PK, but cut off")

    with pytest.raises(DataError, match=r"maestro-v1.0.0-midi.zip is no zip archive \(.*\); is it whole\?"):
        load(tmp_path)


def test_an_archive_of_something_else_is_told_in_one_line(tmp_path):
    write_maestro(tmp_path, left_out=[name for _, _, name, _ in PIECES], inside=False)

    with pytest.raises(DataError, match=r"holds none of the 4 files that the table names; is it MAESTRO\?"):
        load(tmp_path)


def test_the_vote_is_over_all_segments_of_a_piece(tmp_path):
    splits = load(write_maestro(tmp_path), "music.maestro-onset")
    targets = np.array([row.target for row in splits.train])
    outputs = np.zeros((len(targets), 58), np.float32)
    outputs[0, 5], outputs[1:, 0] = 9.0, 1.0  # the first segment says otherwise
    voted = vote(TASKS["music.maestro"].target, outputs, targets, tuple(row.group for row in splits.train))

    assert [0, 0] == voted.predictions.tolist()


@pytest.fixture(scope="module")
def table(real_data):
    with lzma.open(real_data / "maestro" / "maestro-v1.0.0.csv.xz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_papers_split_is_that_of_version_one(table):
    assert {"train": 954, "validation": 105, "test": 125} == Counter(row["split"] for row in table)


def test_there_are_58_composers_of_whom_one_in_validation_and_two_in_test_are_never_trained_on(table):
    by_split = {
        name: {r["canonical_composer"] for r in table if r["split"] == name} for name in ("train", "validation", "test")
    }

    assert 58 == len(set.union(*by_split.values())) == TASKS["music.maestro"].target.n
    assert [1, 2] == [len(by_split[name] - by_split["train"]) for name in ("validation", "test")]


def test_always_chopin_scores_the_chance_that_the_task_names(table):
    test = [row["canonical_composer"] for row in table if row["split"] == "test"]
    train = Counter(row["canonical_composer"] for row in table if row["split"] == "train")
    most = train.most_common(1)[0][0]

    assert "Frédéric Chopin" == most
    assert TASKS["music.maestro"].chance == pytest.approx(test.count(most) / len(test), abs=5e-4)


def test_all_but_one_of_the_pieces_of_version_one_are_in_version_twos_archive(table, real_data):
    there = midi.members(real_data / "maestro" / "maestro-v2.0.0-midi.zip")

    assert 1183 == sum(row["midi_filename"] in there for row in table)


@pytest.fixture(scope="module")
def second(real_data):
    """The table of version 2, from its archive."""
    with zipfile.ZipFile(real_data / "maestro" / "maestro-v2.0.0-midi.zip") as archive:
        return list(csv.DictReader(io.TextIOWrapper(archive.open("maestro-v2.0.0/maestro-v2.0.0.csv"), "utf-8")))


def test_version_two_is_what_its_task_says(second):
    splits = Counter(row["split"] for row in second)
    train = Counter(row["canonical_composer"] for row in second if row["split"] == "train")
    ((most, _),) = train.most_common(1)
    always = sum((row["split"], row["canonical_composer"]) == ("test", most) for row in second) / splits["test"]
    task = TASKS["music.maestro-v2"]

    assert {"train": 967, "validation": 137, "test": 178} == splits
    assert task.target.n == len({row["canonical_composer"] for row in second})
    assert task.chance == pytest.approx(always, abs=5e-4)


def test_five_titles_of_version_two_stand_in_two_of_its_splits_and_none_of_version_one(table, second):
    def in_several(rows):
        splits = {}
        for row in rows:
            splits.setdefault((row["canonical_composer"], row["canonical_title"]), set()).add(row["split"])
        return sum(len(names) > 1 for names in splits.values()), len(splits)

    assert (5, 859) == in_several(second)
    assert "5 of 859 titles stand in two of the published splits" == TASKS["music.maestro-v2"].dataset.overlap
    assert (0, 575) == in_several(table)


@pytest.mark.slow
def test_the_rows_of_version_two(real_data):
    loaded = rowcache.load(TASKS["music.maestro-v2"], real_data, download=False)

    assert ((45219, 5066, 6018), "verified", "") == (loaded.sizes, loaded.status, loaded.partial)
    assert [967, 137, 178] == [len(set(part.groups)) for part in loaded[:3]]


@pytest.mark.slow
def test_the_authors_segments_of_the_real_files(real_data):
    loaded = rowcache.load(TASKS["music.maestro"], real_data, download=False)

    assert ((39017, 4174, 4388), "unverified", "1183 of 1184 pieces") == (loaded.sizes, loaded.status, loaded.partial)
    assert [953, 105, 125] == [len(set(part.groups)) for part in loaded[:3]]
    pitches = np.unique(np.concatenate([part.codes for part in loaded[:3]]))
    assert (88, 21, 108) == (len(pitches), pitches.min(), pitches.max())
    by_onset = rowcache.load(TASKS["music.maestro-onset"], real_data, download=False)
    assert (39970, 4279, 4513) == by_onset.sizes
