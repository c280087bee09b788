"""Gradient confusion: cosines between gradients of different examples (Kao & Lee 2021, §4; Sankararaman et al. 2020).

Low or negative cosines mean that examples pull the weights in different directions. A gradient of BERT-base is 110 M
numbers, so gradients are not kept: one tile of them is held while the later ones pass by, and only their inner products
stay. Examples go through the model one by one: transformers' mask code breaks `vmap`, and with a boolean mask
and eager attention silently so.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from jaxtyping import Float, Float64, Num
from torch import Tensor, nn

from discbench.errors import UserError
from discbench.probes.evaluation import device_of, encoder_of, evaluating, real_tokens, requiring_grad

INVARIANCES = ("padding", "mode", "repeat")

GIB = 2**30


def cosines(
    model: nn.Module,
    input_ids: Num[Tensor, "batch length"],
    attention_mask: Num[Tensor, "batch length"] | None,
    labels: Num[Tensor, "batch ..."],
    parameters: Literal["all", "encoder"] = "all",
    *,
    group: int = 1,
    memory_gib: float = 4.0,
    as_published: bool = False,
    seed: int = 0,
    token_type_ids: Num[Tensor, "batch length"] | None = None,
    told: Callable[[float], None] | None = None,
) -> Float64[Tensor, "groups groups"]:
    """Return the cosines of per-example gradients of the model's own loss, in eval mode, on the CPU.

    Args:
        model: a model whose forward takes labels and returns a loss, such as a sequence classifier.
        input_ids: (batch, length).
        attention_mask: (batch, length), or None.
        labels: (batch,) classes, or (batch,) or (batch, targets) floats.
        parameters: "all", or "encoder" for all but the head's, which is random in a fresh model.
        group: examples per gradient (of their mean loss); the paper's figure takes 32. The result is then
            (batch / group, batch / group).
        memory_gib: memory for held gradients. If they do not all fit, later ones are computed anew for every tile:
            about k / 2 times the passes, with k tiles.
        as_published: leave dropout on, as the paper's code does, so that two gradients of one example differ.
        seed: of the dropout, if any; every gradient has its own.
        token_type_ids: (batch, length), of models that tell the texts of a pair apart by them.
        told: called with the share of the passes that are done.

    Raises:
        UserError: fewer than two gradients, a group that does not divide the batch, less memory than two gradients
            take, a loss or gradient that is NaN or zero.
    """
    if parameters not in ("all", "encoder"):
        raise UserError(f"parameters={parameters!r} was asked; give 'all' or 'encoder'")
    chosen = list((model if parameters == "all" else encoder_of(model)).parameters())
    examples = _groups(model, input_ids, attention_mask, labels, group, token_type_ids)
    held = _held(chosen, len(examples), memory_gib)
    with evaluating(model, train=as_published), requiring_grad(model, flag=True), _own_problem_type(model):
        gram = _gram(
            lambda i: _gradient(model, chosen, examples[i], seed + i if as_published else None),
            len(examples),
            held,
            told,
        )
    norms = gram.diagonal().sqrt()
    if not (norms > 0).all():
        raise UserError(
            f"the gradients of {int((norms <= 0).sum())} of {len(norms)} examples are zero and have no direction; "
            "leave them out"
        )
    return (gram / torch.outer(norms, norms)).clamp(-1, 1)


def _groups(
    model: nn.Module,
    input_ids: Tensor,
    attention_mask: Tensor | None,
    labels: Tensor,
    group: int,
    types: Tensor | None,
) -> list[dict[str, Tensor]]:
    """Cut the batch into inputs of `group` examples each, without the columns that are padding for all of them."""
    shapes = f"input_ids {tuple(input_ids.shape)}, labels {tuple(labels.shape)}"
    if len(labels) != len(input_ids):
        raise UserError(f"{shapes} differ in examples; give one label per sequence")
    if group < 1 or len(input_ids) % group or len(input_ids) == group:
        raise UserError(
            f"gradients of {group} examples each of {shapes} were asked; give a multiple of it, two at least"
        )
    mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
    real = real_tokens(input_ids, mask)
    device = device_of(model)
    starts = range(0, len(input_ids), group)
    ends = [int(real[i : i + group].any(dim=0).nonzero().max()) + 1 for i in starts]
    return [
        {
            "input_ids": input_ids[i : i + group, :end].to(device),
            "attention_mask": mask[i : i + group, :end].to(device),
            "labels": labels[i : i + group].to(device),
            **({} if types is None else {"token_type_ids": types[i : i + group, :end].to(device)}),
        }
        for i, end in zip(starts, ends, strict=True)
    ]


def _held(chosen: list[nn.Parameter], count: int, memory_gib: float) -> int:
    """Return how many gradients may be in memory at once."""
    one = sum(p.numel() * p.element_size() for p in chosen) / GIB
    held = count if count * one <= memory_gib else int(memory_gib / one)
    if held <= 1:
        raise UserError(
            f"one gradient takes {one:.3g} GiB and two must be held, above memory_gib={memory_gib:g}; give more memory "
            "or parameters='encoder'"
        )
    return held


def _gram(
    gradient: Callable[[int], list[Tensor]], count: int, held: int, told: Callable[[float], None] | None = None
) -> Float64[Tensor, "groups groups"]:
    """Return all inner products, holding one tile of gradients while the later ones pass by."""
    gram = torch.zeros(count, count, dtype=torch.float64)
    room = count if held >= count else held - 1
    passes, done = sum(count - start for start in range(0, count, room)), 0
    for start in range(0, count, room):
        tile: list[Tensor] = []
        for i in range(start, count):
            passing = gradient(i)
            if not tile:
                tile = [g.new_zeros(min(room, count - start), g.numel()) for g in passing]
            if i < start + room:
                for kept, g in zip(tile, passing, strict=True):
                    kept[i - start] = g
            products = sum((kept @ g).double() for kept, g in zip(tile, passing, strict=True))
            seen = slice(start, min(i + 1, start + room))
            gram[seen, i] = gram[i, seen] = torch.as_tensor(products)[: seen.stop - start].cpu()
            done += 1
            if told is not None:
                told(done / passes)
    return gram


def _gradient(
    model: nn.Module, chosen: list[nn.Parameter], inputs: dict[str, Tensor], seed: int | None
) -> list[Float[Tensor, "... weights"]]:
    """Return one flat gradient per parameter that the loss depends on or not; leaves no .grad behind."""
    with torch.enable_grad(), _seeded(seed):
        loss = model(**inputs).loss
        found = torch.autograd.grad(loss, chosen, allow_unused=True)
    flat = [torch.zeros_like(p).flatten() if g is None else g.flatten() for p, g in zip(chosen, found, strict=True)]
    if not (torch.isfinite(loss) and all(torch.isfinite(g).all() for g in flat)):
        shape = tuple(inputs["input_ids"].shape)
        raise UserError(f"the loss {loss.item():g} or its gradient for input_ids {shape} is not finite; mend the model")
    return flat


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """Draw dropout from a seed, and leave the global generators as they were."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@contextmanager
def _own_problem_type(model: nn.Module) -> Iterator[None]:
    """Undo that transformers writes what it infers from the first labels into the model's config."""
    config: Any = getattr(model, "config", None)
    before = getattr(config, "problem_type", None)
    try:
        yield
    finally:
        if config is not None:
            config.problem_type = before
