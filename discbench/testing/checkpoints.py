"""Checkpoints for tests: random weights, a few thousand of them, of any architecture."""

from pathlib import Path
from types import MappingProxyType
from typing import Any

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

    from discbench.training.models import quietly

    specials = {"eos_token_id": 0, "bos_token_id": 0} if model_type in DECODERS else {"pad_token_id": 0}
    named = SHAPES.get(model_type, GENERIC)
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **{"vocab_size": words, **specials, **named, **shape})
    with quietly(verbose=False):
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
