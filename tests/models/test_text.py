"""Text tasks: the checkpoint's tokenizer reads, the mapping moves every id."""

import numpy as np
import pytest

from discbench.data.rows import Encoded
from discbench.errors import CheckpointError
from discbench.models import building as models
from discbench.models.inputs import to_text_inputs
from discbench.testing import example_vocabulary
from discbench.values.checkpoints import locate
from discbench.values.mapping import TextTable, draw_text_map


def texts(*pairs):
    return Encoded(
        np.zeros(0, np.uint16), np.zeros(len(pairs) + 1, np.int64), np.zeros(len(pairs), np.int64), None, pairs
    )


def test_shift_turns_the_papers_sentence_into_the_papers_sentence(minilm):
    found = locate(str(minilm))
    vocabulary, tokenizer = models.vocabulary_of(found), models.load_tokenizer(found)
    table = draw_text_map(TextTable("shift"), "shift", vocabulary, 0)
    inputs = to_text_inputs(
        tokenizer, texts(("his healthy sense of satire is light and fun...", None)), table, vocabulary, 128
    )

    assert (1101, 1102) == (inputs.ids[0], inputs.ids[-1])
    golden = "canadian franz ##me 1988 ##pia leader watch sports czech at at at"
    assert golden == " ".join(tokenizer.convert_ids_to_tokens(inputs.ids[1:-1].tolist()))


def test_pairs_keep_their_token_types_and_are_cut_to_the_limit(minilm):
    found = locate(str(minilm))
    vocabulary, tokenizer = models.vocabulary_of(found), models.load_tokenizer(found)
    inputs = to_text_inputs(
        tokenizer, texts(("a b", "c"), ("one " * 50, "two")), range(vocabulary.size), vocabulary, 20
    )
    batch = inputs.batch([0, 1])

    assert [0, 0, 0, 0, 1, 1] == batch["token_type_ids"][0, :6].tolist()
    assert [6, 20] == inputs.lengths.tolist()
    assert [6, 20] == batch["attention_mask"].sum(1).tolist()


@pytest.mark.parametrize("kind", ["shift", "permute", "identity"])
@pytest.mark.parametrize("moved", [True, False])
def test_a_text_map_is_one_to_one_over_the_whole_vocabulary(kind, moved):
    vocabulary = example_vocabulary()
    table = draw_text_map(TextTable(kind, map_specials=moved), kind, vocabulary, 3)

    assert list(range(2000)) == sorted(table)
    if not moved:
        assert [0, 2, 3] == [table[i] for i in (0, 2, 3)]


def test_shift_is_id_plus_1000_modulo_the_vocabulary():
    assert [(i + 1000) % 2000 for i in range(2000)] == draw_text_map(
        TextTable("shift"), "shift", example_vocabulary(), 9
    )


def test_permute_depends_on_the_seed_and_identity_on_nothing():
    maps = [draw_text_map(TextTable("permute"), "permute", example_vocabulary(), seed) for seed in (1, 1, 2)]

    assert maps[0] == maps[1] != maps[2]
    assert list(range(2000)) == draw_text_map(TextTable("identity"), "identity", example_vocabulary(), 1)


def test_a_random_table_does_not_apply_to_text():
    with pytest.raises(CheckpointError, match="mapping 'random' does not apply to a text task"):
        draw_text_map(TextTable(), "random", example_vocabulary(), 0)
