"""The built-in probes on a `Subject`: rows of a task go through one model or two, and numbers come out."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from discbench.errors import UserError
from discbench.probe import Measured, Measurement
from discbench.probes import attention, gradients, isometry, perturbation, pwcca
from discbench.probes.evaluation import encoder_of, evaluating
from discbench.probing import Batch, Subject

BATCH = 16
BINS = 40
PUBLISHED_TOKENS = 1000


def pwcca_of(subject: Subject, measurement: Measurement) -> Measured:
    """Compare hidden states of all real tokens, a batch at a time through running moments."""
    if measurement.as_published:
        return _pwcca_as_published(subject, measurement)
    moments = [pwcca.Moments() for _ in measurement.layers]
    for mine, other in subject.pairs(BATCH):
        with torch.no_grad():
            left = _states(subject.model, mine, measurement.layers)
            right = _states(subject.other_model(), other, measurement.layers)
        for of_layer, x, y in zip(moments, left, right, strict=True):
            of_layer.update(x, y)
        subject.tell(len(mine.rows))
    with _caught() as said:
        found = [pwcca.similarity_from_moments(of_layer) for of_layer in moments]
    names = ("pwcca_x", "pwcca_y", "mean_cca", "svcca", "cka")
    last = found[-1]
    values = {name: last[name] for name in (*names, "n", "width_x", "width_y", "rank_x", "rank_y", "saturated")}
    values |= {f"null_{name}": last["null"][name] for name in names}
    figure = {
        "layers": list(measurement.layers),
        **{name: [each[name] for each in found] for name in names},
        **{f"null_{name}": [each["null"][name] for each in found] for name in names},
    }
    return {"values": values, "figure": figure, "warnings": said}


def _pwcca_as_published(subject: Subject, measurement: Measurement) -> Measured:
    x, y = [], []
    for mine, other in subject.pairs(BATCH):
        with torch.no_grad(), evaluating(subject.other_model(), train=True):
            x.append(_states(subject.model, mine, measurement.layers[-1:])[0])
            y.append(_states(subject.other_model(), other, measurement.layers[-1:])[0])
        subject.tell(len(mine.rows))
        if sum(map(len, x)) >= PUBLISHED_TOKENS:
            break
    left, right = (torch.cat(side)[:PUBLISHED_TOKENS] for side in (x, y))
    return {"values": {"pwcca_x": pwcca.as_published(left, right), "n": len(left)}}


def _states(model: Any, batch: Batch, layers: tuple[int, ...]) -> list[torch.Tensor]:  # noqa: ANN401
    """Return per layer the hidden states (tokens, width) of the tokens that are compared."""
    found = encoder_of(model)(**batch.inputs, output_hidden_states=True).hidden_states
    beyond = [layer for layer in layers if not -len(found) <= layer < len(found)]
    if beyond:
        raise UserError(
            f"layer {beyond[0]} was asked of a model with {len(found) - 1} layers; 0 is its input, -1 the last"
        )
    return [found[layer][batch.compared] for layer in layers]


def attention_of(subject: Subject, measurement: Measurement) -> Measured:
    """Compare attention maps a few sequences at a time."""
    models: list[Any] = [subject.model, subject.other_model()]
    published = measurement.as_published
    depths = sorted({int(model.config.num_hidden_layers) for model in models})
    if len(depths) > 1:
        raise UserError(f"models of {depths[0]} and {depths[1]} layers have no layer-by-layer distance; take a twin")
    distances, unmatched, sums = [], [], []
    with contextlib.ExitStack() as stack:
        for model in models:
            stack.enter_context(_eager(model))
        if published:
            stack.enter_context(evaluating(models[1], train=True))
        for mine, other in subject.pairs(BATCH, same_places=True):
            with torch.no_grad():
                a, b = (
                    encoder_of(model)(**batch.inputs, output_attentions=True).attentions
                    for model, batch in zip(models, (mine, other), strict=True)
                )
            if published:
                sums.append(attention.as_published(a, b)["mean"])
            else:
                found = attention.matched_distance(a, b, mine.inputs["attention_mask"])
                distances.append(found["distance"])
                unmatched.append(found["unmatched"] * found["sequences"])
            subject.tell(len(mine.rows))
    if published:
        mean = np.mean(sums, axis=0)
        return {"values": {"mean": float(mean.mean())}, "figure": {"layers": _numbers(mean), "mean": mean.tolist()}}
    whole = np.concatenate(distances, axis=1)
    mean, plain = whole.mean(axis=1), np.sum(unmatched, axis=0) / whole.shape[1]
    return {
        "values": {
            "mean": float(mean.mean()),
            "sd": float(whole.mean(axis=0).std()),
            "unmatched": float(plain.mean()),
            "sequences": int(whole.shape[1]),
            **{f"layer_{i}": float(value) for i, value in zip(_numbers(mean), mean, strict=True)},
        },
        "figure": {
            "layers": _numbers(mean),
            "mean": mean.tolist(),
            "sd": whole.std(axis=1).tolist(),
            "unmatched": plain.tolist(),
        },
    }


def _numbers(per_layer: NDArray[Any]) -> list[int]:
    return list(range(1, len(per_layer) + 1))


@contextlib.contextmanager
def _eager(model: Any) -> Iterator[None]:  # noqa: ANN401 - transformers' model classes
    """Have a model compute its attention maps in the open, and put back what it had."""
    before = model.config._attn_implementation  # noqa: SLF001
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def isometry_of(subject: Subject, measurement: Measurement) -> Measured:
    """Take singular values of the first output position against each input position, as in the paper's figure 10."""
    del measurement
    found: list[NDArray[Any]] = []
    for mine in subject.batches(1):
        blocks = isometry.singular_values(
            subject.model, mine.inputs["input_ids"], mine.inputs["attention_mask"], of="blocks", position=0
        )
        found += [block.numpy().astype(np.float64).ravel() for block in blocks]
        subject.tell(len(mine.rows))
    values = np.concatenate(found)
    logs = np.log10(np.maximum(values, np.finfo(np.float32).tiny))
    counts, edges = np.histogram(logs, bins=BINS)
    quantiles = {f"log10_q{q}": float(np.percentile(logs, q)) for q in (5, 25, 50, 75, 95)}
    return {
        "values": {
            "mean": float(values.mean()),
            "sd": float(values.std()),
            "largest": float(values.max()),
            "near_one": float(np.mean(np.abs(logs) < 0.1)),  # noqa: PLR2004 - a tenth of a decade
            **quantiles,
            "sequences": len(found),
        },
        "figure": {"edges": edges.tolist(), "counts": counts.tolist()},
    }


def gradients_of(subject: Subject, measurement: Measurement) -> Measured:
    """Take the cosines of per-example gradients of the task's own loss."""
    mine = next(iter(subject.batches(measurement.limit)))
    group = 32 if measurement.as_published else 1
    if len(mine.rows) < 2 * group:
        raise UserError(f"{len(mine.rows)} rows make fewer than two gradients of {group}; give --rows {2 * group}")
    whole = len(mine.rows) // group * group
    inputs = {name: value[:whole] for name, value in mine.inputs.items()}
    table = gradients.cosines(
        subject.model,
        inputs["input_ids"],
        inputs["attention_mask"],
        mine.targets[:whole],
        group=group,
        as_published=measurement.as_published,
    ).numpy()
    subject.tell(whole)
    pairs = table[np.triu_indices(len(table), 1)]
    counts, edges = np.histogram(pairs, bins=BINS, range=(-1, 1))
    return {
        "values": {
            "mean": float(pairs.mean()),
            "sd": float(pairs.std()),
            "lowest": float(pairs.min()),
            "negative": float((pairs < 0).mean()),
            "pairs": len(pairs),
        },
        "figure": {
            "edges": edges.tolist(),
            "counts": counts.tolist(),
            "mean": float(pairs.mean()),
            "sd": float(pairs.std()),
        },
    }


def perturbation_of(subject: Subject, measurement: Measurement) -> Measured:
    """Measure the output's distance under noise, for standard deviations from 1e-2 to 1e-8."""
    mine = next(iter(subject.batches(measurement.limit)))
    found = perturbation.output_distance(subject.model, mine.inputs, as_published=measurement.as_published)
    subject.tell(len(mine.rows))
    per_std = {name: np.asarray(found[name]).tolist() for name in ("mean", "sd", "relative")}
    return {
        "values": {
            **{f"mean_{std:g}": per_std["mean"][i] for i, std in enumerate(found["std"])},
            **{f"relative_{std:g}": per_std["relative"][i] for i, std in enumerate(found["std"])},
            "examples": found["examples"],
            "draws": found["draws"],
        },
        "figure": {"std": list(found["std"]), **per_std, "precision": found["precision"]},
    }


@contextlib.contextmanager
def _caught() -> Iterator[list[str]]:
    """Collect the text of warnings."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield said
    said += [" ".join(str(warning.message).split()) for warning in caught]
