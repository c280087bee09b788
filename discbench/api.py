"""The Python interface: `discbench.evaluate(...)` gives a `Board`. The command line goes the same way.

import discbench

board = discbench.evaluate("builtin:tiny", "formal.*", recipe="quick", seeds=3)
board.gain("builtin:tiny", "formal.factor")
"""

import io
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from discbench import ranks, registry, rowcache, sweep, trackers
from discbench.boardview import Board
from discbench.checkpoints import parse_specials
from discbench.errors import UserError
from discbench.executors.builtin import INPROCESS
from discbench.jobs import Executor
from discbench.notebook import without_widgets
from discbench.options import data_directory, device_of, listed, request_of, seeds_of
from discbench.place import Place, pack
from discbench.plan import Request
from discbench.progress import Progress
from discbench.recipes import recipe_for
from discbench.store import Result, Store
from discbench.types import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """All that an evaluation needs to know; `discbench eval` and `evaluate` both come to this."""

    models: tuple[str, ...]
    patterns: tuple[str, ...]
    request: Request
    given: tuple[Task, ...] = ()
    """Tasks that no plugin offers; `patterns` must name them too."""
    results: Path = Path("results")
    data: Path | None = None
    specials: tuple[str, ...] = ()
    device: str | None = None
    workers: int | None = None
    threads: int | None = None
    executor: str | None = None
    unverified: bool = False
    trust_remote_code: bool = False
    verbose: bool = False
    track: str | None = None
    track_dir: Path = Path("tracking")

    def prepare(self, *, load: bool) -> tuple[Any, sweep.Sweep]:
        """Return the plugins and the sweep: names resolved to cells.

        Args:
            load: Whether to read (and download) the rows now.
        """
        without_widgets()
        manager = registry.with_given(self.given)
        self._executor(manager)
        directory = data_directory(self.data)
        for task in self.given:
            rowcache.forget(task, directory)  # its reader may have no file that shows a change
        prepared = sweep.prepare(
            manager,
            self.models,
            self.patterns,
            self.request,
            directory=directory,
            specials=parse_specials(self.specials),
            load=load,
            unverified=self.unverified,
            trust_remote_code=self.trust_remote_code,
        )
        return manager, prepared

    def run(self, stream: IO[str] | None = None) -> Board:
        """Train what is not in the store; return the board of all cells asked for.

        Args:
            stream: Where progress is written; stderr by default.

        Raises:
            DiscbenchError: Nothing was trained, for what the message says. A cell that fails does not raise.
        """
        manager, prepared = self.prepare(load=True)
        if self.track:
            trackers.register(manager, self.track, self.track_dir)
        results, trained, kept = self.carry_out(manager, prepared, stream)
        return Board.of(results, trained=trained, kept=kept)

    def carry_out(
        self,
        manager: Any,  # noqa: ANN401 - pluggy's manager
        prepared: sweep.Sweep,
        stream: IO[str] | None,
        settled: Callable[[Result | None], bool] | None = None,
    ) -> tuple[list[Result], int, int]:
        """Run what is still to run of a sweep; return (all results, cells run, cells kept).

        Of a search, `settled` tells of results that are not finished and need no second run.
        """
        store = Store(self.results)
        store.check_writable()
        sweep.check_definitions(prepared, store)
        if ranks.count() > 1 and self.workers != 0 and self.executor != INPROCESS.name:
            raise UserError(
                f"torchrun started {ranks.count()} processes: give --workers 0, so that they share each cell"
            )
        device = device_of(self.device)
        ranks.meet(device)
        todo = ranks.of_first(lambda: sweep.split(prepared, store)[1])
        if settled is not None:
            todo = ranks.of_first(lambda: [cell for cell in todo if not settled(store.get(cell))])
        kept = len(prepared.cells) - len(todo)
        executor = self._executor(manager)
        crew = sweep.machine_workers(device) if self.workers is None else self.workers
        crew = 0 if executor == INPROCESS else crew
        said = (stream or sys.stderr) if ranks.first() else io.StringIO()
        progress = Progress(total=len(todo), kept=kept, stream=said, searching=settled is not None)
        for note in prepared.notes:
            progress.say(note)
        place = Place(
            results=self.results,
            data=data_directory(self.data),
            device=device,
            unverified=self.unverified,
            verbose=self.verbose,
            given=pack(self.given),
        )
        with progress:
            share = self.threads or max(1, sweep.machine_cores() // max(crew, ranks.count()))
            results = sweep.run(
                prepared,
                place,
                manager,
                workers=crew,
                threads=share,
                progress=progress,
                todo=todo,
                executor=executor,
            )
        return results, len(todo), kept

    def _executor(self, manager: Any) -> Executor | None:  # noqa: ANN401 - pluggy's manager
        """Return the executor that was named, if one was.

        Raises:
            UserError: There is none of that name, or it is not the one that `workers` asks for.
        """
        if self.executor is None:
            return None
        found = registry.one(self.executor, registry.executors(manager), "executor")
        if self.workers == 0 and found != INPROCESS:
            raise UserError(f"--workers 0 is the executor {INPROCESS.name}, but --executor {found.name} was asked for")
        return found


def requested(
    *,
    inits: str | Sequence[str] = ("pretrained", "scratch"),
    seeds: int | Sequence[int] = 3,
    set: Mapping[str, object] | None = None,  # noqa: A002 - as `--set`
    mapping_seeds: Sequence[int] = (),
    **same: Any,  # noqa: ANN401 - read by request_of
) -> Request:
    """Return what `evaluate` is asked for beyond models and tasks, checked; its arguments are those of `evaluate`.

    Raises:
        UserError: Something in it cannot be.
    """
    made = request_of(
        inits=inits if isinstance(inits, str) else ",".join(inits),
        seeds=seeds if isinstance(seeds, int) else len(seeds),
        changes=tuple(f"{field}={value}" for field, value in (set or {}).items()),
        **same,
    )
    for init in made.inits:
        recipe_for(made.recipe, init, made.overrides)
    return replace(made, seeds=seeds_of(seeds), mapping_seeds=tuple(mapping_seeds))


REQUEST = ("inits", "seeds", "recipe", "set", "limit", "mapping", "mapping_seeds", "map_specials", "fraction", "subset")
"""The arguments of `evaluate` that `requested` takes."""


def evaluate(
    model: str | Path | Sequence[str | Path],
    tasks: str | Task | Sequence[str | Task],
    *,
    inits: str | Sequence[str] = ("pretrained", "scratch"),
    seeds: int | Sequence[int] = 3,
    recipe: str = "paper",
    set: Mapping[str, object] | None = None,  # noqa: A002 - as `--set`
    limit: int | None = None,
    mapping: str | None = None,
    mapping_seeds: Sequence[int] = (),
    map_specials: bool | None = None,
    fraction: float = 1.0,
    subset: str = "drawn",
    results: str | Path = "results",
    data_dir: str | Path | None = None,
    specials: Sequence[str] = (),
    device: str | None = None,
    workers: int | None = None,
    threads: int | None = None,
    executor: str | None = None,
    unverified: bool = False,
    trust_remote_code: bool = False,
    verbose: bool = False,
    track: str | None = None,
    track_dir: str | Path = "tracking",
    stream: IO[str] | None = None,
) -> Board:
    """Fine-tune checkpoints and their controls on tasks; return the board of all cells asked for.

    What is in the store is not run again, whoever put it there: `discbench eval` with the same words, or a host.

    Args:
        model: Hugging Face id[@revision], directory, NAME=DIRECTORY or builtin:tiny; several in a list.
        tasks: Names, globs or disciplines; a `Task` made on the spot is a task as well.
        inits: Of pretrained, scratch, reembedded, frozen.
        seeds: How many, from 0; or which.
        recipe: Its name.
        set: Fields of the recipe to change: `{"epochs": 1}`.
        limit: At most so many rows of every split; such scores are marked.
        mapping: Instead of each task's own.
        mapping_seeds: Of the mapping tables, crossed with the seeds; by default each run's own.
        map_specials: Whether the table moves special ids too; None as each task says.
        fraction: Share of the train rows, above 0 and at most 1.
        subset: `drawn` for each seed, or the `first` rows.
        results: The store.
        data_dir: Look for data files here first (else `DISCBENCH_DATA`).
        specials: Special ids of a checkpoint without a tokenizer: `["cls=2"]`.
        device: cpu or cuda; by default what is there.
        workers: Cells at once; by default as many as the machine carries. 0: in this process.
        threads: Threads of each worker.
        executor: Where cells run: local (the default), inprocess, or what a plugin offers.
        unverified: Accept rows other than those that a task names; their scores are marked.
        trust_remote_code: Run code that comes with a checkpoint.
        verbose: Let the libraries' own bars and warnings through.
        track: Log each cell that is run to tensorboard, trackio or wandb.
        track_dir: Where the tracker writes.
        stream: Where progress is written; stderr by default.

    Returns:
        The board. A cell that failed is in `Board.failed` with its cause; it raises nothing, and is run again by the
        next call.

    Raises:
        UserError: What was asked cannot be done; nothing was trained.
        PluginError: A plugin broke its side of the contract.
    """
    asked = Asked(
        models=tuple(map(str, listed(model))),
        patterns=tuple(t.id if isinstance(t, Task) else t for t in listed(tasks)),
        given=tuple(t for t in listed(tasks) if isinstance(t, Task)),
        request=requested(
            inits=inits,
            seeds=seeds,
            recipe=recipe,
            set=set,
            limit=limit,
            mapping=mapping,
            mapping_seeds=mapping_seeds,
            map_specials=map_specials,
            fraction=fraction,
            subset=subset,
        ),
        results=Path(results),
        data=Path(data_dir) if data_dir else None,
        specials=tuple(specials),
        device=device,
        workers=workers,
        threads=threads,
        executor=executor,
        unverified=unverified,
        trust_remote_code=trust_remote_code,
        verbose=verbose,
        track=track,
        track_dir=Path(track_dir),
    )
    if not asked.models or not asked.patterns:
        raise UserError("evaluate() needs a model and a task; `discbench models` and `discbench tasks` list them")
    return asked.run(stream)
