"""Music tasks: who composed the piece?

MAESTRO (Hawthorne et al. 2019; Kao & Lee 2021, §3.1 and appendix G.4). A piece is cut into segments of 128 pitches;
every segment is a row, and a piece's segments are put to the vote, all of them (the authors' released evaluation looks
at the first one only). The paper's task is version 1 with its split. Version 2 moved 312 pieces: a task of its own.
"""

from collections import Counter
from dataclasses import dataclass
from functools import partial

import numpy as np

from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy, hookimpl
from discbench.data import fetch, find_member, local, read_table, unpack
from discbench.data.midi import members, read_all
from discbench.errors import DataError

LENGTH = 128
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Release:
    """One version of MAESTRO: how many pieces and composers it has, and which other archive holds its files."""

    version: str
    pieces: int
    composers: int
    lent: str = ""

    @property
    def name(self):
        """What its table and archive are called."""
        return f"maestro-v{self.version}"

    @property
    def url(self):
        """Where its archive lies."""
        return f"https://storage.googleapis.com/magentadata/datasets/maestro/v{self.version}/{self.name}-midi.zip"


V1 = Release("1.0.0", pieces=1184, composers=58, lent="maestro-v2.0.0-midi.zip")  # which lacks one of its files
V2 = Release("2.0.0", pieces=1282, composers=61)


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


def sources(release):
    """The table of pieces and an archive of MIDI files: the release's own, or one that has them, too."""
    own = f"{release.name}-midi.zip"
    table, archive = here(f"{release.name}.csv"), here(own) or (release.lent and here(release.lent))
    if not table or not archive:
        archive = here(own) or fetch(release.url, name=f"maestro/{own}", max_bytes=200 << 20)
        table = find_member(unpack(archive), f"{release.name}.csv")
    pieces = read_table(table, columns=("canonical_composer", "split", "midi_filename"))
    files = Counter(piece["midi_filename"] for piece in pieces)
    if twice := [name for name, count in files.items() if count > 1]:
        raise DataError(f"{table} names {twice[0]!r} more than once; a piece has one split. Is it MAESTRO's?")
    if strange := {piece["split"] for piece in pieces} - set(SPLITS):
        raise DataError(f"{table} has the split {min(strange)!r}; {', '.join(SPLITS)} were expected. Is it MAESTRO's?")
    return pieces, archive


def load(release, segments):
    """One row a segment, grouped by piece; classes are all composer strings in alphabetical order."""
    pieces, archive = sources(release)
    there = members(archive)
    known = [p for p in pieces if p["midi_filename"] in there]
    if not known:
        raise DataError(f"{archive} holds none of the {len(pieces)} files that the table names; is it MAESTRO?")
    notes = read_all(archive, [there[p["midi_filename"]] for p in known])
    composers = sorted({p["canonical_composer"] for p in pieces})
    splits = {name: [] for name in SPLITS}
    for piece, found in zip(known, notes, strict=True):
        target = composers.index(piece["canonical_composer"])
        splits[piece["split"]] += [Row(tuple(s.tolist()), target, piece["midi_filename"]) for s in segments(*found)]
    missing = "" if len(known) == release.pieces else f"{len(known)} of {release.pieces} pieces"
    return Splits(**splits, partial=missing)


def maestro(name, release, segments, about, *, chance, **facts):
    """The task on a release, with one of the two readings; chance is the composer with most train pieces, always."""
    return Task(
        name=name,
        version=1,
        dataset=Dataset(
            partial(load, release, segments),
            source=release.url,
            license="CC-BY-NC-SA-4.0",
            cite="arXiv:1810.12247",
            **facts,
        ),
        mapping=RandomTable(range(128)),
        target=Classes(release.composers),
        metric=accuracy,
        max_symbols=LENGTH,
        chance=chance,
        about=about,
    )


@hookimpl
def discbench_tasks():
    """The paper's reading, one by onset that loses nothing, and that of the second release."""
    first = {
        "chance": 0.168,
        "published": "954/105/125 pieces (Table 12)",
        "overlap": "pieces of one composition occur in several performances",
    }
    second = {
        "chance": 0.129,
        "overlap": "5 of 859 titles stand in two of the published splits",
        "sizes": (45219, 5066, 6018),
        "rows_sha256": "4c59f6ad26760144a3ccabce76e4ad4cf30a658d0f65c20573d4a5933df7c497",
    }
    return [
        maestro("music.maestro", V1, authors_segments, "who composed it? (segments as the authors cut them)", **first),
        maestro(
            "music.maestro-onset",
            V1,
            onset_segments,
            "who composed it? (segments in order of onset, none dropped)",
            **first,
        ),
        maestro(
            "music.maestro-v2",
            V2,
            onset_segments,
            "who composed it? (version 2, its own split; segments in order of onset)",
            **second,
        ),
    ]
