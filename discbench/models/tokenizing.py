"""What a checkpoint's tokenizer makes of text: special ids around it, symbols alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from discbench.errors import CheckpointError
from discbench.values.checkpoints import Checkpoint
from discbench.values.mapping import Vocabulary

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


def check_ids(tokenizer: Any, ids: Sequence[int], size: int, name: str) -> None:  # noqa: ANN401
    """Refuse special ids around a row that the word embeddings lack; ordinary ones matter to rows of text only.

    Raises:
        CheckpointError: One of them is no row of `size` embeddings.
    """
    outside = [i for i in ids if i >= size]
    if outside:
        token = tokenizer.convert_ids_to_tokens(outside[0])
        raise CheckpointError(
            f"model {name!r}: its tokenizer uses {token!r} with id {outside[0]}, but there are {size} word embeddings;"
            " resize them with model.resize_token_embeddings(len(tokenizer)) and save it again"
        )


def check_read(checkpoint: Checkpoint, place: Path, known: int) -> None:
    """Refuse to go without a tokenizer where a vocabulary lies there that transformers does not read.

    Args:
        checkpoint: Whose.
        place: Its directory.
        known: Tokens that transformers knows of it; 0 where it can make no tokenizer.

    Raises:
        CheckpointError: It says how to have the vocabulary read.
    """
    lying = next((path for path in (place / "vocab.txt", *sorted(place.glob("*vocab*.txt"))) if path.is_file()), None)
    if lying is None:
        return
    count = sum(1 for line in lying.read_text(encoding="utf-8", errors="replace").splitlines() if line)
    what = f"knows {known} tokens" if known else "can make no tokenizer"
    raise CheckpointError(
        f"model {checkpoint.name!r} has a {lying.name} of {count} tokens, of which transformers {what}; give --vocab"
        f" {str(lying)!r} to read it by greedy longest match, a tokenizer_config.json that names its tokenizer's class,"
        " or --special cls=ID --special sep=ID --special pad=ID to do without"
    )


def _ids(tokenizer: Any, text: str) -> list[int] | None:  # noqa: ANN401
    try:
        return list(tokenizer(text)["input_ids"])
    except Exception:  # noqa: BLE001 - tokenizers raises it bare for text that a vocabulary without an unknown token lacks
        return None


def needed(tokenizer: Any | None, checkpoint: Checkpoint) -> Any:  # noqa: ANN401
    """Return a tokenizer that mapping `native` cannot do without.

    Raises:
        CheckpointError: There is none.
    """
    if tokenizer is None:
        raise CheckpointError(
            f"mapping 'native': model {checkpoint.name!r} has no usable tokenizer to read rows with; give --vocab FILE"
            " if its tokens are in a file"
        )
    return tokenizer


def native_table(
    checkpoint: Checkpoint,
    tokenizer: Any,  # noqa: ANN401
    alphabet: Sequence[str] | Sequence[int],
    vocabulary: Vocabulary,
) -> tuple[int, ...]:
    """Return the token id that the checkpoint's own tokenizer has for each symbol.

    Raises:
        CheckpointError: A symbol that is not one ordinary token of it.
    """
    known, found = tokenizer.get_vocab(), []
    for symbol in map(str, alphabet):
        ids = [known[symbol]] if symbol in known else _alone(tokenizer, symbol)
        if len(ids) != 1 or ids[0] in vocabulary.special or ids[0] >= vocabulary.size:
            raise CheckpointError(
                f"mapping 'native': {symbol!r} is no token of model {checkpoint.name!r}; native is for checkpoints of"
                " the task's own discipline, take 'random' for others"
            )
        found.append(int(ids[0]))
    return tuple(found)


def _alone(tokenizer: Any, symbol: str) -> list[int]:  # noqa: ANN401
    try:
        return list(tokenizer(symbol, add_special_tokens=False)["input_ids"])
    except Exception:  # noqa: BLE001 - as above
        return []
