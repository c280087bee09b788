"""`discbench pretrain`."""

from dataclasses import replace
from pathlib import Path

import click

from discbench.commands.options import DIRECTORY
from discbench.errors import UserError
from discbench.plugins import registry
from discbench.pretraining import corpora, made
from discbench.pretraining.text import STATE, Text
from discbench.values.pretrained import names
from discbench.values.recipes import PretrainRecipe, pretrain_recipe


@click.command(name="pretrain")
@click.argument("corpus", metavar="CORPUS[@SHAPE]")
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

    CORPUS is a text file with a paragraph a line (.txt or .txt.xz); text:FILE, of which a part is held out; or the name
    of a corpus: the artificial languages uniform, unigram, flat and nesting, or what a plugin offers. SHAPE is tiny,
    mini, small, base, or HxLxA: hidden size, layers, heads.
    """
    text, recipe = _asked(corpus, held_out, out, changes, about)
    from discbench.pretraining.pretrain import pretrain

    done = pretrain(text, out, recipe, lambda line: click.echo(line, err=True), threads=threads)
    click.echo(f"{out}: {made.closing(done)}")


def _asked(
    corpus: str, held_out: Path | None, out: Path, changes: tuple[str, ...], about: str
) -> tuple[Text, PretrainRecipe]:
    """Return the text, and how it is learnt; what is wrong is told before anything is written."""
    made_of = names.MadeOf(corpus=corpus) if Path(corpus).exists() else names.read(corpus)
    fields = [*made_of.sizes, *made_of.changes, *changes]
    recipe = pretrain_recipe(fields)
    if Path(made_of.corpus).exists():
        return corpora.two_files(Path(made_of.corpus), held_out, about), recipe
    source = corpora.named(made_of, registry.plugins())
    if held_out is not None:
        raise UserError(f"corpus {made_of.corpus!r} has held-out text of its own; leave --held-out away")
    text = corpora.written(source, out / STATE, about)
    if text.words and not any(field.startswith("vocabulary=") for field in fields):
        recipe = replace(recipe, vocabulary=made.SPECIALS + len(text.words))
    return text, recipe
