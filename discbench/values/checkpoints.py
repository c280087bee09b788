"""Checkpoints by name, without torch: where they are and which revision they have.

`builtin:NAME` is shipped with the package, `baseline:NAME` is a trivial model (`training/baselines`), an existing path
is a local directory whatever its name holds, `NAME=PATH` gives a directory a name of its own, anything else is a
Hugging Face id with an optional `@revision`.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from discbench.errors import CheckpointError, NoSuchName, did_you_mean
from discbench.values.content import check_merged, check_weights, content_sha256, tokens_sha256
from discbench.values.hub import client, commits, snapshot
from discbench.values.pretrained import names

BUILTIN = Path(__file__).parents[1] / "builtin"
MAJORITY, KMER = "baseline:majority", "baseline:kmer"
BASELINES = (MAJORITY, KMER)
BASELINE_REVISION = "1"
"""Raised whenever a change can move a score of a baseline."""
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
LOCAL = "sha256-"
"""How the revision of a directory begins."""
VOCAB = "+vocab-"
"""What stands in a revision before 12 digits of the tokens that `--vocab` gave."""
FEWEST_DIGITS = 7
SPECIALS = ("cls", "sep", "pad")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint that was found, and how to load it."""

    name: str
    """As it appears in cells and on boards."""
    location: str
    """A directory, or a Hugging Face id."""
    revision: str
    """The commit of a Hugging Face id; `sha256-` and 12 digits of the content of a directory. `+vocab-` and 12 digits
    of the tokens follow where a vocabulary was given."""
    local: bool
    specials: tuple[tuple[str, int], ...] = ()
    """Special ids given by the user for a checkpoint without a tokenizer: cls, sep, pad."""
    trust_remote_code: bool = False
    vocab: str = ""
    """File of tokens, read instead of the checkpoint's own tokenizer by greedy longest match; "" for its own."""
    alike: bool = False
    """Whether another one of the same call has its name, so that what is said of it must say where it is."""
    unreached: str = field(default="", compare=False)
    """Why the hub did not say which commit it is, so that its cache did; "" if it did or had not to."""

    @property
    def baseline(self) -> bool:
        """Whether it is a trivial model, without vocabulary, weights or inits."""
        return self.name in BASELINES

    @property
    def commit(self) -> str:
        """The revision of the checkpoint's own files."""
        return self.revision.partition(VOCAB)[0]

    @property
    def note(self) -> str:
        """What the user should know of how it was found: it may be behind the hub, and nobody asked for that."""
        if not self.unreached or client.offline():
            return ""
        taken = f"commit {self.commit[: client.DIGITS]} is taken, the last that the hub cache saw"
        return f"{self.name}: {self.unreached}, so {taken}"

    @property
    def id(self) -> str:
        """Name and revision."""
        return f"{self.name}@{self.revision}"


def told_apart(found: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return what each (name, revision) is called beside the others.

    Its name, and where another revision has that name too, as many digits of its own as tell them apart.
    """
    revisions: dict[str, set[str]] = defaultdict(set)
    for name, revision in found:
        revisions[name].add(revision)
    return {
        (name, revision): name if len(together) == 1 else f"{name}@{_short(revision, together)}"
        for name, together in revisions.items()
        for revision in together
    }


def _short(revision: str, among: set[str]) -> str:
    digits = {each: _bare(each) for each in among}
    lengths = range(FEWEST_DIGITS, max(map(len, digits.values())) + 1)
    needed = next((n for n in lengths if len({d[:n] for d in digits.values()}) == len(digits)), None)
    return digits[revision][:needed] if needed else revision


def _bare(revision: str) -> str:
    return revision.removeprefix(LOCAL)


def is_called(name: str, revision: str, given: str) -> bool:
    """Tell whether a user's NAME or NAME@REVISION, which may be cut short, means this (name, revision)."""
    given = names.spelt(given)
    digits = given.removeprefix(f"{name}@")
    cut = digits not in {"", given}
    return given == name or (cut and (revision.startswith(digits) or _bare(revision).startswith(digits)))


def locate(
    name: str, specials: dict[str, int] | None = None, *, trust_remote_code: bool = False, vocab: Path | None = None
) -> Checkpoint:
    """Find a checkpoint by what the user wrote.

    Args:
        name: What names it.
        specials: Special ids given by the user.
        trust_remote_code: Allow code of the checkpoint's own.
        vocab: File of tokens to read instead of its own tokenizer; baselines have no use for it.

    Raises:
        CheckpointError: Nothing of that name, a directory that holds no checkpoint, or a file that holds no tokens.
    """
    given = tuple(sorted((specials or {}).items()))
    if name.startswith("baseline:"):
        found = _baseline(name)
    elif name.startswith("builtin:"):
        found = _directory(name, _builtin(name))
    elif (place := _place(name)) is not None:
        alias, folder = place
        found = _directory(alias or folder.name, folder)
    else:
        found = _hub(name)
    read = vocab.expanduser().absolute() if vocab is not None and not name.startswith("baseline:") else None
    return Checkpoint(
        name=found[0],
        location=found[1],
        revision=found[2] + (f"{VOCAB}{tokens_sha256(read)[:12]}" if read else ""),
        vocab=str(read or ""),
        local=found[3],
        unreached=found[4],
        specials=given,
        trust_remote_code=trust_remote_code,
    )


def builtins() -> dict[str, Path]:
    """Return the shipped checkpoints by name."""
    return {f"builtin:{path.parent.name}": path.parent for path in sorted(BUILTIN.glob("*/config.json"))}


def _place(name: str) -> tuple[str, Path] | None:
    """Return (the name given to it or "", directory) of what names a directory, None of what does not.

    A path that exists is that path, `=` in it or not (sweep tools write `runs/lr=1e-5`). Else the first `=` whose right
    side exists ends the name.

    Raises:
        CheckpointError: A path at which there is no directory.
    """
    whole = Path(name).expanduser()
    if name and whole.is_dir():
        return "", whole.resolve()
    cuts = [(name[:at], name[at + 1 :]) for at, sign in enumerate(name) if sign == "="]
    for alias, path in cuts:
        if alias and path and Path(path).expanduser().is_dir():
            return alias, Path(path).expanduser().resolve()
    if whole.is_file():
        raise CheckpointError(
            f"model {name!r} is a file, but a checkpoint is a directory; give {str(whole.parent)!r} if that is one"
        )
    if not all(cuts[0] if cuts else [name]):
        raise CheckpointError(f"model {name!r}: give NAME=DIRECTORY, a directory, builtin:NAME or a Hugging Face id")
    if cuts and not name.startswith((".", "/", "~")):
        raise CheckpointError(
            f"model {name!r}: neither this nor {cuts[0][1]!r} is a directory; NAME=DIRECTORY names one that is there"
        )
    if cuts or name.startswith((".", "/", "~")):
        raise CheckpointError(
            f"model {name!r}: there is no such directory; give one written by save_pretrained, builtin:NAME, or a"
            " Hugging Face id"
        )
    return None


def _baseline(name: str) -> tuple[str, str, str, bool, str]:
    if name not in BASELINES:
        known = "there are " + ", ".join(BASELINES)
        raise NoSuchName(f"no model {name!r}{did_you_mean(name, BASELINES, known)}")
    return name, "", BASELINE_REVISION, True, ""


def _builtin(name: str) -> Path:
    known = builtins()
    if name not in known:
        raise NoSuchName(f"no model {name!r}{did_you_mean(name, known, 'shipped are ' + (', '.join(known) or 'none'))}")
    return known[name]


def read_config(folder: Path) -> dict[str, Any]:
    """Return a directory's config.json.

    Raises:
        CheckpointError: It is absent or is no JSON object.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"model {str(folder)!r}: a checkpoint directory was expected, but it holds no config.json; give a"
            " directory written by save_pretrained, builtin:NAME, or a Hugging Face id"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"model {str(folder)!r}: config.json cannot be read ({error}); is it whole?") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"model {str(folder)!r}: config.json is no JSON object; is it whole?")
    return config


def _directory(name: str, folder: Path) -> tuple[str, str, str, bool, str]:
    check_merged({path.name for path in folder.iterdir()}, str(folder))
    read_config(folder)
    check_weights(folder)
    return name, str(folder), revision_of(folder), True, ""


def revision_of(folder: Path) -> str:
    """Return a directory's revision: `sha256-` and 12 digits of its content.

    Raises:
        CheckpointError: A file of it cannot be read.
    """
    return f"{LOCAL}{content_sha256(folder)[:12]}"


def check_unchanged(checkpoint: Checkpoint) -> None:
    """See that a directory is still what it was when it was located; a hub's commit cannot change.

    Raises:
        CheckpointError: Its content is another by now, so that a result would stand under a revision that it is not of.
    """
    if checkpoint.baseline or not (checkpoint.local or checkpoint.vocab):
        return
    now = revision_of(Path(checkpoint.location)) if checkpoint.local else checkpoint.commit
    now += f"{VOCAB}{tokens_sha256(Path(checkpoint.vocab))[:12]}" if checkpoint.vocab else ""
    if now != checkpoint.revision:
        raise CheckpointError(
            f"model {checkpoint.name!r} at {checkpoint.location!r} has changed since it was looked up"
            f" ({checkpoint.revision} then, {now} now); run again when nothing writes to it"
        )


def directory_of(checkpoint: Checkpoint, *, weights: bool = False) -> str:
    """Return the directory that a checkpoint is read from; a hub's is fetched, its weights when they are needed.

    Raises:
        CheckpointError: The hub refuses or is lost, or not all of the checkpoint is here and the hub cannot be asked.
    """
    if checkpoint.local:
        return checkpoint.location
    identity, commit = checkpoint.location, checkpoint.commit
    return str(snapshot.fetch(identity, commit, weights=weights, unreached=checkpoint.unreached))


def _hub(name: str) -> tuple[str, str, str, bool, str]:
    identity, _, asked = name.partition("@")
    if not HUB_ID.fullmatch(identity):
        raise CheckpointError(f"model {name!r} is neither a directory, nor builtin:NAME, nor a Hugging Face id")
    commit, unreached = commits.resolve(identity, asked or "main")
    check_merged(client.names(identity, commit), identity)
    return identity, identity, commit, False, unreached


def parse_specials(texts: tuple[str, ...]) -> dict[str, int]:
    """Read `cls=101` and the like."""
    found: dict[str, int] = {}
    for text in texts:
        key, _, value = text.partition("=")
        if key not in SPECIALS or not value.isdigit():
            raise NoSuchName(f"--special {text!r}: cls=ID, sep=ID or pad=ID was expected, with a token id")
        found[key] = int(value)
    return found
