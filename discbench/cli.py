"""The command line. Each command turns its options into one call; heavy libraries are imported by that call only."""

import os
import sys
from typing import Any

import click

from discbench.commands import (
    board,
    evaluate,
    export,
    lm_eval,
    new,
    pretrain,
    probe,
    submit,
    sweep_recipe,
    tasks,
)
from discbench.errors import Detached, DiscbenchError, ExitCode, UserError, did_you_mean, place_fault
from discbench.values.version import __version__
from discbench.words import allocator
from discbench.words.names import lines

READER_GONE = 141
"""What a shell says of a program whose reader went away, as of `discbench tasks | head`."""


def _tell(message: str) -> None:
    told = lines(message).splitlines()
    click.echo("\n".join(f"error: {line}" for line in told), err=True)


def _drop_output() -> None:
    """Drop what was printed and could not be written: the interpreter would fail over it once more at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Group(click.Group):
    """A group that prints our errors as one line with their exit code, and guesses misspelt commands."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run a command."""
        try:
            found = super().invoke(ctx)
            sys.stdout.flush()
        except Detached as gone:
            click.echo(gone.job)
            click.echo(lines(str(gone)), err=True)
            ctx.exit(int(ExitCode.OK))
        except DiscbenchError as error:
            _tell(str(error))
            ctx.exit(int(error.exit_code))
        except BrokenPipeError:
            _drop_output()
            ctx.exit(READER_GONE)
        except OSError as error:  # what no room below has said in better words
            _drop_output()
            _tell(place_fault(error))
            ctx.exit(int(ExitCode.USER))
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command by its name."""
        if args and self.get_command(ctx, args[0]) is None:
            near = did_you_mean(args[0], self.list_commands(ctx), "`discbench --help` lists them")
            raise UserError(f"no command {args[0]!r}{near}")
        return super().resolve_command(ctx, args)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """How well does a pretrained model learn a discipline it never saw?"""
    allocator.keep_memory()


COMMANDS = (
    evaluate.eval_,
    evaluate.plan_,
    tasks.tasks,
    tasks.suites,
    tasks.models,
    tasks.data,
    new.new,
    board.board_,
    board.compare_,
    board.explain_,
    board.watch_,
    pretrain.pretrain_,
    probe.probe_,
    probe.probes_,
    board.site_,
    sweep_recipe.sweep_recipe,
    lm_eval.lm_eval_,
    export.export_,
    submit.submit_,
    submit.verify_,
)
for command in COMMANDS:
    cli.add_command(command)
