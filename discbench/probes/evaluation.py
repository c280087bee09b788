"""What every probe on a model shares: dropout off while it measures, and the model left as it was found."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from discbench.errors import UserError


@contextmanager
def evaluating(model: nn.Module, *, train: bool = False) -> Iterator[None]:
    """Put a model in eval mode (in train mode on request), and every module back in its own mode afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.train(train)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def requiring_grad(model: nn.Module, *, flag: bool) -> Iterator[None]:
    """Set whether all parameters require gradients, and put every parameter's own flag back afterwards."""
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    model.requires_grad_(flag)
    try:
        yield
    finally:
        for parameter, own in flags:
            parameter.requires_grad_(own)


def encoder_of(model: nn.Module) -> nn.Module:
    """Return the encoder without its head, by transformers' own name for it; a bare encoder is its own."""
    base = getattr(model, "base_model", model)
    return base if isinstance(base, nn.Module) else model


def device_of(model: nn.Module) -> torch.device:
    """Return where the model's parameters are."""
    return next(model.parameters()).device


def last_hidden(encoder: nn.Module, inputs: dict[str, Any]) -> Float[Tensor, "batch length width"]:
    """Return the last layer's output; raise UserError when it is not finite."""
    hidden: Tensor = encoder(**inputs).last_hidden_state
    if not torch.isfinite(hidden).all():
        raise UserError(f"the last layer's output of shape {tuple(hidden.shape)} has NaN or infinity; mend the model")
    return hidden


def is_causal(model: nn.Module, inputs: dict[str, Any]) -> bool:
    """Tell whether the first token's output is blind to the last token, as in a decoder; tried on the first sequence.

    Configurations do not say it: GPT-2's has no sign of being a decoder.
    """
    encoder = encoder_of(model)
    one = {name: value[:1] for name, value in inputs.items()}
    real = real_tokens(one["input_ids"], one.get("attention_mask"))[0]
    first, last = (int(place) for place in real.nonzero()[[0, -1], 0])
    changed = one["input_ids"].clone()
    changed[0, last] = next((i for i in changed[0, real] if i != changed[0, last]), changed[0, last])
    if torch.equal(changed, one["input_ids"]):
        return False
    with evaluating(encoder), torch.no_grad():
        before, after = (last_hidden(encoder, {**one, "input_ids": i})[0, first] for i in (one["input_ids"], changed))
    return torch.equal(before, after)


def real_tokens(
    input_ids: Shaped[Tensor, "batch length"], attention_mask: Shaped[Tensor, "batch length"] | None
) -> Shaped[Tensor, "batch length"]:
    """Return which positions are no padding, as booleans; raise UserError when the mask does not fit."""
    if attention_mask is None:
        return torch.ones_like(input_ids, dtype=torch.bool)
    if attention_mask.shape != input_ids.shape:
        raise UserError(
            f"attention_mask {tuple(attention_mask.shape)} does not fit input_ids {tuple(input_ids.shape)}; "
            "give 1 for a real token and 0 for padding"
        )
    real = attention_mask != 0
    if not real.any(dim=1).all():
        raise UserError(f"input_ids {tuple(input_ids.shape)} has a sequence that is all padding; leave it out")
    return real
