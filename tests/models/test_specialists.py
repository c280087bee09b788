"""Two real specialists of chemistry as they are published: old weights, no tokenizer that transformers reads whole."""

import pytest

from discbench.data.rows import encode
from discbench.errors import CheckpointError
from discbench.models.building import build, load_tokenizer, vocabulary_of
from discbench.models.reading import Reader, reading_of
from discbench.plugins import registry
from discbench.values.checkpoints import locate
from discbench.values.types import Row

MOLECULES = ["Clc1ccccc1", "CC(=O)Oc1ccccc1C(=O)O", "C[C@@H](N)C(=O)O", "c1cc[nH]c1", "[Na+].[O-]C(=O)CBr"]


@pytest.fixture(
    params=["rxnfp/models/transformers/bert_pretrained", "rxnmapper/models/transformers/albert_heads_8_uspto_all_1310k"]
)
def folder(specialists, request):
    return specialists / request.param


def read(checkpoint, name, rows):
    task = registry.tasks(registry.plugins(others=False))[name]
    train = encode(task, [Row(row, n % 2) for n, row in enumerate(rows)])
    reader = Reader(checkpoint, load_tokenizer(checkpoint), vocabulary_of(checkpoint), task.mapping, name)
    return reading_of(reader, train).record


def test_its_vocabulary_reads_molecules_whole(folder):
    found = locate(str(folder), vocab=folder / "vocab.txt")
    vocabulary = vocabulary_of(found)

    assert (591, (12,), (13,), 0) == (vocabulary.size, vocabulary.prefix, vocabulary.suffix, vocabulary.pad)
    assert {"spelling": "joined", "unknown": 0.0, "by_symbol": False} == read(found, "chem.bbbp", MOLECULES)
    assert ["Cl", "c", "1", "c", "c", "c", "c", "c", "1"] == load_tokenizer(found).tokenize("Clc1ccccc1")


def test_its_old_weights_are_loaded_whole(folder):
    found = locate(str(folder), vocab=folder / "vocab.txt")
    model = build(found, "pretrained", 2, 0, vocabulary_of(found))

    assert (12, 256) == (model.config.num_hidden_layers, model.config.hidden_size)


@pytest.mark.parametrize(("name", "row"), [("protein.stability", "GSSQETIEVEDEEEARR"), ("dna.splice", "ACGTNACGTTAG")])
def test_it_is_a_foreigner_to_proteins_and_dna(folder, name, row):
    found = locate(str(folder), vocab=folder / "vocab.txt")
    with pytest.raises(
        CheckpointError, match=r"are unknown, at most 1 % may be; native is for checkpoints of the task's"
    ):
        read(found, name, [row])


def test_rxnfps_own_tokenizer_makes_aromatic_what_is_not_and_is_refused(specialists):
    found = locate(str(specialists / "rxnfp/models/transformers/bert_pretrained"))
    with pytest.raises(CheckpointError) as error:
        read(found, "chem.bbbp", MOLECULES)

    assert (
        "mapping 'native': model 'bert_pretrained' reads 'C l c 1 c c c c' of chem.bbbp as 'c [UNK] c 1 c c c c', which"
        " does not turn back into the row; native is for checkpoints of the task's discipline, take 'random', or give"
        " --vocab FILE if its tokens are in a file"
    ) == str(error.value)


def test_rxnmappers_tokenizer_knows_five_tokens_and_says_so(specialists):
    found = locate(str(specialists / "rxnmapper/models/transformers/albert_heads_8_uspto_all_1310k"))
    with pytest.raises(
        CheckpointError, match=r"has a vocab\.txt of 591 tokens, of which transformers knows 5 tokens; g"
    ):
        vocabulary_of(found)
