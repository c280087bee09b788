"""What the hub's client is asked for: whether it may ask, what an answer means in a line, what its cache holds."""

import contextlib
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from discbench.errors import CheckpointError, did_you_mean

DIGITS = 7
"""Of a commit, where it is written short."""


def offline() -> str:
    """Return why the hub must not be asked, "" if it may."""
    from huggingface_hub.constants import HF_HUB_OFFLINE

    return "the hub was not asked (HF_HUB_OFFLINE)" if HF_HUB_OFFLINE else ""


def missed(error: Exception) -> str:
    """Return in words why the hub's answer is of no use."""
    answer = getattr(error, "response", None)
    if answer is not None:
        return f"{hub_called()} answered {answer.status_code}"
    return f"{hub_called()} cannot be reached ({type(error).__name__})"


def hub_called() -> str:
    """Return what the hub is called: by its address, where it is another than the public one."""
    from huggingface_hub.constants import ENDPOINT

    return "the hub" if ENDPOINT == "https://huggingface.co" else f"the hub at {ENDPOINT}"


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
    except Exception as error:
        if _answered(error) != HTTPStatus.NOT_FOUND:
            raise
        raise _absent(identity, revision) from None


def _answered(error: BaseException | None) -> int | None:
    """Return the status with which the hub refused a revision; None if it gave no answer, or lacked but a file."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if isinstance(error, LocalEntryNotFoundError):  # the client has looked into its cache meanwhile
        return _answered(error.__cause__)
    if not isinstance(error, HfHubHTTPError) or "/resolve/" in str(error.response.url):
        return None
    return int(error.response.status_code)


def _absent(identity: str, revision: str) -> CheckpointError:
    """Say which of the two is missing, the model or its revision: the hub's answer is the same for some hubs."""
    from huggingface_hub import HfApi

    try:
        refs = HfApi().list_repo_refs(identity)
    except Exception:  # noqa: BLE001 - it is not there either way
        advice = "a private one needs a token that may read it (`hf auth login` or HF_TOKEN)"
        return CheckpointError(f"no model {identity!r} on {hub_called()}{did_you_mean(identity, cached(), advice)}")
    names = [ref.name for ref in (*refs.branches, *refs.tags)]
    known = "there are " + ", ".join(names[:10]) + (f" and {len(names) - 10} more" if names[10:] else "")
    return CheckpointError(f"model {identity!r} has no revision {revision!r}{did_you_mean(revision, names, known)}")


def bring(identity: str, revision: str, **options: Any) -> Path:  # noqa: ANN401 - of snapshot_download
    """Fetch files of a revision into the local hub cache, without a word; return their directory.

    Args:
        identity: A hub id.
        revision: A branch or a tag, which the cache then remembers, or a commit.
        **options: Of snapshot_download.

    Raises:
        Exception: Whatever the client raises.
    """
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
    logging.set_verbosity(50)
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            enable_progress_bars()
