"""Tables that token ids index: found by watching a model look ids up, and proved to be all of them."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from discbench.models import soundness
from discbench.models.families import pads_left
from discbench.models.inputs import Inputs
from discbench.values.mapping import Vocabulary


class Lookups(TorchDispatchMode):
    """Notes each look-up in a table while it is active: the table, and the ids."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Tensor, Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        if func is torch.ops.aten.embedding.default:
            self.seen.append((args[0], args[1].clone()))
        return func(*args, **(kwargs or {}))


def token_tables(model: Any, vocabulary: Vocabulary) -> list[str] | None:  # noqa: ANN401
    """Return the names of the weights in which token ids are looked up, each of those that are tied once.

    A look-up is of token ids when other symbols change what is looked up; positions and token types stay the same. To
    prove that no path from ids to answers is left out, the tables are made constant: no symbol may then count.

    Args:
        model: A sequence classifier on the CPU. Its tables keep their values.
        vocabulary: Whose ids are tried.

    Returns:
        The names, or None where the answer still depends on symbols, which reach it by another way than a table, or
        where no length is found that the model answers.
    """
    found_rows = _two_rows(model, vocabulary)
    if found_rows is None:
        return None
    inputs, rows = found_rows
    with soundness.answering(model):
        seen = [_lookups(model, inputs, [row]) for row in rows]
        changed = [a for (a, ids), (_, others) in zip(*seen, strict=True) if not torch.equal(ids, others)]
        places = {table.untyped_storage().data_ptr() for table in changed}
        found = {n: w for n, w in model.named_parameters() if w.untyped_storage().data_ptr() in places}
        kept = {name: weight.clone() for name, weight in found.items()}
        for weight in found.values():
            weight.copy_(weight[vocabulary.regular[0]].expand_as(weight))
        one, other = (soundness.logits(model, inputs, [row]) for row in rows)
        for name, weight in found.items():
            weight.copy_(kept[name])
    constant = float((one - other).abs().max()) <= soundness.ROUNDING * float(one.abs().max())
    return sorted(found) if found and constant else None


def _two_rows(model: Any, vocabulary: Vocabulary) -> tuple[Inputs, tuple[int, int]] | None:  # noqa: ANN401
    """Return two rows that have no symbol in common, of a length that the model takes; None if none is found."""
    around = len(vocabulary.prefix) + len(vocabulary.suffix)
    half = max(1, min(len(vocabulary.regular), 2**16) // 2)
    tokens = soundness.length_taken(model, vocabulary)
    if tokens is None:
        return None
    codes = np.arange(tokens - around) % half
    return soundness.trial_rows(vocabulary, codes, codes + half, left=pads_left(model)), (0, 1)


def _lookups(model: nn.Module, inputs: Inputs, rows: list[int]) -> list[tuple[Tensor, Tensor]]:
    with Lookups() as noted:
        soundness.logits(model, inputs, rows)
    seen: list[tuple[Tensor, Tensor]] = noted.seen
    return seen
