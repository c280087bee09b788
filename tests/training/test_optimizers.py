"""Each optimiser's first step is the one of its paper."""

import sys

import pytest
import torch

from discbench.errors import UserError
from discbench.training import optimizers
from discbench.training.engine.adam import clip
from discbench.values.recipes import Recipe

GRADIENT = torch.tensor([3.0, -4.0])
SIGN = torch.tensor([1.0, -1.0])
FIRST = {  # what one step of rate 1 from zero takes away
    "adam": SIGN,
    "adamw": SIGN,
    "adagrad": SIGN,
    "adamax": SIGN,
    "radam": GRADIENT,  # too few steps to know the variance: plain momentum
    "novograd": GRADIENT / 5,  # by the norm of the layer
}


@pytest.mark.parametrize("name", FIRST)
def test_the_first_step_is_that_of_the_optimisers_paper(name):
    layer = torch.nn.Linear(2, 1, bias=False)
    torch.nn.init.zeros_(layer.weight)
    optimizer = optimizers.optimizer_for(layer, Recipe(name="r", optimizer=name, lr=1.0))
    layer.weight.grad = GRADIENT[None].clone()
    optimizer.step()

    assert layer.weight.detach()[0].tolist() == pytest.approx((-FIRST[name]).tolist(), rel=1e-5)


@pytest.mark.parametrize("clipped", [0.01, 1e9])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_ten_steps_of_the_cheap_adam_end_at_the_bytes_of_torchs_own(name, decay, clipped):
    recipe = Recipe(name="r", optimizer=name, lr=1e-2, weight_decay=decay)
    ends = []
    for alone in (False, True):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(9, 7), torch.nn.Linear(7, 5), torch.nn.Linear(5, 3))
        model[0].bias.requires_grad_(False)
        optimizer = optimizers.optimizer_for(model, recipe, alone=alone)
        for step in range(10):
            hidden = model[0](torch.randn(4, 9))
            part = model[1](hidden) if step % 3 else hidden[:, :5]  # now and then a layer has no gradient
            model[2](part).square().sum().backward()
            if alone:
                clip(optimizer.param_groups[0]["params"], clipped)
            else:
                torch.nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], clipped)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        ends.append(torch.cat([p.detach().flatten() for p in model.parameters()]))

    assert torch.equal(ends[0], ends[1])


def test_only_weights_that_learn_are_given_to_it():
    layer = torch.nn.Linear(2, 1)
    layer.bias.requires_grad_(False)
    groups = optimizers.optimizer_for(layer, Recipe(name="r")).param_groups

    assert [[layer.weight]] == [group["params"] for group in groups]


def test_a_missing_package_is_named_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)

    with pytest.raises(UserError, match=r"novograd needs the package pytorch-optimizer, .*'discbench\[optim\]'"):
        optimizers.optimizer_kind("novograd")
