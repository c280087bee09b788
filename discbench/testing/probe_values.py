"""The conformance kit for probes of plugins: a `Probe` value is run on small models, and its promises are tried.

A promise is a word of `PROMISES`: something is done to the models or to the rows, and no value may move. Controls are
exempt, the values whose names begin with `null` or `unmatched`: a shuffle moves with its rows.
"""

import contextlib
import copy
import io
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from discbench.errors import PluginError, UserError
from discbench.models.inputs import Inputs
from discbench.plugins import registry
from discbench.probing.answers import checked
from discbench.probing.measuring import Given, Subject, subject_of
from discbench.testing.checkpoints import tiny_checkpoint
from discbench.training.run import Bench
from discbench.values.checkpoints import locate
from discbench.values.measurement import Measurement, Probe, Side
from discbench.values.place import Place

TOLERANCE = 1e-5
ROWS = 16
WIDTH = 64
COLUMNS = 3
CONTROLS = ("null", "unmatched")


def check_probe_value(probe: Probe) -> None:
    """Assert that a probe can be trusted, on two small random models in float64 and a generated task.

    It repeats to the digit, returns finite numbers by name and a figure that JSON can hold, tells its progress, leaves
    both models as they were (weights, modes, which weights learn, how attention is computed), keeps every promise of
    its `invariances` and the values of `identical`, and answers a single row with numbers or a UserError.

    Raises:
        AssertionError: The first promise that does not hold, with what was found.
        PluginError: A promise that the kit does not know, or `identity` without values.
    """
    if unknown := set(probe.invariances) - PROMISES.keys() - {"identity"}:
        raise PluginError(f"probe {probe.name!r} promises {sorted(unknown)}; the kit knows {sorted(PROMISES)}")
    if ("identity" in probe.invariances) != bool(probe.identical):
        raise PluginError(f"probe {probe.name!r}: the promise 'identity' and the values of `identical` go together")
    with tempfile.TemporaryDirectory() as folder:
        subject, measurement = _example_subject(probe, Path(folder))
    told: list[int] = []
    subject.say = told.append
    before = [_state(model) for model in (subject.model, subject.other)]
    defaults, printed = torch.get_default_dtype(), io.StringIO()
    with contextlib.redirect_stdout(printed):
        first, second = (_measured(probe, subject, measurement) for _ in range(2))
    text, kept = printed.getvalue(), torch.get_default_dtype() == defaults
    torch.set_default_dtype(defaults)
    assert not text, f"{probe.name}: prints nothing, but it prints {text!r:.60}"
    assert kept, f"{probe.name}: leaves torch as it was, but its default dtype changed"
    after = [_state(model) for model in (subject.model, subject.other)]
    values = first["values"], second["values"]
    assert values[0] == values[1], f"{probe.name}: repeats to the digit, but {values[0]} became {values[1]}"
    for was, now in zip(before, after, strict=True):
        changed = [name for name in was if was[name] != now[name]]
        assert not changed, f"{probe.name}: leaves the models as they were, but {changed[0]} changed"
    assert told, f"{probe.name}: tells its progress by subject.tell(rows), but it told nothing"
    _check_promises(probe, subject, measurement, values[0])
    _check_one_row(probe, subject, measurement)


def _check_promises(probe: Probe, subject: Subject, measurement: Measurement, expected: dict[str, Any]) -> None:
    for promise in probe.invariances:
        if promise == "identity":
            twin = _like(subject, other=copy.deepcopy(subject.model), other_given=subject.given)
            wanted: dict[str, Any] = dict(probe.identical)
        else:
            twin = PROMISES[promise](_like(subject, **_copies(subject)))
            wanted = {name: value for name, value in expected.items() if not name.startswith(CONTROLS)}
        found = _measured(probe, twin, measurement)["values"]
        for name, value in wanted.items():
            assert name in found, f"{probe.name}: {name} is {value} for identical models, but there is no such value"
            gap = 0.0 if value == found[name] else abs((value or 0.0) - (found[name] or 0.0))
            assert gap <= TOLERANCE * max(1.0, abs(value or 0.0)), (
                f"{probe.name}: keeps its value under {promise}, but {name} {value} became {found[name]}"
                if promise != "identity"
                else f"{probe.name}: {name} of a model and itself is {value}, but it is {found[name]}"
            )


def _measured(probe: Probe, subject: Subject, measurement: Measurement) -> dict[str, Any]:
    try:
        found = probe.measure(subject, measurement)
    except Exception as error:
        raise AssertionError(f"{probe.name}: measures two small models, but it raised {error!r}") from error
    try:
        return checked(probe, found)
    except TypeError as error:
        raise AssertionError(f"{probe.name}: returns numbers by name, but {error}") from error


def _check_one_row(probe: Probe, subject: Subject, measurement: Measurement) -> None:
    single = _like(subject, given=_taken(subject.given, [0]), other_given=_taken(subject.other_given, [0]))
    try:
        checked(probe, probe.measure(single, replace(measurement, limit=1)))
    except UserError:
        return
    except Exception as error:
        raise AssertionError(
            f"{probe.name}: answers one row with numbers or a UserError, but it raised {error!r}"
        ) from error


def _like(subject: Subject, **fields: Any) -> Subject:  # noqa: ANN401 - the fields of a Subject
    return replace(subject, say=lambda _: None, done=0, **fields)


def _copies(subject: Subject) -> dict[str, Any]:
    return {"model": copy.deepcopy(subject.model), "other": copy.deepcopy(subject.other)}


def _taken(given: Given | None, rows: list[int]) -> Given:
    """Return what a model reads, of these rows in this order."""
    assert given is not None
    inputs = given.inputs
    pieces = [inputs.ids[inputs.offsets[row] : inputs.offsets[row + 1]] for row in rows]
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])]).astype(np.int64)
    return replace(
        given, inputs=replace(inputs, ids=np.concatenate(pieces), offsets=offsets, targets=inputs.targets[rows])
    )


def _in_another_order(subject: Subject) -> Subject:
    order = list(range(len(subject.given.inputs)))[::-1]
    return replace(subject, given=_taken(subject.given, order), other_given=_taken(subject.other_given, order))


class _Wider(Inputs):
    """Rows with further columns of padding."""

    def batch(self, rows: Any) -> dict[str, Tensor]:  # noqa: ANN401 - as Inputs has it
        made = Inputs.batch(self, rows)
        for name, fill in (("input_ids", self.pad), ("attention_mask", 0)):
            made[name] = nn.functional.pad(made[name], (0, COLUMNS), value=fill)
        return made


def _padded(subject: Subject) -> Subject:
    def wider(given: Given | None) -> Given:
        assert given is not None
        return replace(
            given, inputs=_Wider(given.inputs.ids, given.inputs.offsets, given.inputs.targets, given.inputs.pad)
        )

    return replace(subject, given=wider(subject.given), other_given=wider(subject.other_given))


def _in_train_mode(subject: Subject) -> Subject:
    subject.model.train()
    subject.other.train()
    return subject


def _turned(subject: Subject) -> Subject:
    assert subject.other_given is not None
    return replace(
        subject, model=subject.other, other=subject.model, given=subject.other_given, other_given=subject.given
    )


def _heads_in_another_order(subject: Subject) -> Subject:
    """Turn the order of the other model's heads around; the model computes what it did."""
    with torch.no_grad():
        for layer in subject.other.bert.encoder.layer:
            count = subject.other.config.num_attention_heads
            inner, leaving = layer.attention.self, layer.attention.output.dense
            for part in (inner.query, inner.key, inner.value):
                part.weight.copy_(part.weight.unflatten(0, (count, -1)).flip(0).flatten(0, 1))
                part.bias.copy_(part.bias.unflatten(0, (count, -1)).flip(0).flatten(0, 1))
            leaving.weight.copy_(leaving.weight.unflatten(1, (count, -1)).flip(1).flatten(1, 2))
    return subject


def _last_layer(matrix: Callable[[Tensor], Tensor], shift: float = 0.0) -> Callable[[Subject], Subject]:
    """Put a fixed linear map, made from the identity, behind the last layer of both models."""

    def apply(subject: Subject) -> Subject:
        for number, model in enumerate((subject.model, subject.other)):
            generator = torch.Generator().manual_seed(number)
            linear = nn.Linear(WIDTH, WIDTH).double()
            with torch.no_grad():
                linear.weight.copy_(matrix(torch.eye(WIDTH, dtype=torch.float64)))
                linear.bias.copy_(shift * torch.randn(WIDTH, generator=generator))
            last = model.bert.encoder.layer[-1].output
            last.LayerNorm = nn.Sequential(last.LayerNorm, linear)
        return subject

    return apply


def _rotation(identity: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    rotation: Tensor = torch.linalg.qr(torch.randn(identity.shape, generator=generator, dtype=torch.float64))[0]
    return rotation


PROMISES: dict[str, Callable[[Subject], Subject]] = {
    "repeat": lambda subject: subject,
    "mode": _in_train_mode,
    "padding": _padded,
    "row_order": _in_another_order,
    "symmetric": _turned,
    "head_order": _heads_in_another_order,
    "translation": _last_layer(lambda identity: identity, shift=3.0),
    "scale": _last_layer(lambda identity: 50 * identity),
    "feature_order": _last_layer(lambda identity: identity.flip(0)),
    "orthogonal": _last_layer(_rotation),
}
"""What may be done to a subject, by the word that promises that no value moves."""


def _example_subject(probe: Probe, folder: Path) -> tuple[Subject, Measurement]:
    task = registry.tasks(registry.plugins())["formal.factor"]
    found = locate(str(tiny_checkpoint(folder / "model", hidden_size=WIDTH, initializer_range=0.1)))
    sides = [Side(checkpoint=found.name, revision=found.revision, init="scratch", seed=seed) for seed in (0, 1)]
    measurement = Measurement(
        probe=probe.id,
        model=sides[0],
        against=sides[1],
        task=task.id,
        rows=str(task.dataset.rows_sha256),
        mapping="random",
        mapping_seed=0,
        map_specials=False,
        limit=ROWS,
        layers=(-1,),
        as_published=False,
    )
    subject = subject_of(measurement, task, {found.id: found}, Bench(Place(results=folder)), lambda _: None)
    return replace(subject, model=subject.model.double(), other=subject.other.double()), measurement


def _state(model: Any) -> dict[str, Any]:  # noqa: ANN401 - transformers' model classes
    return {
        **{f"weight {name}": float(value.double().sum()) for name, value in model.state_dict().items()},
        "its mode": [module.training for module in model.modules()],
        "which weights learn": [weight.requires_grad for weight in model.parameters()],
        "its attention": model.config._attn_implementation,  # noqa: SLF001
    }
