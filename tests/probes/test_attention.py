"""Matching of attention heads: costs by hand, assignments against brute force, and masks."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from probe_models import encoder, sequences

from discbench.errors import UserError
from discbench.probes import attention


def maps(layers=2, count=3, heads=4, length=5, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(layers, count, heads, length, length, generator=generator, dtype=dtype).softmax(-1)


def brute_force(a, b):
    """The least sum over all orders of heads, for one sequence and layer."""
    a, b = a.numpy(), b.numpy()
    if len(a) > len(b):
        return brute_force(torch.from_numpy(b), torch.from_numpy(a))
    orders = permutations(range(len(b)), len(a))
    return min(sum(np.abs(a[h] - b[g]).sum() for h, g in enumerate(order)) for order in orders)


def test_a_case_worked_by_hand():
    # Head 0 of a is head 1 of b; head 1 of a differs from head 0 of b by 0.5 + 0.5 in one of two rows.
    same, other = [[1, 0], [0, 1.0]], [[0, 1], [1, 0.0]]
    nearly = [[0.5, 0.5], [1, 0.0]]
    a = torch.tensor([[[same, other]]])
    b = torch.tensor([[[nearly, same]]])

    result = attention.matched_distance(a, b, normalise="sum")

    assert ([[[1, 0]]], 1.0) == (result["assignment"].tolist(), result["mean"][0])
    assert pytest.approx(attention.matched_distance(a, b)["mean"][0]) == 1.0 / (2 * 2)
    assert pytest.approx(attention.matched_distance(a, b)["unmatched"][0]) == (3 + 4) / (2 * 2)


@pytest.mark.parametrize("heads", [(4, 4), (1, 1), (5, 3), (2, 5)])
def test_the_matching_is_the_best_of_all_orders(heads):
    a, b = maps(heads=heads[0]), maps(heads=heads[1], seed=1)

    result = attention.matched_distance(a, b, heads="subset", normalise="sum")

    expected = [[brute_force(a[i, s], b[i, s]) for s in range(3)] for i in range(2)]
    np.testing.assert_allclose(result["distance"], expected, atol=1e-9)
    np.testing.assert_allclose(result["mean"], np.mean(expected, axis=1), atol=1e-9)
    np.testing.assert_allclose(result["sd"], np.std(expected, axis=1), atol=1e-9)


def test_every_head_left_over_is_marked():
    result = attention.matched_distance(maps(heads=5), maps(heads=3, seed=1), heads="subset")

    assert [-1, -1, 0, 1, 2] == sorted(result["assignment"][0, 0])
    assert result["unmatched"] is None


def test_float32_is_as_good_as_float64():
    a, b = maps(length=70), maps(length=70, seed=1)

    exact, single = attention.matched_distance(a, b), attention.matched_distance(a.float(), b.float())

    np.testing.assert_allclose(single["mean"], exact["mean"], rtol=1e-6)
    assert exact["assignment"].tolist() == single["assignment"].tolist()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5).filter(any), min_size=3, max_size=3))
def test_padding_is_left_out_wherever_it_stands(mask):
    a, b = maps(), maps(seed=1)
    mask = torch.tensor(mask)

    found = attention.matched_distance(a, b, mask, normalise="sum")["distance"]

    for s, real in enumerate(mask):
        expected = brute_force(*(z[0, s][:, real][:, :, real] for z in (a, b)))
        assert expected == pytest.approx(found[0, s], abs=1e-9)


def test_rows_that_share_nothing_are_2_apart():
    a, b = torch.zeros(1, 1, 3, 4, 4), torch.zeros(1, 1, 3, 4, 4)
    a[..., 0], b[..., 1] = 1, 1

    assert attention.matched_distance(a, b)["mean"][0] == 2.0


def test_padded_maps_are_divided_by_their_real_rows():
    a, b = maps(heads=3), maps(heads=3, seed=1)
    mask = torch.tensor([[1, 1, 1, 0, 0]]).expand(3, -1)

    found = attention.matched_distance(a, b, mask)["distance"]

    assert brute_force(a[1, 2, :, :3, :3], b[1, 2, :, :3, :3]) / (3 * 3) == pytest.approx(found[1, 2], abs=1e-12)


def test_batches_give_what_the_whole_gives():
    a, b = maps(count=7), maps(count=7, seed=1)
    mask = torch.ones(7, 5)
    mask[4:, 3:] = 0
    whole = attention.matched_distance(a, b, mask)

    cut = attention.matched_distance(*((z[:, :4], z[:, 4:]) for z in (a, b)), (mask[:4], mask[4:]))

    np.testing.assert_array_equal(whole["distance"], cut["distance"])
    np.testing.assert_array_equal(whole["assignment"], cut["assignment"])
    assert 7 == cut["sequences"]


def test_heads_of_a_real_model_in_another_order_are_found():
    model = encoder()
    model.eval()
    model.set_attn_implementation("eager")
    ids, mask = sequences()
    with torch.no_grad():
        layers = model(input_ids=ids, attention_mask=mask, output_attentions=True).attentions

    result = attention.matched_distance(layers, tuple(layer.flip(1) for layer in layers), mask)

    assert [0.0, 0.0] == result["mean"].tolist()
    assert {(1, 0)} == {tuple(order) for order in result["assignment"].reshape(-1, 2)}
    assert (result["unmatched"] > 0).all()


def test_depths_are_compared_only_as_declared():
    a, b = maps(layers=3), maps(layers=2, seed=1)
    with pytest.raises(UserError, match=r"a \(3, 3, 4, 5, 5\) and b \(2, 3, 4, 5, 5\) differ in layers; say which"):
        attention.matched_distance(a, b)

    found = attention.matched_distance(a, b, layers=[(0, 0), (2, 1)])

    assert attention.matched_distance(a[2:], b[1:])["mean"][0] == found["mean"][1]


def test_as_published_adds_the_costs_of_other_sequences():
    a, b = maps(count=6, heads=3), maps(count=6, heads=3, seed=1)
    cost = np.array([[[(x - y).abs().sum() for y in b[0, s]] for x in a[0, s]] for s in range(6)])
    sums = []
    for s in range(6):
        order = min(permutations(range(3)), key=lambda o, s=s: sum(cost[s, h, g] for h, g in enumerate(o)))
        sums.append(sum(cost[h, g].sum() for h, g in enumerate(order)))

    assert np.mean(sums) == pytest.approx(attention.as_published(a, b)["mean"][0], abs=1e-9)
    assert attention.as_published(a, b)["mean"][0] > 2 * attention.matched_distance(a, b, normalise="sum")["mean"][0]
    with pytest.raises(UserError, match="as_published of 2 sequences was asked; it indexes them by 3 heads"):
        attention.as_published(a[:, :2], b[:, :2])


@pytest.mark.parametrize(
    ("a", "b", "mask", "message"),
    [
        (maps(heads=4), maps(heads=3), None, "differ in heads; heads='subset' matches the smaller number"),
        (maps(length=4), maps(length=5), None, "differ in sequences or length; give both models the same tokens"),
        (maps(), maps(), torch.ones(3, 4), r"mask \(3, 4\) does not fit maps of \(2, 3, 4, 5, 5\); give \(3, 5\)"),
        (maps(), maps(), torch.zeros(3, 5), "has a sequence that is all padding; leave it out"),
        (maps() * float("nan"), maps(), None, r"maps a \(4, 5, 5\) or b \(4, 5, 5\) have NaN or infinity"),
        (maps()[0], maps()[0], None, r"a must have shape \(layers, sequences, heads, length, length\)"),
        ([maps()], [maps(), maps()], None, "batches of a, b and mask do not go together"),
        ([], [], None, "attention distance of no batches was asked"),
    ],
)
def test_bad_input_is_refused_with_its_shape(a, b, mask, message):
    with pytest.raises(UserError, match=message):
        attention.matched_distance(a, b, mask)


def test_unknown_words_are_refused():
    with pytest.raises(UserError, match="normalise='row', heads='equal' was asked; give rows or sum"):
        attention.matched_distance(maps(), maps(), normalise="row")
