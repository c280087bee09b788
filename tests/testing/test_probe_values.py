"""The kit for a plugin's `Probe`: the built-in ones pass it, and what breaks a promise is named."""

import sys

import numpy as np
import pytest
import torch

from discbench import Probe
from discbench.errors import PluginError
from discbench.plugins import registry
from discbench.testing import check_probe


def probe(measure, **fields):
    return Probe(name="mine", version=1, about="", measure=measure, **fields)


def broken(of, kind=AssertionError):
    with pytest.raises(kind) as error:
        check_probe(of)
    return str(error.value)


@pytest.mark.parametrize("name", ["attention", "gradients", "isometry", "perturbation", "pwcca"])
def test_every_built_in_probe_keeps_what_it_promises(name):
    check_probe(registry.probes(registry.plugins())[name])


def weights(subject, _):
    subject.tell(1)
    return {"values": {"x": float(sum(p.detach().double().abs().sum() for p in subject.model.parameters()))}}


def test_a_probe_of_weights_keeps_every_promise_about_rows():
    check_probe(probe(weights, invariances=("repeat", "mode", "padding", "row_order")))


def changes(subject, _):
    subject.model.classifier.bias.data += 1
    return weights(subject, _) | {"values": {"x": 1.0}}


def counts_columns(subject, _):
    subject.tell(1)
    return {"values": {"x": next(iter(subject.batches(4))).inputs["input_ids"].shape[1]}}


def first_row(subject, _):
    subject.tell(1)
    return {"values": {"x": float(next(iter(subject.batches(1))).inputs["input_ids"].double().std())}}


def dropped(subject, _):
    subject.tell(1)
    return {"values": {"x": float(subject.model.training)}}


def hidden(subject, _):
    subject.tell(1)
    states = [
        model.base_model(**batch.inputs).last_hidden_state.detach()
        for model, batch in zip((subject.model, subject.other), next(subject.pairs(16)), strict=True)
    ]
    return {"values": {"x": float((states[0] - states[1]).norm()), "width": float(states[0].abs().max())}}


def first_head(subject, _):
    subject.tell(1)
    weight = subject.other.base_model.encoder.layer[0].attention.self.query.weight
    return {"values": {"x": float(weight[:8].detach().double().norm())}}


@pytest.mark.parametrize(
    ("measure", "promise", "sentence"),
    [
        (changes, "repeat", "mine: leaves the models as they were, but weight classifier.bias changed"),
        (counts_columns, "padding", "mine: keeps its value under padding, but x 14 became 17"),
        (first_row, "row_order", "mine: keeps its value under row_order, but x "),
        (dropped, "mode", "mine: keeps its value under mode, but x 0.0 became 1.0"),
        (hidden, "scale", "mine: keeps its value under scale, but x "),
        (hidden, "translation", "mine: keeps its value under translation, but x "),
        (hidden, "orthogonal", "mine: keeps its value under orthogonal, but "),
        (weights, "symmetric", "mine: keeps its value under symmetric, but x "),
        (first_head, "head_order", "mine: keeps its value under head_order, but x "),
    ],
)
def test_a_broken_promise_is_named(measure, promise, sentence):
    assert broken(probe(measure, pair=True, invariances=(promise,))).startswith(sentence)


def test_a_model_and_itself_must_give_the_values_that_are_declared():
    said = broken(probe(hidden, pair=True, invariances=("identity",), identical=(("x", 1.0),)))

    assert "mine: x of a model and itself is 1.0, but it is 0.0" == said
    check_probe(probe(hidden, pair=True, invariances=("identity",), identical=(("x", 0.0),)))


def test_a_probe_that_draws_without_a_seed_does_not_repeat():
    random = np.random.default_rng()
    said = broken(probe(lambda s, m: weights(s, m) | {"values": {"x": random.random()}}))

    assert said.startswith("mine: repeats to the digit, but {'x': ")


def test_a_silent_probe_is_told_to_report():
    assert "mine: tells its progress by subject.tell(rows), but it told nothing" == broken(
        probe(lambda _, __: {"values": {"x": 1.0}})
    )


def changes_torch(subject, measurement):
    torch.set_default_dtype(torch.float64)
    return weights(subject, measurement)


@pytest.mark.parametrize(
    "measure, told",
    [
        (lambda _, __: 1 / 0, "measures two small models, but it raised ZeroDivisionError('division by zero')"),
        (
            lambda _, __: None,
            "returns numbers by name, but probe 'mine' must return a dict with numbers by name under 'values', found None",
        ),
        (lambda s, m: (sys.stdout.write("hi"), weights(s, m))[1], "prints nothing, but it prints 'hihi'"),
        (changes_torch, "leaves torch as it was, but its default dtype changed"),
    ],
)
def test_a_probe_that_fails_prints_or_changes_torch_is_named(measure, told):
    assert f"mine: {told}" == broken(probe(measure))


def test_a_value_that_is_promised_of_identical_models_must_be_there():
    told = broken(probe(hidden, pair=True, invariances=("identity",), identical=(("y", 0.0),)))

    assert "mine: y is 0.0 for identical models, but there is no such value" == told


def test_one_row_is_answered_or_refused_but_never_a_traceback():
    def measure(subject, _):
        subject.tell(1)
        return {"values": {"x": 1 / (len(subject.given.inputs) - 1)}}

    assert (
        "mine: answers one row with numbers or a UserError, but it raised ZeroDivisionError('division by zero')"
    ) == broken(probe(measure))


def test_a_promise_that_the_kit_does_not_know_is_a_plugins_mistake():
    assert broken(probe(weights, invariances=("moonlight",)), PluginError).startswith(
        "probe 'mine' promises ['moonlight']; the kit knows ['feature_order', "
    )
    assert "probe 'mine': the promise 'identity' and the values of `identical` go together" == broken(
        probe(weights, invariances=("identity",)), PluginError
    )
