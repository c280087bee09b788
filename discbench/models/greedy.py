"""A vocabulary file as a tokenizer: greedy longest match from the left, case kept.

For checkpoints whose tokenizer was a class of its own, as those of SMILES are: what is left of it is the list of its
tokens.
"""

from functools import cache
from pathlib import Path
from typing import Any

from discbench.values.content import read_tokens

NAMES = {
    "pad_token": ("[PAD]", "<pad>"),
    "unk_token": ("[UNK]", "<unk>"),
    "cls_token": ("[CLS]", "<cls>", "<s>", "<bos>"),
    "sep_token": ("[SEP]", "<sep>", "</s>", "<eos>"),
    "mask_token": ("[MASK]", "<mask>"),
}
"""What special tokens are called; the first that a file holds is taken."""


@cache
def tokenizer_of(path: str) -> Any:  # noqa: ANN401 - transformers' tokenizer classes
    """Return a tokenizer that reads text by the tokens of a file; blanks part tokens and are none.

    Args:
        path: As `discbench.values.content.read_tokens` reads it.

    Raises:
        CheckpointError: It holds no vocabulary.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = read_tokens(Path(path))
    named = {role: next((name for name in names if name in tokens), None) for role, names in NAMES.items()}
    special = {role: name for role, name in named.items() if name}
    known = {"unk_token": special["unk_token"]} if "unk_token" in special else {}
    made = Tokenizer(models.WordLevel(tokens, **known))
    # what no token begins is one unknown token a character
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("."), "isolated")]
    )
    # added tokens are searched for first, leftmost and longest
    made.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in special.values()])
    made.add_tokens([AddedToken(t, normalized=False) for t in tokens if t not in special.values() and t.strip()])
    made.decoder = decoders.Fuse()
    made.post_processor = _around(special.get("cls_token"), special.get("sep_token"), tokens)
    return PreTrainedTokenizerFast(tokenizer_object=made, name_or_path=path, **special)


def _around(first: str | None, last: str | None, tokens: dict[str, int]) -> Any:  # noqa: ANN401
    """Return what puts special tokens around a text and between two, as BERT does."""
    from tokenizers import processors

    begin, end, second = first or "", last or "", f"{last}:1" if last else ""
    return processors.TemplateProcessing(
        single=f"{begin} $A {end}".strip(),
        pair=" ".join(part for part in (begin, "$A", end, "$B:1", second) if part),
        special_tokens=[(name, tokens[name]) for name in (first, last) if name],
    )
