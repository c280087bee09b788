"""What a user asks for: `Evaluation` and `Probing`, the one list of names that Python, command line and hosts share.

Each field says its help, how its text is read, and which option it is; `asking` makes a function of the same arguments.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, Field, dataclass, field, fields
from pathlib import Path
from typing import IO, Any, ParamSpec, TypeVar

from discbench.errors import UserError
from discbench.values.cells import Request
from discbench.values.given import changes, data_directory, listed, mapping_seeds, names, seeds_of, taken
from discbench.values.mapping import KINDS
from discbench.values.measurement import Probe
from discbench.values.rates import DEFAULT
from discbench.values.recipes import RECIPES, recipe_for
from discbench.values.types import Task

Given = ParamSpec("Given")
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
INITS = ("pretrained", "scratch")


def _asked(default: Any, about: str, kind: str, **option: Any) -> Any:  # noqa: ANN401 - as dataclasses.field
    """Return a field with its help, the kind of text that gives it (see `hosts.arguments`), and its option's own.

    `python` is the help where Python's words differ from the command line's.
    """
    return field(default=default, metadata={"about": about, "kind": kind, **option})


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What evaluating and probing ask alike: where files are, and what a checkpoint may do."""

    mapping: str | None = _asked(None, f"Instead of each task's own: one of {', '.join(KINDS)}.", "text")
    results: str | Path = _asked("results", "The store.", "folder")
    data_dir: str | Path | None = _asked(None, "Look for data files here first (else DISCBENCH_DATA).", "folder")
    unverified: bool = _asked(
        default=False, about="Accept rows other than those a task names; their scores are marked.", kind="yes"
    )
    specials: Sequence[str] = _asked(
        (),
        "Special ids of a checkpoint without a tokenizer: cls=2.",
        "words",
        flag="--special",
        metavar="cls|sep|pad=ID",
    )
    vocab: str | Path | None = _asked(
        None,
        "Tokens of a checkpoint whose tokenizer transformers lacks, one a line: read by greedy longest match.",
        "text",
        metavar="FILE",
        python="File of tokens, one a line, read by greedy longest match instead of the checkpoint's tokenizer.",
    )
    trust_remote_code: bool = _asked(default=False, about="Run code that comes with a checkpoint.", kind="yes")
    device: str | None = _asked(None, "cpu or cuda; by default what is there.", "text")
    verbose: bool = _asked(default=False, about="Let the libraries' own bars and warnings through.", kind="yes")
    stream: IO[str] | None = _asked(None, "Where progress is written; stderr by default.", "")

    @property
    def store(self) -> Path:
        """The store's directory."""
        return Path(self.results)

    @property
    def tokens(self) -> Path | None:
        """The file of tokens, if one is given."""
        return Path(self.vocab) if self.vocab else None

    @property
    def directory(self) -> Path | None:
        """The data directory, by option or environment.

        Raises:
            UserError: It does not exist.
        """
        return data_directory(self.data_dir)


@dataclass(frozen=True, slots=True)
class Evaluation(Surroundings):
    """All that an evaluation needs to know; `discbench eval`, `discbench.evaluate` and the hosts come to this."""

    model: str | Path | Sequence[str | Path] = _asked(
        (),
        "Hugging Face id[@revision], directory, NAME=DIRECTORY, builtin:tiny, pretrain:CORPUS[@SHAPE]. Repeatable.",
        "words",
        required=True,
        python="Hugging Face id[@revision], directory, NAME=DIRECTORY, builtin:tiny or pretrain:CORPUS[@SHAPE];"
        " several in a list.",
    )
    tasks: str | Task | Sequence[str | Task] = _asked(
        (),
        "Names, globs or disciplines, commas between; with --suite some of its tasks, by default all.",
        "words",
        python="Names, globs or disciplines; a `Task` made on the spot is a task as well.",
    )
    _: KW_ONLY
    suite: str | None = _asked(
        None, "Run what this suite is made of; `discbench suites` lists them. It says all that is compared.", "text"
    )
    inits: str | Sequence[str] = _asked(INITS, "Of pretrained, scratch, reembedded, frozen.", "words", commas=True)
    seeds: int | Sequence[int] = _asked(
        3, "How many seeds, from 0.", "whole", python="How many seeds, from 0; or which."
    )
    recipe: str = _asked("paper", f"One of {', '.join(RECIPES)}.", "text")
    set: Mapping[str, object] | Sequence[str] = _asked(
        (),
        "Change a field of the recipe. Repeatable.",
        "",
        flag="--set",
        metavar="FIELD=VALUE",
        python='Fields of the recipe to change: {"epochs": 1}.',
    )
    rates: str = _asked(
        DEFAULT,
        "Learning rates: default (the recipe's) or tuned (for each checkpoint, init and task, on validation rows).",
        "text",
    )
    mapping_seeds: str | Sequence[int] = _asked(
        "",
        "Of the mapping tables, crossed with the seeds; by default each run's own seed draws its table.",
        "wholes",
        flag="--mapping-seed",
        metavar="N[,N]",
        commas=True,
    )
    map_specials: bool | None = _asked(
        None,
        "Whether the table moves [CLS], [SEP] and padding too; by default as each task says (symbols: kept).",
        "yes",
        flag="--map-specials/--keep-specials",
    )
    fraction: float = _asked(1.0, "Share of the train rows.", "number")
    subset: str = _asked(
        "drawn", "Which share: drawn for each seed, or the first rows by their publisher's numbers.", "text"
    )
    limit: int | None = _asked(None, "At most so many rows of every split; such scores are marked.", "whole")
    take: str | Sequence[int] = _asked(
        "",
        "At most so many train, validation and test rows, the first by their hashes, as suites do; not marked.",
        "wholes",
        metavar="TRAIN,VALID,TEST",
        commas=True,
    )
    workers: int | None = _asked(
        None,
        "Cells at once; by default one a GPU, or as many as the CPU carries. 0: in this process, as torchrun needs it.",
        "whole",
        least=0,
    )
    threads: int | None = _asked(
        None,
        "Threads of each worker, 1 by default; another number is faster on large models and gives other last digits.",
        "whole",
        least=1,
    )
    checkpoint_minutes: float | None = _asked(
        None,
        "Save a cell's training state every so many minutes, so that it goes on from there after an interruption.",
        "number",
    )
    devices: str | int | Sequence[int] = _asked(
        "auto",
        "GPUs, a worker each: auto (those that the job sees, else the CPU), all, numbers such as 0,1, or cpu.",
        "text",
        python='GPUs, a worker each: "auto" (those that the job sees, else the CPU), "all", [0, 1] or "cpu".',
    )
    per_device: int | None = _asked(
        None, "Workers of each GPU, 1 by default: several share it, for models that leave it idle.", "whole", least=1
    )
    retry_failed: bool = _asked(
        default=True,
        about="Whether cells that failed before are tried again.",
        kind="yes",
        flag="--retry-failed/--keep-failed",
    )
    executor: str | None = _asked(
        None, "Where cells run: local (the default), inprocess, ray, slurm, or what a plugin offers.", "text"
    )
    partition: str | None = _asked(None, "Of slurm: where its jobs queue.", "text")
    time: str | None = _asked(
        None, "Of slurm: the limit of each job, in minutes or as 12:00:00 or 2-00:00:00.", "text", metavar="LIMIT"
    )
    gpus_per_node: int | None = _asked(
        None,
        "Of slurm: GPUs of each job, which runs as many cells at once; by default none.",
        "whole",
        least=0,
    )
    cells_per_job: int | None = _asked(
        None, "Of slurm: cells of each job; by default as many as it runs at once.", "whole", least=1
    )
    sbatch: Mapping[str, object] | Sequence[str] = _asked(
        (),
        "Of slurm: another option of sbatch, such as account=NAME or mem=32G. Repeatable.",
        "",
        metavar="NAME=VALUE",
        python='Of slurm: other options of sbatch: {"account": "name", "mem": "32G"}.',
    )
    detach: bool = _asked(
        default=False, about="Of slurm: submit, print the array's number and leave; later, wait without it.", kind="yes"
    )
    address: str | None = _asked(
        None,
        "Of ray: a cluster that is there, HOST:PORT or auto; by default one is started here.",
        "text",
    )
    gpus_per_cell: float | None = _asked(
        None,
        "Of ray: GPUs of each cell, such as 0.5; by default 1 where this machine has one, else 0.",
        "number",
    )
    track: str | None = _asked(None, "Log each cell that is run to a tracker: tensorboard, trackio or wandb.", "text")
    track_dir: str | Path = _asked("tracking", "Where the tracker writes.", "folder")

    @property
    def models(self) -> tuple[str, ...]:
        """The checkpoints' names; a `Path` is a path whatever it holds."""
        return tuple(map(model_name, listed(self.model)))

    @property
    def patterns(self) -> tuple[str, ...]:
        """The tasks' names and globs, those of `given` too."""
        return tuple(t.id if isinstance(t, Task) else t for t in listed(self.tasks))

    @property
    def given(self) -> tuple[Task, ...]:
        """Tasks that no plugin offers."""
        return tuple(t for t in listed(self.tasks) if isinstance(t, Task))

    @property
    def minutes(self) -> float | None:
        """The minutes between two savings of a cell's state, checked.

        Raises:
            UserError: They are none.
        """
        if self.checkpoint_minutes is not None and not self.checkpoint_minutes > 0:
            raise UserError(f"--checkpoint-minutes {self.checkpoint_minutes:g}: a number above 0 was expected")
        return self.checkpoint_minutes

    @property
    def request(self) -> Request:
        """What is asked for beyond models and tasks, checked.

        Raises:
            UserError: Something in it cannot be.
        """
        if self.limit is not None and self.limit < 1:
            raise UserError(f"--limit {self.limit}: no row, no score; give 1 or more")
        seeds, changed = seeds_of(self.seeds), changes(self.set)
        if isinstance(self.seeds, int) and self.seeds < 1:
            raise UserError(f"--seeds {self.seeds}: no seed, no cell; give 1 or more")
        inits = names(self.inits)
        if not inits:
            raise UserError("--inits is empty; give pretrained, scratch, reembedded or frozen, commas between")
        made = Request(
            inits=inits,
            seeds=seeds,
            recipe=self.recipe,
            overrides=changed,
            limit=self.limit,
            mapping=self.mapping,
            mapping_seeds=mapping_seeds(self.mapping_seeds),
            map_specials=self.map_specials,
            fraction=self.fraction,
            subset=self.subset,
            take=taken(self.take),
            rates=self.rates,
        )
        for init in made.inits:
            recipe_for(made.recipe, init, made.overrides)
        return made


@dataclass(frozen=True, slots=True)
class Probing(Surroundings):
    """All that measuring needs to know; `discbench probe` and `discbench.probe` come to this."""

    model: str | Path = _asked("", "As of eval.", "text", required=True)
    tasks: str | Task | Sequence[str | Task] = _asked(
        (),
        "Names, globs or disciplines, commas between.",
        "words",
        required=True,
        python="Names, globs or disciplines; a `Task` made on the spot is a task as well.",
    )
    _: KW_ONLY
    probes: str | Probe | Sequence[str | Probe] = _asked(
        (),
        "Names or globs, commas between; by default all that apply.",
        "words",
        python="Names or globs, by default all that apply; a `Probe` made on the spot is measured anew by every call.",
    )
    against: str | None = _asked(
        None, "Another model, or an init of the same one: scratch (the default) or reembedded.", "text"
    )
    init: str = _asked("pretrained", "Of the models that are named.", "text")
    rows: int | None = _asked(None, "So many test rows; by default as each probe says.", "whole", least=1)
    layers: str | Sequence[int] = _asked(
        (-1,),
        "Commas between; 0 is the input, -1 the last layer.",
        "wholes",
        commas=True,
        python="0 is the input, -1 the last layer.",
    )
    seeds: int | Sequence[int] = _asked(
        1,
        "How many seeds, from 0: of rows, mapping, inits, heads.",
        "whole",
        python="How many, from 0; or which: of rows, mapping, inits, heads.",
    )
    max_tokens: int | None = _asked(None, "Cut rows to so many tokens, special ones included.", "whole", least=3)
    as_published: bool = _asked(default=False, about="The paper's own recipe; see `discbench probes`.", kind="yes")

    @property
    def patterns(self) -> tuple[str, ...]:
        """The tasks' names and globs, those of `given` too."""
        return tuple(t.name if isinstance(t, Task) else t for t in listed(self.tasks))

    @property
    def given(self) -> tuple[Task, ...]:
        """Tasks that no plugin offers."""
        return tuple(t for t in listed(self.tasks) if isinstance(t, Task))

    @property
    def chosen(self) -> tuple[str, ...]:
        """The probes' names and globs, those of `given_probes` too; empty for all that apply."""
        return tuple(p.name if isinstance(p, Probe) else p for p in listed(self.probes))

    @property
    def given_probes(self) -> tuple[Probe, ...]:
        """Probes that no plugin offers."""
        return tuple(p for p in listed(self.probes) if isinstance(p, Probe))

    @property
    def drawn(self) -> tuple[int, ...]:
        """The seeds.

        Raises:
            UserError: There is none.
        """
        found = seeds_of(self.seeds)
        if not found:
            raise UserError(f"--seeds {self.seeds}: no seed, no measurement; give 1 or more")
        return found

    @property
    def places(self) -> tuple[int, ...]:
        """The layers.

        Raises:
            UserError: One is no whole number.
        """
        if not isinstance(self.layers, str):
            return tuple(self.layers)
        try:
            return tuple(dict.fromkeys(int(part) for part in self.layers.split(",")))
        except ValueError:
            raise UserError(
                f"--layers {self.layers!r}: whole numbers with commas between were expected, such as 0,3,-1"
            ) from None


def questions(kind: type[Surroundings]) -> "list[Field[Any]]":
    """Return the fields of a kind of question, what it asks for first and its surroundings last."""
    common = {f.name for f in fields(Surroundings)}
    return sorted(fields(kind), key=lambda f: f.name in common)


def asking(kind: Callable[Given, Asked]) -> Callable[[Callable[[Asked], Answer]], Callable[Given, Answer]]:
    """Return a decorator: a function of one `kind` becomes one of that kind's own arguments, and documents them."""

    def decorate(answer: Callable[[Asked], Answer]) -> Callable[Given, Answer]:
        def call(*given: Given.args, **named: Given.kwargs) -> Answer:
            bound.bind(*given, **named)  # a wrong name is told as one of this function
            return answer(kind(*given, **named))

        asked = questions(kind)  # type: ignore[arg-type] # the class, called as its constructor
        own = inspect.signature(kind)
        order = [own.parameters[f.name] for f in asked]
        returns = inspect.signature(answer).return_annotation
        needed = [p.replace(default=inspect.Parameter.empty) for p in order if p.name in {"model", "tasks"}]
        if "suite" in own.parameters:
            needed[1:] = [own.parameters["tasks"]]
        bound = own.replace(
            parameters=[*needed, *(p for p in order if p.name not in {"model", "tasks"})], return_annotation=returns
        )
        call.__signature__ = bound  # type: ignore[attr-defined] # what inspect reads
        call.__annotations__ = {**{p.name: p.annotation for p in order}, "return": returns}
        told = "\n".join(f"    {f.name}: {f.metadata.get('python', f.metadata['about'])}" for f in asked)
        call.__name__ = call.__qualname__ = answer.__name__
        call.__module__ = answer.__module__
        call.__doc__ = inspect.cleandoc(answer.__doc__ or "").replace("Returns:\n", f"Args:\n{told}\n\nReturns:\n", 1)
        return call

    return decorate


def model_name(given: str | Path) -> str:
    """Return what names a checkpoint: words as they are, a `Path` from the root, so that it is nothing else."""
    return str(given.expanduser().absolute()) if isinstance(given, Path) else given
