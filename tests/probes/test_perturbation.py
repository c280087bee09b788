"""Output distance under noise: against a direct computation, a first-order expansion, and what must stay as it was."""

import numpy as np
import pytest
import torch
from probe_models import EVERY, classifier, encoder, sequences

from discbench.errors import UserError
from discbench.probes import perturbation


def batch(**options):
    ids, mask = sequences(**options)
    return {"input_ids": ids, "attention_mask": mask}


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


@EVERY
def test_distances_are_those_of_a_model_rebuilt_with_the_noise(kind):
    model, inputs = encoder(kind), batch()
    found = perturbation.output_distance(model, inputs, 0.05, 2, seed=4)

    for draw in range(2):
        other = encoder(kind).eval()
        seed = int(np.random.SeedSequence((4, draw)).generate_state(1, np.uint64)[0] >> 1)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
            moved = other(**inputs).last_hidden_state[:, 0] - model.eval()(**inputs).last_hidden_state[:, 0]
        np.testing.assert_allclose(found["distances"][0, draw], moved.norm(dim=1).numpy(), atol=1e-9)


def test_small_noise_moves_the_output_as_the_derivative_says():
    found = perturbation.output_distance(encoder(), batch(), (1e-4, 1e-6, 1e-8), 4)

    # The same z at every std: to first order the distance is proportional to std.
    np.testing.assert_allclose(found["distances"][1] * 100, found["distances"][0], rtol=1e-2)
    np.testing.assert_allclose(found["distances"][2] * 100, found["distances"][1], rtol=1e-4)


def test_float64_is_taken_where_float32_cannot_resolve_the_noise():
    exact = perturbation.output_distance(encoder(), batch(), perturbation.STDS, 3)
    single = perturbation.output_distance(encoder(dtype=torch.float32), batch(), perturbation.STDS, 3)
    coarse = perturbation.output_distance(encoder(dtype=torch.float32), batch(), 1e-8, 3, precision="model")

    assert ["float32", "float32", "float64", "float64"] == single["precision"]
    np.testing.assert_allclose(single["mean"], exact["mean"], rtol=1e-2)
    assert abs(coarse["mean"][0] / exact["mean"][3] - 1) > 0.02


def test_the_numbers_per_std_are_over_draws_and_examples():
    found = perturbation.output_distance(encoder(), batch(), (1e-2, 1e-3), 5)

    assert (2, 5, 3) == found["distances"].shape
    assert [found["distances"][i].mean() for i in range(2)] == found["mean"].tolist()
    assert [found["distances"][i].std() for i in range(2)] == found["sd"].tolist()
    assert (5, 3, [1e-2, 1e-3]) == (found["draws"], found["examples"], found["std"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_model_is_left_bit_for_bit_as_it_was(dtype):
    model = encoder(dtype=dtype).train()
    model.pooler.eval()
    before, modes = weights(model), [m.training for m in model.modules()]

    perturbation.output_distance(model, batch(), perturbation.STDS, 2)

    assert all(a.equal(b) for a, b in zip(before, weights(model), strict=True))
    assert modes == [m.training for m in model.modules()]


def test_dropout_is_off_and_the_seed_alone_decides():
    model = encoder().train()

    first, second = (perturbation.output_distance(model, batch(), 1e-3, 2) for _ in range(2))
    other = perturbation.output_distance(model, batch(), 1e-3, 2, seed=1)

    np.testing.assert_array_equal(first["distances"], second["distances"])
    assert (first["distances"] != other["distances"]).all()
    assert (first["distances"][:, 0] != first["distances"][:, 1]).all()


def test_no_noise_moves_nothing():
    assert [0.0] == perturbation.output_distance(encoder(), batch(), 0.0, 1)["mean"].tolist()


def test_padding_and_a_head_change_nothing():
    model, inputs = classifier(), batch()
    wide = {name: torch.nn.functional.pad(value, (0, 4)) for name, value in inputs.items()}

    expected = perturbation.output_distance(model.bert, inputs, 1e-2, 2)["distances"]

    np.testing.assert_allclose(perturbation.output_distance(model, wide, 1e-2, 2)["distances"], expected, atol=1e-9)


def test_as_published_dropout_hides_small_noise():
    found = perturbation.output_distance(encoder(dtype=torch.float32), batch(), (1e-6, 1e-8), 2, as_published=True)

    assert (found["mean"] > 0.1).all()
    np.testing.assert_allclose(found["mean"][0], found["mean"][1], rtol=1e-3)


@pytest.mark.parametrize(("std", "draws"), [(-1.0, 1), (float("nan"), 1), ((), 1), (0.1, 0)])
def test_noise_that_makes_no_sense_is_refused(std, draws):
    with pytest.raises(UserError, match=r"noise of std .* was asked; give finite values of 0 or more, and 1 draw"):
        perturbation.output_distance(encoder(), batch(), std, draws)


def test_padding_on_the_left_is_refused():
    ids, mask = sequences()
    with pytest.raises(UserError, match=r"the first position of 1 of 3 sequences is padding, .* pad on the right"):
        perturbation.output_distance(encoder(), {"input_ids": ids, "attention_mask": mask.flip(1)}, 0.1, 1)


def test_an_output_that_overflows_is_refused_and_an_unknown_precision_too():
    with pytest.raises(UserError, match="has NaN or infinity"):
        perturbation.output_distance(encoder(dtype=torch.float32), batch(), 1e38, 1)
    with pytest.raises(UserError, match="precision='float16' was asked"):
        perturbation.output_distance(encoder(), batch(), 0.1, 1, precision="float16")
