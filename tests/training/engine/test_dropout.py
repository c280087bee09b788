"""Cheap dropout is dropout: its share, its mean, its gradient, its seeds."""

import numpy as np
import pytest
import torch
from torch import nn

from discbench.training.engine.dropout import Bits, CheapDropout, Drop, replace_dropout, scaled


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_a_share_is_dropped_and_the_mean_stays(p):
    mask, scale = Bits(0).keep(torch.Size([1000, 1000]), p)
    share = 1 - float(mask.float().mean())

    assert p == pytest.approx(share, abs=5 * np.sqrt(p * (1 - p) / 1e6))
    assert 1.0 == pytest.approx(float(mask.float().mean()) * scale, abs=0.01 * scale)
    assert {0, 1} == set(mask.unique().tolist())


def test_neighbours_rows_and_pieces_are_dropped_independently():
    mask = Bits(1).keep(torch.Size([2**20]), 0.5)[0].float() - 0.5

    for shift in (1, 2, 3, 4, 64, 2**17):
        assert 0 == pytest.approx(4 * float((mask[shift:] * mask[:-shift]).mean()), abs=0.01)


def test_what_is_dropped_has_no_gradient_and_the_rest_the_scale():
    layer, given = CheapDropout(0.25, Bits(0)), torch.ones(64, 64, requires_grad=True)
    out = layer(given)
    out.sum().backward()

    assert torch.equal(out, given.grad)
    assert [0.0, pytest.approx(4 / 3)] == out.detach().unique().tolist()


def test_nothing_is_dropped_out_of_training():
    layer, given = CheapDropout(0.25, Bits(0)).eval(), torch.ones(8)

    assert layer(given) is given


def test_the_same_seed_gives_the_same_bits_in_every_release():
    mask = Bits(7).keep(torch.Size([32]), 0.5)[0]

    assert "01001011101010111011110010011010" == "".join(map(str, mask.tolist()))


@pytest.mark.parametrize("bits", [None, Bits(0)])
def test_all_is_dropped_at_one_and_nothing_at_zero(bits):
    given = torch.ones(1000)
    every, none = Drop(1.0, bits).mask(given), Drop(0.0, bits).mask(given)

    assert 0.0 == float(scaled(given, *every).abs().sum())
    assert scaled(given, *none) is given


def test_modules_that_are_more_than_dropout_are_left_alone():
    class Own(nn.Dropout):
        pass

    model = nn.Sequential(nn.Dropout(0.1), Own(0.1), nn.Sequential(nn.Dropout(0.2)))
    replace_dropout(model, Bits(0))

    assert [CheapDropout, Own, nn.Sequential, CheapDropout] == [type(m) for m in list(model.modules())[1:]]
