"""What a checkpoint does, tried before its first cell: measured, not believed.

Each trial asks something of a sequence classifier on the CPU, in float32: that it takes rows of these lengths, learns
from them, sees all of a row, answers it the same again and beside others, and keeps padding apart.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from discbench.data.rows import Encoded
from discbench.errors import CheckpointError, DiscbenchError
from discbench.models.families import pads_left
from discbench.models.inputs import Inputs, to_inputs
from discbench.values.mapping import Vocabulary

Found = TypeVar("Found")
TOLERANCE = 1e-3
"""Of what other symbols would change: sums in float32 over another width come to far less, leaking padding to more."""
ROUNDING = 1e-6
"""Of an answer: what float32 alone may change."""
LONGEST = 4096
"""Tokens beyond which no other length is tried."""
SYMBOLS = 8
"""Symbols of a short row."""
SPANS = 4
"""A row's symbols are changed in so many parts, one after the other."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is tried, and how it is called where it fails."""

    model: Any
    """A sequence classifier on the CPU, in float32."""
    vocabulary: Vocabulary
    name: str
    task: str
    shortest: int
    """Tokens of the task's shortest row, special ones included."""
    longest: int

    def refusal(self, tokens: int, fault: str, advice: str = "") -> CheckpointError:
        """Return the error in its usual form: the task's rows, the model, what is wrong, what to do."""
        kind = self.model.config.model_type
        return CheckpointError(
            f"{self.task} has rows of {tokens} tokens, but {self.name!r} (a {kind!r}) {fault}"
            + (f"; {advice}" if advice else "")
        )


def look(subject: Subject) -> None:
    """Try what a cell's numbers rest on, the widest batch first: BigBird never returns from full to sparse attention.

    Raises:
        CheckpointError: The first trial that fails, in one sentence with its reason.
    """
    check_sight(subject, subject.longest)
    check_padding(subject)
    check_sight(subject, subject.shortest)
    check_learning(subject)


def trial_rows(vocabulary: Vocabulary, *symbols: np.ndarray, left: bool = False) -> Inputs:
    """Return rows made of the vocabulary's own regular ids, given as any non-negative numbers."""
    usable = min(len(vocabulary.regular), 2**16)
    codes = (np.concatenate(symbols) % usable).astype(np.uint16)
    ends = np.cumsum([0, *map(len, symbols)])
    made = to_inputs(Encoded(codes, ends, np.zeros(len(symbols))), vocabulary.regular, vocabulary, None)
    return replace(made, left=left)


def logits(model: nn.Module, inputs: Inputs, rows: list[int]) -> Tensor:
    """Return the model's outputs for these rows in one batch, (rows, outputs)."""
    drawn = inputs.batch(rows)
    found: Tensor = model(input_ids=drawn["input_ids"], attention_mask=drawn["attention_mask"]).logits
    return found


@contextmanager
def answering(model: nn.Module) -> Iterator[None]:
    """Put the model into eval mode, without gradients, for a while."""
    trained = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(trained)


def attempt(subject: Subject, tokens: int, what: str, call: Callable[[], Found]) -> Found:
    """Return what `call` returns; what the model raises is told in its own words."""
    try:
        return call()
    except DiscbenchError:
        raise
    except Exception as error:
        cause = " ".join(str(error).split())[:300] or "no words"
        other = length_taken(subject.model, subject.vocabulary)
        advice = f"it takes {other} tokens: cut them with --set max_tokens, or give another model" if other else ""
        raise subject.refusal(tokens, f"cannot {what}: {type(error).__name__}: {cause}", advice) from error


def length_taken(model: Any, vocabulary: Vocabulary) -> int | None:  # noqa: ANN401
    """Return a length of row, in tokens, that the model answers: a short one, else one that its configuration names."""
    around = len(vocabulary.prefix) + len(vocabulary.suffix)
    named = {n for n in model.config.to_dict().values() if isinstance(n, int) and around < n <= LONGEST}
    for tokens in (SYMBOLS + around, *sorted(named)):
        inputs = trial_rows(vocabulary, np.arange(tokens - around), left=pads_left(model))
        try:
            with answering(model):
                logits(model, inputs, [0])
        except Exception:  # noqa: BLE001, S112 - whatever a model raises at a length that it does not take
            continue
        return tokens
    return None


def check_sight(subject: Subject, tokens: int) -> None:
    """Refuse a model that does not see all of a row, or whose answer to it is not always the same.

    Args:
        subject: What is tried.
        tokens: Of the rows it is tried with.

    Raises:
        CheckpointError: Rows of this length cannot be answered; symbols of some part of the row change nothing in
            float32; two equal passes differ; rows of the same length beside it change the answer.
    """
    model = subject.model
    around = len(subject.vocabulary.prefix) + len(subject.vocabulary.suffix)
    first = np.arange(max(1, tokens - around)) * 7
    spans = [s for s in np.array_split(np.arange(len(first)), SPANS) if len(s)]
    others = [first + np.isin(np.arange(len(first)), span) for span in spans]
    inputs = trial_rows(subject.vocabulary, first, *others, first, left=pads_left(model))
    batches = [*range(len(spans) + 2)], [0], [0]
    with answering(model):
        together, alone, again = attempt(
            subject, tokens, "answer them", lambda: [logits(model, inputs, rows) for rows in batches]
        )
    if not bool(torch.isfinite(together).all()):
        raise subject.refusal(tokens, "answers them with NaN or infinity", "are its weights whole?")
    _judge(subject, tokens, Seen(together, alone, again), [(s[0] + 1, s[-1] + 1) for s in spans])


@dataclass(frozen=True, slots=True)
class Seen:
    """Answers to one row, each (rows, outputs)."""

    together: Tensor
    """The row, the row with one part after the other changed, and the row once more, in one batch."""
    alone: Tensor
    again: Tensor
    """As `alone`, in another pass."""


def _judge(subject: Subject, tokens: int, seen: Seen, places: list[tuple[int, int]]) -> None:
    row, last = seen.together[0], seen.together[-1]
    changes = (seen.together[1:-1] - row).abs().amax(dim=1).tolist()
    rounding, most = ROUNDING * float(seen.together.abs().max()), max(changes)
    if not most > rounding:
        advice = _why_blind(subject.model, "a score would be chance; give a model that sees its rows")
        raise subject.refusal(tokens, "answers the same whatever their symbols are", advice)
    unsteady, beside = max(_apart(seen.alone, seen.again), _apart(row, last)), _apart(row, seen.alone[0])
    if unsteady > max(rounding, TOLERANCE * most):
        raise subject.refusal(
            tokens,
            f"answers one row differently each time, by {unsteady / most:.1%} of what other symbols would change",
            "give a model without chance in its answers, or shorter rows with --set max_tokens",
        )
    # a part may count for little, as where a random recurrence forgets; what counts for nothing is not seen
    if blind := [place for place, change in zip(places, changes, strict=True) if not change > _apart(row, last)]:
        where = f"places {blind[0][0]} to {blind[0][1]} of {places[-1][1]}"
        advice = _why_blind(subject.model, "give a model that sees all of a row, or shorter rows with --set max_tokens")
        raise subject.refusal(tokens, f"answers the same whatever symbols stand at {where}", advice)
    if beside > max(rounding, TOLERANCE * most):
        raise subject.refusal(
            tokens,
            f"lets the rows of a batch change an answer, by {beside / most:.1%} of what other symbols would",
        )


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def _why_blind(model: Any, otherwise: str) -> str:  # noqa: ANN401
    if getattr(model.config, "is_decoder", False):
        return "its config.json says is_decoder, so that its first token sees no other: save it with is_decoder=false"
    return otherwise


def padding_leak(model: nn.Module, vocabulary: Vocabulary, shortest: int, longest: int) -> float:
    """Return how much a longer row in its batch changes a row's answer, as a share of what other symbols would change.

    About 1e-4 or less where the attention mask is respected. Convolutions and Fourier mixing across the padding give
    more, and so does an attention that is sparse for wide batches only.

    Args:
        model: A sequence classifier on the CPU, in float32.
        vocabulary: Whose ids the two rows are made of.
        shortest: Tokens of the row that is padded, special ones included.
        longest: Tokens of the row beside it.
    """
    around = len(vocabulary.prefix) + len(vocabulary.suffix)
    short, long = max(1, shortest - around), longest - around
    first = np.arange(short + long) * 7
    inputs = trial_rows(vocabulary, first[:short], first[short:], first[:short] + 1, left=pads_left(model))
    with answering(model):
        padded, alone, other = (logits(model, inputs, rows)[0] for rows in ([0, 1], [0], [2]))
    leak = _apart(padded, alone)
    return leak / _apart(other, alone) if leak > ROUNDING * float(alone.abs().max()) else 0.0


def check_padding(subject: Subject) -> None:
    """Refuse a model whose answers depend on which rows share a batch; rows of one length are never padded.

    Raises:
        CheckpointError: Padding leaks, and the rows need it.
    """
    shortest, longest = subject.shortest, subject.longest
    if shortest == longest:
        return
    leak = attempt(
        subject,
        shortest,
        "answer them",
        lambda: padding_leak(subject.model, subject.vocabulary, shortest, longest),
    )
    if not leak <= TOLERANCE:
        raise CheckpointError(
            f"{subject.task} has rows of {shortest} to {longest} tokens, but {subject.name!r} (a"
            f" {subject.model.config.model_type!r}) does not keep padding apart: the rows that share its batch change"
            f" an answer by {leak:.1%} of what other symbols would; give a model that respects its attention mask, or a"
            " task with rows of one length"
        )


def check_learning(subject: Subject) -> None:
    """Refuse a model that cannot be trained on rows of the task's lengths: some take other lengths then.

    Raises:
        CheckpointError: A step fails, or gives no weight of the body a gradient although some may learn.
    """
    model = subject.model
    around = len(subject.vocabulary.prefix) + len(subject.vocabulary.suffix)
    tried = {subject.longest, max(subject.shortest, subject.longest - 1), subject.shortest}
    for tokens in sorted(tried, reverse=True):
        inputs = trial_rows(subject.vocabulary, np.arange(max(1, tokens - around)) * 7, left=pads_left(model))
        trained = model.training
        model.train()
        attempt(subject, tokens, "learn from them", partial(_backward, model, inputs))
        moved = any(p.grad is not None and bool(p.grad.any()) for p in model.base_model.parameters())
        model.zero_grad(set_to_none=True)
        model.train(trained)
        if not moved and any(p.requires_grad for p in model.base_model.parameters()):
            raise subject.refusal(tokens, "gives no weight but its head's a gradient")


def _backward(model: nn.Module, inputs: Inputs) -> None:
    logits(model, inputs, [0]).sum().backward()
