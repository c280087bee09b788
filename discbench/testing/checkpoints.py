"""Checkpoints for tests: random weights, a few thousand of them, of any architecture."""

from pathlib import Path

from discbench.testing.shapes import ending_with, is_decoder, tiny_shape


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

    from discbench.models.building import quietly

    default = AutoConfig.for_model(model_type)
    named, decoder = tiny_shape(default, words), is_decoder(default)
    named = ending_with(0, named) if decoder else {"pad_token_id": 0, **named}
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **{**named, **shape})
    with quietly(verbose=False):
        AutoModel.from_config(config).save_pretrained(folder)
    if tokenizer:
        (_plain_tokenizer if decoder else _bert_tokenizer)(folder, words)
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
