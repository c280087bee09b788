"""What a checkpoint's tokenizer puts around a text, tried on text of its own vocabulary."""

from collections.abc import Iterator
from typing import Any

from discbench.errors import CheckpointError

TRIALS = 64
"""Tokens of each kind that are tried before a tokenizer is given up."""


def own_texts(tokenizer: Any) -> Iterator[str]:  # noqa: ANN401 - transformers' tokenizer classes
    """Yield texts that the tokenizer should know: its own tokens, short words first, then others as it writes them."""
    special = set(tokenizer.all_special_ids)
    tokens = sorted((len(t), i, t) for t, i in tokenizer.get_vocab().items() if i not in special)
    yield from [token for _, _, token in tokens if token.isalnum()][:TRIALS]
    for i in [i for _, i, token in tokens if not token.isalnum()][:TRIALS]:
        yield tokenizer.decode([i])


def reads(tokenizer: Any) -> bool:  # noqa: ANN401
    """Tell whether the tokenizer knows anything but special tokens, and reads some text without raising."""
    if not set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids):
        return False
    return any(_ids(tokenizer, text) is not None for text in ("a", *own_texts(tokenizer)))


def around(tokenizer: Any, specials: set[int], name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:  # noqa: ANN401
    """Return the special ids that the tokenizer puts before and after a text.

    The text is made of its own vocabulary: a tokenizer may drop what it does not know, or have an unknown token that is
    its end of text as well. Where it knows none of its own tokens (as where it lowers what its vocabulary has in
    capitals), a text that it does not know tells as much.

    Raises:
        CheckpointError: It makes special ids of every text.
    """
    ends = {getattr(tokenizer, f"{kind}_token_id") for kind in ("bos", "eos", "cls", "sep", "pad")}
    unknown = {tokenizer.unk_token_id} - ends - {None}
    for text, fixed, barred in (
        *((text, specials, unknown) for text in own_texts(tokenizer)),
        ("a a a", specials - unknown, set()),
    ):
        ids = _ids(tokenizer, text) or []
        plain = [at for at, i in enumerate(ids) if i not in fixed]
        if plain and barred.isdisjoint(ids):
            return tuple(ids[: plain[0]]), tuple(ids[plain[-1] + 1 :])
    raise CheckpointError(
        f"model {name!r}: its tokenizer makes nothing but special tokens of its own vocabulary; is it whole? Without a"
        " tokenizer give --special cls=ID --special sep=ID --special pad=ID"
    )


def _ids(tokenizer: Any, text: str) -> list[int] | None:  # noqa: ANN401
    try:
        return list(tokenizer(text)["input_ids"])
    except Exception:  # noqa: BLE001 - tokenizers raises it bare for text that a vocabulary without an unknown token lacks
        return None
