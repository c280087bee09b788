"""`discbench pretrain`."""

from pathlib import Path

import click

from discbench import registry
from discbench.errors import NoSuchName, UserError, did_you_mean
from discbench.options import DIRECTORY
from discbench.recipes import pretrain_recipe


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

    CORPUS is a text file with a paragraph a line (.txt or .txt.xz), or the name of a corpus that a plugin offers, such
    as nested or flat.
    """
    recipe = pretrain_recipe(changes)
    text, held, about = _texts(corpus, held_out, out, about)
    import torch

    from discbench.pretrain import pretrain

    if threads:
        torch.set_num_threads(threads)
    made = pretrain(text, held, out, recipe, lambda line: click.echo(line, err=True), about)
    losses = made["held_out_loss"]
    click.echo(f"{out}: held-out loss {losses[0]['loss']:.2f} -> {losses[-1]['loss']:.2f} nats")


def _texts(corpus: str, held_out: Path | None, out: Path, about: str) -> tuple[Path, Path, str]:
    """Return the file to learn, the file to hold out, and what they are; a named corpus is written beside the state."""
    if Path(corpus).exists():
        if held_out is None:
            raise UserError(f"--held-out is missing: give text that is never trained on, beside {corpus!r}")
        return Path(corpus), held_out, about
    known = registry.corpora(registry.plugins())
    if corpus not in known:
        near = did_you_mean(corpus, known, f"corpora are {', '.join(known)}")
        raise NoSuchName(f"{corpus!r} is neither a file nor a corpus{near}")
    found = known[corpus]
    if held_out is not None:
        raise UserError(f"corpus {corpus!r} has held-out text of its own; leave --held-out away")
    out.mkdir(parents=True, exist_ok=True)
    paths = (out / f"{found.id}.txt", out / f"{found.id}.held-out.txt")
    for path, lines in zip(paths, (found.lines, found.held_out), strict=True):
        if not path.exists():
            part = path.with_suffix(".part")
            with part.open("w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines())
            part.replace(path)
    return *paths, about or f"corpus {found.id}, {found.about}; {found.license}; {found.cite}"
