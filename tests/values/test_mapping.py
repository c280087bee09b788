import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discbench import RandomTable, TextTable
from discbench.errors import CheckpointError, PluginError
from discbench.testing import example_vocabulary
from discbench.values.mapping import Vocabulary, draw_table, draw_text_map, move_specials, table_sha256


@given(st.integers(0, 2**40), st.integers(1, 1900))
def test_a_table_is_one_to_one_and_of_regular_ids(seed, symbols):
    table = draw_table(RandomTable(range(symbols)), "random", example_vocabulary(), seed)

    assert len(set(table)) == symbols
    assert set(table) <= set(range(100, 2000))


def test_a_table_is_the_regular_ids_by_the_hash_of_seed_and_id():
    by_hash = sorted(range(100, 2000), key=lambda i: hashlib.sha256(f"7/{i}".encode()).hexdigest())

    assert tuple(by_hash[:4]) == draw_table(RandomTable("ACGT"), "random", example_vocabulary(), 7)


def test_tables_of_one_seed_agree_between_tasks():
    short, long = (draw_table(RandomTable(a), "random", example_vocabulary(), 3) for a in ("ACGT", "ACGTNDRS"))

    assert short == long[:4]


def test_unused_draws_from_the_ids_that_pretraining_never_met():
    assert set(draw_table(RandomTable("ACGT"), "unused", example_vocabulary(), 0)) <= set(range(5, 100))


def test_an_alphabet_larger_than_the_vocabulary_is_refused():
    small = Vocabulary(size=6, regular=(2, 3, 4, 5), unused=(), prefix=(0,), suffix=(1,), pad=0)

    with pytest.raises(CheckpointError) as error:
        draw_table(RandomTable("ACGTN"), "random", small, 0)
    assert str(error.value) == (
        "mapping 'random' needs 5 token ids, but the vocabulary of 6 has 4 usable ones;"
        " take a checkpoint with a larger vocabulary"
    )


def test_a_symbol_twice_in_an_alphabet_is_the_plugins_mistake():
    with pytest.raises(PluginError, match="has a symbol twice"):
        RandomTable("ACCT")


def test_the_hash_of_a_table_is_over_its_ids_in_decimal():
    assert hashlib.sha256(b"5,17,3").hexdigest() == table_sha256([5, 17, 3])


def test_moved_specials_are_ordinary_ids_that_no_symbol_has():
    vocabulary = example_vocabulary()
    for seed in range(20):
        moved = move_specials(RandomTable("ACGT"), "random", vocabulary, seed)
        ids = [*moved.prefix, *moved.suffix, moved.pad]
        table = draw_table(RandomTable("ACGT"), "random", vocabulary, seed)

        assert 7 == len({*ids, *table})
        assert set(ids) <= set(vocabulary.regular)


def test_moved_specials_of_one_seed_agree_between_tasks():
    short, long = (move_specials(RandomTable(a), "random", example_vocabulary(), 3) for a in ("ACGT", "ACGTNDRS"))

    assert (short.prefix, short.suffix, short.pad) == (long.prefix, long.suffix, long.pad)


def test_an_alphabet_that_leaves_no_id_for_the_specials_is_refused():
    small = Vocabulary(size=7, regular=(2, 3, 4, 5, 6), unused=(), prefix=(0,), suffix=(1,), pad=0)

    assert 5 == len(draw_table(RandomTable("ACGTN"), "random", small, 0))
    with pytest.raises(CheckpointError, match="needs 7 token ids"):
        move_specials(RandomTable("ACGTN"), "random", small, 0)


def test_native_leaves_text_as_it_is():
    table = draw_text_map(TextTable(), "native", example_vocabulary(), 0)

    assert list(range(example_vocabulary().size)) == table
