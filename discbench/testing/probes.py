"""The conformance kit for probes: every invariance that a probe promises is tested on random and degenerate input.

A probe under test is a function of two inputs of one kind: feature matrices (tokens, width), attention maps (layers,
sequences, heads, length, length), or a model and its inputs (input_ids, attention_mask, labels). It returns a number
or an array, or a dict of them. Promises are words; each is one function below, and a failure reads `name: promise, but
what was found`.
"""

import copy
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discbench.errors import PluginError, UserError
from discbench.values.measurement import Probe

Array = NDArray[np.float64]
Input = Any
"""Features or maps (arrays), a model, or a model's inputs (a dict of tensors): whatever the kind of probe takes."""
Measure = Callable[[Any, Any], Any]
Promise = Callable[[Any, Any, np.random.Generator], tuple[Any, Any]]
Inputs = Callable[[np.random.Generator], dict[str, tuple[Any, Any]]]

TOLERANCE = 1e-6


def check_probe(
    measure: Measure | Probe,
    invariances: Iterable[str] = (),
    *,
    name: str = "",
    keys: Iterable[str] = (),
    of: str = "features",
    identical: float | None = None,
    swapped: dict[str, str] | None = None,
    seed: int = 0,
) -> None:
    """Assert that a probe keeps what it promises.

    Args:
        measure: the probe, a function of two inputs; or a `Probe` value, which says itself what it promises and is
            tried on small models (`discbench.testing.probe_values`): then nothing else is given.
        invariances: its promises: words of `PROMISES[of]`, "symmetric" or "identity".
        name: how to call it in messages.
        keys: the entries to compare if it returns a dict; without it, the whole answer is one number or array.
        of: "features", "attention" or "model".
        identical: what it returns for two identical inputs, if it promises "identity" (similarities 1, distances 0).
        swapped: for "symmetric": the key under which a key's value is found when the inputs change places.
        seed: of the random input.

    Raises:
        AssertionError: a promise is broken, or bad input is answered with anything but a UserError.
        PluginError: a promise that the kit does not know.
    """
    if isinstance(measure, Probe):
        from discbench.testing.probe_values import check_probe_value

        check_probe_value(measure)
        return
    promises, label = set(invariances), name or getattr(measure, "__qualname__", "probe")
    if unknown := promises - PROMISES[of].keys() - {"symmetric", "identity"}:
        raise PluginError(
            f"{label} promises {sorted(unknown)}, of which the kit knows nothing for {of}; it knows "
            f"{sorted({'symmetric', 'identity'} | PROMISES[of].keys())}"
        )

    def read(a: Input, b: Input) -> dict[str, Array]:
        answer = measure(a, b)
        return {key: np.asarray(answer[key]) for key in keys} if keys else {"value": np.asarray(answer)}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for case, (a, b) in INPUTS[of](np.random.default_rng(seed)).items():
            before = read(a, b)
            for promise in sorted(promises - {"symmetric", "identity"}):
                after = read(*PROMISES[of][promise](a, b, np.random.default_rng(seed + 1)))
                _compare(f"{label}: keeps its value under {promise} on {case} input", before, after)
            if "symmetric" in promises:
                after = read(b, a)
                turned = {(swapped or {}).get(key, key): value for key, value in after.items()}
                _compare(f"{label}: is symmetric on {case} input", before, turned)
            if "identity" in promises:
                same = {key: np.full_like(value, identical) for key, value in before.items()}
                _compare(
                    f"{label}: gives {identical} for identical models on {case} input", same, read(a, copy.deepcopy(a))
                )
    for what, (a, b) in REFUSED[of](np.random.default_rng(seed)).items():
        _check_refusal(f"{label}: refuses {what} with a UserError", measure, a, b)


def _compare(promise: str, expected: dict[str, Array], found: dict[str, Array]) -> None:
    for key, value in expected.items():
        gap = float(np.max(np.abs(value - found[key])))
        assert gap <= TOLERANCE, f"{promise}, but {key} differs by {gap:.3g}"


def _check_refusal(promise: str, measure: Measure, a: Input, b: Input) -> None:
    try:
        answer = measure(a, b)
    except UserError:
        return
    except Exception as error:
        raise AssertionError(f"{promise}, but it raised {error!r}") from error
    raise AssertionError(f"{promise}, but it answered {answer!r:.200}")


def _features(random: np.random.Generator) -> dict[str, tuple[Array, Array]]:
    """Return pairs of (240, 6) and (240, 5): ordinary ones, and the degenerate ones that are to be measured."""
    common = random.standard_normal((240, 3))
    x, y = (common @ random.standard_normal((3, w)) + random.standard_normal((240, w)) for w in (6, 5))
    deficient, constant, uneven = x.copy(), x.copy(), x * np.logspace(0, -3, 6)
    deficient[:, 5] = x[:, 0] - 2 * x[:, 1]
    constant[:, 2] = 7.0
    return {
        "random": (x, y),
        "rank-deficient": (deficient, y),
        "constant-feature": (constant, y),
        "unevenly scaled": (uneven, y),
    }


def _refused_features(random: np.random.Generator) -> dict[str, tuple[Array, Array]]:
    x, y = random.standard_normal((40, 6)), random.standard_normal((40, 5))
    broken = x.copy()
    broken[3, 2] = np.nan
    return {
        "NaN": (broken, y),
        "NaN on the other side": (y, broken),
        "infinity": (np.where(np.isnan(broken), np.inf, broken), y),
        "fewer rows than features": (x[:5], y[:5]),
        "one row": (x[:1], y[:1]),
        "no rows": (x[:0], y[:0]),
        "unequal rows": (x, y[:-1]),
        "features that are all constant": (np.ones_like(x), y),
        "a vector": (x[:, 0], y),
    }


def _maps(random: np.random.Generator) -> dict[str, tuple[Array, Array]]:
    """Return pairs of (2, 3, 4, 5, 5) row-stochastic maps."""
    raw = np.exp(random.standard_normal((2, 2, 3, 4, 5, 5)))
    a, b = raw / raw.sum(axis=-1, keepdims=True)
    twins = a.copy()
    twins[:, :, 1] = twins[:, :, 0]
    return {"random": (a, b), "twin-head": (twins, b), "one-sequence": (a[:, :1], b[:, :1]), "one-hot": _one_hot(a, b)}


def _one_hot(a: Array, b: Array) -> tuple[Array, Array]:
    rows: Array = np.eye(a.shape[-1])
    return rows[a.argmax(axis=-1)], rows[b.argmax(axis=-1)]


def _refused_maps(random: np.random.Generator) -> dict[str, tuple[Array, Array]]:
    a, b = _maps(random)["random"]
    return {
        "NaN": (np.where(a > a.mean(), np.nan, a), b),
        "another number of heads": (a[:, :, :3], b),
        "another number of layers": (a[:1], b),
        "another length": (a[..., :4, :4], b),
        "too few axes": (a[0], b[0]),
    }


def _rotation(width: int, random: np.random.Generator) -> Array:
    rotation: Array = np.linalg.qr(random.standard_normal((width, width)))[0]
    return rotation


def _mixing(width: int, random: np.random.Generator) -> Array:
    """Return an invertible map of condition number about 10."""
    stretched: Array = _rotation(width, random) * np.linspace(1, 10, width) @ _rotation(width, random)
    return stretched


def _reordered(a: Array, random: np.random.Generator) -> Array:
    """Return features in another order, some with the other sign."""
    width = a.shape[1]
    signs: Array = random.choice([-1.0, 1.0], width)
    return a[:, random.permutation(width)] * signs


def _in_another_row_order(a: Array, b: Array, random: np.random.Generator) -> tuple[Array, Array]:
    order = random.permutation(len(a))
    return a[order], b[order]


def _tiny_model() -> Input:
    """Return a random two-layer classifier in float64 with dropout, in train mode."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    shape = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(**shape, intermediate_size=24, max_position_embeddings=32)
        return BertForSequenceClassification(config).double().train()


def _models(random: np.random.Generator) -> dict[str, tuple[Any, Any]]:
    import torch

    ids = torch.from_numpy(random.integers(5, 40, (4, 6)))
    mask = torch.ones_like(ids)
    mask[3, 4:] = 0
    labels = torch.tensor([0, 1, 0, 1])
    one = {"input_ids": ids.clone(), "attention_mask": torch.ones_like(ids), "labels": labels}
    one["input_ids"][1:] = ids[0]
    padded = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    return {"random": (_tiny_model(), padded), "repeated-sequence": (_tiny_model(), one)}


def _refused_models(random: np.random.Generator) -> dict[str, tuple[Any, Any]]:
    import torch

    model, inputs = _models(random)["random"]
    broken = copy.deepcopy(model)
    torch.nn.init.constant_(broken.bert.encoder.layer[1].output.dense.bias, float("nan"))
    unseen = inputs | {"attention_mask": torch.zeros_like(inputs["attention_mask"])}
    return {"NaN weights": (broken, inputs), "a sequence that is all padding": (model, unseen)}


def _in_eval_mode(model: Input, inputs: Input, _: np.random.Generator) -> tuple[Any, Any]:
    return copy.deepcopy(model).eval(), inputs


def _padded(model: Input, inputs: Input, _: np.random.Generator) -> tuple[Any, Any]:
    import torch

    wider = {name: torch.nn.functional.pad(inputs[name], (0, 3)) for name in ("input_ids", "attention_mask")}
    return model, inputs | wider


PROMISES: dict[str, dict[str, Promise]] = {
    "features": {
        "translation": lambda a, b, r: (a + 3 * r.standard_normal(a.shape[1]), b - 5),
        "scale": lambda a, b, _: (a * 250.0, b * 0.004),
        "orthogonal": lambda a, b, r: (a @ _rotation(a.shape[1], r), b @ _rotation(b.shape[1], r)),
        "invertible_x": lambda a, b, r: (a @ _mixing(a.shape[1], r), b),
        "invertible_y": lambda a, b, r: (a, b @ _mixing(b.shape[1], r)),
        "feature_order": lambda a, b, r: (_reordered(a, r), _reordered(b, r)),
        "row_order": _in_another_row_order,
    },
    "attention": {
        "head_order": lambda a, b, r: (a[:, :, r.permutation(a.shape[2])], b[:, :, r.permutation(b.shape[2])]),
        "sequence_order": lambda a, b, _: (a[:, ::-1].copy(), b[:, ::-1].copy()),
    },
    "model": {"mode": _in_eval_mode, "padding": _padded, "repeat": lambda model, inputs, _: (model, inputs)},
}
INPUTS: dict[str, Inputs] = {"features": _features, "attention": _maps, "model": _models}
REFUSED: dict[str, Inputs] = {"features": _refused_features, "attention": _refused_maps, "model": _refused_models}
