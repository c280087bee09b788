"""What a checkpoint's tokenizer makes of text: special ids around it, symbols alone, rows as a whole.

Mapping `native` gives each symbol the token that the tokenizer has for it; it is refused where whole rows
are read otherwise.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from discbench.data.rows import Encoded
from discbench.errors import CheckpointError
from discbench.values.checkpoints import Checkpoint
from discbench.values.mapping import Vocabulary

TRIALS = 64
"""Tokens of each kind that are tried before a tokenizer is given up."""
SAMPLE = 64
"""Train rows that are read whole before anything is trained."""
LONGEST = 1024
"""Symbols of a row that are read."""
SHOWN = 8
"""Symbols that a message shows, if they suffice."""


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


def unread(checkpoint: Checkpoint) -> str:
    """Return which vocabulary lies there and was not read, in words; "" for none."""
    lying = sorted(path.name for path in Path(checkpoint.location).glob("vocab*")) if checkpoint.local else []
    if not lying:
        return ""
    return f" (transformers reads no ordinary token of its {lying[0]}; is tokenizer_config.json missing?)"


def _ids(tokenizer: Any, text: str) -> list[int] | None:  # noqa: ANN401
    try:
        return list(tokenizer(text)["input_ids"])
    except Exception:  # noqa: BLE001 - tokenizers raises it bare for text that a vocabulary without an unknown token lacks
        return None


def native_table(
    checkpoint: Checkpoint,
    tokenizer: Any | None,  # noqa: ANN401
    alphabet: Sequence[str] | Sequence[int],
    vocabulary: Vocabulary,
) -> tuple[int, ...]:
    """Return the token id that the checkpoint's own tokenizer has for each symbol.

    Raises:
        CheckpointError: No tokenizer, or a symbol that is not one ordinary token of it.
    """
    if tokenizer is None:
        raise CheckpointError(
            f"mapping 'native': model {checkpoint.name!r} has no usable tokenizer to read symbols with"
        )
    known, found = tokenizer.get_vocab(), []
    for symbol in map(str, alphabet):
        ids = [known[symbol]] if symbol in known else _read(tokenizer, symbol)
        if len(ids) != 1 or ids[0] in vocabulary.special or ids[0] >= vocabulary.size:
            raise CheckpointError(
                f"mapping 'native': {symbol!r} is no token of model {checkpoint.name!r}; native is for checkpoints of"
                " the task's own discipline, take 'random' for others"
            )
        found.append(int(ids[0]))
    return tuple(found)


def check_reading(
    checkpoint: Checkpoint,
    tokenizer: Any,  # noqa: ANN401
    alphabet: Sequence[str] | Sequence[int],
    table: Sequence[int],
    rows: Encoded,
    task: str,
) -> None:
    """See that the checkpoint's tokenizer makes of whole rows what the table makes of their symbols.

    The symbols of a row are written one after another, or with spaces between where the tokenizer has no other reading:
    where it does not know the joined row, and has no token of several symbols.

    Args:
        checkpoint: Whose tokenizer reads.
        tokenizer: That tokenizer.
        alphabet: The task's symbols.
        table: The token id of each of them.
        rows: Of which a sample is drawn by hash.
        task: The task's name.

    Raises:
        CheckpointError: A row is read otherwise; the message shows how.
    """
    symbols = [str(symbol) for symbol in alphabet]
    spaced: bool | None = None
    for row in _sample(len(rows)):
        codes = rows.codes[rows.offsets[row] : rows.offsets[row + 1]][:LONGEST].tolist()
        parts, ids = [symbols[code] for code in codes], [table[code] for code in codes]
        joined = _read(tokenizer, "".join(parts))
        if joined == ids:
            continue
        if not joined or tokenizer.unk_token_id in joined:
            spaced = _wants_spaces(tokenizer, symbols) if spaced is None else spaced
            if spaced and _read(tokenizer, " ".join(parts)) == ids:
                continue
        raise _otherwise(checkpoint, tokenizer, parts, ids, task)


def _sample(count: int) -> list[int]:
    """Return up to `SAMPLE` row numbers, drawn by hash with replacement."""
    if count <= SAMPLE:
        return list(range(count))
    drawn = (hashlib.sha256(f"native/{n}".encode()).digest() for n in range(SAMPLE))
    return sorted({int.from_bytes(digest[:8], "big") % count for digest in drawn})


def _read(tokenizer: Any, text: str) -> list[int]:  # noqa: ANN401
    """Return the token ids of a text; none where the tokenizer raises for what it does not know."""
    try:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    except Exception:  # noqa: BLE001 - tokenizers raises it bare
        return []


def _wants_spaces(tokenizer: Any, symbols: list[str]) -> bool:  # noqa: ANN401
    """Tell whether no token of the vocabulary is made of several symbols, so that spaces only part what is apart."""
    known = {symbol.casefold() for symbol in symbols}
    special = set(tokenizer.all_special_ids)
    return not any(
        _several(token.strip("\u2581\u0120#").casefold(), known)
        for token, i in tokenizer.get_vocab().items()
        if i not in special
    )


def _several(token: str, symbols: set[str]) -> bool:
    """Tell whether a token that is no symbol can be cut into symbols."""
    reached = {0}
    for end in range(1, len(token) + 1):
        if any(token[start:end] in symbols for start in reached):
            reached.add(end)
    return bool(token) and token not in symbols and len(token) in reached


def _otherwise(
    checkpoint: Checkpoint,
    tokenizer: Any,  # noqa: ANN401
    parts: list[str],
    ids: list[int],
    task: str,
) -> CheckpointError:
    """Return the error that shows a row's beginning and both readings of it."""
    shown = next(n for n in (SHOWN, 4 * SHOWN, LONGEST) if _read(tokenizer, "".join(parts[:n])) != ids[:n])
    text = "".join(parts[:shown])
    whole, apart = (
        " ".join(tokenizer.convert_ids_to_tokens(read)) for read in (_read(tokenizer, text), ids[: len(parts[:shown])])
    )
    return CheckpointError(
        f"mapping 'native': model {checkpoint.name!r} reads {text!r} of {task} as {whole or 'nothing'!r}, not symbol by"
        f" symbol as {apart!r}: {_why(tokenizer, parts, len(ids))}; take 'random'"
    )


def _why(tokenizer: Any, parts: list[str], count: int) -> str:  # noqa: ANN401
    joined = _read(tokenizer, "".join(parts))
    unread = not joined or tokenizer.unk_token_id in joined
    if not _wants_spaces(tokenizer, parts) and (unread or len(joined) < count):
        return "its tokens are of several symbols, and native reads rows whole in a later version only"
    return "it does not know such rows" if unread else "a symbol within a row is another token"
