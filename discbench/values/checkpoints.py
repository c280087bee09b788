"""Checkpoints by name, without torch: where they are and which revision they have.

`builtin:NAME` is shipped with the package, `baseline:NAME` is a trivial model (`training/baselines`), an existing path
is a local directory, `NAME=PATH` gives a directory a name of its own, anything else is a Hugging Face id with an
optional `@revision`.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discbench.errors import CheckpointError, NoSuchName, did_you_mean

BUILTIN = Path(__file__).parents[1] / "builtin"
MAJORITY, KMER = "baseline:majority", "baseline:kmer"
BASELINES = (MAJORITY, KMER)
BASELINE_REVISION = "1"
"""Raised whenever a change can move a score of a baseline."""
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
WEIGHTS = ("*.safetensors", "*.bin")
IDENTITY = ("config.json", *WEIGHTS, "tokenizer*", "vocab*", "merges.txt", "spiece.model", "*.model")
SPECIALS = ("cls", "sep", "pad")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint that was found, and how to load it."""

    name: str
    """As it appears in cells and on boards."""
    location: str
    """A directory, or a Hugging Face id."""
    revision: str
    """The commit of a Hugging Face id; `sha256-` and 12 digits of the content of a directory."""
    local: bool
    specials: tuple[tuple[str, int], ...] = ()
    """Special ids given by the user for a checkpoint without a tokenizer: cls, sep, pad."""
    trust_remote_code: bool = False

    @property
    def baseline(self) -> bool:
        """Whether it is a trivial model, without vocabulary, weights or inits."""
        return self.name in BASELINES

    @property
    def id(self) -> str:
        """Name and revision."""
        return f"{self.name}@{self.revision}"


def locate(name: str, specials: dict[str, int] | None = None, *, trust_remote_code: bool = False) -> Checkpoint:
    """Find a checkpoint by what the user wrote.

    Raises:
        CheckpointError: Nothing of that name, or a directory that holds no checkpoint.
    """
    given = tuple(sorted((specials or {}).items()))
    alias, _, path = name.rpartition("=")
    if name.startswith("baseline:"):
        found = _baseline(name)
    elif name.startswith("builtin:"):
        found = _directory(name, _builtin(name))
    elif alias or Path(path).expanduser().is_dir() or path.startswith((".", "/", "~")):
        folder = Path(path).expanduser().resolve()
        found = _directory(alias or folder.name, folder)
    else:
        found = _hub(name)
    return Checkpoint(
        name=found[0],
        location=found[1],
        revision=found[2],
        local=found[3],
        specials=given,
        trust_remote_code=trust_remote_code,
    )


def builtins() -> dict[str, Path]:
    """Return the shipped checkpoints by name."""
    return {f"builtin:{path.parent.name}": path.parent for path in sorted(BUILTIN.glob("*/config.json"))}


def _baseline(name: str) -> tuple[str, str, str, bool]:
    if name not in BASELINES:
        known = "there are " + ", ".join(BASELINES)
        raise NoSuchName(f"no model {name!r}{did_you_mean(name, BASELINES, known)}")
    return name, "", BASELINE_REVISION, True


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
    except (OSError, ValueError) as error:
        raise CheckpointError(f"model {str(folder)!r}: config.json cannot be read ({error}); is it whole?") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"model {str(folder)!r}: config.json is no JSON object; is it whole?")
    return config


def _directory(name: str, folder: Path) -> tuple[str, str, str, bool]:
    read_config(folder)
    if not any(path for pattern in WEIGHTS for path in folder.glob(pattern)):
        raise CheckpointError(
            f"model {str(folder)!r}: no weights (*.safetensors or *.bin) beside config.json; give a whole checkpoint"
        )
    return name, str(folder), f"sha256-{content_sha256(folder)[:12]}", True


def content_sha256(folder: Path) -> str:
    """Return the SHA-256 over config, weights and tokenizer files, by name and content."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in IDENTITY for path in folder.glob(pattern) if path.is_file()}):
        with path.open("rb") as file:
            digest.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def _hub(name: str) -> tuple[str, str, str, bool]:
    identity, _, revision = name.partition("@")
    if not HUB_ID.fullmatch(identity):
        raise CheckpointError(f"model {name!r} is neither a directory, nor builtin:NAME, nor a Hugging Face id")
    return identity, identity, _commit(identity, revision or "main"), False


def _commit(identity: str, revision: str) -> str:
    """Return the commit of a hub id: asked of the hub, else as the local hub cache last saw it."""
    if re.fullmatch(r"[0-9a-f]{40}", revision):
        return revision
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_CACHE, HF_HUB_OFFLINE
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    cause = "the hub was not asked (HF_HUB_OFFLINE)"
    if not HF_HUB_OFFLINE:
        try:
            return str(HfApi().model_info(identity, revision=revision, timeout=10).sha)
        except (RepositoryNotFoundError, RevisionNotFoundError):
            raise CheckpointError(
                f"no model {identity!r} with revision {revision!r} on the hub; is it spelt right, or private?"
            ) from None
        except Exception as error:  # noqa: BLE001 - the errors of whichever HTTP library the hub client has
            cause = f"the hub cannot be reached ({type(error).__name__})"
    ref = Path(HF_HUB_CACHE) / f"models--{identity.replace('/', '--')}" / "refs" / revision
    if ref.is_file():
        return ref.read_text(encoding="utf-8").strip()
    raise CheckpointError(
        f"no model {identity!r}: it is no directory here, not in the hub cache, and {cause};"
        " give a directory, builtin:tiny, or a Hugging Face id"
    )


def parse_specials(texts: tuple[str, ...]) -> dict[str, int]:
    """Read `cls=101` and the like."""
    found: dict[str, int] = {}
    for text in texts:
        key, _, value = text.partition("=")
        if key not in SPECIALS or not value.isdigit():
            raise NoSuchName(f"--special {text!r}: cls=ID, sep=ID or pad=ID was expected, with a token id")
        found[key] = int(value)
    return found
