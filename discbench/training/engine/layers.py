"""A model's layers: found by watching one batch go through, changed in place, put back."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from discbench.training.engine.batches import Current

PROJECTIONS = (
    ("query", "key", "value"),
    ("q_proj", "k_proj", "v_proj"),
    ("q_lin", "k_lin", "v_lin"),
    ("q", "k", "v"),
    ("query_proj", "key_proj", "value_proj"),
)
"""What transformers calls the three linear layers before attention."""
JOINT = ("c_attn",)
"""What it calls one for all three, in this order."""


class Unlike(ValueError):  # noqa: N818 - says what a model is
    """A model is not of the form that a saving is for."""


@contextmanager
def replaced(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Run with another forward of a module."""
    before = module.__dict__.get("forward")
    module.forward = forward
    try:
        yield
    finally:
        del module.forward
        if before is not None:
            module.forward = before


def stack_of(model: nn.Module, run: Callable[[], Any]) -> list[nn.Module]:
    """Return the layers that a batch goes through one after another, each once.

    Raises:
        Unlike: None, several stacks, or a layer that is used again.
    """
    lists = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) and not _within_list(model, name)
    ]
    called: list[nn.Module] = []
    with ExitStack() as stack:
        for child in (child for found in lists for child in found):
            handle = child.register_forward_hook(lambda module, *_: called.append(module))
            stack.callback(handle.remove)
        run()
    stacks = [found for found in lists if any(child in called for child in found)]
    if len(stacks) != 1:
        raise Unlike(f"{len(stacks)} stacks of layers")
    if called != list(stacks[0]):
        raise Unlike("layers that are used more than once")
    return called


def _within_list(model: nn.Module, name: str) -> bool:
    parents = [name.rsplit(".", cut)[0] for cut in range(1, name.count(".") + 1)]
    return any(isinstance(model.get_submodule(parent), nn.ModuleList) for parent in parents)


def first_of(output: Any) -> Tensor:  # noqa: ANN401 - a tensor or a tuple of which it is the first
    """Return a layer's hidden states."""
    found: Tensor = output[0] if isinstance(output, tuple) else output
    return found


def with_first(output: Any, hidden: Tensor) -> Any:  # noqa: ANN401
    """Return a layer's output with other hidden states."""
    return (hidden, *output[1:]) if isinstance(output, tuple) else hidden


def split(args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Tensor, tuple[Any, ...], dict[str, Any]]:
    """Return a layer's hidden states and its other arguments."""
    if args:
        return args[0], args[1:], given
    others = dict(given)
    return others.pop("hidden_states"), (), others


def place_of(layer: nn.Module, run: Callable[[], Tensor], current: Current) -> str:
    """Return which place of a layer's output the head reads: `first`, or `last` of the real tokens.

    Found by the gradient of the model's outputs.

    Args:
        layer: The last one.
        run: Gives the model's outputs on a batch of unequal lengths, and sets `current`.
        current: What that batch looks like.

    Raises:
        Unlike: It reads others too.
    """
    seen: list[Tensor] = []

    def leaf(_layer: nn.Module, _args: Any, out: Any) -> Any:  # noqa: ANN401 - torch's hook
        seen.append(first_of(out).detach().requires_grad_())  # of a frozen body too
        return with_first(out, seen[-1])

    handle = layer.register_forward_hook(leaf)
    try:
        outputs = run()
    finally:
        handle.remove()
    (gradient,) = torch.autograd.grad(outputs.sum(), seen[-1:])
    read = gradient.abs().amax(dim=-1) > 0
    rows = torch.arange(current.rows)
    for name, places in (("first", torch.zeros_like(rows)), ("last", current.last())):
        wanted = torch.zeros_like(read)
        wanted[rows, places] = True
        if torch.equal(read, wanted):
            return name
    raise Unlike("a head that reads more than one place")


@dataclass(frozen=True, slots=True)
class Projections:
    """What gives a layer's queries, keys and values."""

    attention: nn.Module
    joint: nn.Module | None
    query: nn.Module | None
    key: nn.Module | None
    value: nn.Module | None
    norm: nn.Module | None
    """What the layer's input goes through first; None if nothing."""


def projections_of(layer: nn.Module, run: Callable[[], Any]) -> Projections:
    """Return the projections of a layer.

    Raises:
        Unlike: There is not exactly one attention, or it is not fed by the layer's input or that one's norm.
    """
    found = [
        (module, names)
        for module in layer.modules()
        for names in (*PROJECTIONS, *((name,) for name in JOINT))
        if all(hasattr(module, name) for name in names)
    ]
    if len(found) != 1:
        raise Unlike(f"{len(found)} attentions in a layer")
    module, names = found[0]
    parts = [getattr(module, name) for name in names]
    given, outputs = _watched(layer, run)
    sources = {id(given[part]): given[part] for part in parts if part in given}
    if len(sources) != 1:
        raise Unlike("queries, keys and values of unlike inputs")
    (source,) = sources.values()
    norm = None
    if source is not given[layer]:
        norms = [m for m, out in outputs.items() if out is source and given.get(m) is given[layer]]
        if len(norms) != 1:
            raise Unlike("keys that are made of something else than the layer's input")
        norm = norms[0]
    if len(parts) == 1:
        return Projections(module, parts[0], None, None, None, norm)
    return Projections(module, None, parts[0], parts[1], parts[2], norm)


def _watched(layer: nn.Module, run: Callable[[], Any]) -> tuple[dict[nn.Module, Any], dict[nn.Module, Any]]:
    """Return what each module of a layer was given first, and what it gave."""
    given: dict[nn.Module, Any] = {}
    outputs: dict[nn.Module, Any] = {}

    def note(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:  # noqa: ANN401
        given[module] = args[0] if args else kwargs.get("hidden_states")
        outputs[module] = out

    with ExitStack() as stack:
        for module in layer.modules():
            stack.callback(module.register_forward_hook(note, with_kwargs=True).remove)
        run()
    return given, outputs
