"""Jacobians of real tiny models against autograd.functional.jacobian, a plain loop and central differences."""

import pytest
import torch
from probe_models import EVERY, classifier, encoder, sequences

from discbench.errors import CheckpointError, UserError
from discbench.probes import isometry


def jacobian(model, ids, mask, wrt):
    """The whole Jacobian of one sequence by torch's own function: (length, width, length, input width)."""
    model.eval()
    source = model.get_input_embeddings()
    if wrt == "word":
        clean = source(ids).detach()
    else:
        clean = model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states[0].detach()
        first = {"albert": lambda m: m.encoder.embedding_hidden_mapping_in, "electra": lambda m: m.embeddings_project}
        kind = model.config.model_type
        source = first.get(kind, lambda m: m.drop if kind == "gpt2" else m.embeddings)(model)

    def output(embedded):
        hook = source.register_forward_hook(lambda *_: embedded)
        try:
            return model(input_ids=ids, attention_mask=mask).last_hidden_state
        finally:
            hook.remove()

    return torch.autograd.functional.jacobian(output, clean)[0, :, :, 0].detach()


@EVERY
@pytest.mark.parametrize("wrt", ["embedding", "word"])
def test_a_row_has_the_values_of_torchs_jacobian(kind, wrt):
    model = encoder(kind)
    ids, mask = sequences(batch=1, padded=0)
    whole = jacobian(model, ids, mask, wrt)

    [found] = isometry.singular_values(model, ids, mask, "row", wrt, 2, copies=5)

    torch.testing.assert_close(found, torch.linalg.svdvals(whole[2].flatten(1)), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("kind", ["bert", "electra"])
def test_blocks_and_the_full_matrix_have_the_values_of_torchs_jacobian(kind):
    model = encoder(kind)
    ids, mask = sequences(batch=1, length=4, padded=0)
    whole = jacobian(model, ids, mask, "word")

    [blocks] = isometry.singular_values(model, ids, mask, "blocks", "word", -1)
    [full] = isometry.singular_values(model, ids, mask, "full", "word")

    torch.testing.assert_close(blocks, torch.linalg.svdvals(whole[3].transpose(0, 1)), atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(full, torch.linalg.svdvals(whole.flatten(0, 1).flatten(1)), atol=1e-9, rtol=1e-9)
    assert (4, whole.shape[3]) == tuple(blocks.shape)


def test_word_embeddings_by_inputs_embeds_give_the_same():
    model = encoder().eval()
    ids, mask = sequences(batch=1, padded=0)
    embedded = model.embeddings.word_embeddings(ids).detach().requires_grad_()
    output = model(inputs_embeds=embedded, attention_mask=mask).last_hidden_state[0, 0]
    loop = torch.stack([torch.autograd.grad(feature, embedded, retain_graph=True)[0][0] for feature in output])

    [found] = isometry.singular_values(model, ids, mask, wrt="word")

    torch.testing.assert_close(found, torch.linalg.svdvals(loop.flatten(1)), atol=1e-9, rtol=1e-9)


def test_an_identity_and_a_scaling_have_the_singular_values_they_must():
    class Scaling(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.words = torch.nn.Embedding(50, 4).double()

        def get_input_embeddings(self):
            return self.words

        def forward(self, input_ids, **_):
            hidden = self.words(input_ids) * torch.tensor([1.0, 1.0, 2.0, 3.0])
            return type("Output", (), {"last_hidden_state": hidden})

    [row] = isometry.singular_values(Scaling(), torch.tensor([[7, 8]]), wrt="word")

    torch.testing.assert_close(row, torch.tensor([3.0, 2.0, 1.0, 1.0], dtype=torch.float64))


def test_padding_and_batching_change_nothing():
    model = encoder()
    ids, mask = sequences(batch=3, length=6, padded=2)

    batch = isometry.singular_values(model, ids, mask, "blocks")
    alone = isometry.singular_values(model, ids[2, :4], None, "blocks")

    assert [(6, 16), (6, 16), (4, 16)] == [tuple(values.shape) for values in batch]
    torch.testing.assert_close(batch[2], alone[0], atol=1e-9, rtol=1e-9)


def test_padding_on_the_left_is_no_input_either():
    model = encoder("gpt2")
    ids, mask = sequences(batch=1, length=5, padded=0)
    mask[0, :2] = 0
    whole = jacobian(model, ids, mask, "word")[4][:, 2:]

    [found] = isometry.singular_values(model, ids, mask, "row", "word", 4)

    torch.testing.assert_close(found, torch.linalg.svdvals(whole.flatten(1)), atol=1e-9, rtol=1e-9)


def test_float32_is_right_to_1e_4():
    ids, mask = sequences(batch=1)

    exact = isometry.singular_values(encoder(), ids, mask)[0]
    single = isometry.singular_values(encoder(dtype=torch.float32), ids, mask)[0]

    torch.testing.assert_close(single.double(), exact, atol=1e-4, rtol=1e-4)


def test_dropout_is_off_and_the_model_is_left_as_it_was():
    model = classifier().train()
    model.bert.pooler.eval()
    model.bert.embeddings.requires_grad_(False)
    before = [(m.training, [p.requires_grad for p in m.parameters(recurse=False)]) for m in model.modules()]
    ids, mask = sequences()

    first, second = (isometry.singular_values(model, ids, mask)[0] for _ in range(2))

    assert first.equal(second)
    assert before == [(m.training, [p.requires_grad for p in m.parameters(recurse=False)]) for m in model.modules()]
    assert all(p.grad is None for p in model.parameters())
    assert [] == [h for m in model.modules() for h in m._forward_hooks.values() if "discbench" in h.__module__]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"position": 5}, "output position 5 was asked, but it is padding; choose a real token's position"),
        ({"position": 6}, "output position 6 was asked, but it is outside the 6 positions"),
        ({"of": "full", "limit_gib": 1e-6}, r"Jacobian of 64 x 64 takes 3.05e-05 GiB, above the limit of 1e-06 GiB"),
        ({"of": "rows"}, "of='rows', wrt='embedding' was asked"),
        ({"attention_mask": torch.ones(1, 5)}, r"attention_mask \(1, 5\) does not fit input_ids \(1, 6\)"),
        ({"attention_mask": torch.zeros(1, 6)}, "all padding"),
    ],
)
def test_what_cannot_be_measured_is_refused(options, message):
    ids, mask = sequences(batch=1)
    with pytest.raises(UserError, match=message):
        isometry.singular_values(encoder(), ids, **({"attention_mask": mask} | options))


def test_a_model_with_nan_weights_is_refused():
    model = encoder()
    torch.nn.init.constant_(model.encoder.layer[1].output.dense.bias, float("nan"))

    with pytest.raises(UserError, match="has NaN or infinity"):
        isometry.singular_values(model, torch.tensor([[5, 6]]))


@pytest.mark.parametrize("branch", [None, torch.nn.Identity()], ids=["no module", "only one branch"])
def test_a_model_whose_embeddings_cannot_be_cut_off_is_refused_for_embedding_only(branch):
    class Inline(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.words = torch.nn.Embedding(50, 4)
            self.branch = branch

        def get_input_embeddings(self):
            return self.words

        def forward(self, input_ids, **_):
            first = self.words(input_ids) * 2
            hidden = first + (self.branch(first) if self.branch else 0)
            return type("Output", (), {"last_hidden_state": hidden, "hidden_states": (first,)})

    model = Inline()
    with pytest.raises(CheckpointError, match=r"no module of Inline returns hidden_states\[0\].*use wrt='word'"):
        isometry.singular_values(model, torch.tensor([[5, 6]]))

    [row] = isometry.singular_values(model, torch.tensor([[5, 6]]), wrt="word")
    assert [4.0 if branch else 2.0] * 4 == row.tolist()
