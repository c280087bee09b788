"""Mapping native: rows as a checkpoint's own tokenizer reads them, spelt as train rows show."""

import itertools
import json
import random

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import BertTokenizer, EsmTokenizer, PreTrainedTokenizerFast

from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy
from discbench.data.rows import encode
from discbench.errors import CheckpointError, PluginError
from discbench.models import greedy
from discbench.models.reading import Reader, read_rows, reading_of
from discbench.models.spelling import Spelling, named, spellings, turns_back
from discbench.values.checkpoints import Checkpoint
from discbench.values.mapping import Vocabulary

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
NAMED = {
    "pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"
}  # fmt: skip
RESIDUES = "LAGVSERTIDPKQNFYMHWCXBUZO"  # as ESM-2 and ProtBert have them
SMILES = "#%()+-./0123456789:=@ABCDEFGHIKLMNOPRSTUVXYZ[\\]abcdefghiklmnoprstuy"
MOLECULES = ("Clc1ccccc1", "CC(=O)Oc1ccccc1C(=O)O", "C[C@@H](N)C(=O)O", "c1cc[nH]c1", "BrCCBr", "C1CC%10CCC1C%10")
TOKENS = [*SPECIAL, *"cC()O12=Nn", "Cl", "Br", "[C@@H]", "[nH]", "%10"]


def drawn(alphabet, length=40, count=60, seed=0):
    """Rows drawn from an alphabet, the same ones each time."""
    draw = random.Random(seed)
    return ["".join(draw.choice(alphabet) for _ in range(length)) for _ in range(count)]


def task_of(rows, mapping):
    dataset = Dataset(lambda: Splits(train=[], validation=[], test=[]), license="CC0-1.0", cite="made up")
    task = Task(name="toy.own", version=1, dataset=dataset, mapping=mapping, target=Classes(2), metric=accuracy)
    return task, encode(task, [Row(row, n % 2) for n, row in enumerate(rows)])


def reader_of(tokenizer, mapping, vocab=""):
    """What reads rows: a checkpoint named own, whose embeddings are as many as its tokenizer's tokens."""
    size = max(tokenizer.get_vocab().values()) + 1
    ends = [i for i in (tokenizer.cls_token_id, tokenizer.sep_token_id or tokenizer.eos_token_id) if i is not None]
    special = tuple(tokenizer.all_special_ids)
    vocabulary = Vocabulary(
        size=size, regular=(), unused=(), prefix=(ends[0],), suffix=(ends[-1],), pad=0, special=special
    )
    found = Checkpoint(name="own", location="", revision="1", local=True, vocab=vocab)
    return Reader(found, tokenizer, vocabulary, mapping, "toy.own")


def read(tokenizer, rows, alphabet, **asked):
    mapping = RandomTable(alphabet, **asked)
    _, train = task_of(rows, mapping)
    return reading_of(reader_of(tokenizer, mapping), train)


def esm(tmp_path, tokens):
    """A tokenizer of ESM's class: greedy longest match over what its vocab.txt holds."""
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in tokens))
    return EsmTokenizer(str(path))


def bert(tokens, **asked):
    return BertTokenizer(vocab={token: i for i, token in enumerate(tokens)}, **{"do_lower_case": False, **asked})


def test_esm_2_with_its_33_tokens_reads_residues_one_after_another(tmp_path):
    tokens = ["<cls>", "<pad>", "<eos>", "<unk>", *RESIDUES, ".", "-", "<null_1>", "<mask>"]
    found = read(esm(tmp_path, tokens), drawn(RESIDUES[:20]), RESIDUES[:20])

    assert 33 == len(tokens)
    assert {"spelling": "joined", "unknown": 0.0, "by_symbol": True} == found.record
    assert tuple(tokens.index(residue) for residue in RESIDUES[:20]) == found.table


def test_protbert_with_its_30_tokens_reads_residues_with_blanks_between():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *RESIDUES]
    found = read(bert(tokens), drawn(RESIDUES[:20]), RESIDUES[:20])

    assert 30 == len(tokens)
    assert {"spelling": "spaced", "unknown": 0.0, "by_symbol": True} == found.record


def test_byte_pairs_of_dnabert_2_read_dna_in_tokens_of_several_bases():
    made = Tokenizer(models.BPE(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    trained = trainers.BpeTrainer(vocab_size=80, special_tokens=SPECIAL, show_progress=False)
    made.train_from_iterator(drawn("ACGT", seed=1), trained)
    tokenizer, rows = PreTrainedTokenizerFast(tokenizer_object=made, **NAMED), drawn("ACGT")
    mapping = RandomTable("ACGTN")
    reader, (_, train) = reader_of(tokenizer, mapping), task_of(rows, mapping)
    found = reading_of(reader, train)
    inputs = read_rows(reader, found.spelling, train, 12)

    assert {"spelling": "joined", "unknown": 0.0, "by_symbol": False} == found.record
    own = tokenizer(rows[3], add_special_tokens=False)["input_ids"]
    assert [2, *own[:10], 3] == inputs.ids[inputs.offsets[3] : inputs.offsets[4]].tolist()
    assert 12 == inputs.lengths.max()  # tokens are cut, not symbols: ten of them are more than ten bases
    assert len("".join(tokenizer.convert_ids_to_tokens(own[:10]))) > 10


def test_6_mers_of_dnabert_overlap():
    tokens = [*SPECIAL, *map("".join, itertools.product("ATCG", repeat=6))]
    rows = drawn("ACGT")
    mapping = RandomTable("ACGTN")
    reader, (_, train) = reader_of(bert(tokens), mapping), task_of(rows, mapping)
    found = reading_of(reader, train)
    inputs = read_rows(reader, found.spelling, train, None)

    assert 4**6 + 5 == len(tokens)
    assert {"spelling": "6-mers overlapping", "unknown": 0.0, "by_symbol": False} == found.record
    assert [tokens.index(rows[0][at : at + 6]) for at in range(35)] == inputs.ids[1:36].tolist()


def test_6_mers_of_nucleotide_transformer_stand_one_after_another(tmp_path):
    special = ["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>"]
    tokens = [*special, *map("".join, itertools.product("ATCG", repeat=6)), *"ATCGN"]
    rows = drawn("ACGT", length=40)
    mapping = RandomTable("ACGTN")
    reader, (_, train) = reader_of(esm(tmp_path, tokens), mapping), task_of(rows, mapping)
    found = reading_of(reader, train)
    read = read_rows(reader, found.spelling, train, None).ids[1:11].tolist()

    assert 4107 == len(tokens)
    assert ("joined", 0.0) == (found.spelling.name, found.unknown)
    assert [rows[0][at : at + 6] for at in range(0, 36, 6)] + list(rows[0][36:]) == [tokens[i] for i in read]


def test_words_of_three_that_do_not_overlap_are_found_where_only_such_turn_up():
    rows = ["ACGTTA" * 4, "TTAACG" * 4, "ACGACG" * 4]
    found = read(bert([*SPECIAL, "ACG", "TTA"]), rows, "ACGT")

    assert {"spelling": "3-mers", "unknown": 0.0, "by_symbol": False} == found.record


def test_a_model_of_rna_reads_t_as_u(tmp_path):
    found = read(esm(tmp_path, ["<cls>", "<pad>", "<eos>", "<unk>", *"ACGUN", "<mask>"]), drawn("ACGT"), "ACGT")

    assert {"spelling": "joined, U for T", "unknown": 0.0, "by_symbol": True} == found.record
    assert (4, 5, 6, 7) == found.table


def test_u_for_t_is_for_nucleotides_alone():
    assert all("U for T" not in spelling.name for spelling in spellings(RandomTable(RESIDUES[:20]), []))


@pytest.mark.parametrize(("alphabet", "own", "name"), [("acgt", "ACGT", "upper"), ("ACGT", "acgt", "lower")])
def test_case_is_changed_where_no_two_symbols_become_one(tmp_path, alphabet, own, name):
    tokenizer = esm(tmp_path, ["<cls>", "<pad>", "<eos>", "<unk>", *own, "<mask>"])

    assert f"joined, {name} case" == read(tokenizer, drawn(alphabet), alphabet).spelling.name
    assert {""} == {spelling.change for spelling in spellings(RandomTable(SMILES), [])}


def test_equals_are_decided_by_the_order_of_spellings():
    mapping = RandomTable("ACGT")
    names = [spelling.name for spelling in spellings(mapping, ["ACG", "ACGTAC", "acgtacgtacgt"])]

    plain = ["joined", "6-mers overlapping", "3-mers overlapping", "6-mers", "3-mers", "spaced"]
    assert [*plain, *(f"{n}, {c}" for c in ("U for T", "lower case") for n in plain)] == names
    assert names == [named(name).name for name in names]


def test_numbers_stand_with_blanks_between(tmp_path):
    tokenizer = bert([*SPECIAL, "60", "62", "6", "0", "##0", "##2"])
    mapping = RandomTable([60, 62])
    _, train = task_of([[60, 62, 62], [62, 60]], mapping)

    assert ("spaced", True) == ((f := reading_of(reader_of(tokenizer, mapping), train)).spelling.name, f.by_symbol)
    assert ["joined"] == [s.name for s in spellings(RandomTable(["a1", "b"], text="joined"), []) if not s.width][:1]


def test_how_a_row_is_written_is_one_of_three_ways():
    with pytest.raises(PluginError, match=r"RandomTable\(text='glued'\): auto, joined or spaced was expected"):
        RandomTable("AC", text="glued")


def test_a_row_with_too_much_unknown_is_refused_with_an_example():
    tokens = [*SPECIAL, *RESIDUES[:12]]
    with pytest.raises(CheckpointError) as error:
        read(bert(tokens), ["LAGVSERTIDPKWWWW"], RESIDUES[:20])

    assert (
        "mapping 'native': model 'own' reads 'L A G V S E R T I D P K W W W W' of toy.own as 'L A G V S E R T I D P K"
        " [UNK] [UNK] [UNK] [UNK]': 25.0% of the tokens of its train rows (spaced) are unknown, at most 1 % may be;"
        " native is for checkpoints of the task's discipline, take 'random', or give --vocab FILE if its tokens are in a"
        " file"
    ) == str(error.value)


def test_the_rare_unknown_symbol_is_recorded():
    rows = [*drawn(RESIDUES[:20], count=9), "W" * 39 + "B"]
    found = read(bert([*SPECIAL, *RESIDUES[:20]]), rows, RESIDUES[:20] + "B")

    assert {"spelling": "spaced", "unknown": 1 / 400, "by_symbol": False} == found.record


def test_a_tokenizer_that_lowers_is_refused_since_what_it_makes_is_another_molecule():
    """As transformers reads a SMILES vocab.txt alone: aliphatic C becomes aromatic c, and Cl is lost."""
    with pytest.raises(CheckpointError) as error:
        read(bert(TOKENS, do_lower_case=True), ["CC(=O)Oc1ccccc1", "CCO"], SMILES)

    assert (
        "mapping 'native': model 'own' reads 'C C ( = O ) O c' of toy.own as 'c c ( = [UNK] ) [UNK] c', which does not"
        " turn back into the row; native is for checkpoints of the task's discipline, take 'random', or give --vocab"
        " FILE if its tokens are in a file"
    ) == str(error.value)


def test_a_text_model_that_splits_proteins_into_what_it_lacks_is_refused():
    uncased = bert([*SPECIAL, "the", "la", "##gv", "a", "l", "##a"], do_lower_case=True)
    with pytest.raises(
        CheckpointError, match=r"of the tokens of its train rows \(.*\) are unknown, at most 1 % may be"
    ):
        read(uncased, drawn(RESIDUES[:20]), RESIDUES[:20])


def test_a_tokenizer_that_drops_a_symbol_is_refused():
    made = Tokenizer(models.BPE({"A": 0, "C": 1, "G": 2}, []))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, cls_token="A", sep_token="C")
    with pytest.raises(CheckpointError, match=r"reads 'ACGT' of toy.own as 'A C G', which does not turn back into the"):
        read(tokenizer, ["ACGT"], "ACGT")


def test_what_the_sample_does_not_hold_is_seen_in_all_train_rows():
    made = Tokenizer(models.WordLevel({token: i for i, token in enumerate([*SPECIAL, *"ACG"])}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex("[ACG]"), "removed", invert=True)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, **NAMED)
    with pytest.raises(CheckpointError, match="which does not turn back into the row"):
        read(tokenizer, [*drawn("A", length=20, count=40), "T"], "ACGT")


@pytest.mark.parametrize(
    ("text", "tokens", "same"),
    [
        ("A C G", ["A", "C", "G"], True),
        ("ACG", ["A", "[UNK]", "G"], True),
        ("ACG", ["A", "[UNK]"], True),
        ("AG", ["A", "[UNK]", "G"], False),
        ("ACG", ["A", "G"], False),
        ("CCG", ["[UNK]", "C"], False),
    ],
)
def test_an_unknown_token_stands_for_some_of_the_row(text, tokens, same):
    tokenizer = bert([*SPECIAL, *"ACG"])

    assert same is turns_back(tokenizer, Spelling(0), text, tokenizer.convert_tokens_to_ids(tokens))


def vocab_file(tmp_path, tokens=TOKENS):
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in tokens))
    return path


def test_a_vocabulary_is_read_by_greedy_longest_match_with_its_case(tmp_path):
    made = greedy.tokenizer_of(str(vocab_file(tmp_path)))

    text = "Clc1ccccc1[nH]C[C@@H](Br)C%10"
    read = made.tokenize(text)
    assert "Cl c 1 c c c c c 1 [nH] C [C@@H] ( Br ) C %10" == " ".join(read)
    assert text == made.decode(made(text, add_special_tokens=False)["input_ids"])
    assert ["[CLS]", "Cl", "[SEP]", "C", "[SEP]"] == made.convert_ids_to_tokens(made("Cl", "C")["input_ids"])
    assert dict(enumerate(TOKENS)) == {i: token for token, i in made.get_vocab().items()}


def test_molecules_are_read_whole_by_a_vocabulary(tmp_path):
    path = vocab_file(tmp_path)
    mapping = RandomTable(SMILES)
    reader, (_, train) = reader_of(greedy.tokenizer_of(str(path)), mapping, str(path)), task_of(MOLECULES, mapping)
    found = reading_of(reader, train)

    assert {"spelling": "joined", "unknown": 0.0, "by_symbol": False} == found.record


def test_what_no_token_begins_is_one_unknown_token_a_character(tmp_path):
    made = greedy.tokenizer_of(str(vocab_file(tmp_path)))

    assert "C [UNK] [UNK] [UNK] [UNK] C" == " ".join(made.tokenize("C[Se]C"))


def test_a_json_vocabulary_is_one_too(tmp_path):
    path = tmp_path / "vocab.json"
    path.write_text(json.dumps({"<s>": 0, "</s>": 1, "<pad>": 2, "C": 3, "Cl": 4}))
    made = greedy.tokenizer_of(str(path))

    assert [0, 4, 3, 1] == made("ClC")["input_ids"]


def test_around_a_text_stands_what_the_vocabulary_has(tmp_path):
    made = greedy.tokenizer_of(str(vocab_file(tmp_path, ["<pad>", "<eos>", "A"])))

    assert isinstance(made.backend_tokenizer.post_processor, processors.TemplateProcessing)
    assert [2, 1] == made("A")["input_ids"]
