"""Each saving leaves losses, outputs and gradients as they are, is taken back, and is left out where it would not."""

from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from discbench.data.rows import Encoded
from discbench.models import building as models
from discbench.models import families
from discbench.models.inputs import to_inputs
from discbench.testing import tiny_checkpoint
from discbench.training import answers, finetune, trying
from discbench.training.engine import batches, compact, layers, savings, trial
from discbench.values.checkpoints import locate
from discbench.values.recipes import Recipe

EVERY = savings.NAMES
WHOLE = (
    "bert",
    "roberta",
    "electra",
    "distilbert",
    "gpt2",
    "opt",
)
"""Families that have all of them."""
OFF = {
    "albert": {"last_layer", "padding"},
    "bart": {"last_layer", "padding"},
    "bloom": {"last_layer", "padding"},
    "deberta": {"last_layer", "padding"},
    "deberta-v2": {"last_layer", "padding"},
    "esm": {"last_keys"},
    "funnel": {"last_layer", "padding"},
    "gemma": {"last_keys"},
    "gpt_neox": {"last_layer"},
    "llama": {"last_keys"},
    "longformer": {"last_layer", "padding"},
    "mistral": {"last_keys"},
    "modernbert": {"last_layer"},
    "mpnet": {"last_layer", "padding"},
    "qwen2": {"last_keys"},
    "qwen3": {"last_keys"},
    "t5": {"last_layer", "padding", "dropout"},
    "xlnet": {"last_layer", "padding"},
}
"""What the others are without, and with the last layer its keys and the first layer: keys turned by their place, layers used again, several stacks, one projection for all, an attention of their own."""
RECIPE = Recipe(name="golden", lr=3e-3, batch=8, epochs=4.0, clip=1.0, evaluate_every=100)
"""Twenty steps on forty rows."""
GOLDEN = (
    "0.6949 0.6905 0.6875 0.7128 0.6938 0.6855 0.6689 0.6843 0.7162 0.7055"
    " 0.6830 0.6605 0.7062 0.6943 0.7068 0.6820 0.7068 0.6571 0.6944 0.7070"
)
"""Losses of the tiny BERT, plain, dropout off."""


def _off(family):
    off = OFF.get(family, set())
    return off | {"first_layer", "last_keys"} if "last_layer" in off else off


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Checkpoints of families, made once each."""
    made = {}

    def of(family):
        if family not in made:
            shape = {"position_biased_input": False} if family == "deberta-v2" else {}
            made[family] = locate(
                str(tiny_checkpoint(tmp_path_factory.mktemp("f") / family, model_type=family, **shape))
            )
        return made[family]

    return of


def quiet(model):
    """The model without dropout, in its modules and in what its functions are given."""
    for module in model.modules():
        for name in [name for name in vars(module) if "drop" in name and isinstance(vars(module)[name], float)]:
            setattr(module, name, 0.0)
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def rows_of(model, vocabulary, rows=40):
    """Rows of 5 to 14 tokens; does the first symbol come from the lower half?"""
    draws = np.random.RandomState(0)
    lengths = draws.randint(2, 12, rows)
    ends = np.cumsum([0, *lengths])
    codes = draws.randint(0, 20, ends[-1]).astype(np.uint16)
    targets = (codes[ends[:-1]] < 10).astype(np.int64)
    inputs = to_inputs(Encoded(codes, ends, targets), vocabulary.regular, vocabulary, None)
    return replace(inputs, left=families.pads_left(model))


def losses(found, names=(), *, recipe=RECIPE, dropout=False, seed=0):
    """The losses of a short training, and which savings were on."""
    with models.quietly():
        vocabulary = models.vocabulary_of(found)
        model = models.build(found, "pretrained", 2, 0, vocabulary)
        model = model if dropout else quiet(model)
        inputs = rows_of(model, vocabulary)
        plan = trying.tried(model, vocabulary) if names else savings.Plan()
        plan = replace(plan, on=tuple(name for name in plan.on if name in names), small=16)
        plan = trying.plan_for(plan, recipe, "cpu", (inputs,))
        trained = finetune.finetune(
            model, inputs, inputs, inputs, recipe, seed, device="cpu",
            score=lambda out: float(out[0, 0]), report=lambda *_: None, plan=plan,
        )  # fmt: skip
    return trained, plan


@pytest.mark.parametrize("family", [*WHOLE, *OFF])
def test_twenty_losses_are_those_of_the_plain_model_with_whatever_a_family_can_save(family, checkpoints):
    plain, _ = losses(checkpoints(family))
    fast, plan = losses(checkpoints(family), EVERY)

    assert set(EVERY) - _off(family) == set(plan.on)
    assert 20 == len(plain.curve.loss)
    assert np.allclose(plain.curve.loss, fast.curve.loss, rtol=0, atol=1e-5)
    assert np.allclose(plain.test, fast.test, rtol=0, atol=1e-4)


def test_twenty_losses_are_those_of_the_plain_model_where_its_only_layer_is_first_and_last(tmp_path):
    found = locate(str(tiny_checkpoint(tmp_path / "one", model_type="bert", num_hidden_layers=1)))
    plain, _ = losses(found)
    fast, plan = losses(found, EVERY)

    assert set(EVERY) == set(plan.on)
    assert np.allclose(plain.curve.loss, fast.curve.loss, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", EVERY)
def test_twenty_losses_are_those_of_the_plain_model_with_one_saving(name, checkpoints):
    names = ("last_layer", "last_keys") if name == "last_keys" else (name,)
    plain, _ = losses(checkpoints("bert"))
    fast, plan = losses(checkpoints("bert"), names)

    assert names == plan.on
    assert np.allclose(plain.curve.loss, fast.curve.loss, rtol=0, atol=1e-5)


@pytest.mark.parametrize("names", [(), EVERY])
def test_the_losses_are_golden(names, checkpoints):
    trained, _ = losses(checkpoints("bert"), names)

    assert [float(loss) for loss in GOLDEN.split()] == pytest.approx(trained.curve.loss, abs=2e-4)


def test_with_dropout_a_seed_gives_the_same_bytes_again_and_another_seed_others(checkpoints):
    one, same, other = (losses(checkpoints("bert"), EVERY, dropout=True, seed=seed)[0] for seed in (3, 3, 4))

    assert one.test.tobytes() == same.test.tobytes()
    assert one.curve.loss == same.curve.loss
    assert one.curve.loss != other.curve.loss


@pytest.mark.parametrize("family", ["bert", "distilbert", "gpt2", "opt"])
def test_with_dropout_too_twenty_losses_are_the_same_whether_keys_and_values_of_the_last_layer_are_made_or_not(
    family, checkpoints
):
    made, plan = losses(checkpoints(family), [name for name in EVERY if name != "last_keys"], dropout=True)
    folded, more = losses(checkpoints(family), EVERY, dropout=True)

    assert {"last_keys"} == set(more.on) - set(plan.on)
    assert np.allclose(made.curve.loss, folded.curve.loss, rtol=0, atol=1e-5)
    assert np.allclose(made.test, folded.test, rtol=0, atol=1e-4)


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama"])
def test_with_dropout_before_the_first_layer_no_two_tokens_are_alike_and_losses_are_the_same_to_the_bit(
    family, checkpoints
):
    alone, _ = losses(checkpoints(family), [name for name in EVERY if name != "first_layer"], dropout=True)
    more, plan = losses(checkpoints(family), EVERY, dropout=True)

    assert "first_layer" in plan.on
    assert family == "llama" or alone.curve.loss == more.curve.loss


def test_products_of_the_first_layer_are_of_as_many_tokens_as_there_are_pairs_of_id_and_place(checkpoints):
    with models.quietly():
        vocabulary = models.vocabulary_of(checkpoints("bert"))
        model = quiet(models.build(checkpoints("bert"), "pretrained", 2, 0, vocabulary))
        plan = trying.tried(model, vocabulary)
        given = []
        query = model.bert.encoder.layer[0].attention.self.query
        forward = query.forward
        query.forward = lambda x: (given.append(tuple(x.shape)), forward(x))[1]
        ids = torch.tensor([[2, 7, 8, 3], [2, 8, 8, 3], [2, 7, 7, 3], [2, 7, 3, 0]])
        with savings.applied(model, savings.with_ids(plan, [0, 2, 3, 7, 8]), 0):
            given.clear()
            model(input_ids=ids, attention_mask=(ids > 0).long())

    assert [(7, 16)] == given  # 2, 7 or 8, 7 or 8 or 3, 3; padding is not there


def test_keys_that_are_not_made_have_a_bias_that_nothing_depends_on(checkpoints):
    with models.quietly():
        vocabulary = models.vocabulary_of(checkpoints("bert"))
        model = quiet(models.build(checkpoints("bert"), "pretrained", 2, 0, vocabulary))
        inputs = rows_of(model, vocabulary)
        plan = trying.plan_for(trying.tried(model, vocabulary), RECIPE, "cpu", (inputs,))
        last = model.bert.encoder.layer[-1].attention.self
        before = last.key.bias.detach().clone(), last.value.bias.detach().clone()
        finetune.finetune(
            model, inputs, inputs, inputs, RECIPE, 0, device="cpu",
            score=lambda _: 0.0, report=lambda *_: None, plan=plan,
        )  # fmt: skip

    assert torch.equal(before[0], last.key.bias)
    assert not torch.equal(before[1], last.value.bias)


def test_weight_decay_turns_the_cut_vocabulary_off_and_half_precision_all_that_was_not_tried_in_it(checkpoints):
    _, decayed = losses(checkpoints("bert"), EVERY, recipe=replace(RECIPE, weight_decay=0.1, optimizer="adamw"))
    _, half = losses(checkpoints("bert"), EVERY, recipe=replace(RECIPE, precision="bf16", epochs=0.2))

    assert {"vocabulary": "weight decay moves every row"} == decayed.off
    assert (("vocabulary",), set(EVERY) - {"vocabulary"}) == (half.on, set(half.off))


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "bart"])
def test_a_model_is_as_it_was_when_its_savings_are_over(family, checkpoints):
    found = checkpoints(family)
    with models.quietly():
        vocabulary = models.vocabulary_of(found)
        model = models.build(found, "pretrained", 2, 0, vocabulary)
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        attention, shown = model.config._attn_implementation, repr(model)
        plan = trying.tried(model, vocabulary)
        with savings.applied(model, plan, 0):
            inside = repr(model)

    assert shown == repr(model) != inside
    assert attention == model.config._attn_implementation
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all("forward" not in vars(module) and "discbench_context" not in vars(module) for module in model.modules())


def test_the_rows_of_the_embedding_that_learnt_are_written_back_and_the_others_are_those_of_before(checkpoints):
    found = checkpoints("bert")
    with models.quietly():
        vocabulary = models.vocabulary_of(found)
        model = models.build(found, "pretrained", 2, 0, vocabulary)
        table = model.get_input_embeddings()
        before = table.weight.detach().clone()
        inputs = rows_of(model, vocabulary)
        plan = trying.plan_for(trying.tried(model, vocabulary), RECIPE, "cpu", (inputs,))
        finetune.finetune(
            model,
            inputs,
            inputs,
            inputs,
            RECIPE,
            0,
            device="cpu",
            score=lambda _: 0.0,
            report=lambda *_: None,
            plan=plan,
        )
    moved = {int(row) for row in (table.weight != before).any(dim=1).nonzero()}

    assert before.shape == table.weight.shape
    assert set(np.unique(inputs.ids).tolist()) - {inputs.pad} == moved


def test_an_id_that_is_not_among_the_kept_ones_is_an_error_and_no_other_row(checkpoints):
    with models.quietly():
        model = models.build(checkpoints("bert"), "scratch", 2, 0, models.vocabulary_of(checkpoints("bert")))
    with compact.compacted(model, [2, 3, 50]):
        assert 4 == len(model.get_input_embeddings().weight)
        model(input_ids=torch.tensor([[2, 50, 3]]))
        with pytest.raises(IndexError, match="out of range"):
            model(input_ids=torch.tensor([[2, 51, 3]]))


def test_an_embedding_whose_weight_is_a_part_of_something_else_is_not_cut(checkpoints):
    with models.quietly():
        model = models.build(checkpoints("bert"), "scratch", 2, 0, models.vocabulary_of(checkpoints("bert")))
    model.extra = nn.Linear(16, 300, bias=False)
    model.extra.weight = model.get_input_embeddings().weight

    with pytest.raises(ValueError, match="a part of something else too"), compact.compacted(model, [2]):
        pass


class Meddler(nn.Linear):
    """A layer whose values depend on how many places its batch has, as no reordering may."""

    def forward(self, given):
        return super().forward(given) * (1 + 0.01 * given.shape[1])


def test_a_saving_that_does_not_agree_is_left_out_with_the_reason(checkpoints):
    with models.quietly():
        vocabulary = models.vocabulary_of(checkpoints("bert"))
        model = models.build(checkpoints("bert"), "pretrained", 2, 0, vocabulary)
        dense = model.bert.encoder.layer[1].intermediate.dense
        dense.__class__ = Meddler
        plan = trying.tried(model, vocabulary)

    assert ("vocabulary", "first_layer", "dropout") == plan.on
    assert {"last_layer", "last_keys", "padding"} == set(plan.off)
    assert "Unlike: a last layer that is whole" == plan.off["last_keys"]
    assert all(
        plan.off[name].startswith(("outputs differ by", "the gradient of")) for name in ("last_layer", "padding")
    )


def test_a_gradient_that_differs_is_a_disagreement_though_outputs_agree():
    output, gradient = torch.ones(1, 2), torch.ones(3)
    plain = trial.Answers([output], {"w": gradient}, 0.0)

    assert "" == trial.disagreement(plain, trial.Answers([output], {"w": gradient * (1 + 1e-5)}, 0.0))
    assert "the gradient of w differs by 1e-03" == trial.disagreement(
        plain, trial.Answers([output], {"w": gradient * 1.001}, 0.0)
    )
    assert "the gradient of w differs by 1e+00" == trial.disagreement(plain, trial.Answers([output], {}, 0.0))
    assert "rows of the word embedding learn that no batch names" == trial.disagreement(
        plain, trial.Answers([output], {"w": gradient}, 0.5)
    )


def test_a_head_that_reads_the_mean_of_all_places_has_no_short_last_layer():
    config = AutoConfig.for_model(
        "modernbert", vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        classifier_pooling="mean", pad_token_id=0, cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3,
    )  # fmt: skip
    model = AutoModelForSequenceClassification.from_config(config).eval()
    ids = torch.tensor([[2, 7, 8, 3], [2, 7, 3, 0]])
    batch, current = {"input_ids": ids, "attention_mask": (ids > 0).long()}, batches.Current()

    def run():
        return savings.outputs_of(model, batch)

    with ExitStack() as stack:
        stack.callback(batches.watch(model, current, pack=False).remove)
        stacks = layers.stack_of(model, run)
        with pytest.raises(layers.Unlike, match="reads more than one place"):
            layers.place_of(stacks[-1], run, current)


def test_answers_do_not_depend_on_how_many_places_a_batch_may_have(checkpoints):
    with models.quietly():
        vocabulary = models.vocabulary_of(checkpoints("bert"))
        model = models.build(checkpoints("bert"), "pretrained", 2, 0, vocabulary)
        inputs = rows_of(model, vocabulary)
        whole = answers.predict(model, inputs, finetune.accelerator_for("cpu", RECIPE))
        one_by_one = np.concatenate([answers.logits(model, inputs.batch([row])).detach() for row in range(40)])

    assert np.allclose(one_by_one, whole, atol=1e-6)
    assert 40 == sum(map(len, answers.batches_of(inputs, 30)))
    assert all(
        len(rows) * inputs.lengths[rows].max() <= 30 or len(rows) == 1 for rows in answers.batches_of(inputs, 30)
    )
