"""The word embedding cut to the ids that can occur: what no row names has no gradient and never moves."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def ids_of_config(config: Any) -> set[int]:  # noqa: ANN401 - transformers' config classes
    """Return the ids that a model may put into a row itself, such as the one that a decoder starts with."""
    named = {**config.to_dict(), **config.get_text_config().to_dict()}
    return {value for name, value in named.items() if name.endswith("token_id") and isinstance(value, int)}


def rows_kept(model: Any, ids: Iterable[int]) -> Tensor:  # noqa: ANN401
    """Return the ids that keep their row of the word embedding, in order."""
    weight = model.get_input_embeddings().weight
    kept = {i for i in {*map(int, ids), *ids_of_config(model.config)} if 0 <= i < len(weight)}
    return torch.tensor(sorted(kept), device=weight.device)


@contextmanager
def compacted(model: Any, ids: Iterable[int]) -> Iterator[None]:  # noqa: ANN401 - transformers' model classes
    """Run with an embedding of these ids and those of the configuration only; all rows are back at the end.

    Every table that shares the weight is cut. Ids stay what they are, the
    tables renumber them; an id that is not among them is an index out of range.

    Args:
        model: A model of transformers.
        ids: What the rows may hold.

    Raises:
        ValueError: The weight is shared with something that is no embedding.
    """
    whole = model.get_input_embeddings().weight
    rows = rows_kept(model, ids)
    number = torch.full((len(whole),), len(whole), dtype=torch.int64, device=whole.device)
    number[rows] = torch.arange(len(rows), device=whole.device)
    holders = _holders(model, whole)
    small = nn.Parameter(whole.detach()[rows].clone(), requires_grad=whole.requires_grad)
    before = [(table, table.num_embeddings, table.padding_idx) for table in holders]
    handles = [table.register_forward_pre_hook(_renumber(number)) for table in holders]
    for table in holders:
        table.weight, table.num_embeddings = small, len(rows)
        pad = table.padding_idx
        table.padding_idx = int(number[pad]) if pad is not None and number[pad] < len(rows) else None
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        with torch.no_grad():
            whole[number < len(whole)] = small.detach().to(whole.device)
        for table, count, pad in before:
            table.weight, table.num_embeddings, table.padding_idx = whole, count, pad


def _holders(model: nn.Module, weight: Tensor) -> list[nn.Embedding]:
    found = [module for module in model.modules() if any(p is weight for p in module.parameters(recurse=False))]
    tables = [module for module in found if isinstance(module, nn.Embedding)]
    if len(tables) != len(found):
        raise ValueError("the word embedding's weight is a part of something else too")
    return tables


def _renumber(number: Tensor) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...]]:
    held = {number.device: number}

    def hook(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        ids: Tensor = args[0]
        if ids.device not in held:
            held[ids.device] = number.to(ids.device)
        return (held[ids.device][ids], *args[1:])

    return hook
