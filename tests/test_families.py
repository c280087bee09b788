"""Every architecture family goes the whole way: inits are what they are called, padding changes nothing, positions end."""

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification

from discbench import models, plan, registry
from discbench.checkpoints import locate
from discbench.errors import CheckpointError
from discbench.inputs import Inputs
from discbench.place import Place
from discbench.plan import INITS, Request
from discbench.run import Bench
from discbench.testing import tiny_checkpoint

FAMILIES = {
    "bert": {},
    "roberta": {"max_position_embeddings": 64, "pad_token_id": 1},
    "xlm-roberta": {"max_position_embeddings": 64, "pad_token_id": 1},
    "albert": {"embedding_size": 8},
    "electra": {"embedding_size": 8},
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32},
    "deberta-v2": {"relative_attention": True, "position_buckets": 8, "pos_att_type": ["p2c", "c2p"]},
    "modernbert": {"cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3},
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64, "bos_token_id": 2, "eos_token_id": 3},
    "llama": {"num_key_value_heads": 2},
    "qwen3": {"num_key_value_heads": 2, "head_dim": 8},
    "esm": {"mask_token_id": 4, "position_embedding_type": "rotary", "pad_token_id": 1, "token_dropout": True},
    "mpnet": {"pad_token_id": 1},
    "xlnet": {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32},
}
WORDS = {
    "modernbert": "tok_embeddings",
    "gpt2": "wte",
    "llama": "embed_tokens",
    "qwen3": "embed_tokens",
    "xlnet": "word_embedding",
}
LEARNED = {"bert": 512, "roberta": 62, "albert": 512, "electra": 512, "distilbert": 512, "gpt2": 64, "mpnet": 510}
"""Families that number positions by a table, and how many tokens it can number."""


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("families") / request.param
    wide = {"initializer_range": 0.3}  # so that answers differ from row to row
    return locate(str(tiny_checkpoint(folder, model_type=request.param, **{**wide, **FAMILIES[request.param]})))


def build(found, init, seed=5, outputs=3):
    return models.build(found, init, outputs, seed, models.vocabulary_of(found))


def brought(found, model):
    """The checkpoint's own tensors, under the names that the classifier has for them."""
    body, names = AutoModel.from_pretrained(found.location).state_dict(), model.state_dict()
    return {full: v for k, v in body.items() if (full := f"{model.base_model_prefix}.{k}") in names}


def test_pretrained_has_the_checkpoints_weights_and_scratch_the_librarys_own_draw(family):
    model, scratch = build(family, "pretrained"), build(family, "scratch").state_dict()
    file = brought(family, model)
    config = models.load_config(family)
    config.num_labels = 3
    torch.manual_seed(5)
    drawn = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32).state_dict()
    learnt = [
        k
        for k, v in file.items()
        if v.is_floating_point() and v.numel() > 1 and v.float().std() > 0 and "inv_freq" not in k
    ]

    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in file.items())
    assert all(torch.equal(tensor, scratch[name]) for name, tensor in drawn.items())
    assert len(learnt) > 5
    assert [] == [name for name in learnt if torch.equal(file[name], scratch[name])]


def test_reembedded_changes_the_word_embeddings_and_nothing_else(family):
    model = build(family, "reembedded").state_dict()
    file = brought(family, build(family, "pretrained"))
    kind = models.load_config(family).model_type
    changed = [name for name in file if not torch.equal(file[name], model[name])]

    assert 1 == len(changed)
    assert WORDS.get(kind, "word_embeddings") in changed[0]


def test_frozen_trains_what_the_checkpoint_does_not_bring_and_nothing_else(family):
    model = build(family, "frozen")
    learning = {name for name, weight in model.named_parameters() if weight.requires_grad}

    assert learning
    assert set() == learning & set(brought(family, model))
    assert set(brought(family, model)) >= {n for n, w in model.named_parameters() if not w.requires_grad}


def test_an_answer_does_not_depend_on_the_row_beside(family):
    vocabulary, model = models.vocabulary_of(family), build(family, "pretrained").eval()
    ids = [[*vocabulary.prefix, *vocabulary.regular[i : i + n], *vocabulary.suffix] for i, n in ((3, 4), (20, 9))]
    offsets = np.cumsum([0, *map(len, ids)])
    given = Inputs(np.concatenate(ids), offsets, np.array([0, 1]), vocabulary.pad, left=models.pads_left(model))

    def outputs(rows):
        drawn = given.batch(rows)
        with torch.no_grad():
            return model(input_ids=drawn["input_ids"], attention_mask=drawn["attention_mask"]).logits

    together = outputs([0, 1])
    apart = float((together[0] - together[1]).abs().max())
    assert apart > 1e-3
    assert torch.cat([outputs([0]), outputs([1])]) == pytest.approx(together, abs=1e-3 * apart)


def test_every_init_is_trained_and_scored(family, tmp_path):
    task = registry.tasks(registry.plugins())["formal.factor"]
    request = Request(inits=INITS, seeds=(0,), recipe="quick", overrides={"epochs": "2"}, limit=16)
    cells = plan.cells([family], [task], {task.name: task.dataset.rows_sha256}, request)
    bench = Bench(Place(results=tmp_path))
    bench.check(family, cells, {task.id: task})
    results = [bench.run(cell, family, task, lambda *_: None) for cell in cells]

    assert [("finished", 16, 2)] * 4 == [(r["status"], r["counts"]["test"], r["counts"]["steps"]) for r in results]
    assert all(0 <= r["scores"]["test"]["accuracy"] <= 1 for r in results)
    trained = {r["cell"]["init"]: r["counts"]["trained_parameters"] for r in results}
    assert trained["frozen"] < trained["pretrained"] == trained["scratch"] == results[0]["counts"]["parameters"]


@pytest.mark.parametrize("kind", LEARNED)
def test_positions_end_where_the_table_ends(kind, tmp_path):
    found = locate(str(tiny_checkpoint(tmp_path / kind, model_type=kind, **FAMILIES[kind])))
    model, vocabulary = build(found, "pretrained").eval(), models.vocabulary_of(found)
    longest = torch.tensor([vocabulary.regular[5:6] * LEARNED[kind]])

    assert LEARNED[kind] == models.position_limit(model)
    assert (1, 3) == tuple(model(input_ids=longest).logits.shape)
    with pytest.raises((IndexError, RuntimeError, ValueError)):
        model(input_ids=torch.cat([longest, longest[:, :1]], dim=1))


def test_an_architecture_without_positions_to_number_has_no_limit(tmp_path):
    found = locate(str(tiny_checkpoint(tmp_path / "xlnet", model_type="xlnet", **FAMILIES["xlnet"])))

    assert models.position_limit(build(found, "pretrained")) is None


def test_an_architecture_that_cannot_mask_padding_is_refused(tmp_path):
    found = locate(str(tiny_checkpoint(tmp_path / "fnet", model_type="fnet")))
    model = build(found, "pretrained")

    with pytest.raises(CheckpointError, match=r"model 'fnet' \(fnet\) answers a row differently beside a longer one"):
        models.check_padding(found, model, models.vocabulary_of(found))


def test_decoders_pool_at_the_last_symbol_when_padding_is_an_ordinary_id(tmp_path):
    found = locate(str(tiny_checkpoint(tmp_path / "gpt2", model_type="gpt2", **FAMILIES["gpt2"])))
    vocabulary = models.vocabulary_of(found)
    moved = type(vocabulary)(size=vocabulary.size, regular=vocabulary.regular, unused=(), prefix=(), suffix=(), pad=99)
    model = models.build(found, "pretrained", 3, 0, moved).eval()
    alone = model(input_ids=torch.tensor([[40, 50]])).logits
    beside = model(input_ids=torch.tensor([[40, 50, 99, 99]]), attention_mask=torch.tensor([[1, 1, 0, 0]])).logits

    assert alone.detach() == pytest.approx(beside.detach(), abs=1e-6)
