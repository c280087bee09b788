"""What a tokenizer makes of text: special ids around it, whole rows beside single symbols."""

import itertools
import shutil
import tempfile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, BertTokenizer, EsmTokenizer, PreTrainedTokenizerFast

from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, TextTable, accuracy
from discbench.errors import CheckpointError
from discbench.models.building import build, load_tokenizer, vocabulary_of
from discbench.models.tokenizing import around
from discbench.submissions.redraw import Tables
from discbench.sweeps.plan import cells
from discbench.testing import tiny_checkpoint
from discbench.training.run import Bench
from discbench.values.asked import Evaluation
from discbench.values.checkpoints import check_unchanged, locate
from discbench.values.content import tokens_sha256
from discbench.values.place import Place

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
NAMED = {
    "pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"
}  # fmt: skip


def dna(symbols="ACGT"):
    """A task of a few rows of DNA."""

    def part(count, seed):
        draws = np.random.default_rng(seed).integers(0, len(symbols), (count, 30))
        return [Row("".join(symbols[i] for i in row), n % 2) for n, row in enumerate(draws)]

    def load():
        return Splits(train=part(80, 0), validation=part(8, 1), test=part(8, 2))

    made = Dataset(load, license="CC0-1.0", cite="made up")
    return Task(
        name="toy.dna", version=1, dataset=made, mapping=RandomTable(symbols), target=Classes(2), metric=accuracy
    )


def around_rows(tokenizer):
    ids = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ids)
    return tokenizer


def kmers():
    """Reads three bases as a token, and what is left as single ones."""
    tokens = [*SPECIAL, *"ACGT", *map("".join, itertools.product("ACGT", repeat=3))]
    made = Tokenizer(models.WordLevel({token: i for i, token in enumerate(tokens)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex("[ACGT]{3}|."), "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=around_rows(made), **NAMED)


def words_of_three():
    """Knows words of three bases between spaces, and single bases: a row in one piece is unknown to it."""
    tokens = [*SPECIAL, *"ACGT", *map("".join, itertools.product("ACGT", repeat=3))]
    return BertTokenizer(vocab={token: i for i, token in enumerate(tokens)}, do_lower_case=False)


def bpe(unknown=True):
    """Byte-pair encoding trained on DNA; without an unknown token it drops what it does not know."""
    draw = np.random.default_rng(3)
    made = Tokenizer(models.BPE(unk_token="[UNK]" if unknown else None))
    text = ["".join("ACGT"[i] for i in draw.integers(0, 4, 60)) for _ in range(50)]
    special = SPECIAL if unknown else [name for name in SPECIAL if name != "[UNK]"]
    made.train_from_iterator(text, trainers.BpeTrainer(vocab_size=60, special_tokens=special, show_progress=False))
    named = NAMED if unknown else {k: v for k, v in NAMED.items() if k != "unk_token"}
    return PreTrainedTokenizerFast(tokenizer_object=around_rows(made), **named)


def residues():
    """Reads one letter as one token, written one after another, as ESM's tokenizers do."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(["<cls>", "<pad>", "<eos>", "<unk>", *"ACGT", "<mask>"]) + "\n")
        file.flush()
        return EsmTokenizer(file.name)


def spaced():
    """Reads letters with spaces between, as ProtBert's WordPiece does."""
    return BertTokenizer(vocab={token: i for i, token in enumerate([*SPECIAL, *"ACGT"])}, do_lower_case=False)


def lowering():
    """Lowers rows, but has its letters in capitals: what a vocab.txt alone makes of a checkpoint."""
    return BertTokenizer(vocab={token: i for i, token in enumerate([*SPECIAL, *"ACGT"])}, do_lower_case=True)


def checkpoint(folder, tokenizer, **shape):
    tiny_checkpoint(folder, words=max(tokenizer.get_vocab().values()) + 1, tokenizer=False, **shape)
    tokenizer.save_pretrained(folder)
    return locate(str(folder))


def look(found, task, tmp_path, **asked):
    bench = Bench(Place(results=tmp_path))
    request = Evaluation(**{"inits": "pretrained", "seeds": 1, "recipe": "quick", **asked}).request
    planned = cells([found], [task], {task.name: bench.rows_of(task).sha256}, request)
    bench.check(found, planned, {task.id: task})
    return bench.mapped(task, planned[0], found)[0]


@pytest.mark.parametrize("make", [residues, spaced], ids=["residues", "spaced letters"])
def test_native_is_what_the_tokenizer_makes_of_a_row_of_single_letters(tmp_path, make):
    found = checkpoint(tmp_path / "own", make())
    tokens = load_tokenizer(found).get_vocab()

    assert tuple(tokens[base] for base in "ACGT") == look(found, dna(), tmp_path, mapping="native")


@pytest.mark.parametrize("make", [kmers, bpe, words_of_three], ids=["3-mers", "byte pairs", "words of 3"])
def test_native_takes_tokens_of_several_symbols_as_they_are(tmp_path, make):
    found = checkpoint(tmp_path / "own", make())

    assert tuple(range(len(load_tokenizer(found).get_vocab()))) == look(found, dna(), tmp_path, mapping="native")


def test_positions_are_counted_in_tokens(tmp_path):
    """30 bases are 10 tokens of three, and 12 with those around them."""
    found = checkpoint(tmp_path / "own", kmers(), max_position_embeddings=12)

    assert look(found, dna(), tmp_path, mapping="native")
    with pytest.raises(CheckpointError, match=r"toy.dna has rows of 32 tokens, but 'own' numbers 12 positions"):
        look(found, dna(), tmp_path)
    short = checkpoint(tmp_path / "short", kmers(), max_position_embeddings=11)
    with pytest.raises(CheckpointError, match=r"toy.dna has rows of 12 tokens, but 'short' numbers 11 positions"):
        look(short, dna(), tmp_path, mapping="native")


def test_a_cell_read_natively_says_how_and_is_the_same_in_a_process_that_was_told(tmp_path):
    found, task = checkpoint(tmp_path / "own", kmers()), dna()
    bench, other = Bench(Place(results=tmp_path / "one")), Bench(Place(results=tmp_path / "other"))
    asked = {"inits": "pretrained", "seeds": 1, "recipe": "quick", "mapping": "native", "set": {"epochs": 1}}
    (cell,) = cells([found], [task], {task.name: bench.rows_of(task).sha256}, Evaluation(**asked).request)
    bench.check(found, [cell], {task.id: task})
    other.learn(found, bench.known(found))
    first = bench.run(cell, found, task, lambda *_: None)
    second = other.run(cell, found, task, lambda *_: None)

    assert {"spelling": "joined", "unknown": 0.0, "by_symbol": False} == first["reading"]
    assert (first["scores"], first["curve"], first["mapping_sha256"]) == (
        second["scores"], second["curve"], second["mapping_sha256"]
    )  # fmt: skip
    assert first["mapping_sha256"] == Tables([found]).sha256(first, task)


def test_native_is_refused_where_the_tokenizer_knows_no_row(tmp_path):
    found = checkpoint(tmp_path / "own", lowering())
    with pytest.raises(CheckpointError, match=r"as '\[UNK\]': 100\.0% of the tokens of its train rows \(joined\) are"):
        look(found, dna(), tmp_path, mapping="native")


@pytest.mark.parametrize("make", [kmers, bpe, lowering])
def test_another_mapping_serves_every_tokenizer(tmp_path, make):
    found = checkpoint(tmp_path / "own", make(), max_position_embeddings=64)

    assert 4 == len(set(look(found, dna(), tmp_path)))


def test_native_refuses_a_symbol_whose_token_has_no_embedding(tmp_path):
    tokenizer = spaced()
    tokenizer.add_tokens(["N"])
    folder = tiny_checkpoint(tmp_path / "own", words=9, tokenizer=False)
    tokenizer.save_pretrained(folder)

    with pytest.raises(CheckpointError, match=r"makes 'N' with id 9 of a row of toy.dna, but there are 9 word"):
        look(locate(str(folder)), dna("ACGTN"), tmp_path, mapping="native")


def test_a_tokenizer_that_drops_what_it_does_not_know_is_tried_on_its_own_tokens(tmp_path):
    found = checkpoint(tmp_path / "own", bpe(unknown=False))
    vocabulary = vocabulary_of(found)

    assert [] == load_tokenizer(found)("a a a", add_special_tokens=False)["input_ids"]
    assert ((1,), (2,), 0) == (vocabulary.prefix, vocabulary.suffix, vocabulary.pad)


def test_a_tokenizer_that_raises_for_what_it_does_not_know_is_usable(tmp_path):
    made = Tokenizer(models.WordLevel({token: i for i, token in enumerate([*SPECIAL, *"ACGT"])}, unk_token="none"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    named = {k: v for k, v in NAMED.items() if k != "unk_token"}
    found = checkpoint(tmp_path / "own", PreTrainedTokenizerFast(tokenizer_object=around_rows(made), **named))
    vocabulary = vocabulary_of(found)

    assert ((2,), (3,), (5, 6, 7, 8)) == (vocabulary.prefix, vocabulary.suffix, tuple(vocabulary.regular)[-4:])


def test_an_end_of_text_that_is_the_unknown_token_too_is_kept_at_the_end(tmp_path):
    made = Tokenizer(models.WordLevel({"<end>": 0, "A": 1, "C": 2}, unk_token="<end>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="$A <end>", special_tokens=[("<end>", 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<end>", eos_token="<end>")

    assert ((), (0,)) == around(tokenizer, {0}, "mine")


def test_a_tokenizer_that_makes_special_tokens_of_everything_is_refused():
    made = Tokenizer(models.WordLevel({"<end>": 0, "A": 1}, unk_token="<end>"))
    made.normalizer = normalizers.Lowercase()
    made.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<end>", eos_token="<end>")

    with pytest.raises(CheckpointError, match="model 'mine': its tokenizer makes nothing but special tokens"):
        around(tokenizer, {0}, "mine")


def tagged(folder, checkpoint_directory, **special):
    """A checkpoint to whose tokenizer something was added, and whose embeddings were not resized."""
    shutil.copytree(checkpoint_directory, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if special:
        tokenizer.add_special_tokens(special)
    else:
        tokenizer.add_tokens(["<promoter>"])
    tokenizer.save_pretrained(folder)
    return locate(str(folder))


def texts(tag):
    def part(n):
        return [Row(f"{tag} the cat sat" if i % 2 else "the dog sat", i % 2) for i in range(n)]

    made = Dataset(lambda: Splits(train=part(8), validation=part(6), test=part(4)), license="CC0-1.0", cite="made up")
    return Task(name="text.tagged", version=1, dataset=made, mapping=TextTable(), target=Classes(2), metric=accuracy)


def test_a_token_of_the_rows_that_has_no_embedding_is_told_before_training(tmp_path, checkpoint_directory):
    found = tagged(tmp_path / "added", checkpoint_directory)

    with pytest.raises(CheckpointError) as error:
        look(found, texts("<promoter>"), tmp_path)
    assert (
        "model 'added': its tokenizer makes '<promoter>' with id 300 of a row, but there are 300 word embeddings; resize"
        " them with model.resize_token_embeddings(len(tokenizer)) and train them, or give the tokenizer that they were"
        " trained with"
    ) == str(error.value)


def test_an_added_token_that_no_row_holds_does_no_harm(tmp_path, checkpoint_directory):
    found = tagged(tmp_path / "added", checkpoint_directory)

    assert 300 == len(look(found, texts("w1"), tmp_path))
    assert 4 == len(look(found, dna(), tmp_path))


def test_a_special_token_that_has_no_embedding_is_told_before_training(tmp_path, checkpoint_directory):
    found = tagged(tmp_path / "added", checkpoint_directory, pad_token="<pad>")

    with pytest.raises(CheckpointError) as error:
        vocabulary_of(found)
    assert (
        "model 'added': its tokenizer uses '<pad>' with id 300, but there are 300 word embeddings; resize them with"
        " model.resize_token_embeddings(len(tokenizer)) and save it again"
    ) == str(error.value)


def test_a_vocabulary_that_transformers_does_not_read_is_told(tmp_path):
    """As of an ALBERT of molecules, whose tokenizer knows five tokens beside a vocab.txt of 591, without an error."""
    folder = tiny_checkpoint(tmp_path / "own", model_type="roberta", tokenizer=False)
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in (*SPECIAL, *"ACGT")))

    with pytest.raises(CheckpointError) as error:
        vocabulary_of(locate(str(folder)))
    assert (
        f"model 'own' has a vocab.txt of 9 tokens, of which transformers knows 5 tokens; give --vocab"
        f" '{folder}/vocab.txt' to read it by greedy longest match, a tokenizer_config.json that names its tokenizer's"
        " class, or --special cls=ID --special sep=ID --special pad=ID to do without"
    ) == str(error.value)
    found = vocabulary_of(locate(str(folder), vocab=folder / "vocab.txt"))
    assert ((2,), (3,), 0, (5, 6, 7, 8)) == (found.prefix, found.suffix, found.pad, found.regular)


def test_a_given_vocabulary_is_part_of_what_a_checkpoint_is(tmp_path):
    folder = tiny_checkpoint(tmp_path / "own", words=9)
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_bytes("\n".join([*SPECIAL, *"ACGT"]).encode())
    other.write_bytes("\r\n".join([*SPECIAL, *"ACGT", ""]).encode())
    plain, first, second = locate(str(folder)), locate(str(folder), vocab=one), locate(str(folder), vocab=other)

    assert first.revision == second.revision == f"{plain.revision}+vocab-{tokens_sha256(one)[:12]}"
    assert plain.revision == first.commit
    one.write_text("\n".join([*SPECIAL, *"ACGU"]))
    with pytest.raises(CheckpointError, match="has changed since it was looked up"):
        check_unchanged(first)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A\nC\nA\n", "token 'A' stands on two lines; each token needs one line, whose number is its id"),
        ("\n\n", "it holds no token; give a file with a token a line"),
        ('{"A": 0, "C": "x"}', "a JSON vocabulary names a whole number from 0 for each token, but this one does not"),
        ('{"A": 0, "C": 0}', "two tokens have one id; each needs its own"),
        (
            "the\n##ing\n",
            (
                "1 of its tokens are pieces within words, such as '##ing': a WordPiece vocabulary, which transformers"
                " reads; leave --vocab out"
            ),
        ),
    ],
)
def test_a_file_that_is_no_vocabulary_is_refused(tmp_path, text, why):
    path = tmp_path / "vocab.txt"
    path.write_text(text)
    with pytest.raises(CheckpointError) as error:
        tokens_sha256(path)

    assert f"--vocab {str(path)!r}: {why}" == str(error.value)


def test_a_vocabulary_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read: No such file or directory; give a file with a token a"):
        locate("builtin:tiny", vocab=tmp_path / "none.txt")


def test_a_vocabulary_larger_than_the_embeddings_is_refused(tmp_path):
    folder = tiny_checkpoint(tmp_path / "own", words=9)
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join([*SPECIAL, *"ACGTN"]))
    with pytest.raises(CheckpointError) as error:
        vocabulary_of(locate(str(folder), vocab=path))

    assert (
        f"--vocab {str(path)!r} has the id 9, but model 'own' has 9 word embeddings; give the vocabulary that it was"
        " trained with"
    ) == str(error.value)


@pytest.mark.parametrize("name", ["bert.encoder.layer.0.attention.self.query.lora_A.default.weight", "bert.adapters.0"])
def test_weights_of_an_adapter_among_those_of_its_base_are_refused(tmp_path, checkpoint_directory, name):
    folder = shutil.copytree(checkpoint_directory, tmp_path / "own")
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, name.removeprefix("bert."): torch.ones(2)}, folder / "model.safetensors", {"format": "pt"})
    found = locate(str(folder))

    with pytest.raises(
        CheckpointError, match=r"model 'own' holds 1 weights of an adapter that would be left out, the fir"
    ):
        build(found, "pretrained", 2, 0, vocabulary_of(found))
