"""The files of a commit of the hub, whole, in the local hub cache.

transformers takes a file that the hub does not hand over for one that the checkpoint lacks, and a model without its
tokenizer has another mapping. So files are fetched before it looks, and it is given a directory.
"""

import os
from collections.abc import Callable
from pathlib import Path

from discbench.errors import CheckpointError
from discbench.values.content import BESIDE, WEIGHTS, WHOLE_OR_SHARDED, check_merged, check_weights, shards
from discbench.values.hub.client import DIGITS, bring, missed, offline, told

TOKENIZERS = ("tokenizer*", "vocab*", "merges*", "*.model", "spiece*")
"""Names of files that a tokenizer is read from."""


def fetch(identity: str, commit: str, *, weights: bool, unreached: str = "") -> Path:
    """Return the directory of a commit in the local hub cache, after what is missing was fetched.

    First all that is small and decides what the checkpoint does, then the weights: who has the weights has the rest. A
    commit that is there is not asked for again.

    Args:
        identity: A hub id.
        commit: All 40 digits.
        weights: Whether they are needed too, and not only configuration, tokenizer and code.
        unreached: Why the hub could not be asked a moment ago; it is not tried again then.

    Raises:
        CheckpointError: The hub refuses, or is lost on the way; it is an adapter; it has no weights; or the cache has
            not all of it and the hub cannot be asked.
    """
    cause = unreached or offline()
    ignored = [*BESIDE, *WEIGHTS, "*/*"]

    def get(**patterns: list[str]) -> Path:
        try:
            with told(identity, commit):
                return bring(identity, commit, local_files_only=bool(cause), **patterns)
        except CheckpointError:
            raise
        except Exception as error:
            raise _lost(identity, commit, cause, error) from error

    folder = get(ignore_patterns=ignored)
    names = {path.name for path in folder.iterdir()}
    check_merged(names, identity)
    if not (any(Path(name).match(kind) for kind in TOKENIZERS for name in names) or _listed(identity, commit)):
        raise _lost(identity, commit, cause, None)  # without its tokenizer it might pass for a model that has none
    if weights:
        _bring_weights(identity, folder, get)
    return folder


def _bring_weights(identity: str, folder: Path, get: Callable[..., Path]) -> None:
    """Fetch the weights that transformers would take, and not those of other frameworks beside them."""
    for whole, index in WHOLE_OR_SHARDED:
        named = [os.path.relpath(path, folder) for path in shards(folder / index)]
        if (folder / whole).is_file():
            return
        get(allow_patterns=[whole, *named])
        if (folder / whole).is_file() or named:
            break
    else:
        get(allow_patterns=list(WEIGHTS), ignore_patterns=[*BESIDE, "*/*"])
    check_weights(folder, identity)


def _listed(identity: str, commit: str) -> bool:
    """Tell whether the client knows all names of a commit's files, so that what is absent is known to be."""
    try:
        from huggingface_hub import get_cached_repo_tree
    except ImportError:  # an older client keeps no lists
        return not offline()
    try:
        get_cached_repo_tree(identity, revision=commit)
    except Exception:  # noqa: BLE001 - CachedRepoTreeNotFoundError, or a list that cannot be read
        return False
    return True


def _lost(identity: str, commit: str, cause: str, error: Exception | None) -> CheckpointError:
    """Say why a commit's files are not all here."""
    about = f"model {identity!r} at commit {commit[:DIGITS]}"
    if cause or error is None:
        return CheckpointError(
            f"{about}: not all of it is in the hub cache, and {cause or 'the hub did not list it'}; run once where the"
            " hub can be reached"
        )
    if isinstance(error, OSError) and error.errno and not isinstance(error, (ConnectionError, TimeoutError)):
        return CheckpointError(f"{about}: its files cannot be put into the hub cache ({error}); HF_HOME names another")
    first = error.__cause__ if isinstance(error.__cause__, Exception) else error
    return CheckpointError(
        f"{about}: {missed(first)}, before all of its files were here; what has come is kept: run again to go on"
    )
