"""The command line. Each command turns its options into one call; heavy libraries are imported by that call only."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from discbench import __version__, registry, show
from discbench.checkpoints import builtins, parse_specials
from discbench.errors import DiscbenchError, ExitCode, NotAtHand, UserError, did_you_mean
from discbench.options import DIRECTORY, data_directory, data_options, device_of, request_of, what_options
from discbench.place import Place
from discbench.plan import Cell, Request, work
from discbench.recipes import pretrain_recipe


class Group(click.Group):
    """A group that prints our errors as one line with their exit code, and guesses misspelt commands."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run a command."""
        try:
            return super().invoke(ctx)
        except DiscbenchError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(int(error.exit_code))

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


def _prepare(options: dict[str, Any], *, load: bool) -> tuple[Any, Any, Request]:
    from discbench import sweep

    request = request_of(
        options["inits"], options["seeds"], options["recipe"], options["changes"], options["limit"], options["mapping"]
    )
    manager = registry.plugins()
    prepared = sweep.prepare(
        manager,
        options["models"],
        options["patterns"],
        request,
        directory=data_directory(options["data_dir"]),
        specials=parse_specials(options["specials"]),
        load=load,
        unverified=options["unverified"],
        trust_remote_code=options["trust_remote_code"],
    )
    return manager, prepared, request


@cli.command(name="eval")
@what_options
@click.option("--workers", type=click.IntRange(1), help="Cells at once; by default as many as the machine carries.")
@click.option("--threads", type=click.IntRange(1), help="Threads of each worker.")
@click.option("--verbose", is_flag=True, help="Let the libraries' own bars and warnings through.")
@click.pass_context
def eval_(ctx: click.Context, /, workers: int | None, threads: int | None, *, verbose: bool, **options: Any) -> None:  # noqa: ANN401
    """Fine-tune checkpoints and their controls on tasks, and print the board."""
    from discbench import board, sweep
    from discbench.progress import Progress
    from discbench.store import Store

    store = Store(options["results"])
    manager, prepared, _ = _prepare(options, load=True)
    store.check_writable()
    kept, todo = sweep.split(prepared, store)
    device = device_of(options["device"])
    crew = workers or sweep.machine_workers(device)
    progress = Progress(total=len(todo), kept=len(kept))
    for note in prepared.notes:
        progress.say(note)
    with progress:
        place = _place(options, device, verbose=verbose)
        share = threads or max(1, (os.cpu_count() or 1) // crew)
        results = sweep.run(prepared, place, manager, workers=crew, threads=share, progress=progress, todo=todo)
    made = board.build(results)
    if options["as_json"]:
        click.echo(board.to_bytes(made).decode(), nl=False)
    else:
        show.board(made, show.console())
    closing(results, trained=len(todo), kept=len(kept), where=options["results"])
    ctx.exit(ExitCode.CELL_FAILED if any(r["status"] != "finished" for r in results) else ExitCode.OK)


def _place(options: dict[str, Any], device: str, *, verbose: bool) -> Place:
    return Place(
        results=options["results"],
        data=data_directory(options["data_dir"]),
        device=device,
        unverified=options["unverified"],
        verbose=verbose,
    )


def closing(results: list[dict[str, Any]], *, trained: int, kept: int, where: Path) -> None:
    """Say on stderr what was done and where it is."""
    failed = [r for r in results if r["status"] != "finished"]
    for result in failed:
        cell = Cell(**result["cell"])
        click.echo(f"failed: {cell.words}: {result['cause']}", err=True)
    done = f"trained {trained - len(failed)} cells" if trained else "trained nothing: every cell was in the store"
    rest = f", {len(failed)} failed (run again to retry them)" if failed else ""
    click.echo(f"{done}{rest}{f', kept {kept}' if trained and kept else ''}; results in {where}", err=True)


@cli.command(name="plan")
@what_options
def plan_(**options: Any) -> None:  # noqa: ANN401
    """Print the cells of an evaluation, what is there already, and the work; train nothing."""
    from discbench.store import Store

    _, prepared, _ = _prepare(options, load=False)
    store, directory = Store(options["results"]), data_directory(options["data_dir"])
    rows = []
    for cell in prepared.cells:
        amount = work(cell, prepared.tasks[cell.task], directory)
        known = store.get(cell)
        rows.append(
            {
                "id": cell.id,
                "words": cell.words,
                "state": known["status"] if known else "to run",
                "rows": amount.train_rows,
                "steps": amount.steps,
                "tokens": amount.tokens,
            }
        )
    if options["as_json"]:
        click.echo(json.dumps(rows, indent=1))
        return
    for note in prepared.notes:
        click.echo(note, err=True)
    show.plan(rows, show.console())


@cli.command()
@click.argument("patterns", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--data-dir", type=DIRECTORY, help="Look for data files here first (else DISCBENCH_DATA).")
def tasks(patterns: tuple[str, ...], data_dir: Path | None, *, as_json: bool) -> None:
    """List tasks: all, or those that PATTERNS name; of one whole NAME, print the data card (nothing is downloaded)."""
    known = registry.tasks(registry.plugins())
    found = registry.select(patterns, known) if patterns else list(known.values())
    if len(found) == 1 and patterns[0] in {found[0].name, found[0].id}:
        from discbench import card

        made = card.card(found[0], data_directory(data_dir))
        click.echo(json.dumps([{**show.task_record(found[0]), "card": made}], indent=1) if as_json else card.text(made))
    elif as_json:
        click.echo(json.dumps([show.task_record(task) for task in found], indent=1))
    else:
        show.tasks(found, show.console(wide=True))


@cli.command()
def models() -> None:
    """List the checkpoints that are shipped with the package."""
    for name, path in builtins().items():
        card = (path / "README.md").read_text(encoding="utf-8").split("\n\n")
        click.echo(
            f"{name}  {next((p for p in card if p and not p.startswith(('---', '#'))), '').replace(chr(10), ' ')}"
        )


@cli.group()
def data() -> None:
    """Fetch and verify the rows of tasks."""


@data.command(name="fetch")
@click.argument("patterns", nargs=-1, required=True)
@data_options
def data_fetch(patterns: tuple[str, ...], data_dir: Path | None, *, unverified: bool) -> None:
    """Make the rows of tasks available: from the data directory, the cache, or their address."""
    _each(patterns, data_dir, unverified=unverified, download=True)


@data.command(name="verify")
@click.argument("patterns", nargs=-1, required=True)
@data_options
def data_verify(patterns: tuple[str, ...], data_dir: Path | None, *, unverified: bool) -> None:
    """Read the rows that are at hand anew and compare them with what the tasks name; download nothing.

    Fails if some rows are wrong, or if none are at hand.
    """
    _each(patterns, data_dir, unverified=unverified, download=False)


def _each(patterns: tuple[str, ...], data_dir: Path | None, *, unverified: bool, download: bool) -> None:
    from discbench import rowcache

    directory, wrong, found, absent = data_directory(data_dir), 0, 0, []
    for task in registry.select(patterns, registry.tasks(registry.plugins())):
        if not download:
            rowcache.forget(task, directory)
        try:
            loaded = rowcache.load(task, directory, download=download, unverified=unverified)
        except NotAtHand as error:
            absent.append(f"{task.id}: {error}")
            continue
        except UserError as error:
            click.echo(f"{task.id}: error: {error}", err=True)
            wrong += 1
            continue
        found += 1
        sizes = "/".join(map(str, loaded.sizes))
        partial = f", partial: {loaded.partial}" if loaded.partial else ""
        click.echo(f"{task.id}: {loaded.status}, {sizes} rows, SHA-256 {loaded.sha256[:12]}…{partial}")
    for line in absent:
        click.echo(line, err=True)
    if wrong or not found:
        sys.exit(int(ExitCode.USER))


@cli.command(name="board")
@click.option("--results", type=DIRECTORY, default=Path("results"), show_default=True, help="The store.")
@click.option("--out", type=DIRECTORY, help="Write leaderboard.json and its schema here.")
def board_(results: Path, out: Path | None) -> None:
    """Build the board of everything in a store."""
    from discbench import board
    from discbench.store import Store, write_whole

    made = board.build(Store(results).results())
    if out is None:
        show.board(made, show.console())
        return
    try:
        write_whole(out / "leaderboard.json", board.to_bytes(made))
        write_whole(out / board.SCHEMA.name, board.SCHEMA.read_bytes())
    except OSError as error:
        raise UserError(f"--out {str(out)!r} cannot be written ({error.strerror}); choose another directory") from error
    click.echo(f"{out / 'leaderboard.json'}: {len(made['entries'])} entries of {len(made['checkpoints'])} checkpoints")


@cli.command(name="pretrain")
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
