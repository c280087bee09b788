"""Optimisers by name: torch's own, and NovoGrad from pytorch-optimizer."""

from typing import Any

import torch
from torch import nn

from discbench.errors import UserError
from discbench.training.engine.adam import FusedAdam
from discbench.values.recipes import Recipe

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adagrad": torch.optim.Adagrad,
    "adamax": torch.optim.Adamax,
    "radam": torch.optim.RAdam,
}

BETAS = (0.9, 0.999)


def optimizer_kind(name: str) -> Any:  # noqa: ANN401 - an optimiser's class
    """Return an optimiser's class.

    Raises:
        UserError: NovoGrad, and the package that has it is not installed.
    """
    if name in OPTIMIZERS:
        return OPTIMIZERS[name]
    try:
        from pytorch_optimizer import NovoGrad
    except ImportError:
        raise UserError(
            "optimizer novograd needs the package pytorch-optimizer, which is not installed;"
            " install discbench with its extra: pip install 'discbench[optim]'"
        ) from None
    return NovoGrad


def optimizer_for(model: nn.Module, recipe: Recipe, *, alone: bool = False) -> torch.optim.Optimizer | FusedAdam:
    """Return the recipe's optimiser over the weights that learn; what the recipe does not name is the library's own.

    Args:
        model: Whose weights.
        recipe: Names it.
        alone: Whether the weights are on the CPU, in float32, and of this process only: Adam then costs less.
    """
    weights = [p for p in model.parameters() if p.requires_grad]
    given: dict[str, Any] = {"lr": recipe.lr, "eps": recipe.eps, "weight_decay": recipe.weight_decay}
    kind = optimizer_kind(recipe.optimizer)
    if recipe.optimizer not in {"adam", "adamw"}:
        return kind(weights, **given)
    if alone:
        return FusedAdam(weights, betas=BETAS, decoupled=recipe.optimizer == "adamw", **given)
    return kind(weights, betas=BETAS, fused=True, **given)
