"""The kit for probes: ours pass it, and every kind of broken promise is found and named."""

import numpy as np
import pytest
import torch

from discbench.errors import PluginError, UserError
from discbench.probes import attention, gradients, isometry, perturbation, pwcca
from discbench.testing import check_probe

VALUES = ("pwcca_x", "pwcca_y", "mean_cca", "svcca", "cka")
SWAPPED = {"pwcca_x": "pwcca_y", "pwcca_y": "pwcca_x"}


def from_moments(x, y):
    moments = pwcca.Moments()
    for start in range(0, max(len(x), len(y)), 16):
        moments.update(x[start : start + 16], y[start : start + 16])
    return pwcca.similarity_from_moments(moments)


@pytest.mark.parametrize("measure", [pwcca.similarity, from_moments])
def test_pwcca_keeps_what_every_value_promises(measure):
    check_probe(measure, (*pwcca.INVARIANCES, "symmetric"), keys=VALUES, identical=1.0, swapped=SWAPPED)


@pytest.mark.parametrize("key", list(pwcca.INVARIANCES_OF))
def test_pwcca_keeps_what_single_values_promise(key):
    check_probe(pwcca.similarity, pwcca.INVARIANCES_OF[key], keys=[key], name=key)


def test_attention_keeps_its_promises():
    keys = ("mean", "sd")
    check_probe(attention.matched_distance, attention.INVARIANCES, keys=keys, of="attention", identical=0.0)


def test_isometry_keeps_its_promises():
    def measure(model, inputs):
        return torch.cat(isometry.singular_values(model, inputs["input_ids"], inputs["attention_mask"]))

    check_probe(measure, isometry.INVARIANCES, of="model")


def test_gradients_keep_their_promises():
    def measure(model, inputs):
        return gradients.cosines(model, *inputs.values())

    check_probe(measure, gradients.INVARIANCES, of="model")


def test_perturbation_keeps_its_promises():
    def measure(model, inputs):
        batch = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        return perturbation.output_distance(model, batch, (1e-2, 1e-6), 2)["distances"]

    check_probe(measure, perturbation.INVARIANCES, of="model")


@pytest.mark.parametrize(
    ("measure", "promise", "message"),
    [
        (lambda x, _y: x.mean(), "translation", "probe: keeps its value under translation on random input, but value"),
        (lambda x, _y: np.abs(x - x.mean(0)).mean(), "scale", "keeps its value under scale on random input"),
        (lambda x, _y: np.abs(x).mean(), "orthogonal", "keeps its value under orthogonal on random input"),
        (lambda x, _y: x[0, 0], "row_order", "keeps its value under row_order on random input"),
        (lambda x, _y: x.std(), "symmetric", "is symmetric on random input"),
        (lambda _x, _y: 0.9, "identity", "gives 1.0 for identical models on random input, but value differs by 0.1"),
        (pwcca.similarity, "orthogonal", "pwcca_x differs"),
        (lambda _x, _y: 1.0, "scale", "refuses NaN with a UserError, but it answered 1.0"),
        (lambda x, _y: np.linalg.svd(x)[1][0] * 0, "scale", "refuses NaN with a UserError, but it raised LinAlgError"),
    ],
)
def test_a_broken_promise_is_named(measure, promise, message):
    keys = ["pwcca_x"] if measure is pwcca.similarity else []
    with pytest.raises(AssertionError, match=message):
        check_probe(measure, [promise], name="probe", keys=keys, identical=1.0)


def test_only_what_degenerate_input_breaks_is_found_too():
    def divides_by_spread(x, y):
        if not np.isfinite(x).all():
            raise UserError("no")
        with np.errstate(all="ignore"):
            return (x.std(0) / x.std(0)).sum()

    with pytest.raises(AssertionError, match="on constant-feature input, but value differs by nan"):
        check_probe(divides_by_spread, ["translation"])


def test_a_promise_that_the_kit_does_not_know_is_an_error():
    with pytest.raises(PluginError, match=r"similarity promises \['rotation'\], of which the kit knows nothing"):
        check_probe(pwcca.similarity, ["rotation"], keys=["cka"])
