"""`discbench.probe(...)`: measure models instead of scores. The command line goes the same way."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from discbench import registry, rowcache
from discbench.checkpoints import Checkpoint, locate, parse_specials
from discbench.errors import NoSuchName, UserError, did_you_mean
from discbench.measurement import Measurement, Probe, Side
from discbench.notebook import without_widgets
from discbench.options import data_directory, device_of, listed, seeds_of
from discbench.place import Place
from discbench.plan import INITS
from discbench.probeview import Measurements
from discbench.store import Store
from discbench.types import Task

TOLD = 5.0
"""Seconds between lines of progress."""
TWIN = 1000
"""Added to the seed of a model that is compared with another draw of the same random weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """All that measuring needs to know; `discbench probe` and `probe` both come to this."""

    model: str
    patterns: tuple[str, ...]
    given: tuple[Task, ...] = ()
    """Tasks that no plugin offers; `patterns` must name them too."""
    given_probes: tuple[Probe, ...] = ()
    """Probes that no plugin offers; `chosen` must name them too."""
    against: str | None = None
    init: str = "pretrained"
    chosen: tuple[str, ...] = ()
    rows: int | None = None
    layers: tuple[int, ...] = (-1,)
    seeds: tuple[int, ...] = (0,)
    mapping: str | None = None
    max_tokens: int | None = None
    as_published: bool = False
    results: Path = Path("results")
    data: Path | None = None
    specials: tuple[str, ...] = ()
    device: str | None = None
    unverified: bool = False
    trust_remote_code: bool = False
    verbose: bool = False

    def take(self, stream: IO[str]) -> Measurements:
        """Measure what is not in the store, telling progress on a stream; return all that was asked for.

        Raises:
            DiscbenchError: Nothing was measured, for what the message says. A measurement that fails does not raise.
        """
        without_widgets()
        manager = registry.with_given(self.given, self.given_probes)
        for task in self.given:
            rowcache.forget(task, data_directory(self.data))  # its reader may have no file that shows a change
        known = registry.probes(manager)
        probes = registry.select(self.chosen, known, "probe") if self.chosen else list(known.values())
        tasks = registry.select(self.patterns, registry.tasks(manager))
        checkpoints = _checkpoints(self)
        sides = [_sides(self, checkpoints, seed) for seed in self.seeds]
        store = Store(self.results)
        store.check_writable()

        from discbench.probing import measure
        from discbench.run import Bench

        bench, by_id = Bench(self._place()), {c.id: c for c in checkpoints}
        todo = [each for t in tasks for p in probes for each in _applicable(p, t, sides, bench, by_id, self, stream)]
        if self.against is None:
            stream.write("compared with its scratch twin: the same architecture, every weight random (--against)\n")
        found, kept = [], 0
        for number, (measurement, probe, task) in enumerate(todo, 1):
            there = store.get_probe(measurement)
            if probe in self.given_probes:
                store.forget_probe(measurement)  # what it measured before may have been another function
                there = None
            kept += there is not None and there["status"] == "finished"
            say = _say(f"[{number}/{len(todo)}] {measurement.words}", measurement.limit, stream)
            found.append(measure(measurement, probe, task, by_id, bench, say))
        if stream.isatty():
            stream.write("\r\033[K")
        return Measurements(tuple(found), kept)

    def _place(self) -> Place:
        return Place(
            results=self.results,
            data=data_directory(self.data),
            device=device_of(self.device),
            unverified=self.unverified,
            verbose=self.verbose,
        )


def probe(
    model: str | Path,
    tasks: str | Task | Sequence[str | Task],
    *,
    probes: str | Probe | Sequence[str | Probe] = (),
    against: str | None = None,
    init: str = "pretrained",
    rows: int | None = None,
    layers: Sequence[int] = (-1,),
    seeds: int | Sequence[int] = 1,
    mapping: str | None = None,
    max_tokens: int | None = None,
    as_published: bool = False,
    results: str | Path = "results",
    data_dir: str | Path | None = None,
    specials: Sequence[str] = (),
    device: str | None = None,
    unverified: bool = False,
    trust_remote_code: bool = False,
    verbose: bool = False,
    stream: IO[str] | None = None,
) -> Measurements:
    """Measure a checkpoint beside another, or beside its own scratch twin, on test rows of tasks.

    What is in the store is not measured again, whether `discbench probe` put it there or this function. Models are in
    eval mode; probes of one model are taken of both.

    Args:
        model: Hugging Face id[@revision], directory, NAME=DIRECTORY or builtin:tiny.
        tasks: Names, globs or disciplines; a `Task` made on the spot is a task as well.
        probes: Names or globs, by default all that apply; a `Probe` made on the spot is one too, measured anew by every
            call.
        against: Another model, or an init of the same one; by default scratch.
        init: Of the models that are named: pretrained, scratch or reembedded.
        rows: So many test rows; by default as each probe says.
        layers: 0 is the input, -1 the last layer.
        seeds: How many, from 0; or which: of rows, mapping, inits and heads.
        mapping: Instead of each task's own.
        max_tokens: Cut rows to so many tokens, special ones included.
        as_published: The paper's own recipe, where it differs.
        results: The store.
        data_dir: Look for data files here first (else `DISCBENCH_DATA`).
        specials: Special ids of a checkpoint without a tokenizer: `["cls=2"]`.
        device: cpu or cuda; by default what is there.
        unverified: Accept rows other than those that a task names.
        trust_remote_code: Run code that comes with a checkpoint.
        verbose: Let the libraries' own warnings through.
        stream: Where progress is written; stderr by default.

    Returns:
        The measurements. One that failed is in `Measurements.failed` with its cause, and is taken again by the next
        call.

    Raises:
        UserError: What was asked cannot be measured; nothing was.
        PluginError: A plugin broke its side of the contract.
    """
    drawn = seeds_of(seeds)
    if not drawn:
        raise UserError(f"seeds={seeds!r}: no seed, no measurement; give 1 or more")
    return Asked(
        model=str(model),
        patterns=tuple(t.name if isinstance(t, Task) else t for t in listed(tasks)),
        given=tuple(t for t in listed(tasks) if isinstance(t, Task)),
        chosen=tuple(p.name if isinstance(p, Probe) else p for p in listed(probes)),
        given_probes=tuple(p for p in listed(probes) if isinstance(p, Probe)),
        against=against,
        init=init,
        rows=rows,
        layers=tuple(layers),
        seeds=drawn,
        mapping=mapping,
        max_tokens=max_tokens,
        as_published=as_published,
        results=Path(results),
        data=Path(data_dir) if data_dir else None,
        specials=tuple(specials),
        device=device,
        unverified=unverified,
        trust_remote_code=trust_remote_code,
        verbose=verbose,
    ).take(stream or sys.stderr)


def _checkpoints(asked: Asked) -> list[Checkpoint]:
    """Return the model and what it is compared with, which may be the same checkpoint."""
    for option, init in (("--init", asked.init), ("--against", asked.against)):
        if init == "frozen":
            raise UserError(f"{option} frozen: it has the weights of pretrained, training only tells them apart")
    if asked.init not in INITS:
        known = "there are pretrained, scratch, reembedded"
        raise NoSuchName(f"no init {asked.init!r}{did_you_mean(asked.init, INITS, known)}")
    specials = parse_specials(asked.specials)
    own = asked.against is None or asked.against in INITS
    names = [asked.model, asked.model if own else str(asked.against)]
    found = [locate(n, specials, trust_remote_code=asked.trust_remote_code) for n in names]
    for checkpoint in found:
        if checkpoint.baseline:
            raise UserError(f"{checkpoint.name!r} has no weights to measure; give a checkpoint")
    return found


def _sides(asked: Asked, checkpoints: list[Checkpoint], seed: int) -> tuple[Side, Side]:
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
    asked: Asked,
    stream: IO[str],
) -> list[tuple[Measurement, Probe, Task]]:
    """Return what is to be measured, once; a probe that cannot be taken is an error, or left out where none was named.

    Raises:
        UserError: A probe that was named cannot measure these models or rows.
    """
    from discbench.probing import preview_of

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
    asked: Asked,
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
        layers=asked.layers if probe.layers else (-1,),
        as_published=published,
        draw="first" if published else "hash",
        max_tokens=asked.max_tokens,
        specials=tuple(sorted(parse_specials(asked.specials).items())),
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
