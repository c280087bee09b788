"""How a broken promise is told: `rna.donor: every symbol is in the alphabet, but ['U'] are not`."""


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
