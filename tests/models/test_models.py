"""Inits are what the paper says they are, and rows become ids with the checkpoint's own special tokens."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from discbench.data.rows import Encoded
from discbench.models import building as models
from discbench.models.families import position_limit
from discbench.models.inputs import to_inputs
from discbench.testing import tiny_checkpoint
from discbench.values.checkpoints import locate

WORDS = "bert.embeddings.word_embeddings.weight"


@pytest.fixture(scope="module")
def found(checkpoint_directory):
    return locate(str(checkpoint_directory))


def weights(found, init, seed=0):
    return models.build(found, init, 3, seed, models.vocabulary_of(found)).state_dict()


def stored(found):
    return {f"bert.{k}": v for k, v in load_file(f"{found.location}/model.safetensors").items()}


def test_pretrained_is_the_checkpoint_and_a_new_head(found):
    model, file = weights(found, "pretrained"), stored(found)

    assert {"classifier.weight", "classifier.bias"} == set(model) - set(file)
    assert all(torch.equal(file[name], model[name]) for name in file)


def test_reembedded_changes_the_word_embeddings_only(found):
    model, file = weights(found, "reembedded", seed=5), stored(found)

    assert [name for name in file if not torch.equal(file[name], model[name])] == [WORDS]
    assert torch.equal(model[WORDS], weights(found, "scratch", seed=5)[WORDS])


def test_scratch_is_the_librarys_own_random_init(found):
    model = weights(found, "scratch", seed=5)
    dense = model["bert.encoder.layer.0.intermediate.dense.weight"]

    assert all(not torch.equal(v, model[k]) for k, v in stored(found).items() if k.endswith("dense.weight"))
    assert pytest.approx(0.02, rel=0.1) == float(dense.std())
    assert bool((model["bert.encoder.layer.0.intermediate.dense.bias"] == 0).all())
    assert bool((model["bert.encoder.layer.0.output.LayerNorm.weight"] == 1).all())


def test_frozen_lets_only_the_head_learn(found):
    model = models.build(found, "frozen", 3, 0, models.vocabulary_of(found))

    assert ["classifier.weight", "classifier.bias"] == [n for n, p in model.named_parameters() if p.requires_grad]


def test_the_same_seed_gives_the_same_head_and_another_seed_another(found):
    heads = [weights(found, "pretrained", seed)["classifier.weight"] for seed in (1, 1, 2)]

    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_rows_get_the_checkpoints_own_special_ids_and_right_padding(found):
    split = Encoded(np.array([0, 1, 1, 2], np.uint16), np.array([0, 3, 4]), np.array([1, 0]))
    inputs = to_inputs(split, (50, 60, 70), models.vocabulary_of(found), None)
    batch = inputs.batch([1, 0])

    assert [[2, 70, 3, 0, 0], [2, 50, 60, 60, 3]] == batch["input_ids"].tolist()
    assert [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]] == batch["attention_mask"].tolist()
    assert [0, 1] == batch["targets"].tolist()


def test_rows_are_cut_to_max_tokens_with_their_special_ids_kept(found):
    split = Encoded(np.array([0, 1, 1, 2], np.uint16), np.array([0, 3, 4]), np.array([1, 0]))

    assert [
        2,
        50,
        60,
        3,
        2,
        70,
        3,
    ] == to_inputs(split, (50, 60, 70), models.vocabulary_of(found), 4).ids.tolist()


def test_roberta_counts_its_positions_from_behind_the_padding_id(tmp_path):
    folder = tiny_checkpoint(tmp_path / "roberta", model_type="roberta", pad_token_id=1, max_position_embeddings=66)
    found = locate(str(folder), {"cls": 2, "sep": 3, "pad": 1})

    assert 64 == position_limit(models.build(found, "scratch", 2, 0, models.vocabulary_of(found)))
