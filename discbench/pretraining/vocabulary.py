"""Vocabularies of BERT's kind, the same in every process: learnt from text (WordPiece), or all words of a corpus.

The trainer of `tokenizers` 0.23 numbers the `##` forms of letters in an order that differs from process to process, and
settles ties between pairs by these numbers (huggingface/tokenizers issue 1794); ties at the end of the alphabet by
chance too. Here both are named to it in an order of their own: a text has one vocabulary.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from discbench.values.recipes import PretrainRecipe

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNK, CLS, SEP, MASK = range(5)
WITHIN = "##"
"""Before a piece that is not the first of its word."""
STRIPS = {"stripped": None, "kept": False}
"""How BERT's tokenizers call it; None is as with all lower-cased ones."""


def learn(lines: Callable[[], Iterable[str]], recipe: PretrainRecipe) -> Tokenizer:
    """Learn a lower-cased WordPiece vocabulary: BERT's specials, letters, their `##` forms, then pieces as learnt.

    Args:
        lines: Called twice, gives the same text.
        recipe: How many entries and letters, and what becomes of accents.

    Returns:
        The tokenizer, a function of text and recipe. It has fewer entries than were asked for where the text has no
        more to give, and more where the letters alone are more.
    """
    known = letters(lines(), recipe)
    trainer = trainers.WordPieceTrainer(
        vocab_size=recipe.vocabulary,
        special_tokens=[*SPECIALS, *known],
        initial_alphabet=[letter for letter in known if not letter.startswith(WITHIN)],
        limit_alphabet=0,  # none but those
        show_progress=False,
    )
    learner = _as_bert(models.WordPiece(unk_token="[UNK]"), recipe)  # noqa: S106 - a token of text
    learner.train_from_iterator(lines(), trainer)
    pieces = sorted(learner.get_vocab().items(), key=lambda pair: pair[1])
    return _whole([piece for piece, _ in pieces], recipe)


def letters(lines: Iterable[str], recipe: PretrainRecipe) -> list[str]:
    """Return the text's most frequent letters by code point, then the `##` forms of those that go on a word.

    Of letters that are equally frequent the lower code point is taken.
    """
    reader = _as_bert(models.WordPiece(unk_token="[UNK]"), recipe)  # noqa: S106 - a token of text
    words = Counter[str]()
    for line in lines:
        normal = reader.normalizer.normalize_str(line)
        words.update(word for word, _ in reader.pre_tokenizer.pre_tokenize_str(normal))
    counts, inner = Counter[str](), set[str]()
    for word, count in words.items():
        inner.update(word[1:])
        for letter in word:
            counts[letter] += count
    most = sorted(counts, key=lambda letter: (-counts[letter], letter))[: recipe.alphabet]
    return [*sorted(most), *(f"{WITHIN}{letter}" for letter in sorted(most) if letter in inner)]


def of_words(words: Iterable[str], recipe: PretrainRecipe) -> Tokenizer:
    """Make every word a token, after BERT's specials."""
    return _whole([*SPECIALS, *words], recipe)


def _whole(entries: Iterable[str], recipe: PretrainRecipe) -> Tokenizer:
    numbers = {entry: number for number, entry in enumerate(entries)}
    tokenizer = _as_bert(models.WordPiece(numbers, unk_token="[UNK]"), recipe)  # noqa: S106 - a token of text
    tokenizer.add_special_tokens(list(SPECIALS))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", SEP), ("[CLS]", CLS))
    return tokenizer


def _as_bert(model: models.WordPiece, recipe: PretrainRecipe) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=STRIPS[recipe.accents])
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer
