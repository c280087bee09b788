"""Checkpoints of the Hugging Face hub: which commit a name means.

A run must name a commit, and files are asked for by it, so that one run never mixes two. The client remembers which
commit a branch or a tag was only if it is asked by that name; so it is asked so once, for the configuration.
"""

import re
from pathlib import Path

from discbench.errors import CheckpointError, did_you_mean
from discbench.values.content import check_merged
from discbench.values.hub.client import DIGITS, bring, cached, missed, offline, told

COMMIT = re.compile(r"[0-9a-f]{40}")
CUT = re.compile(r"[0-9a-f]{7,39}")
"""A commit that is written short, as git and boards write it."""
PATIENCE = 10
"""Seconds for the hub's first answer."""


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
            cause = missed(error)
    return _remembered(identity, revision, cause), cause


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
            folder = bring(identity, revision, allow_patterns=["config.json"])
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
