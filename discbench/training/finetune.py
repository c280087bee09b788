"""Fine-tuning: one loop on accelerate. It knows rows, a recipe and a model; no task, no store."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from jaxtyping import Float
from torch import Tensor, nn

from discbench.errors import CheckpointError
from discbench.models.families import advice, position_limit
from discbench.models.inputs import Inputs
from discbench.training import ranks
from discbench.training.answers import Best, Outputs, logits, predict_within
from discbench.training.engine.adam import clip
from discbench.training.engine.dropout import Bits
from discbench.training.engine.savings import Plan, applied
from discbench.training.loop.batches import Batches, Part
from discbench.training.loop.keeper import Keeper
from discbench.training.loop.losses import Losses
from discbench.training.loop.state import State
from discbench.training.loop.way import Way
from discbench.training.optimizers import optimizer_for
from discbench.values.cells import steps_of, steps_per_epoch
from discbench.values.recipes import Recipe, as_record

Score = Callable[[Outputs], float]
Report = Callable[[int, int, float], None]
"""Called with (step, steps, loss)."""


@dataclass(slots=True)
class Curve:
    """What happened during training."""

    loss: list[float] = field(default_factory=list)
    """Mean training loss of every step."""
    validation: list[tuple[int, float]] = field(default_factory=list)
    """(step, primary metric, higher is better)."""
    best_step: int = 0


@dataclass(frozen=True, slots=True)
class Trained:
    """A fine-tuned model's answers."""

    validation: Outputs
    test: Outputs
    """Of the selected state."""
    final_test: Outputs
    """Of the last state."""
    curve: Curve


PLAIN = Plan()
"""No saving."""


def accelerator_for(device: str, recipe: Recipe, *, unused: bool = False) -> Accelerator:
    """Return accelerate's handle; on the CPU it is told so, or ranks would not see each other.

    Args:
        device: `cpu` or what accelerate finds.
        recipe: For its precision.
        unused: Whether several processes must look for weights without a gradient in each step.
    """
    AcceleratorState._reset_state()  # noqa: SLF001 - else the first cell's precision would be every cell's
    search = DistributedDataParallelKwargs(find_unused_parameters=unused)
    return Accelerator(cpu=device == "cpu", mixed_precision=recipe.precision, kwargs_handlers=[search])


def has_unused_weights(model: nn.Module, inputs: Inputs) -> bool:
    """Tell whether some weight has no part in the outputs, as XLNet's embedding of masked places."""
    model.eval()
    logits(model, inputs.batch([0])).sum().backward()
    found = any(p.requires_grad and p.grad is None for p in model.parameters())
    model.zero_grad(set_to_none=True)
    return found


def loss_of(outputs: Float[Tensor, "batch classes"], targets: Tensor) -> Float[Tensor, ""]:
    """Cross-entropy for classes, mean squared error for numbers, in the unit given (PAPER: num_labels = 1)."""
    if targets.is_floating_point():
        return nn.functional.mse_loss(outputs.squeeze(-1).float(), targets)
    return nn.functional.cross_entropy(outputs.float(), targets)


def rate(step: int, steps: int, recipe: Recipe) -> float:
    """Return the factor on the learning rate before step `step` (0-based)."""
    warm = round(recipe.warmup * steps)
    if step < warm:
        return (step + 1) / warm
    return 1.0 if recipe.schedule == "constant" else (steps - step) / max(1, steps - warm)


def check_lengths(model: nn.Module, splits: tuple[Inputs, ...], max_tokens: int | None = None) -> None:
    """Refuse rows that the model's positions cannot number."""
    limit, longest = position_limit(model, max_tokens), max(int(split.lengths.max()) for split in splits)
    if limit is not None and longest > limit:
        raise CheckpointError(
            f"rows of {longest} tokens were given to a model with {limit} positions; {advice(model, longest)}"
        )


def finetune(
    model: nn.Module,
    train: Inputs,
    validation: Inputs,
    test: Inputs,
    recipe: Recipe,
    seed: int,
    *,
    device: str,
    score: Score,
    report: Report,
    plan: Plan = PLAIN,
    way: Way | None = None,
    keeper: Keeper | None = None,
) -> Trained:
    """Train a model and return its answers on validation and test.

    Args:
        model: A sequence classifier, as `models.build` makes it.
        train: Rows to learn from.
        validation: Rows to select the state on.
        test: Rows to answer at the end.
        recipe: How.
        seed: Of the order of batches and of dropout.
        device: `cpu` or what accelerate finds.
        score: The primary metric of outputs on validation; higher is better.
        report: Told of progress.
        plan: The savings to train with.
        way: How steps are computed, by default as the recipe says; answers that need more memory than there is change
            its `places`.
        keeper: Saves the state of training, and has one to go on from; by default nobody does.

    Raises:
        CheckpointError: Rows longer than the model's positions.
        NotFinite: The loss became NaN or infinite.
        Unfit: A saved state does not fit; the model is spoilt.
    """
    check_lengths(model, (train, validation, test), recipe.max_tokens)
    way = way or Way(precision=recipe.precision)
    with applied(model, plan, seed + ranks.number()) as bits:
        made = _Cell(model, (train, validation, test), recipe, seed, score, report, plan, way, bits, keeper)
        return _trained(made, device)


@dataclass(frozen=True, slots=True)
class _Cell:
    """What a training is given."""

    model: nn.Module
    splits: tuple[Inputs, Inputs, Inputs]
    recipe: Recipe
    seed: int
    score: Score
    report: Report
    plan: Plan
    way: Way
    bits: Bits | None
    keeper: Keeper | None


def _trained(cell: _Cell, device: str) -> Trained:
    model, recipe, (train, validation, _) = cell.model, cell.recipe, cell.splits
    accelerator = accelerator_for(device, recipe, unused=ranks.count() > 1 and has_unused_weights(model, train))
    steps = steps_of(len(train), as_record(recipe))
    epoch = steps_per_epoch(len(train), as_record(recipe))
    every = recipe.evaluate_every or epoch
    alone = _alone(accelerator, recipe)
    optimizer: Any = optimizer_for(model, recipe, alone=alone)
    prepared, optimizer = (model, optimizer) if alone else accelerator.prepare(model, optimizer)
    torch.manual_seed(cell.seed + accelerator.process_index)
    curve, best, told = Curve(), Best(), 0.0
    losses = Losses(curve.loss, accelerator)
    batches = Batches(train, recipe, cell.seed, accelerator, cell.way.rows)
    state = State(
        model=model,
        optimizer=optimizer,
        batches=batches,
        loss=curve.loss,
        validation=curve.validation,
        best=best,
        bits=cell.bits,
        accelerator=accelerator,
    )
    done = cell.keeper.resume(state, cell.way, cell.plan.on) if cell.keeper else 0
    prepared.train()
    for step, parts in zip(range(done, steps), batches, strict=False):
        loss = _step(prepared, parts, optimizer, accelerator, recipe, rate(step, steps, recipe))
        losses.take(loss)
        if curve.loss and time.monotonic() - told > 0.2:  # noqa: PLR2004 - seconds; often enough for an eye
            cell.report(step + 1, steps, curve.loss[-1])
            told = time.monotonic()
        over = step + 1 == steps or losses.low_enough(recipe, epoch)
        if (step + 1) % every == 0 or over:
            outputs = predict_within(prepared, validation, accelerator, cell.way)
            curve.validation.append((step + 1, cell.score(outputs)))
            best.offer(step + 1, curve.validation[-1][1], outputs, model, keep=recipe.select == "best")
            prepared.train()
        if over:
            break
        if cell.keeper is not None and cell.keeper.due():
            losses.read()
            cell.keeper.save(state, step + 1, cell.way, cell.plan.on)
    losses.read()
    return _answers(cell, prepared, accelerator, best, curve)


def _answers(cell: _Cell, prepared: nn.Module, accelerator: Accelerator, best: Best, curve: Curve) -> Trained:
    model, test = cell.model, cell.splits[-1]
    final = predict_within(prepared, test, accelerator, cell.way)
    curve.best_step = best.step
    if best.state is None or best.step == len(curve.loss):
        chosen = final
    else:
        best.restore(model)
        chosen = predict_within(prepared, test, accelerator, cell.way)
    return Trained(best.outputs, chosen, final, curve)


def _step(
    model: nn.Module,
    parts: list[Part],
    optimizer: Any,  # noqa: ANN401 - accelerate's wrapper
    accelerator: Accelerator,
    recipe: Recipe,
    factor: float,
) -> Tensor:
    for group in optimizer.param_groups:
        group["lr"] = recipe.lr * factor
    losses = []
    for drawn in parts:
        loss = loss_of(logits(model, drawn), drawn["targets"]) * drawn["weight"]
        if _alone(accelerator, recipe):
            loss.backward()
        else:
            accelerator.backward(loss)
        losses.append(loss.detach())
    if recipe.clip is not None:
        _clip(accelerator, optimizer, recipe.clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return losses[0] if len(losses) == 1 else torch.stack(losses).sum()


def _alone(accelerator: Accelerator, recipe: Recipe) -> bool:
    """Tell whether all weights are on the CPU, in float32, and of this process: accelerate has nothing to do then."""
    return accelerator.device.type == "cpu" and accelerator.num_processes == 1 and recipe.precision == "no"


def _clip(accelerator: Accelerator, optimizer: Any, norm: float) -> None:  # noqa: ANN401 - accelerate's wrapper
    """Bound the gradient's norm; accelerate's own way walks the whole model several times, and only fp16 needs it."""
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    if accelerator.device.type == "cpu" and accelerator.scaler is None:
        clip(weights, norm)
    else:
        (nn.utils.clip_grad_norm_ if accelerator.scaler is None else accelerator.clip_grad_norm_)(weights, norm)
