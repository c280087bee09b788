"""`discbench lm-eval`: lm-evaluation-harness as a host."""

import importlib.util
import tempfile
from pathlib import Path

import click

from discbench.commands.evaluate import closing
from discbench.commands.options import DIRECTORY
from discbench.errors import ExitCode, UserError
from discbench.hosts import stubs
from discbench.plugins import registry


@click.group(name="lm-eval")
def lm_eval_() -> None:
    """Run cells from lm-evaluation-harness (`pip install 'discbench[lm-eval]'`)."""


@lm_eval_.command(name="tasks")
@click.option("--out", type=DIRECTORY, required=True, help="Where to; give it to lm-eval as --include_path.")
def tasks_(out: Path) -> None:
    """Write a task stub for every installed task, and a group for every discipline."""
    known = registry.tasks(registry.plugins())
    written = stubs.write(known, out)
    click.echo(f"{out}: {len(known)} tasks, {len(written) - len(known)} groups")


@lm_eval_.command(name="run", context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def run_(ctx: click.Context, words: tuple[str, ...]) -> None:
    r"""Take the options of `lm-eval run` (`--help` prints them); --model is discbench.

    \b
    discbench lm-eval run --tasks 'protein.*' --model_args pretrained=bert-base-uncased,seeds=3,recipe=paper
    """
    if importlib.util.find_spec("lm_eval") is None:
        raise UserError(
            "discbench lm-eval run: lm-evaluation-harness is not installed; `pip install 'discbench[lm-eval]'`"
        )
    from discbench.hosts import lm_eval

    with tempfile.TemporaryDirectory(prefix="discbench-lm-eval-") as folder:
        stubs.write(registry.tasks(registry.plugins()), Path(folder))
        boards = lm_eval.run(words, folder)
    for board, results in boards:
        closing(board.results, trained=board.trained, kept=board.kept, where=results)
    ctx.exit(ExitCode.CELL_FAILED if any(board.failed for board, _ in boards) else ExitCode.OK)
