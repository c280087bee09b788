"""Checkpoints as models: vocabulary, inits, input ids.

A model is what AutoModelForSequenceClassification makes of a checkpoint: its own pooling and a new head.
"""

import contextlib
import logging
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from discbench.checkpoints import Checkpoint
from discbench.errors import CheckpointError
from discbench.mapping import Vocabulary
from discbench.rows import Encoded

Init = Literal["pretrained", "scratch", "reembedded", "frozen"]
INITS: tuple[Init, ...] = get_args(Init)

UNUSED = re.compile(
    r"\[unused\d+\]|<unused_?\d+>|<extra_id_\d+>|madeupword\d+|<\|?reserved_(special_)?token_\d+\|?>|<0x[0-9A-F]{2}>"
)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Token ids of one split, special tokens included, and what is to be learnt."""

    ids: NDArray[np.int64]
    """All rows in one flat array."""
    offsets: NDArray[np.int64]
    """(rows + 1,)."""
    targets: NDArray[Any]
    pad: int
    types: NDArray[np.int64] | None = None
    """Token types of text pairs, as flat as `ids`."""

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(rows,): tokens per row."""
        return np.diff(self.offsets)

    def batch(self, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        """Return ids and attention mask of shape (batch, longest row), padded at the right, and targets (batch,)."""
        width = int(self.lengths[list(rows)].max())
        ids = np.full((len(rows), width), self.pad, dtype=np.int64)
        mask, types = np.zeros_like(ids), np.zeros_like(ids)
        for i, row in enumerate(rows):
            place = slice(self.offsets[row], self.offsets[row + 1])
            length = place.stop - place.start
            ids[i, :length] = self.ids[place]
            mask[i, :length] = 1
            if self.types is not None:
                types[i, :length] = self.types[place]
        made = {"input_ids": ids, "attention_mask": mask, "targets": self.targets[list(rows)], "rows": np.array(rows)}
        if self.types is not None:
            made["token_type_ids"] = types
        return {name: torch.from_numpy(array) for name, array in made.items()}


@contextlib.contextmanager
def quietly(*, verbose: bool = False) -> Iterator[None]:
    """Keep the libraries' own bars, reports and warnings from the terminal."""
    import transformers

    if verbose:
        yield
        return
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    transformers.utils.logging.set_verbosity(logging.CRITICAL)
    transformers.utils.logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def load_config(checkpoint: Checkpoint) -> Any:  # noqa: ANN401 - transformers' config classes
    """Return the checkpoint's configuration.

    Raises:
        CheckpointError: It cannot be read, or is of an architecture without a sequence classifier.
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification

    try:
        config = AutoConfig.from_pretrained(checkpoint.location, **_where(checkpoint))
    except Exception as error:
        raise _unreadable(checkpoint, error) from error
    if type(config) not in AutoModelForSequenceClassification._model_mapping and not checkpoint.trust_remote_code:  # noqa: SLF001
        raise CheckpointError(
            f"model {checkpoint.name!r} is a {config.model_type!r}, for which transformers has no sequence classifier;"
            " give an encoder or decoder of text such as BERT, RoBERTa or GPT-2"
        )
    return config


def _where(checkpoint: Checkpoint) -> dict[str, Any]:
    place = {} if checkpoint.local else {"revision": checkpoint.revision}
    return {**place, "trust_remote_code": checkpoint.trust_remote_code}


def _unreadable(checkpoint: Checkpoint, error: BaseException) -> CheckpointError:
    cause = " ".join(str(error).split())
    return CheckpointError(
        f"model {checkpoint.name!r} at {checkpoint.location!r} cannot be loaded"
        f" ({type(error).__name__}: {cause[:300]});"
        " is the checkpoint whole and of a form that transformers reads?"
    )


def load_tokenizer(checkpoint: Checkpoint) -> Any | None:  # noqa: ANN401 - transformers' tokenizer classes
    """Return the checkpoint's tokenizer, or None if it has no usable one."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.location, **_where(checkpoint))
        tokenizer("a")
    except Exception:  # noqa: BLE001 - tokenizers raises it bare for an unusable vocabulary
        return None
    return tokenizer if set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids) else None


def vocabulary_of(checkpoint: Checkpoint) -> Vocabulary:
    """Return what a mapping must know of the checkpoint's token ids.

    Raises:
        CheckpointError: It has no usable tokenizer, and its special ids are neither given nor in its config.
    """
    config = load_config(checkpoint)
    size = int(config.get_text_config().vocab_size)
    tokenizer = None if checkpoint.specials else load_tokenizer(checkpoint)
    if tokenizer is None:
        return _vocabulary_without_tokenizer(checkpoint, config, size)
    tokens: dict[str, int] = tokenizer.get_vocab()
    specials = set(tokenizer.all_special_ids) | {i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    unused = {i for token, i in tokens.items() if UNUSED.fullmatch(token) and i < size}
    unused |= set(range(size)) - set(tokens.values())
    regular = sorted(i for i in set(tokens.values()) - specials - unused if i < size)
    prefix, suffix = _around(tokenizer, specials)
    pad = next((i for i in (tokenizer.pad_token_id, config.pad_token_id, tokenizer.eos_token_id) if i is not None), 0)
    return Vocabulary(
        size=size,
        regular=tuple(regular),
        unused=tuple(sorted(unused - specials)),
        prefix=prefix,
        suffix=suffix,
        pad=pad,
        special=tuple(sorted(specials)),
    )


def _around(tokenizer: Any, specials: set[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:  # noqa: ANN401
    """Return the special ids that the tokenizer puts before and after a text."""
    ids = list(tokenizer("a a a")["input_ids"])
    plain = [i for i, token in enumerate(ids) if token not in specials]
    return tuple(ids[: plain[0]]), tuple(ids[plain[-1] + 1 :])


def _vocabulary_without_tokenizer(checkpoint: Checkpoint, config: Any, size: int) -> Vocabulary:  # noqa: ANN401
    given = dict(checkpoint.specials)

    def first(*names: str) -> int | None:
        return next((v for v in (getattr(config, n, None) for n in names) if isinstance(v, int)), None)

    cls = given.get("cls", first("cls_token_id", "bos_token_id"))
    sep = given.get("sep", first("sep_token_id", "eos_token_id"))
    pad = given.get("pad", first("pad_token_id", "eos_token_id"))
    if cls is None or sep is None or pad is None:
        raise CheckpointError(
            f"model {checkpoint.name!r} has no usable tokenizer, and its config does not name the ids of cls, sep and"
            " pad; give them with --special cls=ID --special sep=ID --special pad=ID"
        )
    outside = [i for i in (cls, sep, pad) if not 0 <= i < size]
    if outside:
        raise CheckpointError(f"model {checkpoint.name!r}: special id {outside[0]} is outside its {size} ids")
    mask = first("mask_token_id")
    regular = [i for i in range(size) if i not in {cls, sep, pad, mask}]
    return Vocabulary(size=size, regular=tuple(regular), unused=(), prefix=(cls,), suffix=(sep,), pad=pad)


def native_table(
    checkpoint: Checkpoint, alphabet: Sequence[str] | Sequence[int], vocabulary: Vocabulary
) -> tuple[int, ...]:
    """Return the token id that the checkpoint's own tokenizer has for each symbol.

    Raises:
        CheckpointError: No tokenizer, or a symbol that is not one ordinary token of it.
    """
    tokenizer = load_tokenizer(checkpoint)
    if tokenizer is None:
        raise CheckpointError(
            f"mapping 'native': model {checkpoint.name!r} has no usable tokenizer to read symbols with"
        )
    known, found = tokenizer.get_vocab(), []
    for symbol in map(str, alphabet):
        ids = [known[symbol]] if symbol in known else tokenizer(symbol, add_special_tokens=False)["input_ids"]
        if len(ids) != 1 or ids[0] in vocabulary.special:
            raise CheckpointError(
                f"mapping 'native': {symbol!r} is no token of model {checkpoint.name!r}; native is for checkpoints of"
                " the task's own discipline, take 'random' for others"
            )
        found.append(int(ids[0]))
    return tuple(found)


def build(checkpoint: Checkpoint, init: Init, outputs: int, seed: int, vocabulary: Vocabulary) -> Any:  # noqa: ANN401
    """Return a sequence classifier in float32 with a fresh head.

    Args:
        checkpoint: What to load, or whose architecture to take.
        init: `pretrained`: all weights of the checkpoint. `scratch`: none, the library's own random init.
            `reembedded`: word embeddings from a random init, the rest kept (Kao & Lee 2021, §3.2). `frozen`:
            pretrained, and only the head learns.
        outputs: Width of the head.
        seed: Of every random weight.
        vocabulary: Its `pad` is set where the checkpoint names none.

    Raises:
        CheckpointError: Weights that are missing, broken, or do not belong to the architecture.
    """
    config = load_config(checkpoint)
    config.num_labels = outputs
    if config.pad_token_id is None:
        config.pad_token_id = vocabulary.pad
    torch.manual_seed(seed)
    with quietly():
        if init == "scratch":
            return _fresh(checkpoint, config)
        model = _pretrained(checkpoint, config)
        if init == "reembedded":
            torch.manual_seed(seed)
            fresh = _fresh(checkpoint, config).get_input_embeddings().weight
            with torch.no_grad():
                model.get_input_embeddings().weight.copy_(fresh)
        if init == "frozen":
            model.base_model.requires_grad_(False)  # noqa: FBT003 - torch's own signature
    return model


def _fresh(checkpoint: Checkpoint, config: Any) -> Any:  # noqa: ANN401
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_config(
        config, dtype=torch.float32, trust_remote_code=checkpoint.trust_remote_code
    )


def _pretrained(checkpoint: Checkpoint, config: Any) -> Any:  # noqa: ANN401
    from transformers import AutoModelForSequenceClassification

    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            checkpoint.location,
            config=config,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **_where(checkpoint),
        )
    except Exception as error:
        raise _unreadable(checkpoint, error) from error
    _check_body(checkpoint, model, info)
    return model


def _check_body(checkpoint: Checkpoint, model: Any, info: dict[str, Any]) -> None:  # noqa: ANN401
    """Refuse a body that would silently stay random; heads and poolers may be new."""
    body = model.base_model_prefix + "."
    mismatched = [key[0] if isinstance(key, tuple) else key for key in info["mismatched_keys"]]
    absent = [k for k in (*info["missing_keys"], *mismatched) if k.startswith(body) and ".pooler." not in k]
    if absent:
        raise CheckpointError(
            f"model {checkpoint.name!r}: {len(absent)} weights of its body are not in the checkpoint, the first is"
            f" {min(absent)!r}; they would stay random, so it is refused; is config.json the right one?"
        )


def position_limit(model: Any) -> int | None:  # noqa: ANN401
    """Return how many tokens the model's positions can number; None if there is no limit."""
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if not isinstance(limit, int) or limit <= 0:
        return None
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return limit - int(module.padding_idx) - 1
    return limit


def to_inputs(split: Encoded, table: Sequence[int], vocabulary: Vocabulary, max_tokens: int | None) -> Inputs:
    """Map symbols to token ids and put the checkpoint's own special ids around each row.

    Args:
        split: Rows as places in the alphabet.
        table: The token id of each place.
        vocabulary: Whose prefix and suffix to add.
        max_tokens: Rows are cut to this length, special ids included.
    """
    around = len(vocabulary.prefix) + len(vocabulary.suffix)
    keep = split.lengths if max_tokens is None else np.minimum(split.lengths, max_tokens - around)
    mapped = np.asarray(table, dtype=np.int64)[split.codes]
    offsets = np.concatenate([[0], np.cumsum(keep + around)]).astype(np.int64)
    ids = np.empty(offsets[-1], dtype=np.int64)
    first = len(vocabulary.prefix)
    for row, (start, length) in enumerate(zip(split.offsets, keep, strict=False)):
        at = offsets[row]
        ids[at : at + first] = vocabulary.prefix
        ids[at + first : at + first + length] = mapped[start : start + length]
        ids[at + first + length : offsets[row + 1]] = vocabulary.suffix
    return Inputs(ids, offsets, split.targets, vocabulary.pad)


def to_text_inputs(
    tokenizer: Any,  # noqa: ANN401 - transformers' tokenizer classes
    split: Encoded,
    table: Sequence[int],
    vocabulary: Vocabulary,
    max_tokens: int,
) -> Inputs:
    """Tokenize texts (or pairs) as the checkpoint does, then move every id by the table.

    Args:
        tokenizer: The checkpoint's own.
        split: Rows with `texts`.
        table: The new id of every id.
        vocabulary: For its padding id.
        max_tokens: Rows are cut to this length, special ids included, the longer text of a pair first.
    """
    texts = split.texts or ()
    firsts = [first for first, _ in texts]
    seconds = [second for _, second in texts] if any(second is not None for _, second in texts) else None
    made = tokenizer(firsts, seconds, truncation=True, max_length=max_tokens)
    offsets = np.concatenate([[0], np.cumsum([len(ids) for ids in made["input_ids"]])]).astype(np.int64)
    ids = np.asarray(table, dtype=np.int64)[np.fromiter((i for row in made["input_ids"] for i in row), dtype=np.int64)]
    types = None
    if seconds is not None and "token_type_ids" in made:
        types = np.fromiter((i for row in made["token_type_ids"] for i in row), dtype=np.int64)
    return Inputs(ids, offsets, split.targets, vocabulary.pad, types)
