"""Music tasks: who composed the piece?

MAESTRO v1 (Hawthorne et al. 2019; Kao & Lee 2021, §3.1 and appendix G.4). A piece is cut into segments of 128 pitches;
every segment is a row, and a piece's segments are put to the vote, all of them (the authors' released evaluation looks
at the first one only). Always the v1 split: v2 moved 312 pieces.
"""

from functools import partial

import numpy as np

from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy, hookimpl
from discbench.data import fetch, find_member, local, read_table, unpack
from discbench.data.midi import members, read_all
from discbench.errors import DataError

URL = "https://storage.googleapis.com/magentadata/datasets/maestro/v1.0.0/maestro-v1.0.0-midi.zip"
LENGTH = 128
PIECES = 1184


def authors_segments(pitches, starts):
    """Blocks of 128 as notes end, each then sorted by onset; the last block is dropped, even if whole."""
    return [
        pitches[cut : cut + LENGTH][np.argsort(starts[cut : cut + LENGTH], kind="stable")]
        for cut in range(0, len(pitches) - LENGTH, LENGTH)
    ]


def onset_segments(pitches, starts):
    """Blocks of 128 in the order of onsets (then pitches); the remainder is a segment too."""
    ordered = pitches[np.lexsort((pitches, starts))]
    return [ordered[cut : cut + LENGTH] for cut in range(0, len(ordered), LENGTH)]


def here(name):
    """A file in the folder maestro of the data directory, or in the data directory itself."""
    return local(f"maestro/{name}") or local(name)


def sources():
    """The v1 table of pieces and an archive of MIDI files: v1's own, or v2's, which has all of its files but one."""
    table, archive = here("maestro-v1.0.0.csv"), here("maestro-v1.0.0-midi.zip") or here("maestro-v2.0.0-midi.zip")
    if table is None or archive is None:
        archive = here("maestro-v1.0.0-midi.zip") or fetch(
            URL, name="maestro/maestro-v1.0.0-midi.zip", max_bytes=200 << 20
        )
        table = find_member(unpack(archive), "maestro-v1.0.0.csv")
    return read_table(table, columns=("canonical_composer", "split", "midi_filename")), archive


def load(segments):
    """One row a segment, grouped by piece; classes are all composer strings in alphabetical order."""
    pieces, archive = sources()
    there = members(archive)
    known = [p for p in pieces if p["midi_filename"] in there]
    if not known:
        raise DataError(f"{archive} holds none of the {len(pieces)} files that the table names; is it MAESTRO?")
    notes = read_all(archive, [there[p["midi_filename"]] for p in known])
    composers = sorted({p["canonical_composer"] for p in pieces})
    splits = {"train": [], "validation": [], "test": []}
    for piece, found in zip(known, notes, strict=True):
        target = composers.index(piece["canonical_composer"])
        splits[piece["split"]] += [Row(tuple(s.tolist()), target, piece["midi_filename"]) for s in segments(*found)]
    missing = "" if len(known) == PIECES else f"{len(known)} of {PIECES} pieces"
    return Splits(**splits, partial=missing)


def maestro(name, segments, about):
    """The task with one of its two readings."""
    return Task(
        name=name,
        version=1,
        dataset=Dataset(
            partial(load, segments),
            source=URL,
            license="CC-BY-NC-SA-4.0",
            cite="arXiv:1810.12247",
            overlap=REPEATS,
            published="954/105/125 pieces (Table 12)",
        ),
        mapping=RandomTable(range(128)),
        target=Classes(58),
        metric=accuracy,
        max_symbols=LENGTH,
        chance=0.168,
        about=about,
    )


REPEATS = "pieces of one composition occur in several performances"


@hookimpl
def discbench_tasks():
    """The paper's reading, and one by onset that loses nothing."""
    return [
        maestro("music.maestro", authors_segments, "who composed it? (segments as the authors cut them)"),
        maestro("music.maestro-onset", onset_segments, "who composed it? (segments in order of onset, none dropped)"),
    ]
