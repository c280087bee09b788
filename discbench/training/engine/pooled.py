"""The last layer at the place that the head reads: queries, feed-forward and norms of one place a row."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from discbench.training.engine.attention import Stash
from discbench.training.engine.batches import Current
from discbench.training.engine.folded import weights_of
from discbench.training.engine.layers import Projections, Unlike, first_of, replaced, split, with_first

Rotary = tuple[Tensor, Tensor]
"""Cosines and sines, (rows or 1, places, width of a head)."""


@dataclass(slots=True)
class _Whole:
    """What a layer was given of all places, while it works on one a row."""

    hidden: Tensor = field(default_factory=lambda: torch.empty(0))
    rotary: Rotary | None = None


@contextmanager
def shortened(layer: nn.Module, parts: Projections, place: str, current: Current, *, fold: bool) -> Iterator[None]:
    """Run with a last layer that makes queries, and all that follows from them, of one place a row only.

    Keys and values are of all places, or with `fold` not made at all (`folded`). Where the head reads the first place
    the layer gives (rows, 1, width); where it reads the last, that one in every place.
    """
    stash, whole, inner = Stash(), _Whole(), layer.forward

    def forward(*args: Any, **given: Any) -> Any:  # noqa: ANN401 - the layer's own arguments
        hidden, rest, others = split(args, given)
        stash.places = torch.zeros(current.rows, dtype=torch.int64) if place == "first" else current.last()
        whole.hidden = hidden if parts.norm is None else parts.norm(hidden)
        whole.rotary = others.get("position_embeddings")
        if whole.rotary is not None:
            cosines, sines = (_at(x, stash.places, current) for x in whole.rotary)
            others["position_embeddings"] = (cosines, sines)
        out = inner(_at(hidden, stash.places, current), *rest, **others)
        stash.keys = stash.values = stash.places = stash.hidden = stash.weights = whole.rotary = None
        whole.hidden = whole.hidden.new_empty(0)
        found = first_of(out)
        return with_first(out, found if place == "first" else found.expand(-1, current.width, -1))

    with ExitStack() as stack:
        parts.attention.__dict__["discbench_stash"] = stash
        stack.callback(parts.attention.__dict__.pop, "discbench_stash")
        for module, keep in _keepers(parts, stash, whole, fold=fold):
            stack.enter_context(replaced(module, keep))
        stack.enter_context(replaced(layer, forward))
        yield


def _at(wide: Tensor, places: Tensor, current: Current) -> Tensor:
    """Return one place a row, (rows, 1, width), of (rows or 1, places, width) or packed (1, tokens, width)."""
    if current.packed:
        return wide[0].index_select(0, current.starts() + places).unsqueeze(1)
    if len(wide) == 1:
        return wide[0].index_select(0, places).unsqueeze(1)
    return wide[torch.arange(len(wide)), places].unsqueeze(1)


def _keepers(
    parts: Projections, stash: Stash, whole: _Whole, *, fold: bool
) -> list[tuple[nn.Module, Callable[[Tensor], Tensor]]]:
    """Return forwards that put aside what attention needs of all places, and give the layer something of its shape.

    That is keys and values, or with `fold` what would make them.

    Raises:
        Unlike: With `fold`, keys or values are more than a product and a bias.
    """
    if fold:
        _check_plain(parts)
    if parts.joint is not None:
        return [(parts.joint, _joint_keeper(parts, stash, whole, fold=fold))]
    assert parts.key is not None
    assert parts.value is not None

    def keeper(module: nn.Module, name: str) -> Callable[[Tensor], Tensor]:
        inner = module.forward

        def keep(short: Tensor) -> Tensor:
            if fold:
                _put_aside(parts, stash, whole)
                return short.new_zeros(*short.shape[:-1], len(module.weight))  # type: ignore[arg-type]
            made = inner(whole.hidden)
            setattr(stash, name, _finished(made, parts.attention, whole.rotary) if name == "keys" else made)
            return short.new_zeros(*short.shape[:-1], made.shape[-1])

        return keep

    return [(parts.key, keeper(parts.key, "keys")), (parts.value, keeper(parts.value, "values"))]


def _check_plain(parts: Projections) -> None:
    weights_of(parts.joint, parts.key, parts.value)
    if getattr(parts.attention, "k_norm", None) is not None:
        raise Unlike("keys that are normed")


def _put_aside(parts: Projections, stash: Stash, whole: _Whole) -> None:
    if whole.rotary is not None:
        raise Unlike("keys that are turned by their places")
    stash.hidden, stash.weights = whole.hidden, weights_of(parts.joint, parts.key, parts.value)


def _finished(keys: Tensor, attention: Any, rotary: Rotary | None) -> Tensor:  # noqa: ANN401 - any module
    """Return keys (rows, places, width) as attention will compare them: normed and turned where its own would be."""
    norm = getattr(attention, "k_norm", None)
    if norm is None and rotary is None:
        return keys
    width = getattr(attention, "head_dim", None) or attention.attention_head_size
    heads = keys.unflatten(-1, (-1, width))
    heads = heads if norm is None else norm(heads)
    if rotary is not None:
        turn = sys.modules[type(attention).__module__].apply_rotary_pos_emb
        turned = heads.transpose(1, 2)
        heads = turn(turned, turned, *rotary)[1].transpose(1, 2)
    return heads.flatten(-2)


def _joint_keeper(parts: Projections, stash: Stash, whole: _Whole, *, fold: bool) -> Callable[[Tensor], Tensor]:
    joint: Any = parts.joint
    width = joint.nf // 3  # transformers' Conv1D holds (inputs, outputs)

    def keep(short: Tensor) -> Tensor:
        if fold:
            _put_aside(parts, stash, whole)
        else:
            both = whole.hidden @ joint.weight[:, width:] + joint.bias[width:]
            stash.keys, stash.values = both.split(width, dim=-1)
        query = short @ joint.weight[:, :width] + joint.bias[:width]
        return torch.cat([query, query.new_zeros(*query.shape[:-1], 2 * width)], dim=-1)

    return keep
