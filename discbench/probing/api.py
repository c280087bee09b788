"""`discbench.probe(...)`: measure models instead of scores. The command line goes the same way."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import IO, Any

from discbench.data import rowcache
from discbench.errors import NoSuchName, StoreError, UserError, did_you_mean
from discbench.plugins import registry
from discbench.pretraining import made
from discbench.results.notebook import without_widgets
from discbench.results.probeview import Measurements
from discbench.results.store import Result, Store
from discbench.values.asked import Probing, asking, model_name
from discbench.values.cells import INITS
from discbench.values.checkpoints import Checkpoint, parse_specials
from discbench.values.given import absolute, device_of
from discbench.values.measurement import Measurement, Probe, Side
from discbench.values.place import Place
from discbench.values.types import Task
from discbench.words import interruption

TOLD = 5.0
"""Seconds between lines of progress."""
TWIN = 1000
"""Added to the seed of a model that is compared with another draw of the same random weights."""


@asking(Probing)
def probe(asked: Probing) -> Measurements:
    """Measure a checkpoint beside another, or beside its own scratch twin, on test rows of tasks.

    What is in the store is not measured again, whether `discbench probe` put it there or this function. Models are in
    eval mode; probes of one model are taken of both.

    Returns:
        The measurements. One that failed is in `Measurements.failed` with its cause, and is taken again by the next
        call.

    Raises:
        UserError: What was asked cannot be measured; nothing was.
        PluginError: A plugin broke its side of the contract.
    """
    return take(asked)


def take(asked: Probing) -> Measurements:
    """Measure what is not in the store, telling progress; return all that was asked for.

    Raises:
        DiscbenchError: Nothing was measured, for what the message says. A measurement that fails does not raise.
    """
    stream = asked.stream or sys.stderr
    without_widgets()
    manager = registry.with_given(asked.given, asked.given_probes)
    for task in asked.given:
        rowcache.forget(task, asked.directory)  # its reader may have no file that shows a change
    known = registry.probes(manager)
    probes = registry.select(asked.chosen, known, "probe") if asked.chosen else list(known.values())
    tasks = registry.select(asked.patterns, registry.tasks(manager))
    checkpoints = _checkpoints(asked)
    for note in dict.fromkeys(checkpoint.note for checkpoint in checkpoints if checkpoint.note):
        stream.write(f"{note}\n")
    sides = [_sides(asked, checkpoints, seed) for seed in asked.drawn]
    store = Store(absolute(asked.store))
    store.check_writable()
    store.clear()

    from discbench.probing.measuring import measure, unstored
    from discbench.training.run import Bench

    bench, by_id = Bench(_place(asked)), {c.id: c for c in checkpoints}
    todo = [each for t in tasks for p in probes for each in _applicable(p, t, sides, bench, by_id, asked, stream)]
    if asked.against is None:
        stream.write("compared with its scratch twin: the same architecture, every weight random (--against)\n")
    found: list[Result] = []
    kept = 0
    interruption.keeps(
        lambda: interruption.share(
            sum(each["status"] == "finished" for each in found), len(todo), "measurements", asked.store
        )
    )
    for number, (measurement, probe, task) in enumerate(todo, 1):
        if probe in asked.given_probes:
            store.forget_probe(measurement)  # what it measured before may have been another function
        try:
            there = store.get_probe(measurement)
        except StoreError as error:  # no record of it lies at its place: it failed, and the others go on
            found.append(unstored(measurement, str(error)))
            continue
        kept += there is not None and there["status"] == "finished"
        say = _say(f"[{number}/{len(todo)}] {measurement.words}", measurement.limit, stream)
        found.append(measure(measurement, probe, task, by_id, bench, say))
    if stream.isatty():
        stream.write("\r\033[K")
    return Measurements(tuple(found), kept)


def _place(asked: Probing) -> Place:
    return Place(
        results=absolute(asked.store),
        data=asked.directory and asked.directory.absolute(),
        device=device_of(asked.device),
        unverified=asked.unverified,
        verbose=asked.verbose,
    )


def _checkpoints(asked: Probing) -> list[Checkpoint]:
    """Return the model and what it is compared with, which may be the same checkpoint."""
    for option, init in (("--init", asked.init), ("--against", asked.against)):
        if init == "frozen":
            raise UserError(f"{option} frozen: it has the weights of pretrained, training only tells them apart")
    if asked.init not in INITS:
        known = "there are pretrained, scratch, reembedded"
        raise NoSuchName(f"no init {asked.init!r}{did_you_mean(asked.init, INITS, known)}")
    specials = parse_specials(tuple(asked.specials))
    own = asked.against is None or asked.against in INITS
    names = [model_name(asked.model), model_name(asked.model) if own else str(asked.against)]
    if asked.tokens is not None and names[0] != names[1]:
        raise UserError("--vocab is of one checkpoint, but two were asked for; leave --against out, or name an init")
    found = [made.locate(n, specials, trust_remote_code=asked.trust_remote_code, vocab=asked.tokens) for n in names]
    for checkpoint in found:
        if checkpoint.baseline:
            raise UserError(f"{checkpoint.name!r} has no weights to measure; give a checkpoint")
    stream = asked.stream or sys.stderr
    return [made.ready(checkpoint, lambda line: print(line, file=stream, flush=True)) for checkpoint in found]


def _sides(asked: Probing, checkpoints: list[Checkpoint], seed: int) -> tuple[Side, Side]:
    """Return the two models; two draws of the same random weights where one is asked against itself."""
    against = asked.against or "scratch"
    inits = [asked.init, against if against in INITS else asked.init]
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
    asked: Probing,
    stream: IO[str],
) -> list[tuple[Measurement, Probe, Task]]:
    """Return what is to be measured, once; a probe that cannot be taken is an error, or left out where none was named.

    Raises:
        UserError: A probe that was named cannot measure these models or rows.
    """
    from discbench.probing.measuring import preview_of

    planned = dict.fromkeys(m for pair in sides for m in _plan(probe, task, pair, bench, asked))
    try:
        for measurement in planned:
            if probe.check is not None:
                probe.check(preview_of(measurement, task, checkpoints, bench), measurement)
    except UserError as error:
        if asked.chosen:
            raise
        stream.write(f"left out: {error}\n")
        return []
    return [(measurement, probe, task) for measurement in planned]


def _plan(
    probe: Probe,
    task: Task,
    sides: tuple[Side, Side],
    bench: Any,  # noqa: ANN401 - a Bench
    asked: Probing,
) -> list[Measurement]:
    """Return one measurement of a pair, or one of each model."""
    loaded = bench.rows_of(task)
    published = asked.as_published and bool(probe.as_published)
    first = Measurement(
        probe=probe.id,
        model=sides[0],
        against=sides[1] if probe.pair else None,
        task=task.id,
        rows=loaded.sha256,
        mapping=asked.mapping or task.mapping.kind,
        mapping_seed=sides[0].seed,
        map_specials=bool(getattr(task.mapping, "map_specials", False)),
        limit=min(asked.rows or probe.rows, len(loaded.test)),
        layers=asked.places if probe.layers else (-1,),
        as_published=published,
        draw="first" if published and loaded.test.numbers is not None else "hash",
        max_tokens=asked.max_tokens,
        specials=tuple(sorted(parse_specials(tuple(asked.specials)).items())),
    )
    return [first] if probe.pair else [first, replace(first, model=sides[1])]


def _say(words: str, rows: int, stream: IO[str]) -> Callable[[int], None]:
    """Return what tells progress on a stream: in place on a terminal, a line now and then elsewhere."""
    began, terminal = time.monotonic(), stream.isatty()
    told = [began]

    def say(done: int) -> None:
        now = time.monotonic()
        if now - told[0] < (0.2 if terminal else TOLD):
            return
        told[0] = now
        left = (now - began) / done * max(0, rows - done)
        line = f"{words}: {done} of {rows} rows, about {left:.0f}s left"
        stream.write(f"\r\033[K{line}" if terminal else f"{line}\n")
        stream.flush()

    return say
