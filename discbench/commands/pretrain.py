"""`discbench pretrain`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from discbench.commands.options import DIRECTORY
from discbench.data import loading
from discbench.errors import NoSuchName, UserError, did_you_mean
from discbench.plugins import registry
from discbench.values.recipes import pretrain_recipe
from discbench.values.types import Corpus

if TYPE_CHECKING:
    from discbench.pretraining.corpus import Text


@click.command(name="pretrain")
@click.argument("corpus")
@click.option(
    "--held-out", type=click.Path(path_type=Path), help="Text that is never trained on; a named corpus has its own."
)
@click.option(
    "--out", type=DIRECTORY, required=True, help="Directory of the checkpoint, and of the state to resume from."
)
@click.option(
    "--set", "changes", multiple=True, metavar="FIELD=VALUE", help="Change a field of the pre-training recipe."
)
@click.option("--about", default="", help="What the text is and under which licence, for the model card.")
@click.option("--threads", type=click.IntRange(1), help="Threads; by default all cores.")
def pretrain_(
    corpus: str, held_out: Path | None, out: Path, changes: tuple[str, ...], about: str, threads: int | None
) -> None:
    """Pre-train a small masked language model on CORPUS.

    CORPUS is a text file with a paragraph a line (.txt or .txt.xz), or the name of a corpus: the artificial languages
    uniform, unigram, flat and nesting, or what a plugin offers.
    """
    recipe = pretrain_recipe(changes)
    named = _named(corpus, held_out)
    from discbench.pretraining.corpus import SPECIALS, Text
    from discbench.pretraining.pretrain import pretrain

    text = (
        _written(named, out, about) if named else Text(learnt=Path(corpus), held_out=Path(str(held_out)), about=about)
    )
    if text.words and not any(change.startswith("vocabulary=") for change in changes):
        recipe = replace(recipe, vocabulary=len(SPECIALS) + len(text.words))
    made = pretrain(text, out, recipe, lambda line: click.echo(line, err=True), threads=threads)
    losses = made["held_out_loss"]
    click.echo(f"{out}: held-out loss {losses[0]['loss']:.2f} -> {losses[-1]['loss']:.2f} nats")


def _named(corpus: str, held_out: Path | None) -> Corpus | None:
    """Return the corpus of that name, or None if it is a file."""
    if Path(corpus).exists():
        if held_out is None:
            raise UserError(f"--held-out is missing: give text that is never trained on, beside {corpus!r}")
        return None
    known = registry.corpora(registry.plugins())
    if corpus not in known:
        near = did_you_mean(corpus, known, f"corpora are {', '.join(known)}")
        raise NoSuchName(f"{corpus!r} is neither a file nor a corpus{near}")
    if held_out is not None:
        raise UserError(f"corpus {corpus!r} has held-out text of its own; leave --held-out away")
    return known[corpus]


def _written(corpus: Corpus, out: Path, about: str) -> "Text":
    """Write the text of a corpus beside the state, once."""
    from discbench.pretraining.corpus import Text

    out.mkdir(parents=True, exist_ok=True)
    learnt, kept = out / f"{corpus.id}.txt", out / f"{corpus.id}.held-out.txt"
    words = loading.vocabulary(corpus)
    for path, part_of in ((learnt, "lines"), (kept, "held_out")):
        if not path.exists():
            part = path.with_suffix(".part")
            with part.open("w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in loading.lines(corpus, part_of))
            part.replace(path)
    return Text(
        learnt=learnt,
        held_out=kept,
        words=words,
        about=about or f"corpus {corpus.id}, {corpus.about}; {corpus.license}; {corpus.cite}",
        name=corpus.name,
    )
