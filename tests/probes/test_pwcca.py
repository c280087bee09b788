"""PWCCA and its neighbours: values by definition, by independent routes, and what each must not depend on."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from discbench.errors import UserError
from discbench.probes import pwcca

VALUES = ("pwcca_x", "pwcca_y", "mean_cca", "svcca", "cka")


def pair(n=300, width_x=6, width_y=5, shared=3, seed=0):
    """Two noisy views of `shared` common signals, uneven in scale."""
    random = np.random.default_rng(seed)
    signal = random.standard_normal((n, shared))
    x = signal @ random.standard_normal((shared, width_x)) + random.standard_normal((n, width_x))
    y = signal @ random.standard_normal((shared, width_y)) + random.standard_normal((n, width_y))
    return x * np.arange(1, width_x + 1) + 3, y - 2


def by_definition(x, y):
    """Morcos et al. 2018, word for word: variates by scipy's QR and SVD, then the weights one dot product at a time."""
    x, y = x - x.mean(0), y - y.mean(0)
    qx, qy = scipy.linalg.orth(x), scipy.linalg.orth(y)
    a, rho, b = scipy.linalg.svd(qx.T @ qy, full_matrices=False)
    pwcca_of = {}
    for name, variates, features in (("pwcca_x", qx @ a, x), ("pwcca_y", qy @ b.T, y)):
        alpha = [sum(abs(h @ f) for f in features.T) for h in variates.T]
        pwcca_of[name] = sum(w * r for w, r in zip(alpha, rho, strict=True)) / sum(alpha)
    return pwcca_of | {"mean_cca": rho.mean()}


def hsic_over_quadruples(x, y):
    """Song et al.'s HSIC_1 written with Gram matrices of zeroed diagonal."""
    n = len(x)
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    one = np.ones(n)
    trace = np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return (trace - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))


def stream(x, y, size, **options):
    moments = pwcca.Moments(**options)
    for start in range(0, len(x), size):
        moments.update(x[start : start + size], y[start : start + size])
    return moments


def test_a_case_worked_by_hand():
    # x1 = y1, x2 and y2 correlate by 0.6; all columns are orthogonal to the constant.
    e1, e2, e3 = np.array([1, 1, -1, -1.0]), np.array([1, -1, 1, -1.0]), np.array([1, -1, -1, 1.0])
    x = np.tile(np.stack([e1, 3 * e2], 1), (2, 1))
    y = np.tile(np.stack([2 * e1, 0.6 * e2 + 0.8 * e3], 1), (2, 1))

    result = pwcca.similarity(x, y)

    # alpha_x = (1, 3) and alpha_y = (2, 1) in units of sqrt(8); the correlations are 1 and 0.6.
    assert (1 * 1 + 3 * 0.6) / 4 == pytest.approx(result["pwcca_x"], abs=1e-12)
    assert (2 * 1 + 1 * 0.6) / 3 == pytest.approx(result["pwcca_y"], abs=1e-12)
    assert pytest.approx(result["mean_cca"], abs=1e-12) == 0.8
    assert (2, 2, 8, 0) == (result["rank_x"], result["rank_y"], result["n"], result["saturated"])


@pytest.mark.parametrize("widths", [(6, 5), (5, 6), (4, 4), (1, 7), (7, 1)])
def test_values_are_those_of_the_definition(widths):
    x, y = pair(width_x=widths[0], width_y=widths[1])

    result = pwcca.similarity(x, y)

    for name, expected in by_definition(x, y).items():
        assert expected == pytest.approx(result[name], abs=1e-9), name


def test_canonical_correlations_are_the_cosines_of_scipys_subspace_angles():
    x, y = pair()

    angles = scipy.linalg.subspace_angles(x - x.mean(0), y - y.mean(0))

    assert np.cos(angles).mean() == pytest.approx(pwcca.similarity(x, y)["mean_cca"], abs=1e-9)


def test_svcca_keeps_the_named_share_of_variance():
    x, y = pair()
    reduced = []
    for z in (x - x.mean(0), y - y.mean(0)):
        u, s, _ = scipy.linalg.svd(z, full_matrices=False)
        keep = next(k for k in range(1, len(s) + 1) if (s[:k] ** 2).sum() >= 0.9 * (s**2).sum())
        reduced.append(u[:, :keep])

    expected = scipy.linalg.svdvals(reduced[0].T @ reduced[1]).mean()

    assert expected == pytest.approx(pwcca.similarity(x, y, variance=0.9)["svcca"], abs=1e-9)
    assert 6 > reduced[0].shape[1]


def test_cka_is_the_unbiased_estimator_on_gram_matrices():
    x, y = pair(n=60)
    expected = hsic_over_quadruples(x, y) / np.sqrt(hsic_over_quadruples(x, x) * hsic_over_quadruples(y, y))

    assert expected == pytest.approx(pwcca.similarity(x, y)["cka"], abs=1e-9)


def test_cka_of_independent_features_is_near_nothing():
    random = np.random.default_rng(0)
    x, y = random.standard_normal((2, 1000, 48))

    assert pytest.approx(pwcca.similarity(x, y)["cka"], abs=5e-3) == 0.0


def test_cka_agrees_with_the_package_pytorch_cka():
    oracle = pytest.importorskip("cka", reason="pytorch-cka is not installed: discbench[test]", exc_type=ImportError)
    x, y = pair(n=80)

    expected = oracle.cka_from_features(*(torch.from_numpy(z - z.mean(0)) for z in (x, y))).item()

    assert expected == pytest.approx(pwcca.similarity(x, y)["cka"], abs=1e-9)


@pytest.mark.parametrize("size", [1, 7, 64, 300])
def test_the_stream_equals_the_array(size):
    x, y = pair()

    whole, streamed = pwcca.similarity(x, y), pwcca.similarity_from_moments(stream(x, y, size))

    for name in VALUES:
        assert whole[name] == pytest.approx(streamed[name], abs=1e-9), name
    assert {k: whole[k] for k in ("n", "rank_x", "rank_y")} == {k: streamed[k] for k in ("n", "rank_x", "rank_y")}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=8), st.integers(0, 9), st.floats(-1e4, 1e4))
def test_moments_do_not_depend_on_how_rows_are_cut_into_batches(cuts, seed, far):
    x, y = pair(n=61, seed=seed)
    x = x + far
    moments = pwcca.Moments()
    for rows in np.split(np.arange(61), sorted(cuts)):
        moments.update(x[rows], y[rows])

    whole, streamed = pwcca.similarity(x, y), pwcca.similarity_from_moments(moments)

    for name in VALUES:
        assert whole[name] == pytest.approx(streamed[name], abs=1e-8), name


def test_the_streams_null_is_a_permutation_of_the_rows():
    x, y = pair(n=200)
    moments = stream(x, y, 16, buffer=32)
    real, wrong = moments.total, moments.shuffled()

    assert 200 == wrong.rows
    np.testing.assert_allclose(wrong.mean, real.mean, atol=1e-12)
    np.testing.assert_allclose(wrong.second[:6, :6], real.second[:6, :6], rtol=1e-10)
    np.testing.assert_allclose(wrong.second[6:, 6:], real.second[6:, 6:], rtol=1e-10)
    assert np.abs(wrong.second[:6, 6:] - real.second[:6, 6:]).max() > 1


def test_both_nulls_are_far_below_the_value_and_alike():
    x, y = pair(n=4000)
    array, streamed = pwcca.similarity(x, y), pwcca.similarity_from_moments(stream(x, y, 64, buffer=256))

    assert array["pwcca_x"] > 0.3
    for name in VALUES:
        assert 0.06 > abs(array["null"][name]), name
        assert pytest.approx(array["null"][name], abs=0.03) == streamed["null"][name], name


def test_the_null_of_independent_gaussians_is_their_value():
    random = np.random.default_rng(1)
    x, y = random.standard_normal((2, 1000, 96))

    result = pwcca.similarity(x, y)

    assert result["null"]["pwcca_x"] == pytest.approx(result["pwcca_x"], abs=0.01)


@pytest.mark.parametrize("route", ["array", "moments"])
def test_the_rank_that_layer_norm_loses_is_found_in_float32_features(route):
    random = np.random.default_rng(0)
    hidden = torch.from_numpy(random.standard_normal((2000, 64)).astype(np.float32))
    x = torch.nn.functional.layer_norm(hidden, (64,))
    y = torch.nn.functional.layer_norm(hidden @ torch.from_numpy(random.standard_normal((64, 48), np.float32)), (48,))

    result = pwcca.similarity(x, y) if route == "array" else pwcca.similarity_from_moments(stream(x, y, 128))

    assert (63, 47) == (result["rank_x"], result["rank_y"])


def test_ill_conditioned_features_take_the_accurate_route():
    x, y = pair()
    mixing = np.diag(np.logspace(0, -5, 6)) @ scipy.linalg.qr(np.random.default_rng(2).standard_normal((6, 6)))[0]

    expected = by_definition(x, y)["pwcca_y"]

    assert expected == pytest.approx(pwcca.similarity(x @ mixing, y)["pwcca_y"], abs=1e-9)


def test_pwcca_is_not_invariant_to_a_rotation_of_its_own_side():
    # Its weights are L1 norms over features; the docs of several packages promise otherwise.
    x, y = pair()
    rotation = scipy.linalg.qr(np.random.default_rng(3).standard_normal((6, 6)))[0]

    before, after = pwcca.similarity(x, y), pwcca.similarity(x @ rotation, y)

    assert abs(before["pwcca_x"] - after["pwcca_x"]) > 1e-3
    assert before["pwcca_y"] == pytest.approx(after["pwcca_y"], abs=1e-9)


def test_as_published_does_not_centre():
    x, y = pair()

    centred = pwcca.as_published(x - x.mean(0), y - y.mean(0), ridge=1e-10)

    assert pwcca.similarity(x, y)["pwcca_x"] == pytest.approx(centred, abs=1e-6)
    assert abs(pwcca.as_published(x, y, ridge=1e-10) - centred) > 1e-3


def test_as_published_gives_independent_gaussians_what_the_paper_would():
    # d = 48 stands for 768, n = 63 for 1000: the same shape of saturation.
    random = np.random.default_rng(0)
    x, y = random.standard_normal((2, 63, 48))

    with pytest.warns(pwcca.SaturatedWarning, match="34 canonical correlations are 1 for any data: n = 63 rows"):
        ours = pwcca.similarity(x, y)

    assert 34 == ours["saturated"]
    assert ours["pwcca_x"] == pytest.approx(pwcca.as_published(x, y), abs=0.03)
    assert ours["pwcca_x"] > 0.75


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones((5, 2, 2)), np.ones((5, 2)), r"x must have shape \(tokens, width\), but has \(5, 2, 2\)"),
        (np.eye(9), np.eye(8), r"x \(9, 9\) and y \(8, 8\) differ in rows"),
        (np.full((9, 2), np.nan), np.ones((9, 2)), r"x of shape \(9, 2\) has NaN or infinity in 9 rows"),
        (np.eye(9), np.eye(9), r"x \(9, 9\) and y \(9, 9\) was asked, but with n - 1 <= 9 rows CCA is 1"),
        (np.ones((1, 2)), np.ones((1, 2)), r"n - 1 <= 2 rows"),
        (np.full((9, 2), 0.1), np.random.default_rng(0).random((9, 2)), r"all features of x \(width 2\) are constant"),
        (torch.ones(9, 2, dtype=torch.bfloat16), np.ones((9, 2)), r"x is torch.bfloat16: .* run it in float32"),
    ],
)
def test_bad_input_is_refused_with_its_shape(x, y, message):
    with pytest.raises(UserError, match=message):
        pwcca.similarity(x, y)


def test_a_stream_refuses_a_change_of_width_and_no_rows():
    moments = pwcca.Moments()
    with pytest.raises(UserError, match="no rows"):
        pwcca.similarity_from_moments(moments)
    moments.update(np.ones((4, 3)), np.ones((4, 2)))

    with pytest.raises(UserError, match=r"x \(4, 2\) and y \(4, 3\) do not continue batches of widths \(3, 2\)"):
        moments.update(np.ones((4, 2)), np.ones((4, 3)))
