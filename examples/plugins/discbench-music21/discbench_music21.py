"""music.composers: which of four repertoires is this line from? The rows come from music21's bundled corpus.

music21 takes 114 MB, so it is imported when the rows are read and not when tasks are listed.
"""

from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy, hookimpl

COMPOSERS = ("bach", "monteverdi", "palestrina", "trecento")
PIECES, NOTES = 40, 32
FORMATS = {".mxl", ".xml", ".krn"}


def pieces(composer, count):
    """Return paths of scores, spread over the repertoire; no other file of a score is one of them."""
    from music21 import corpus

    paths = corpus.corpora.CoreCorpus().getPaths()
    own = {path.stem: path for path in sorted(paths) if composer in path.parts and path.suffix in FORMATS}
    return list(own.values())[:: max(1, len(own) // count)][:count]


def phrases(path, label):
    """Return the top part's pitches, 32 notes a row; rows of one piece are one group, which votes."""
    from music21 import converter

    notes = [note.pitch.midi for note in converter.parse(path).parts[0].flatten().notes if note.isNote]
    cuts = range(0, len(notes) - NOTES + 1, NOTES)
    return [Row(notes[at : at + NOTES], label, f"{path.parent.name}/{path.stem}") for at in cuts]


def load(count=PIECES):
    """Cut the pieces of each composer 80/10/10, whole pieces to one side."""
    found = {"train": [], "validation": [], "test": []}
    for label, composer in enumerate(COMPOSERS):
        for number, path in enumerate(pieces(composer, count)):
            side = {8: "validation", 9: "test"}.get(number % 10, "train")
            found[side] += phrases(path, label)
    return Splits(**found)


@hookimpl
def discbench_tasks():
    """One task; its alphabet is the MIDI pitches."""
    licence = "BSD-3-Clause (music21); scores under terms of their own, see music21's corpus reference"
    task = Task(
        name="music.composers",
        version=1,
        dataset=Dataset(load, source="music21's bundled corpus", license=licence, cite="hdl.handle.net/1721.1/84963"),
        mapping=RandomTable(tuple(range(128))),
        target=Classes(len(COMPOSERS), COMPOSERS),
        metric=accuracy,
        about="Bach, Monteverdi, Palestrina or the trecento, by 32 notes of the top part",
    )
    return [task]
