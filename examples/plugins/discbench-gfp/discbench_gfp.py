"""protein.gfp-bright: does a mutant of the green fluorescent protein still shine?

Another reading of TAPE's fluorescence splits (Sarkisyan et al. 2016): log brightness falls into two humps, near 1.3 and
near 3.7, so a threshold between them asks whether the protein works rather than how well.
"""

from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, auroc, hookimpl
from discbench.tasks.protein import AMINO_ACIDS, TAPE, load_fluorescence

BRIGHT = 2.5


def load():
    """Cut TAPE's splits at a log brightness of 2.5."""
    splits = load_fluorescence()
    cut = {
        name: [Row(row.symbols, int(row.target >= BRIGHT)) for row in getattr(splits, name)]
        for name in ("train", "validation", "test")
    }
    return Splits(**cut, partial=splits.partial)


@hookimpl
def discbench_tasks():
    """One task of two classes; its metric does not depend on how many shine."""
    data = Dataset(load, source=f"{TAPE}/fluorescence.tar.gz", license="CC-BY-4.0", cite="10.1038/nature17995")
    task = Task(
        name="protein.gfp-bright",
        version=1,
        dataset=data,
        mapping=RandomTable(AMINO_ACIDS),
        target=Classes(2, ("dark", "bright")),
        metric=auroc,
        max_symbols=254,
        chance=0.5,
        about="does a mutant of the green fluorescent protein still shine?",
    )
    return [task]
