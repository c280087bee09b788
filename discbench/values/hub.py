"""Checkpoints of the Hugging Face hub: which commit a name means, and a commit's files, whole, in the local hub cache.

A run must name a commit, and files are asked for by it, so that one run never mixes two. The client remembers which
commit a branch or a tag was only if it is asked by that name; so it is asked so once, for the configuration.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from discbench.errors import CheckpointError, did_you_mean
from discbench.values.content import BESIDE, WEIGHTS, WHOLE_OR_SHARDED, check_merged, check_weights, shards

COMMIT = re.compile(r"[0-9a-f]{40}")
CUT = re.compile(r"[0-9a-f]{7,39}")
"""A commit that is written short, as git and boards write it."""
DIGITS = 7
PATIENCE = 10
"""Seconds for the hub's first answer."""
TOKENIZERS = ("tokenizer*", "vocab*", "merges*", "*.model", "spiece*")


def resolve(identity: str, revision: str) -> tuple[str, str]:
    """Return the commit that a branch, a tag or a commit (7 digits or more) of a hub id is.

    The hub is asked; where it cannot be reached, or must not be (HF_HUB_OFFLINE), the local cache tells what it was.

    Returns:
        (commit, why the hub did not say so). The latter is "" if it did or had not to be asked.

    Raises:
        CheckpointError: There is no such model or revision, it may not be read, or nobody knows.
    """
    if COMMIT.fullmatch(revision):
        return revision, ""
    if (cause := offline()) == "":
        try:
            return _asked(identity, revision), ""
        except CheckpointError:
            raise
        except Exception as error:  # noqa: BLE001 - the errors of whichever HTTP library the hub client has
            cause = _missed(error)
    return _remembered(identity, revision, cause), cause


def offline() -> str:
    """Return why the hub must not be asked, "" if it may."""
    from huggingface_hub.constants import HF_HUB_OFFLINE

    return "the hub was not asked (HF_HUB_OFFLINE)" if HF_HUB_OFFLINE else ""


def _missed(error: Exception) -> str:
    """Return in words why the hub's answer is of no use."""
    answer = getattr(error, "response", None)
    if answer is not None:
        return f"{_hub()} answered {answer.status_code}"
    return f"{_hub()} cannot be reached ({type(error).__name__})"


def _hub() -> str:
    """Return what the hub is called: by its address, where it is another than the public one."""
    from huggingface_hub.constants import ENDPOINT

    return "the hub" if ENDPOINT == "https://huggingface.co" else f"the hub at {ENDPOINT}"


def _asked(identity: str, revision: str) -> str:
    """Return the commit that the hub names, and have the client's cache remember it.

    Raises:
        CheckpointError: The hub answered that it has none, or may not show it.
    """
    from huggingface_hub import HfApi

    with told(identity, revision):
        try:
            info = HfApi().model_info(identity, revision=revision, timeout=PATIENCE)
        except Exception as error:
            if (commit := _from_cut(identity, revision, error)) is not None:
                return commit
            raise
    names, commit = {file.rfilename for file in info.siblings or ()}, str(info.sha)
    check_merged(names, identity)
    if "config.json" not in names:
        raise CheckpointError(
            f"model {identity!r} of the hub holds no config.json, so transformers cannot read it; give a checkpoint"
            " written by save_pretrained"
        )
    if not commit.startswith(revision):
        _remember(identity, revision, commit)
    return commit


def _from_cut(identity: str, revision: str, error: Exception) -> str | None:
    """Return the commit that a short one begins, looked for among all of the main branch; None if it is none."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RevisionNotFoundError

    if not CUT.fullmatch(revision) or not isinstance(error, RevisionNotFoundError):
        return None
    commits = {commit.commit_id for commit in HfApi().list_repo_commits(identity)}
    return _one(identity, revision, {commit for commit in commits if commit.startswith(revision)})


def _one(identity: str, revision: str, commits: set[str]) -> str | None:
    if len(commits) > 1:
        raise CheckpointError(
            f"model {identity!r} has {len(commits)} commits that begin with {revision!r}: {', '.join(sorted(commits))};"
            " give more digits"
        )
    return next(iter(commits), None)


def _remember(identity: str, revision: str, commit: str) -> None:
    """Fetch the configuration under the name that was asked for: the client then keeps which commit that was.

    A hub that is lost here, or a cache that cannot be written, is told when the checkpoint's files are fetched.

    Raises:
        CheckpointError: The files may not be read, or the name has meanwhile become another commit.
    """
    try:
        with told(identity, revision):
            folder = _bring(identity, revision, allow_patterns=["config.json"])
    except CheckpointError:
        raise
    except Exception:  # noqa: BLE001 - as above
        return
    if folder.name != commit:
        raise CheckpointError(
            f"model {identity!r}: {revision!r} went from commit {commit[:DIGITS]} to {folder.name[:DIGITS]} while the"
            " hub was asked; run again"
        )


def _remembered(identity: str, revision: str, cause: str) -> str:
    """Return the commit that the local cache last saw under a name.

    Raises:
        CheckpointError: It knows none.
    """
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(identity, "config.json", revision=revision)
    if isinstance(path, str):
        return Path(path).parent.name
    held = cached().get(identity, set())
    if CUT.fullmatch(revision) and (commit := _one(identity, revision, {c for c in held if c.startswith(revision)})):
        return commit
    if held:
        commits = ", ".join(sorted(commit[:DIGITS] for commit in held))
        raise CheckpointError(
            f"model {identity!r}: the hub cache does not say which commit {revision!r} is, and {cause}; it holds"
            f" {commits}: give {identity}@{min(held)[:DIGITS]}, or run once where the hub can be reached"
        )
    advice = "give a directory, builtin:tiny, or a Hugging Face id"
    raise CheckpointError(
        f"no model {identity!r}: it is no directory here, not in the hub cache, and {cause}"
        f"{did_you_mean(identity, cached(), advice)}"
    )


def cached() -> dict[str, set[str]]:
    """Return the models that the local hub cache holds something of, with their commits."""
    from huggingface_hub.constants import HF_HUB_CACHE

    found = Path(HF_HUB_CACHE).glob("models--*/snapshots/*")
    held: dict[str, set[str]] = {}
    for folder in found:
        held.setdefault(folder.parts[-3].removeprefix("models--").replace("--", "/"), set()).add(folder.name)
    return held


def names(identity: str, commit: str) -> set[str]:
    """Return the names of a commit's files that the local hub cache holds."""
    from huggingface_hub.constants import HF_HUB_CACHE

    snapshot = Path(HF_HUB_CACHE) / f"models--{identity.replace('/', '--')}" / "snapshots" / commit
    return {path.name for path in snapshot.iterdir()} if snapshot.is_dir() else set()


@contextlib.contextmanager
def told(identity: str, revision: str) -> Iterator[None]:
    """Turn what the hub refuses into a line; what is no answer of the hub's passes.

    Raises:
        CheckpointError: No such model or revision, or one that may not be read.
    """
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        yield
    except GatedRepoError:
        from huggingface_hub.constants import ENDPOINT

        raise CheckpointError(
            f"model {identity!r} is gated: its owner lets in who asks; ask at {ENDPOINT}/{identity}, then give your"
            " token (`hf auth login` or HF_TOKEN)"
        ) from None
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise _absent(identity, revision) from None


def _absent(identity: str, revision: str) -> CheckpointError:
    """Say which of the two is missing, the model or its revision: the hub's answer is the same for some hubs."""
    from huggingface_hub import HfApi

    try:
        refs = HfApi().list_repo_refs(identity)
    except Exception:  # noqa: BLE001 - it is not there either way
        advice = "a private one needs a token that may read it (`hf auth login` or HF_TOKEN)"
        return CheckpointError(f"no model {identity!r} on {_hub()}{did_you_mean(identity, cached(), advice)}")
    names = [ref.name for ref in (*refs.branches, *refs.tags)]
    known = "there are " + ", ".join(names[:10]) + (f" and {len(names) - 10} more" if names[10:] else "")
    return CheckpointError(f"model {identity!r} has no revision {revision!r}{did_you_mean(revision, names, known)}")


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

    def bring(**patterns: list[str]) -> Path:
        try:
            with told(identity, commit):
                return _bring(identity, commit, local_files_only=bool(cause), **patterns)
        except CheckpointError:
            raise
        except Exception as error:
            raise _lost(identity, commit, cause, error) from error

    folder = bring(ignore_patterns=ignored)
    names = {path.name for path in folder.iterdir()}
    check_merged(names, identity)
    if not (any(Path(name).match(kind) for kind in TOKENIZERS for name in names) or _listed(identity, commit)):
        raise _lost(identity, commit, cause, None)  # without its tokenizer it might pass for a model that has none
    if weights:
        _bring_weights(identity, folder, bring)
    return folder


def _bring_weights(identity: str, folder: Path, bring: Callable[..., Path]) -> None:
    """Fetch the weights that transformers would take, and not those of other frameworks beside them."""
    for whole, index in WHOLE_OR_SHARDED:
        named = [os.path.relpath(path, folder) for path in shards(folder / index)]
        if (folder / whole).is_file():
            return
        bring(allow_patterns=[whole, *named])
        if (folder / whole).is_file() or named:
            break
    else:
        bring(allow_patterns=list(WEIGHTS), ignore_patterns=[*BESIDE, "*/*"])
    check_weights(folder, identity)


def _bring(identity: str, revision: str, **options: Any) -> Path:  # noqa: ANN401 - of snapshot_download
    from huggingface_hub import snapshot_download

    with _silent():
        return Path(snapshot_download(identity, revision=revision, **options))


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep the client's bars and the lines of each new attempt from the terminal: what came of it is told in one."""
    from huggingface_hub import logging
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    shown, level = not are_progress_bars_disabled(), logging.get_verbosity()
    if shown:
        disable_progress_bars()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            enable_progress_bars()


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
        f"{about}: {_missed(first)}, before all of its files were here; what has come is kept: run again to go on"
    )
