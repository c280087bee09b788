"""How a broken promise is told: `rna.donor: every symbol is in the alphabet, but ['U'] are not`."""

import contextlib
from collections.abc import Iterator

from discbench.errors import DiscbenchError


def promise(name: str, what: str, kept: bool, found: object) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise AssertionError with one sentence unless a promise is kept.

    Args:
        name: Of what promises.
        what: The promise.
        kept: Whether it is.
        found: What is found instead.
    """
    if not kept:
        raise AssertionError(f"{name}: {what}, but {found}")


@contextlib.contextmanager
def as_promised(name: str) -> Iterator[None]:
    """Raise what discbench refuses as AssertionError, with the name of what promises in front."""
    try:
        yield
    except DiscbenchError as error:
        text = str(error)
        raise AssertionError(text if text.startswith(name) else f"{name}: {text}") from error
