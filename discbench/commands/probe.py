"""`discbench probe` and `discbench probes`."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from discbench import registry, show
from discbench.checkpoints import Checkpoint, locate, parse_specials
from discbench.commands.tasks import tell_faults
from discbench.errors import ExitCode, NoSuchName, UserError, did_you_mean
from discbench.options import DIRECTORY, data_directory, data_options, device_of
from discbench.place import Place
from discbench.plan import INITS
from discbench.probe import Measurement, Probe, Side
from discbench.types import Task

TOLD = 5.0
"""Seconds between lines of progress."""
TWIN = 1000
"""Added to the seed of a model that is compared with another draw of the same random weights."""


@click.command(name="probes")
@click.argument("patterns", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def probes_(patterns: tuple[str, ...], *, as_json: bool) -> None:
    """List the probes: all, or those that PATTERNS name; of one whole NAME, print all that is known of it."""
    faults: list[str] = []
    known = registry.probes(registry.plugins(faults=faults), faults)
    tell_faults(faults)
    found = registry.select(patterns, known, "probe") if patterns else list(known.values())
    if as_json:
        click.echo(json.dumps([show.probe_record(probe) for probe in found], indent=1))
    elif len(found) == 1 and patterns[0] in {found[0].name, found[0].id}:
        click.echo(show.probe_card(found[0]))
    else:
        show.probes(found, show.console(wide=True))
    if faults:
        sys.exit(int(ExitCode.PLUGIN))


@click.command(name="probe")
@click.option("--model", required=True, help="As of eval.")
@click.option("--against", help="Another model, or an init of the same one: scratch (the default) or reembedded.")
@click.option("--init", default="pretrained", show_default=True, help="Of the models that are named.")
@click.option("--tasks", "patterns", multiple=True, required=True, help="Names, globs or disciplines, commas between.")
@click.option("--probes", "chosen", multiple=True, help="Names or globs, commas between; by default all that apply.")
@click.option("--rows", type=click.IntRange(1), help="So many test rows; by default as each probe says.")
@click.option("--layers", default="-1", show_default=True, help="Commas between; 0 is the input, -1 the last layer.")
@click.option("--seeds", default=1, show_default=True, help="How many seeds, from 0: of rows, mapping, inits, heads.")
@click.option("--mapping", help="Instead of each task's own.")
@click.option("--max-tokens", type=click.IntRange(3), help="Cut rows to so many tokens, special ones included.")
@click.option("--as-published", is_flag=True, help="The paper's own recipe; see `discbench probes`.")
@click.option("--special", "specials", multiple=True, metavar="cls|sep|pad=ID", help="As of eval.")
@click.option("--trust-remote-code", is_flag=True, help="Run code that comes with a checkpoint.")
@click.option("--results", type=DIRECTORY, default=Path("results"), show_default=True, help="The store.")
@click.option("--device", default=None, help="cpu or cuda; by default what is there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@click.option("--verbose", is_flag=True, help="Let the libraries' own warnings through.")
@data_options
@click.pass_context
def probe_(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401
    """Measure models instead of scores: what pre-training changed inside.

    Models are in eval mode. Probes of one model are taken of both, so that they can be compared.
    """
    manager = registry.plugins()
    known = registry.probes(manager)
    probes = registry.select(options["chosen"], known, "probe") if options["chosen"] else list(known.values())
    tasks = registry.select(options["patterns"], registry.tasks(manager))
    checkpoints = _checkpoints(options)
    sides = [_sides(options, checkpoints, seed) for seed in _seeds(options["seeds"])]
    options["layers"] = _layers(options["layers"])

    from discbench import probetext
    from discbench.probing import measure
    from discbench.run import Bench
    from discbench.store import Store

    store = Store(options["results"])
    store.check_writable()
    place = Place(
        results=options["results"],
        data=data_directory(options["data_dir"]),
        device=device_of(options["device"]),
        unverified=options["unverified"],
        verbose=options["verbose"],
    )
    bench, by_id = Bench(place), {c.id: c for c in checkpoints}
    todo = [each for t in tasks for p in probes for each in _applicable(p, t, sides, bench, by_id, options)]
    if options["against"] is None:
        click.echo("compared with its scratch twin: the same architecture, every weight random (--against)", err=True)
    found, kept = [], 0
    for number, (measurement, probe, task) in enumerate(todo, 1):
        there = store.get_probe(measurement)
        kept += there is not None and there["status"] == "finished"
        say = _say(f"[{number}/{len(todo)}] {measurement.words}", measurement.limit)
        found.append(measure(measurement, probe, task, by_id, bench, say))
    if options["as_json"]:
        click.echo(json.dumps(found, indent=1, sort_keys=True))
    else:
        probetext.table(found, show.console())
    _closing(found, kept, options["results"])
    ctx.exit(ExitCode.CELL_FAILED if any(r["status"] != "finished" for r in found) else ExitCode.OK)


def _seeds(count: int) -> range:
    if count < 1:
        raise UserError(f"--seeds {count}: no seed, no measurement; give 1 or more")
    return range(count)


def _checkpoints(options: dict[str, Any]) -> list[Checkpoint]:
    """Return the model and what it is compared with, which may be the same checkpoint."""
    for option, init in (("--init", options["init"]), ("--against", options["against"])):
        if init == "frozen":
            raise UserError(f"{option} frozen: it has the weights of pretrained, training only tells them apart")
    if options["init"] not in INITS:
        known = "there are pretrained, scratch, reembedded"
        raise NoSuchName(f"no init {options['init']!r}{did_you_mean(options['init'], INITS, known)}")
    specials = parse_specials(options["specials"])
    own = options["against"] is None or options["against"] in INITS
    names = [options["model"], options["model"] if own else options["against"]]
    found = [locate(n, specials, trust_remote_code=options["trust_remote_code"]) for n in names]
    for checkpoint in found:
        if checkpoint.baseline:
            raise UserError(f"{checkpoint.name!r} has no weights to measure; give a checkpoint")
    return found


def _sides(options: dict[str, Any], checkpoints: list[Checkpoint], seed: int) -> tuple[Side, Side]:
    """Return the two models; two draws of the same random weights where one is asked against itself."""
    against = options["against"] or "scratch"
    inits = [options["init"], against if against in INITS else options["init"]]
    first, second = (
        Side(checkpoint=c.name, revision=c.revision, init=init, seed=seed)
        for c, init in zip(checkpoints, inits, strict=True)
    )
    if first != second:
        return first, second
    if first.init == "pretrained":
        raise UserError(f"{first.checkpoint!r} pretrained would be measured against itself; give another --against")
    return first, replace(second, seed=seed + TWIN)


def _applicable(
    probe: Probe,
    task: Task,
    sides: Sequence[tuple[Side, Side]],
    bench: Any,  # noqa: ANN401 - a Bench
    checkpoints: dict[str, Checkpoint],
    options: dict[str, Any],
) -> list[tuple[Measurement, Probe, Task]]:
    """Return what is to be measured, once; a probe that cannot be taken is an error, or left out where none was named.

    Raises:
        UserError: A probe that was named cannot measure these models or rows.
    """
    from discbench.probing import preview_of

    planned = dict.fromkeys(m for pair in sides for m in _plan(probe, task, pair, bench, options))
    try:
        for measurement in planned:
            if probe.check is not None:
                probe.check(preview_of(measurement, task, checkpoints, bench), measurement)
    except UserError as error:
        if options["chosen"]:
            raise
        click.echo(f"left out: {error}", err=True)
        return []
    return [(measurement, probe, task) for measurement in planned]


def _plan(
    probe: Probe,
    task: Task,
    sides: tuple[Side, Side],
    bench: Any,  # noqa: ANN401 - a Bench
    options: dict[str, Any],
) -> list[Measurement]:
    """Return one measurement of a pair, or one of each model."""
    loaded = bench.rows_of(task)
    published = options["as_published"] and bool(probe.as_published)
    first = Measurement(
        probe=probe.id,
        model=sides[0],
        against=sides[1] if probe.pair else None,
        task=task.id,
        rows=loaded.sha256,
        mapping=options["mapping"] or task.mapping.kind,
        mapping_seed=sides[0].seed,
        map_specials=bool(getattr(task.mapping, "map_specials", False)),
        limit=min(options["rows"] or probe.rows, len(loaded.test)),
        layers=options["layers"] if probe.layers else (-1,),
        as_published=published,
        draw="first" if published else "hash",
        max_tokens=options["max_tokens"],
        specials=tuple(sorted(parse_specials(options["specials"]).items())),
    )
    return [first] if probe.pair else [first, replace(first, model=sides[1])]


def _layers(text: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise UserError(f"--layers {text!r}: whole numbers with commas between were expected, such as 0,3,-1") from None


def _say(words: str, rows: int) -> Any:  # noqa: ANN401 - a function
    """Return what tells progress on stderr: in place on a terminal, a line now and then elsewhere."""
    began = time.monotonic()
    told = [began]

    def say(done: int) -> None:
        now = time.monotonic()
        if now - told[0] < (0.2 if sys.stderr.isatty() else TOLD):
            return
        told[0] = now
        left = (now - began) / done * max(0, rows - done)
        line = f"{words}: {done} of {rows} rows, about {left:.0f}s left"
        click.echo(f"\r\033[K{line}" if sys.stderr.isatty() else line, err=True, nl=not sys.stderr.isatty())

    return say


def _closing(found: Sequence[dict[str, Any]], kept: int, where: Path) -> None:
    failed = [r for r in found if r["status"] != "finished"]
    if sys.stderr.isatty():
        click.echo("\r\033[K", err=True, nl=False)
    for result in failed:
        probe = result["probe"]
        name = f"{probe['probe']} of {probe['model']['checkpoint']} on {probe['task']}"
        click.echo(f"failed: {name}: {result['cause']}", err=True)
    fresh = len(found) - kept - len(failed)
    done = f"measured {fresh}" if fresh or failed else "measured nothing: everything was in the store"
    rest = f", {len(failed)} failed" if failed else ""
    click.echo(f"{done}{rest}{f', kept {kept}' if kept and (fresh or failed) else ''}; results in {where}", err=True)
