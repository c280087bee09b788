"""`discbench pretrain`."""

from pathlib import Path

import click

from discbench.options import DIRECTORY
from discbench.recipes import pretrain_recipe


@click.command(name="pretrain")
@click.argument("corpus", type=click.Path(path_type=Path))
@click.option("--held-out", type=click.Path(path_type=Path), required=True, help="Text that is never trained on.")
@click.option(
    "--out", type=DIRECTORY, required=True, help="Directory of the checkpoint, and of the state to resume from."
)
@click.option(
    "--set", "changes", multiple=True, metavar="FIELD=VALUE", help="Change a field of the pre-training recipe."
)
@click.option("--about", default="", help="What the text is and under which licence, for the model card.")
@click.option("--threads", type=click.IntRange(1), help="Threads; by default all cores.")
def pretrain_(
    corpus: Path, held_out: Path, out: Path, changes: tuple[str, ...], about: str, threads: int | None
) -> None:
    """Pre-train a small masked language model on CORPUS, a text file with a paragraph a line (.txt or .txt.xz)."""
    import torch

    from discbench.pretrain import pretrain

    if threads:
        torch.set_num_threads(threads)
    losses = pretrain(corpus, held_out, out, pretrain_recipe(changes), lambda line: click.echo(line, err=True), about)[
        "held_out_loss"
    ]
    click.echo(f"{out}: held-out loss {losses[0]['loss']:.2f} -> {losses[-1]['loss']:.2f} nats")
