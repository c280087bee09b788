"""Optimisers by name: torch's own, and NovoGrad from pytorch-optimizer."""

from typing import Any

import torch
from torch import nn

from discbench.errors import UserError
from discbench.values.recipes import Recipe

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adagrad": torch.optim.Adagrad,
    "adamax": torch.optim.Adamax,
    "radam": torch.optim.RAdam,
}


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


def optimizer_for(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimiser over the weights that learn; what the recipe does not name is the library's own."""
    weights = [p for p in model.parameters() if p.requires_grad]
    more = {"betas": (0.9, 0.999), "fused": True} if recipe.optimizer in {"adam", "adamw"} else {}
    kind = optimizer_kind(recipe.optimizer)
    made: torch.optim.Optimizer = kind(weights, lr=recipe.lr, eps=recipe.eps, weight_decay=recipe.weight_decay, **more)
    return made
