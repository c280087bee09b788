"""Gradient cosines of real tiny classifiers against a plain loop of backward passes."""

import pytest
import torch
from probe_models import EVERY, classifier, sequences

from discbench.errors import UserError
from discbench.probes import gradients

LABELS = torch.tensor([0, 1, 0, 1])


def by_backward(model, ids, mask, labels, chosen):
    """Each example's gradient by loss.backward(), then the textbook cosine."""
    model.eval()
    rows = []
    for i in range(len(ids)):
        model.zero_grad()
        model(input_ids=ids[i : i + 1], attention_mask=mask[i : i + 1], labels=labels[i : i + 1]).loss.backward()
        rows.append(torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in chosen]))
    model.zero_grad()
    return torch.stack([torch.stack([torch.cosine_similarity(a, b, dim=0) for b in rows]) for a in rows])


@EVERY
def test_cosines_are_those_of_a_plain_loop(kind):
    model = classifier(kind)
    ids, mask = sequences(batch=4, padded=0)

    expected = by_backward(model, ids, mask, LABELS, list(model.parameters()))

    torch.testing.assert_close(gradients.cosines(model, ids, mask, LABELS), expected, atol=1e-9, rtol=0)


def test_the_head_can_be_left_out():
    model = classifier()
    ids, mask = sequences(batch=4)

    found = gradients.cosines(model, ids, mask, LABELS, "encoder")

    expected = by_backward(model, ids, mask, LABELS, list(model.bert.parameters()))
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)
    assert not torch.allclose(found, gradients.cosines(model, ids, mask, LABELS))


@pytest.mark.parametrize("gradients_held", [2, 3, 4, 6, 7, 100])
def test_memory_changes_no_value(gradients_held):
    model = classifier()
    ids, mask = sequences(batch=7)
    labels = torch.arange(7) % 2
    one = sum(p.numel() for p in model.parameters()) * 8 / 2**30

    bounded = gradients.cosines(model, ids, mask, labels, memory_gib=(gradients_held + 0.5) * one)

    torch.testing.assert_close(bounded, gradients.cosines(model, ids, mask, labels), atol=1e-12, rtol=0)


def test_a_tile_leaves_room_for_the_gradient_that_passes_by():
    vectors = torch.randn(7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    passes = []

    def gradient(i):
        passes.append(i)
        return [vectors[i, :2], vectors[i, 2:]]

    gram = gradients._gram(gradient, 7, 3)

    # Two are held and the third passes by: tiles start at 0, 2, 4 and 6.
    assert [*range(7), *range(2, 7), *range(4, 7), 6] == passes
    torch.testing.assert_close(gram, vectors @ vectors.T)


def test_groups_are_gradients_of_the_mean_loss():
    model = classifier().eval()
    ids, mask = sequences(batch=4)
    rows = []
    for half in (slice(0, 2), slice(2, 4)):
        loss = model(input_ids=ids[half], attention_mask=mask[half], labels=LABELS[half]).loss
        rows.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))]))

    found = gradients.cosines(model, ids, mask, LABELS, group=2)

    assert (2, 2) == tuple(found.shape)
    assert torch.cosine_similarity(*rows, dim=0).item() == pytest.approx(found[0, 1].item(), abs=1e-9)


def test_the_matrix_is_symmetric_with_ones_and_twins_agree():
    ids, mask = sequences(batch=4, padded=0)
    ids[3] = ids[0]

    found = gradients.cosines(classifier(), ids, mask, LABELS * 0)

    torch.testing.assert_close(found, found.T, atol=0, rtol=0)
    torch.testing.assert_close(found.diagonal(), torch.ones(4, dtype=torch.float64), atol=1e-12, rtol=0)
    assert found[0, 3].item() == pytest.approx(1.0, abs=1e-12)


def test_float32_is_right_to_1e_4():
    ids, mask = sequences(batch=4)

    exact = gradients.cosines(classifier(), ids, mask, LABELS)
    single = gradients.cosines(classifier(dtype=torch.float32), ids, mask, LABELS)

    torch.testing.assert_close(single, exact, atol=1e-4, rtol=0)


def test_padding_changes_nothing():
    model = classifier()
    ids, mask = sequences(batch=4, padded=2)
    wide, wide_mask = torch.nn.functional.pad(ids, (0, 5)), torch.nn.functional.pad(mask, (0, 5))

    expected = gradients.cosines(model, ids, mask, LABELS)

    torch.testing.assert_close(gradients.cosines(model, wide, wide_mask, LABELS), expected, atol=1e-9, rtol=0)


def test_real_valued_labels_take_the_models_regression_loss():
    model = classifier(classes=1)
    ids, mask = sequences(batch=4)
    labels = torch.tensor([0.1, 0.5, -0.2, 0.9], dtype=torch.float64)

    expected = by_backward(model, ids, mask, labels, list(model.parameters()))

    torch.testing.assert_close(gradients.cosines(model, ids, mask, labels), expected, atol=1e-9, rtol=0)


def test_dropout_is_off_and_the_model_is_left_as_it_was():
    model = classifier().train()
    model.bert.requires_grad_(False)
    ids, mask = sequences(batch=4)

    first, second = (gradients.cosines(model, ids, mask, LABELS) for _ in range(2))

    assert first.equal(second)
    assert (True, False, True) == (
        model.training,
        model.bert.pooler.dense.weight.requires_grad,
        model.classifier.weight.requires_grad,
    )
    assert model.config.problem_type is None
    assert all(p.grad is None for p in model.parameters())


def test_as_published_leaves_dropout_on_and_repeats_for_a_seed():
    ids, mask = sequences(batch=4, padded=0)
    ids[1] = ids[0]

    noisy, again = (gradients.cosines(classifier(), ids, mask, LABELS * 0, as_published=True) for _ in range(2))
    other = gradients.cosines(classifier(), ids, mask, LABELS * 0, as_published=True, seed=9)

    assert noisy.equal(again)
    assert not noisy.equal(other)
    assert 0.999 > noisy[0, 1]


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (LABELS[:3], {}, r"input_ids \(4, 6\), labels \(3,\) differ in examples"),
        (LABELS, {"group": 3}, "gradients of 3 examples each of .* were asked; give a multiple of it, two at least"),
        (LABELS, {"group": 4}, "two at least"),
        (LABELS, {"memory_gib": 1e-6}, r"one gradient takes .*e-05 GiB and two must be held, above memory_gib=1e-06"),
        (LABELS, {"parameters": "head"}, "parameters='head' was asked; give 'all' or 'encoder'"),
    ],
)
def test_what_cannot_be_measured_is_refused(labels, options, message):
    ids, mask = sequences(batch=4)
    with pytest.raises(UserError, match=message):
        gradients.cosines(classifier(), ids, mask, labels, **options)


def test_nan_and_zero_gradients_are_refused():
    ids, mask = sequences(batch=4)
    model = classifier()
    torch.nn.init.zeros_(model.classifier.weight)
    with pytest.raises(UserError, match="the gradients of 4 of 4 examples are zero and have no direction"):
        gradients.cosines(model, ids, mask, LABELS, "encoder")

    torch.nn.init.constant_(model.classifier.bias, float("nan"))
    with pytest.raises(UserError, match=r"the loss nan or its gradient for input_ids \(1, 6\) is not finite"):
        gradients.cosines(model, ids, mask, LABELS)
