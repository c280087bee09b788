"""Fine-tuning: one loop on accelerate. It knows rows, a recipe and a model; no task, no store."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from discbench.errors import CellError, CheckpointError
from discbench.models.families import advice, position_limit
from discbench.models.inputs import Inputs
from discbench.training import ranks
from discbench.training.answers import Best, Outputs, logits, predict
from discbench.training.engine.adam import clip
from discbench.training.engine.savings import Plan, applied
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


class RowNumbers(Dataset[int]):
    """The numbers 0..rows-1; `Inputs.batch` makes a batch of them."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> int:
        return row


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


def training_batches(
    inputs: Inputs, recipe: Recipe, seed: int, accelerator: Accelerator
) -> Iterator[dict[str, Tensor]]:
    """Yield this process's share of shuffled batches without end.

    All processes draw the same batches of `recipe.batch` rows; each takes every n-th row of them. `weight` is what the
    mean loss of the share counts for: the mean over the processes is then the mean over the batch's rows, also where
    they do not divide. A process without a row takes the batch's first, at weight 0.
    """
    rank, processes = accelerator.process_index, accelerator.num_processes

    def share(rows: list[int]) -> dict[str, Tensor]:
        own = rows[rank::processes]
        weight = torch.tensor(len(own) * processes / len(rows))
        return {**inputs.batch(own or rows[:1]), "weight": weight}

    loader = DataLoader(
        RowNumbers(len(inputs)),
        batch_size=recipe.batch,
        shuffle=True,
        generator=torch.Generator().manual_seed(seed),
        collate_fn=share,
        drop_last=recipe.drop_last and len(inputs) >= recipe.batch,
    )
    while True:
        for drawn in loader:
            yield {name: tensor.to(accelerator.device) for name, tensor in drawn.items()}


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

    Raises:
        CheckpointError: Rows longer than the model's positions.
        CellError: The loss became NaN or infinite.
    """
    check_lengths(model, (train, validation, test), recipe.max_tokens)
    with applied(model, plan, seed + ranks.number()):
        return _trained(model, (train, validation, test), recipe, seed, device, score, report)


def _trained(
    model: nn.Module,
    splits: tuple[Inputs, Inputs, Inputs],
    recipe: Recipe,
    seed: int,
    device: str,
    score: Score,
    report: Report,
) -> Trained:
    train, validation, test = splits
    accelerator = accelerator_for(device, recipe, unused=ranks.count() > 1 and has_unused_weights(model, train))
    steps = steps_of(len(train), as_record(recipe))
    epoch = steps_per_epoch(len(train), as_record(recipe))
    every = recipe.evaluate_every or epoch
    alone = _alone(accelerator, recipe)
    optimizer: Any = optimizer_for(model, recipe, alone=alone)
    prepared, optimizer = (model, optimizer) if alone else accelerator.prepare(model, optimizer)
    torch.manual_seed(seed + accelerator.process_index)
    curve, best, told = Curve(), Best(), 0.0
    losses = _Losses(curve.loss, accelerator)
    prepared.train()
    for step, drawn in zip(range(steps), training_batches(train, recipe, seed, accelerator), strict=False):
        loss = _step(prepared, drawn, optimizer, accelerator, recipe, rate(step, steps, recipe))
        losses.take(loss)
        if curve.loss and time.monotonic() - told > 0.2:  # noqa: PLR2004 - seconds; often enough for an eye
            report(step + 1, steps, curve.loss[-1])
            told = time.monotonic()
        over = step + 1 == steps or losses.low_enough(recipe, epoch)
        if (step + 1) % every == 0 or over:
            outputs = predict(prepared, validation, accelerator)
            curve.validation.append((step + 1, score(outputs)))
            best.offer(step + 1, curve.validation[-1][1], outputs, model, keep=recipe.select == "best")
            prepared.train()
        if over:
            break
    losses.read()
    return _answers(prepared, model, test, accelerator, best, curve)


def _answers(
    prepared: nn.Module, model: nn.Module, test: Inputs, accelerator: Accelerator, best: Best, curve: Curve
) -> Trained:
    final = predict(prepared, test, accelerator)
    curve.best_step = best.step
    if best.state is None or best.step == len(curve.loss):
        chosen = final
    else:
        best.restore(model)
        chosen = predict(prepared, test, accelerator)
    return Trained(best.outputs, chosen, final, curve)


def _step(
    model: nn.Module,
    drawn: dict[str, Tensor],
    optimizer: Any,  # noqa: ANN401 - accelerate's wrapper
    accelerator: Accelerator,
    recipe: Recipe,
    factor: float,
) -> Tensor:
    for group in optimizer.param_groups:
        group["lr"] = recipe.lr * factor
    loss = loss_of(logits(model, drawn), drawn["targets"]) * drawn["weight"]
    if _alone(accelerator, recipe):
        loss.backward()
    else:
        accelerator.backward(loss)
    if recipe.clip is not None:
        _clip(accelerator, optimizer, recipe.clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.detach()


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


class _Losses:
    """The losses of all steps; read from a device other than the CPU once in `EVERY` steps, for each time it waits."""

    EVERY = 16

    def __init__(self, known: list[float], accelerator: Accelerator) -> None:
        self.known = known
        self._waiting: list[Tensor] = []
        self._accelerator = accelerator
        self._most = 1 if accelerator.device.type == "cpu" else self.EVERY
        self._whole = self._most == accelerator.num_processes == 1

    def take(self, loss: Tensor) -> None:
        """Add a step's loss, of this process's share of the batch."""
        if self._whole:
            self.known.append(_finite(loss.item(), len(self.known)))
            return
        self._waiting.append(loss)
        if len(self._waiting) >= self._most:
            self.read()

    def read(self) -> None:
        """Bring `known` up to date."""
        if not self._waiting:
            return
        together = self._accelerator.reduce(torch.stack(self._waiting), reduction="mean").tolist()
        self._waiting.clear()
        for loss in together:
            self.known.append(_finite(loss, len(self.known)))

    def low_enough(self, recipe: Recipe, epoch: int) -> bool:
        """Tell whether an epoch has just ended whose mean loss is below the recipe's `stop_below`."""
        if recipe.stop_below is None or (len(self.known) + len(self._waiting)) % epoch:
            return False
        self.read()
        return float(np.mean(self.known[-epoch:])) < recipe.stop_below


def _finite(loss: float, step: int) -> float:
    if not np.isfinite(loss):
        advice = (
            "try a smaller learning rate (--set lr=...)"
            if step
            else "no weight has moved yet: the targets or the checkpoint's weights are too large"
        )
        raise CellError(f"the training loss is {loss} at step {step + 1}; {advice}")
    return loss
