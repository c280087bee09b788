"""Checkpoints by name, those too that are made by what their name says: `pretrain:CORPUS[@SHAPE]`. Without torch.

They lie in the cache, a folder for each whole recipe: corpus, fields, and the version of the code that reads them.
Whoever asks first makes it; who asks meanwhile waits; who asks later finds it.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from discbench.data.formats.opening import cache_directory
from discbench.errors import CheckpointError, NoSuchName, UserError
from discbench.plugins import registry
from discbench.pretraining import corpora
from discbench.pretraining.text import STATE
from discbench.values import checkpoints
from discbench.values.checkpoints import Checkpoint
from discbench.values.pretrained import names
from discbench.values.recipes import PretrainRecipe
from discbench.values.types import Corpus

FORMAT = 2
"""Raised whenever a change of the code gives a recipe another checkpoint."""
SPECIALS = 5
"""Tokens beside the words of an artificial language (`vocabulary.SPECIALS`)."""
UNMADE = "not-made-"
"""How the revision of a checkpoint begins that is not there yet."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """A checkpoint that can be made: what from, how, and where it is kept."""

    name: str
    source: Corpus | Path
    recipe: PretrainRecipe
    definition: str
    """The whole recipe as JSON; its SHA-256 is what the checkpoint is kept under."""

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        digest = hashlib.sha256(self.definition.encode()).hexdigest()
        what = "text" if isinstance(self.source, Path) else self.source.name
        return cache_directory().absolute() / "pretrained" / f"{what}-{digest[:16]}"

    @property
    def note(self) -> Path:
        """What says that it is whole: its revision and its recipe, written last."""
        return self.folder.with_suffix(".json")

    @property
    def words(self) -> str:
        """What will be done, for one line."""
        recipe = self.recipe
        shape = f"{recipe.layers} layers x {recipe.hidden}"
        return f"{recipe.steps:,} steps of {recipe.batch_tokens:,} tokens, {shape}, kept in {self.folder}"


def locate(
    name: str,
    specials: dict[str, int] | None = None,
    *,
    trust_remote_code: bool = False,
    vocab: Path | None = None,
) -> Checkpoint:
    """Find a checkpoint by what the user wrote; of one that is still to be made, say what it will be.

    Returns:
        The checkpoint. `unmade` tells of one that `ready` has to make first; its revision is not known before.

    Raises:
        CheckpointError: Nothing of that name, a directory that holds no checkpoint, or one that was changed.
        UserError: A name of no corpus, no shape, or no field; a file of tokens for one that has its own.
    """
    making = asked(name)
    if making is None:
        return checkpoints.locate(name, specials, trust_remote_code=trust_remote_code, vocab=vocab)
    if vocab is not None:
        raise UserError(f"--vocab {vocab}: {making.name} has the vocabulary that it is made with; leave it out")
    given = tuple(sorted((specials or {}).items()))
    found = _kept(making)
    if found is not None:
        return replace(found, specials=given)
    digits = making.folder.name.rpartition("-")[2]
    return Checkpoint(name=making.name, location=name, revision=f"{UNMADE}{digits[:12]}", local=True, specials=given)


def unmade(checkpoint: Checkpoint) -> bool:
    """Tell whether a checkpoint is still to be made."""
    return checkpoint.revision.startswith(UNMADE)


def told(checkpoint: Checkpoint) -> str:
    """Return what is to be known of a checkpoint that is not made yet, in a line."""
    making = asked(checkpoint.location)
    return f"{checkpoint.name} is not made yet, `discbench eval` makes it first: {making.words if making else ''}"


def ready(checkpoint: Checkpoint, say: Say, *, threads: int | None = None) -> Checkpoint:
    """Return a checkpoint that is there, made now if it was not.

    Args:
        checkpoint: Found by `locate`.
        say: Told of progress, a line at a time.
        threads: Of torch while it is made; None leaves its own number.

    Raises:
        UserError: The text has too little to learn from, or another vocabulary than was asked for.
        PluginError: The corpus broke its side of the contract.
    """
    making = asked(checkpoint.location) if unmade(checkpoint) else None
    if making is None:
        return checkpoint
    with _alone(making, say):
        found = _kept(making) or _make(making, say, threads)
    return replace(found, specials=checkpoint.specials)


def asked(name: str) -> Making | None:
    """Return what `pretrain:...` asks for, None if a name is of another kind.

    Raises:
        UserError: A name of no corpus, no shape, or no field.
    """
    wanted = names.wanted(name)
    if wanted is None or Path(name).expanduser().is_dir():
        return None
    try:
        source = corpora.named(wanted.made_of, registry.plugins())
    except NoSuchName as error:
        raise NoSuchName(f"model {name!r}: {error}") from error
    words = corpora.vocabulary(source)
    recipe = wanted.recipe(SPECIALS + len(words) if words else None)
    whole = {"format": FORMAT, **corpora.definition(source, words), "recipe": asdict(recipe)}
    return Making(name=wanted.name, source=source, recipe=recipe, definition=json.dumps(whole, sort_keys=True))


def _kept(making: Making) -> Checkpoint | None:
    """Return the checkpoint if it was made before.

    Raises:
        CheckpointError: It is not what was made.
    """
    try:
        note: dict[str, Any] = json.loads(making.note.read_text(encoding="utf-8"))
        revision = note["revision"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not making.folder.is_dir():
        return None
    found = checkpoints.locate(str(making.folder))
    if found.revision != revision:
        raise CheckpointError(
            f"model {making.name!r}: what is kept in {str(making.folder)!r} is not what was made ({revision} then,"
            f" {found.revision} now); remove that folder, and it is made again"
        )
    return replace(found, name=making.name)


def _make(making: Making, say: Say, threads: int | None) -> Checkpoint:
    from discbench.pretraining.pretrain import pretrain

    say(f"{making.name}: {making.words}")
    text = corpora.written(making.source, making.folder / STATE)
    record = pretrain(text, making.folder, making.recipe, lambda line: say(f"{making.name}: {line}"), threads=threads)
    found = checkpoints.locate(str(making.folder))
    note = {"name": making.name, "revision": found.revision, "made_of": json.loads(making.definition)}
    part = making.note.with_suffix(".part")
    part.write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    os.replace(part, making.note)
    shutil.rmtree(making.folder / STATE, ignore_errors=True)
    say(f"{making.name}: {closing(record)}")
    return replace(found, name=making.name)


def closing(record: dict[str, Any]) -> str:
    """Return the held-out loss before and after, and the floor where it is known, for one line."""
    losses, floor = record["held_out_loss"], record.get("floor")
    known = "" if floor is None else f"; no model can be below {floor:.2f}"
    return f"held-out loss {losses[0]['loss']:.2f} -> {losses[-1]['loss']:.2f} nats{known}"


@contextmanager
def _alone(making: Making, say: Say) -> Iterator[None]:
    """Hold the lock of a checkpoint that is being made; another process that makes it is waited for."""
    path = making.folder.parent / ".locks" / f"{making.folder.name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"{making.name}: another process makes it; waiting for that")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
