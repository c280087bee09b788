"""Grouped splits: relatives stay on one side, whatever the order of rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discbench import Row
from discbench.data.relatives.groups import families
from discbench.data.relatives.pieces import flat, stretches
from discbench.data.relatives.splits import grouped_split

WORDS = st.lists(st.text("AC", min_size=1, max_size=9), min_size=1, max_size=12)


def related(one, other, shared):
    """Whether two words are the same or have a piece of `shared` letters in common."""
    of = [{word[i : i + shared] for i in range(len(word) - shared + 1)} for word in (one, other)]
    return one == other or bool(of[0] & of[1])


@given(WORDS, st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_two_rows_are_of_one_family_iff_a_chain_of_shared_pieces_leads_from_one_to_the_other(words, shared):
    reach = np.array([[related(a, b, shared) for b in words] for a in words])
    for _ in words:
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    family = families(words, shared)

    assert (reach == (family[:, None] == family[None, :])).all()


def test_families_are_numbered_by_their_first_members():
    assert [0, 1, 0, 2] == families(["GATTACA", "CCCCC", "TTACAGG", "GGGGG"], 4).tolist()


def test_without_a_length_only_identical_rows_are_a_family():
    assert [0, 1, 0] == families(["ACGT", "ACGTA", "ACGT"], None).tolist()


def test_rows_shorter_than_the_piece_are_relatives_of_their_copies_only():
    assert [0, 0, 1, 2] == families(["ACG", "ACG", "ACGTA", "CG"], 4).tolist()
    assert 1 == len(stretches(*flat(["ACG"]), 4).key) == len(stretches(*flat(["ACGT"]), 4).key)


@given(WORDS.filter(lambda words: len(words) > 3))
@settings(max_examples=50, deadline=None)
def test_a_grouped_split_loses_no_row_and_parts_no_family(words):
    rows = [Row(word, i) for i, word in enumerate(words)]
    splits = grouped_split(rows, shared=3, parts=(0.5, 0.25, 0.25), seed=1)
    parts = (splits.train, splits.validation, splits.test)
    sides = {row.target: side for side, part in enumerate(parts) for row in part}
    family = families(words, 3)

    assert list(range(len(words))) == sorted(sides)
    assert all(sides[i] == sides[j] for i in sides for j in sides if family[i] == family[j])
    assert all(len(part) <= 0.25 * len(words) for part in parts[1:])


def test_a_grouped_split_repeats_for_a_seed_and_differs_between_seeds():
    rows = [Row("".join("ACGT"[(i >> s) & 3] for s in range(0, 16, 2)), 0) for i in range(0, 65536, 97)]
    cuts = [grouped_split(rows, shared=8, parts=(0.9, 0.05, 0.05), seed=seed).test for seed in (1, 1, 2)]

    assert cuts[0] == cuts[1] != cuts[2]
    assert len(cuts[0]) == int(0.05 * len(rows))


@pytest.mark.slow
def test_windows_of_one_genome_that_share_bases_are_one_family():
    rng = np.random.default_rng(0)
    genome = rng.choice(list("ACGT"), 12_000_000)
    windows = ["".join(genome[start : start + 500]) for start in rng.integers(0, 11_999_500, 27_782)]
    family = families(windows, 32)

    assert 5000 < len(set(family.tolist())) < 15_000
