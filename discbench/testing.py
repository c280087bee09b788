"""The conformance kit: what a plugin's author, and our own tests, check a task with.

`check_task(task)` raises AssertionError with one sentence, for example
`rna.donor: every symbol is in the alphabet, but ['U'] are not`.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from discbench import rows
from discbench.errors import DiscbenchError
from discbench.mapping import RandomTable, Vocabulary, draw_table
from discbench.testing_runs import check_corpus, check_executor, overfits
from discbench.types import Classes, Splits, Task

__all__ = [
    "check_corpus",
    "check_executor",
    "check_mapping",
    "check_probe",
    "check_task",
    "example_vocabulary",
    "overfits",
    "tiny_checkpoint",
]


def example_vocabulary(size: int = 2000) -> Vocabulary:
    """Return a vocabulary of the form of BERT's: ids 0..99 are special or unused."""
    return Vocabulary(
        size=size, regular=tuple(range(100, size)), unused=tuple(range(5, 100)), prefix=(2,), suffix=(3,), pad=0
    )


def check_task(task: Task) -> Splits:
    """Check every promise that a task makes; return its rows.

    Raises:
        AssertionError: The first promise that is broken, in words.
    """
    before = "torch" in sys.modules
    with _as_assertion(task):
        first, second = task.dataset.load(), task.dataset.load()
        _promise(task, "two loads are equal", rows.digest(first) == rows.digest(second), "they are not")
        _check_splits(task, first)
        for name in rows.SPLITS:
            rows.encode(task, getattr(first, name))
        _check_groups(task, first)
        _check_answer(task, first)
    if isinstance(task.mapping, RandomTable):
        check_mapping(task)
    _promise(task, "loading it does not import torch", before or "torch" not in sys.modules, "it does")
    return first


@contextmanager
def _as_assertion(task: Task) -> Iterator[None]:
    try:
        yield
    except DiscbenchError as error:
        text = str(error)
        raise AssertionError(text if text.startswith(task.name) else f"{task.name}: {text}") from error


def _promise(task: Task, promise: str, kept: bool, found: object) -> None:  # noqa: FBT001 - reads as a sentence
    if not kept:
        raise AssertionError(f"{task.name}: {promise}, but {found}")


def _check_splits(task: Task, splits: Splits) -> None:
    empty = [name for name in rows.SPLITS if not len(getattr(splits, name))]
    _promise(task, "no split is empty", not empty, f"{empty} are")
    if task.dataset.sizes and not splits.partial:
        found = tuple(len(getattr(splits, name)) for name in rows.SPLITS)
        _promise(task, f"its splits have {task.dataset.sizes} rows", found == task.dataset.sizes, f"they have {found}")
    if task.dataset.rows_sha256 and not splits.partial:
        found_hash = rows.digest(splits)
        _promise(
            task,
            f"its rows hash to {task.dataset.rows_sha256[:12]}…",
            found_hash == task.dataset.rows_sha256,
            f"they hash to {found_hash}",
        )
    shared = {rows.canonical(r) for r in splits.train} & {rows.canonical(r) for r in splits.test}
    _promise(
        task,
        "no row is in train and test unless Dataset(overlap=...) says why",
        not shared or bool(task.dataset.overlap),
        f"{len(shared)} are",
    )


def _check_groups(task: Task, splits: Splits) -> None:
    for name in rows.SPLITS:
        labels: dict[str | None, Any] = {}
        for row in getattr(splits, name):
            same = row.group is None or labels.setdefault(row.group, row.target) == row.target
            _promise(task, "segments of one item share a label", same, f"those of {row.group!r} do not")


def _check_answer(task: Task, splits: Splits) -> None:
    targets = np.array(
        [row.target for row in splits.test], dtype=np.int64 if isinstance(task.target, Classes) else np.float64
    )
    given = (
        np.eye(task.target.n)[targets]
        if isinstance(task.target, Classes) and task.metric.needs == "output"
        else targets
    )
    score = task.metric.function(targets, given)
    wanted = 1.0 if task.metric.higher_is_better else 0.0
    _promise(task, f"a perfect answer scores {wanted:g}", abs(score - wanted) < 1e-9, f"it scores {score}")  # noqa: PLR2004


def check_probe(probe: Any, *more: Any, **how: Any) -> None:  # noqa: ANN401 - those of the function that is named
    """Check every promise of a `Probe` value, or of a probe function: `discbench.testing_probes.check_probe`.

    Raises:
        AssertionError: The first promise that is broken, in words.
        PluginError: A promise that the kit does not know.
    """
    from discbench.testing_probes import check_probe as check

    check(probe, *more, **how)


def check_mapping(task: Task) -> None:
    """Check that the task's table is one to one, repeats for a seed, differs between seeds and avoids special ids."""
    assert isinstance(task.mapping, RandomTable)
    vocabulary = example_vocabulary()
    tables = [draw_table(task.mapping, task.mapping.kind, vocabulary, seed) for seed in (0, 0, 1)]
    _promise(task, "its mapping is one to one", len(set(tables[0])) == task.mapping.symbols, "two symbols share an id")
    _promise(task, "its mapping repeats for a seed", tables[0] == tables[1], "it does not")
    _promise(task, "its mapping differs between seeds", tables[0] != tables[2], "it does not")
    strange = sorted(set(tables[0]) - set(vocabulary.regular))
    _promise(task, "its mapping avoids special ids", not strange, f"it uses {strange}")


GENERIC = MappingProxyType(
    {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
)
SHAPES: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "albert": {**GENERIC, "embedding_size": 8},
        "bart": {"d_model": 16, "eos_token_id": 3, "decoder_start_token_id": 3}
        | {f"{side}_{name}": n for side in ("encoder", "decoder") for name, n in (("layers", 2), ("ffn_dim", 32))}
        | {"encoder_attention_heads": 2, "decoder_attention_heads": 2},
        "convbert": {**GENERIC, "embedding_size": 8},
        "distilbert": {"n_layers": 2, "dim": 16, "n_heads": 2, "hidden_dim": 32},
        "electra": {**GENERIC, "embedding_size": 8},
        "esm": {**GENERIC, "position_embedding_type": "rotary", "token_dropout": True, "mask_token_id": 4},
        "funnel": {
            "architectures": ["FunnelModel"],
            "block_sizes": [1, 1],
            "d_model": 16,
            "n_head": 2,
            "d_head": 8,
            "d_inner": 32,
        },
        "gemma": {**GENERIC, "num_key_value_heads": 2, "head_dim": 8},
        "longformer": {**GENERIC, "attention_window": 8},
        "mistral": {**GENERIC, "num_key_value_heads": 2},
        "opt": {**GENERIC, "ffn_dim": 32, "word_embed_proj_dim": 16},
        "qwen2": {**GENERIC, "num_key_value_heads": 2},
        "qwen3": {**GENERIC, "num_key_value_heads": 2, "head_dim": 8},
        "t5": {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
        | {"eos_token_id": 3, "decoder_start_token_id": 0},
        "xlnet": {"d_model": 16, "n_head": 2, "d_head": 8, "n_layer": 2, "d_inner": 32},
    }
)
"""What a tiny configuration is made of, where the usual four names are not enough."""
DECODERS = frozenset(
    {"bloom", "falcon", "gemma", "gpt2", "gpt_neox", "llama", "mistral", "openai-gpt", "opt", "phi3", "qwen2", "qwen3"}
)
"""Model types that get a tokenizer without special ids around a text and without a padding id, as GPT-2's."""


def tiny_checkpoint(
    folder: Path, *, model_type: str = "bert", words: int = 300, tokenizer: bool = True, **shape: object
) -> Path:
    """Write a random checkpoint of a few thousand weights and return its directory.

    Args:
        folder: Where to write.
        model_type: Any that transformers knows (`bert`, `roberta`, `gpt2`, ...).
        words: Size of the vocabulary; ids 0..4 are [PAD], [UNK], [CLS], [SEP], [MASK]; of a decoder 0 ends a text.
        tokenizer: Whether to write a tokenizer beside it.
        shape: Further fields of the configuration.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    specials = {"eos_token_id": 0, "bos_token_id": 0} if model_type in DECODERS else {"pad_token_id": 0}
    named = SHAPES.get(model_type, GENERIC)
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **{"vocab_size": words, **specials, **named, **shape})
    AutoModel.from_config(config).save_pretrained(folder)
    if tokenizer:
        (_plain_tokenizer if model_type in DECODERS else _bert_tokenizer)(folder, words)
    return folder


def _bert_tokenizer(folder: Path, words: int) -> None:
    from transformers import BertTokenizer

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"[unused{i}]" for i in range(5)), "a"]
    vocabulary += [f"w{i}" for i in range(words - len(vocabulary))]
    (folder / "vocab.txt").write_text("".join(f"{w}\n" for w in vocabulary), encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)


def _plain_tokenizer(folder: Path, words: int) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    vocabulary = ["<|endoftext|>", "a", *(f"w{i}" for i in range(words - 2))]
    made = Tokenizer(WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="w0"))  # noqa: S106
    made.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|endoftext|>").save_pretrained(folder)  # noqa: S106
