"""Tokens of rows of unequal lengths: each has one place, wherever the rows are cut into blocks."""

import numpy as np
import pytest
import torch

from discbench.training.engine.batches import Collect, Current, Spread


def current_of(*lengths, small=0):
    current = Current(small=small)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    current.see(mask, mask, pack=True)
    return current


def test_blocks_hold_each_token_once():
    current = current_of(9, 2, 8, 1, 2, 9)
    blocks = current.blocks()

    assert [[0, 5, 2], [1, 4], [3]] == [block.rows.tolist() for block in blocks]
    assert list(range(31)) == sorted(token for block in blocks for token in block.tokens.tolist())


def test_few_tokens_are_not_cut_into_blocks():
    assert 1 == len(current_of(9, 2, 8, 1, 2, 9, small=1024).blocks())


def test_what_is_spread_and_collected_is_what_it_was_and_so_is_its_gradient():
    current = current_of(4, 2, 3)
    whole = current.whole()
    packed = torch.randn(9, 5, requires_grad=True)
    places = Spread.apply(packed, whole)
    order = torch.empty(9, dtype=torch.int64)
    order[whole.tokens] = whole.real
    back = Collect.apply(places, order)
    weights = torch.randn(9, 5)
    (back * weights).sum().backward()

    assert torch.equal(packed, back)
    assert torch.equal(weights, packed.grad)


def test_a_batch_without_padding_is_not_packed():
    assert not current_of(4, 4).packed
    assert current_of(4, 3).packed


def test_rows_padded_at_the_left_are_refused():
    mask = torch.tensor([[0, 1], [1, 1]])

    with pytest.raises(ValueError, match="padded at the left"):
        Current().see(mask, mask, pack=True)


def test_the_last_real_token_of_each_row_is_found():
    current = current_of(4, 2, 3)

    assert [3, 1, 2] == current.last().tolist()
    assert [0, 4, 6] == current.starts().tolist()
    assert np.array_equal([0, 1, 2, 3, 4, 5, 8, 9, 10], current.tokens)
