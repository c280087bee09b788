"""What the built-in probes cannot measure, told before any weight is read."""

import math
from typing import Any

from discbench.errors import UserError
from discbench.probing.measuring import Preview, partners
from discbench.values.measurement import Measurement

ENOUGH = 10
"""Tokens for each feature, from which on canonical correlations of unrelated data are small (about 0.2)."""
GROUP = 32  # appendix F: the paper's gradients are of batches of 32


def check_pwcca(preview: Preview, measurement: Measurement) -> None:
    """Refuse layers that are not there, tokens without partners, and too few tokens for the width."""
    for name, config in zip(_names(measurement), preview.configs, strict=True):
        depth = _of(config, "num_hidden_layers")
        beyond = [layer for layer in measurement.layers if depth and not -depth - 1 <= layer <= depth]
        if beyond:
            raise UserError(
                f"layer {beyond[0]} of {name!r} was asked, which has {depth} layers;"
                f" give --layers 0 for its input, 1 to {depth} for its layers, -1 for the last"
            )
    tokens, rows = preview.tokens(), measurement.limit
    widest = max(_of(config, "hidden_size") or 0 for config in preview.configs)
    if measurement.as_published or tokens - 1 > widest:
        return
    enough = math.ceil(ENOUGH * widest * rows / tokens)
    if enough > preview.there:
        way = f"the test split of {measurement.task} has {preview.there} rows; take a task with more"
    else:
        way = f"give --rows {enough}"
    raise UserError(
        f"pwcca of {rows} rows of {measurement.task} was asked: {tokens} tokens for {widest} features, where CCA is 1"
        f" for any data; {ENOUGH * widest} tokens are needed, {way}"
    )


def check_attention(preview: Preview, measurement: Measurement) -> None:
    """Refuse models of different depth or heads, and tokens that do not stand at the same places."""
    names = _names(measurement)
    for field, word in (("num_hidden_layers", "layers"), ("num_attention_heads", "heads")):
        counts = [_of(config, field) for config in preview.configs]
        if len(set(counts)) > 1:
            raise UserError(
                f"attention of {names[0]!r} with {counts[0]} {word} against {names[1]!r} with {counts[1]} was asked,"
                f" but {word} are matched one to one; give --against scratch or a model of the same shape"
            )
    partners(*preview.given, same_places=True)
    heads = _of(preview.configs[0], "num_attention_heads") or 0
    if measurement.as_published and measurement.limit < heads:
        raise UserError(
            f"attention as published of {measurement.limit} rows was asked, but it takes row numbers for heads;"
            f" give --rows {heads} or more"
        )


def check_gradients(preview: Preview, measurement: Measurement) -> None:
    """Refuse rows that make fewer than two gradients."""
    del preview
    group = GROUP if measurement.as_published else 1
    if measurement.limit < 2 * group:
        raise UserError(
            f"gradients of {measurement.limit} rows of {measurement.task} were asked, {group} to a gradient, but a"
            f" cosine needs two gradients; give --rows {2 * group} or more"
        )


def _names(measurement: Measurement) -> list[str]:
    sides = (measurement.model, measurement.against)
    return [side.checkpoint for side in sides if side is not None]


def _of(config: Any, field: str) -> int | None:  # noqa: ANN401 - transformers' config classes
    """Return a field of a configuration under transformers' common name, or None where it has no such thing."""
    value = getattr(config.get_text_config(), field, None)
    return value if isinstance(value, int) else None
