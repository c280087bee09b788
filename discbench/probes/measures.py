"""The built-in probes on a `Subject`: rows of a task go through one model or two, and numbers come out."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from discbench.probes import attention, gradients, isometry, perturbation, pwcca
from discbench.probes.checks import GROUP
from discbench.probes.evaluation import encoder_of, evaluating, is_causal
from discbench.probing.measuring import Batch, Subject
from discbench.values.measurement import Measured, Measurement

BATCH = 16
BINS = 40
PUBLISHED_TOKENS = 1000
LOST = 1e-6
"""Singular values below this share of their block's largest are rounding: LayerNorm takes two directions away."""
MAPS_BYTES = 2**29
"""Attention maps of both models that are held at once; of 12 layers and heads at 512 tokens, one row's are 300 MB."""


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
    with _dropout(subject.other_model(), measurement):
        for mine, other in subject.pairs(BATCH):
            with torch.no_grad():
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
    return [found[layer][batch.compared] for layer in layers]


def attention_of(subject: Subject, measurement: Measurement) -> Measured:
    """Compare attention maps a few sequences at a time."""
    models: list[Any] = [subject.model, subject.other_model()]
    published = measurement.as_published
    distances, unmatched, tables = [], [], []
    with contextlib.ExitStack() as stack:
        for model in models:
            stack.enter_context(_eager(model))
        if published:
            stack.enter_context(_dropout(models[1], measurement))
        for mine, other in subject.pairs(_rows_at_once(subject), same_places=True):
            with torch.no_grad():
                a, b = (
                    encoder_of(model)(**batch.inputs, output_attentions=True).attentions
                    for model, batch in zip(models, (mine, other), strict=True)
                )
            if published:
                tables.append(attention.all_costs(a, b))
            else:
                found = attention.matched_distance(a, b, mine.inputs["attention_mask"])
                distances.append(found["distance"])
                unmatched.append(found["unmatched"] * found["sequences"])
            subject.tell(len(mine.rows))
    if published:
        mean = attention.as_published_of_costs(np.concatenate(tables, axis=1))["mean"]
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


def _rows_at_once(subject: Subject) -> int:
    """Return how many rows' attention maps fit into `MAPS_BYTES`; values do not depend on it."""
    config, longest = subject.model.config.get_text_config(), int(subject.given.inputs.lengths.max())
    one = 2 * 4 * config.num_hidden_layers * config.num_attention_heads * longest**2
    return max(1, min(BATCH, MAPS_BYTES // one))


@contextlib.contextmanager
def _dropout(model: Any, measurement: Measurement) -> Iterator[None]:  # noqa: ANN401 - transformers' model classes
    """Leave dropout on, drawn by the measurement's seed."""
    with torch.random.fork_rng(), evaluating(model, train=True):
        torch.manual_seed(measurement.mapping_seed)
        yield


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
    """Take singular values of one output position against each input position, as in the paper's figure 10.

    The position is the first; in decoders, where it sees nothing but itself, the last.
    """
    del measurement
    position = -1 if is_causal(subject.model, next(iter(subject.batches(1))).inputs) else 0
    found, kept = [], []
    for mine in subject.batches(1):
        inputs: dict[str, Any] = mine.inputs
        blocks = isometry.singular_values(subject.model, **inputs, of="blocks", position=position)
        for block in (each.numpy().astype(np.float64) for each in blocks):
            found.append(block.ravel())
            kept.append(block[block > LOST * block.max(axis=-1, keepdims=True)])
        subject.tell(len(mine.rows))
    values, logs = np.concatenate(found), np.log10(np.concatenate(kept))
    counts, edges = np.histogram(logs, bins=BINS)
    quantiles = {f"log10_q{q}": float(np.percentile(logs, q)) for q in (5, 25, 50, 75, 95)}
    return {
        "values": {
            "mean": float(values.mean()),
            "sd": float(values.std()),
            "largest": float(values.max()),
            "near_one": float(np.sum(np.abs(logs) < 0.1) / len(values)),  # noqa: PLR2004 - a tenth of a decade
            "lost": 1 - len(logs) / len(values),
            "position": position,
            **quantiles,
            "sequences": len(found),
        },
        "figure": {"edges": edges.tolist(), "counts": counts.tolist()},
    }


def gradients_of(subject: Subject, measurement: Measurement) -> Measured:
    """Take the cosines of per-example gradients of the task's own loss."""
    mine = next(iter(subject.batches(measurement.limit)))
    group = GROUP if measurement.as_published else 1
    whole = len(mine.rows) // group * group
    inputs: dict[str, Any] = {name: value[:whole] for name, value in mine.inputs.items()}
    table = gradients.cosines(
        subject.model,
        **inputs,
        labels=mine.targets[:whole],
        group=group,
        as_published=measurement.as_published,
        told=subject.tell_share,
    ).numpy()
    one_label = len(mine.targets[:whole].unique()) == 1
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
        "warnings": [f"all {whole} rows have one label, so that gradients agree"] if one_label else [],
    }


def perturbation_of(subject: Subject, measurement: Measurement) -> Measured:
    """Measure the output's distance under noise, for standard deviations from 1e-2 to 1e-8.

    The output is the first token's; in decoders, where it sees nothing but itself, and in models padded at the left,
    the last one's.
    """
    mine = next(iter(subject.batches(measurement.limit)))
    last = subject.given.inputs.left or is_causal(subject.model, mine.inputs)
    found = perturbation.output_distance(
        subject.model,
        mine.inputs,
        seed=measurement.mapping_seed,
        as_published=measurement.as_published,
        at="last" if last else "first",
        told=subject.tell_share,
    )
    per_std = {name: np.asarray(found[name]).tolist() for name in ("mean", "sd", "relative")}
    return {
        "values": {
            **{f"mean_{std:g}": per_std["mean"][i] for i, std in enumerate(found["std"])},
            **{f"relative_{std:g}": per_std["relative"][i] for i, std in enumerate(found["std"])},
            "examples": found["examples"],
            "draws": found["draws"],
            "position": -1 if last else 0,
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
