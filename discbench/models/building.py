"""Checkpoints as models: vocabulary, inits, input ids.

A model is what AutoModelForSequenceClassification makes of a checkpoint: its own pooling and a new head.
"""

import contextlib
import logging
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from discbench.errors import CheckpointError
from discbench.models import greedy
from discbench.models.architecture import config_of, untyped
from discbench.models.families import check_ends, head_of, padding_of, set_padding
from discbench.models.tables import token_tables
from discbench.models.tokenizing import around, check_ids, check_read, reads
from discbench.values.checkpoints import Checkpoint, directory_of
from discbench.values.content import check_all_used
from discbench.values.mapping import Vocabulary

Init = Literal["pretrained", "scratch", "reembedded", "frozen"]
INITS: tuple[Init, ...] = get_args(Init)

UNUSED = re.compile(
    r"\[unused\d+\]|<unused_?\d+>|<extra_id_\d+>|madeupword\d+|<\|?reserved_(special_)?token_\d+\|?>|<0x[0-9A-F]{2}>"
)


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

    place = directory_of(checkpoint)
    said = untyped(place)
    try:
        config = (
            AutoConfig.from_pretrained(place, trust_remote_code=checkpoint.trust_remote_code)
            if said is None
            else config_of(checkpoint, said)
        )
    except CheckpointError:
        raise
    except Exception as error:
        raise _unreadable(checkpoint, error) from error
    if type(config) not in AutoModelForSequenceClassification._model_mapping and not checkpoint.trust_remote_code:  # noqa: SLF001
        raise CheckpointError(
            f"model {checkpoint.name!r} is a {config.model_type!r}, for which transformers has no sequence classifier;"
            " give an encoder or decoder of text such as BERT, RoBERTa or GPT-2"
        )
    return config


def _unreadable(checkpoint: Checkpoint, error: BaseException) -> CheckpointError:
    cause = " ".join(str(error).split())
    return CheckpointError(
        f"model {checkpoint.name!r} at {checkpoint.location!r} cannot be loaded"
        f" ({type(error).__name__}: {cause[:300]});"
        " is the checkpoint whole and of a form that transformers reads?"
    )


def load_tokenizer(checkpoint: Checkpoint) -> Any | None:  # noqa: ANN401 - transformers' tokenizer classes
    """Return the checkpoint's tokenizer, or the one of the vocabulary given for it; None if it has no usable one."""
    if checkpoint.vocab:
        return greedy.tokenizer_of(checkpoint.vocab)
    tokenizer = _own_tokenizer(checkpoint)
    return tokenizer if tokenizer is not None and reads(tokenizer) else None


def _own_tokenizer(checkpoint: Checkpoint) -> Any | None:  # noqa: ANN401
    from transformers import AutoTokenizer

    place = directory_of(checkpoint)
    known = {} if untyped(place) is None else {"config": load_config(checkpoint)}
    try:
        return AutoTokenizer.from_pretrained(place, trust_remote_code=checkpoint.trust_remote_code, **known)
    except Exception:  # noqa: BLE001 - tokenizers raises it bare for an unusable vocabulary
        return None


def has_more_tokens(checkpoint: Checkpoint, size: int) -> bool:
    """Tell whether the checkpoint's tokenizer has ids that `size` word embeddings have no row for."""
    tokenizer = load_tokenizer(checkpoint)
    return tokenizer is not None and max(tokenizer.get_vocab().values()) >= size


def vocabulary_of(checkpoint: Checkpoint) -> Vocabulary:
    """Return what a mapping must know of the checkpoint's token ids.

    Raises:
        CheckpointError: It has no usable tokenizer, and its special ids are neither given nor in its config.
    """
    config = load_config(checkpoint)
    size = _vocabulary_size(checkpoint, config)
    tokenizer = None if checkpoint.specials else load_tokenizer(checkpoint)
    if tokenizer is None and not checkpoint.specials:
        own = _own_tokenizer(checkpoint)
        check_read(checkpoint, Path(directory_of(checkpoint)), 0 if own is None else len(own.get_vocab()))
    if tokenizer is None:
        return _vocabulary_without_tokenizer(checkpoint, config, size)
    tokens: dict[str, int] = tokenizer.get_vocab()
    if checkpoint.vocab and max(tokens.values()) >= size:
        raise CheckpointError(
            f"--vocab {checkpoint.vocab!r} has the id {max(tokens.values())}, but model {checkpoint.name!r} has {size}"
            " word embeddings; give the vocabulary that it was trained with"
        )
    specials = set(tokenizer.all_special_ids) | {i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    unused = {i for token, i in tokens.items() if UNUSED.fullmatch(token) and i < size}
    unused |= set(range(size)) - set(tokens.values())
    prefix, suffix = around(tokenizer, specials, checkpoint.name)
    pads = [i for i in (tokenizer.pad_token_id, padding_of(config), tokenizer.eos_token_id) if i is not None]
    pad = pads[0] if pads else 0
    check_ids(tokenizer, (*prefix, *suffix, pad), size, checkpoint.name)
    # a symbol with an id of padding would not be counted as a position (RoBERTa) or as the last token (GPT-2)
    specials |= {pad, *pads}
    regular = sorted(i for i in set(tokens.values()) - specials - unused if i < size)
    return Vocabulary(
        size=size,
        regular=tuple(regular),
        unused=tuple(sorted(unused - specials)),
        prefix=prefix,
        suffix=suffix,
        pad=pad,
        special=tuple(sorted(specials)),
    )


def _vocabulary_size(checkpoint: Checkpoint, config: Any) -> int:  # noqa: ANN401
    size = getattr(config.get_text_config(), "vocab_size", None)
    if not isinstance(size, int):
        raise CheckpointError(
            f"model {checkpoint.name!r} is a {config.model_type!r}, whose config names no vocab_size: it has no token"
            " ids that symbols could be mapped to; give a model with a table of word embeddings"
        )
    return size


def _vocabulary_without_tokenizer(checkpoint: Checkpoint, config: Any, size: int) -> Vocabulary:  # noqa: ANN401
    given = dict(checkpoint.specials)

    def first(*names: str) -> int | None:
        return next((v for v in (getattr(config, n, None) for n in names) if isinstance(v, int)), None)

    cls = given.get("cls", first("cls_token_id", "bos_token_id"))
    sep = given.get("sep", first("sep_token_id", "eos_token_id"))
    pad = given.get("pad", first("pad_token_id", "eos_token_id"))
    if cls is None or sep is None or pad is None:
        raise CheckpointError(
            f"model {checkpoint.name!r} has no usable tokenizer, and its config does not name the"
            " ids of cls, sep and pad; give them with --special cls=ID --special sep=ID --special pad=ID"
        )
    outside = [i for i in (cls, sep, pad) if not 0 <= i < size]
    if outside:
        raise CheckpointError(f"model {checkpoint.name!r}: special id {outside[0]} is outside its {size} ids")
    mask = first("mask_token_id")
    regular = [i for i in range(size) if i not in {cls, sep, pad, mask, padding_of(config)}]
    return Vocabulary(size=size, regular=tuple(regular), unused=(), prefix=(cls,), suffix=(sep,), pad=pad)


def build(checkpoint: Checkpoint, init: Init, outputs: int, seed: int, vocabulary: Vocabulary) -> Any:  # noqa: ANN401
    """Return a sequence classifier in float32 with a fresh head.

    Args:
        checkpoint: What to load, or whose architecture to take.
        init: `pretrained`: all weights of the checkpoint. `scratch`: none, the library's own random init.
            `reembedded`: word embeddings from a random init, the rest kept (Kao & Lee 2021, §3.2). `frozen`:
            pretrained, and only what the checkpoint does not bring (the head, a pooler that it lacks) learns.
        outputs: Width of the head.
        seed: Of every random weight.
        vocabulary: Its `pad` is set where the checkpoint names none.

    Raises:
        CheckpointError: Weights that are missing, broken, or do not belong to the architecture.
    """
    config = load_config(checkpoint)
    config.num_labels = outputs
    set_padding(config, vocabulary.pad, absent=True)
    with quietly():
        model = _with_init(checkpoint, init, config, seed, vocabulary)
    check_ends(model, vocabulary)
    _ready(model, vocabulary)
    return model


def _ready(model: Any, vocabulary: Vocabulary) -> None:  # noqa: ANN401
    """Name the id of padding wherever the model reads it: decoders find the last token by it when they pool."""
    configs = {id(module.config): module.config for module in model.modules() if hasattr(module, "config")}
    for config in configs.values():
        if hasattr(config, "sub_configs"):
            set_padding(config, vocabulary.pad)
        if hasattr(config, "use_cache"):
            config.use_cache = False  # nothing is generated


def _with_init(checkpoint: Checkpoint, init: Init, config: Any, seed: int, vocabulary: Vocabulary) -> Any:  # noqa: ANN401
    torch.manual_seed(seed)
    if init == "scratch":
        return _fresh(checkpoint, config)
    model, brought = _pretrained(checkpoint, config, seed)
    if init == "reembedded":
        torch.manual_seed(seed)
        _reembed(checkpoint, model, _fresh(checkpoint, config), vocabulary)
    if init == "frozen":
        for name, weight in model.named_parameters():
            weight.requires_grad_(name not in brought)
    return model


def _reembed(checkpoint: Checkpoint, model: Any, fresh: Any, vocabulary: Vocabulary) -> None:  # noqa: ANN401
    """Draw every table anew in which token ids are looked up; T5Gemma has one for its encoder and one for its decoder.

    The fresh model is the one that is watched: a look-up may leave its traces in a model.
    """
    _ready(fresh, vocabulary)
    names = token_tables(fresh, vocabulary)
    if names is None:
        raise CheckpointError(
            f"init 'reembedded': symbols reach the answers of model {checkpoint.name!r} (a {model.config.model_type!r})"
            " by another way than a table of word embeddings, so that no table can be drawn anew; leave this init out"
        )
    with torch.no_grad():
        for name in names:
            model.get_parameter(name).copy_(fresh.get_parameter(name))


def _fresh(checkpoint: Checkpoint, config: Any) -> Any:  # noqa: ANN401
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_config(
        config, dtype=torch.float32, trust_remote_code=checkpoint.trust_remote_code
    )


def _pretrained(checkpoint: Checkpoint, config: Any, seed: int) -> tuple[Any, set[str]]:  # noqa: ANN401
    """Return the model, and the names of the weights that the checkpoint brought, its head not among them."""
    from transformers import AutoModelForSequenceClassification

    place = directory_of(checkpoint, weights=True)
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            place,
            config=config,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            trust_remote_code=checkpoint.trust_remote_code,
        )
    except Exception as error:
        raise _unreadable(checkpoint, error) from error
    fresh = {key[0] if isinstance(key, tuple) else key for key in (*info["missing_keys"], *info["mismatched_keys"])}
    check_all_used(info["unexpected_keys"], checkpoint.name)
    name, head = head_of(model, config.num_labels)
    _check_body(checkpoint, model, fresh)
    if f"{name}.weight" not in fresh:  # it was fine-tuned before, to as many classes of its own
        torch.manual_seed(seed)
        head.load_state_dict(_fresh(checkpoint, config).get_submodule(name).state_dict())
    fresh |= {f"{name}.{part}" for part, _ in head.named_parameters()}
    return model, {name for name, _ in model.named_parameters()} - fresh


def _check_body(checkpoint: Checkpoint, model: Any, fresh: set[str]) -> None:  # noqa: ANN401
    """Refuse a body that would silently stay random; heads and poolers may be new."""
    body = model.base_model_prefix + "."
    absent = [k for k in fresh if k.startswith(body) and ".pooler." not in k]
    if absent:
        raise CheckpointError(
            f"model {checkpoint.name!r}: {len(absent)} weights of its body are not in the checkpoint, the first is"
            f" {min(absent)!r}; they would stay random, so it is refused; is config.json the right one?"
        )
