"""The suites that come with discbench: `formal`, `lite` and `paper`."""

from discbench import Part, Suite, hookimpl

FORMAL = tuple(f"formal.{name}@1" for name in ("brackets", "depth", "factor", "markov", "palindrome", "shift"))
FEW = (1024, 256, 1024)
"""Rows of `lite`: an evening of two cores for a small checkpoint."""
LITE = ("protein.stability-grouped@1", "dna.splice-grouped@1", "music.maestro-v2@1", "chem.bbbp@1")
"""Tasks whose rows are known by their SHA-256, so that two places were made with the same rows."""
PAPER = (
    *(f"protein.{name}@1" for name in ("localization", "stability", "fluorescence")),
    *(f"dna.{name}@1" for name in ("h3", "h4", "h3k9ac", "splice")),
    "music.maestro@1",
)
GLUE = ("cola", "mnli", "mnli-mm", "mrpc", "qnli", "qqp", "rte", "sst-2", "sts-b")


@hookimpl
def discbench_suites():
    """Three, by what they cost."""
    glue = tuple(f"glue.{name}@1" for name in GLUE)
    return [
        Suite(
            name="formal",
            version=1,
            about="six formal languages, made here: nothing is downloaded",
            parts=(Part(tasks=FORMAL, seeds=5, recipe="quick", rates="tuned"),),
        ),
        Suite(
            name="lite",
            version=2,
            about="a task or two of each discipline, rows known by hash, at most 1,024 train rows",
            parts=(
                Part(tasks=(*LITE, *FORMAL[2:4]), seeds=3, recipe="quick", take=FEW, rates="tuned"),
                Part(
                    tasks=("glue.cola@1",),
                    seeds=3,
                    recipe="quick",
                    mapping="permute",
                    map_specials=True,
                    take=FEW,
                    rates="tuned",
                ),
            ),
        ),
        Suite(
            name="paper",
            version=1,
            about="Kao & Lee 2021, tables 2 to 6: whole tasks, six runs; GLUE with shifted ids, three",
            parts=(
                Part(tasks=PAPER, seeds=6, recipe="paper"),
                Part(tasks=glue, seeds=3, recipe="paper-glue", mapping="shift", map_specials=True),
            ),
        ),
    ]
