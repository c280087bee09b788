"""How far a model's output moves when Gaussian noise is added to every parameter (Kao & Lee 2021, §4, perturbation).

distance = |h(theta + std z) - h(theta)|_2 for each example, with h the last layer's output at one token and z
drawn from N(0, 1) for every parameter of the encoder. The model itself is never touched: noise is added to a twin whose
weights are copied anew from the clean ones for every draw (adding and subtracting noise would drift).
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn

from discbench.errors import UserError
from discbench.probes.evaluation import device_of, encoder_of, evaluating, last_hidden, real_tokens

INVARIANCES = ("padding", "mode", "repeat")

STDS = (1e-2, 1e-4, 1e-6, 1e-8)  # §4: the paper's four
RESOLVED = 100
"""Noise below this many rounding steps of weights near 1 goes to a float64 twin (float32: below 1.2e-5)."""


def output_distance(
    model: nn.Module,
    batch: Mapping[str, Tensor],
    std: float | Sequence[float] = STDS,
    draws: int = 3,
    *,
    seed: int = 0,
    precision: Literal["auto", "model", "float64"] = "auto",
    as_published: bool = False,
    at: Literal["first", "last"] = "first",
    told: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Return the L2 distance of one token's last-layer vectors under noise on every parameter, per standard deviation.

    Args:
        model: an encoder, or a model with a head, of which the encoder is taken.
        batch: what the encoder takes: input_ids, attention_mask, ...
        std: one or several standard deviations, 0 or more.
        draws: how often noise is drawn. Draw k has its own generator from (seed, k) on the CPU and is the same z for
            every std, precision and device.
        seed: of the noise.
        precision: "auto" computes in float64 where the model's own precision cannot resolve the noise (float32 below
            1.2e-5); "model" and "float64" always do as they say.
        as_published: leave dropout on (seeded per pass) and keep the model's precision, as the paper's code does: two
            passes then differ by dropout alone, which hides small noise.
        at: which token's vector is measured: the first, or each row's last real one, for decoders, whose first token
            sees nothing but itself.
        told: called with the share of the draws that are done.

    Returns:
        std; mean and sd over draws and examples (n in the denominator), relative (mean distance over the clean
        vector's length) and precision, one per std; distances (stds, draws, batch) as an array; draws, examples, seed.

    Raises:
        UserError: a negative std, no draws, padding at the first position, outputs that are not finite.
    """
    stds = [float(s) for s in np.atleast_1d(np.asarray(std, dtype=float))]
    if not stds or draws < 1 or not all(0 <= s < float("inf") for s in stds):
        raise UserError(
            f"noise of std {stds} in {draws} draws was asked; give finite values of 0 or more, and 1 draw at least"
        )
    encoder = encoder_of(model)
    dtypes = [_precision(encoder, s, "model" if as_published else precision) for s in stds]
    inputs = {name: value.to(device_of(encoder)) for name, value in batch.items()}
    places = _places(inputs, at)
    found = np.zeros((len(stds), draws, len(inputs["input_ids"])))
    relative, done = np.zeros_like(found), 0
    for dtype in dict.fromkeys(dtypes):
        twin = copy.deepcopy(encoder).to(dtype)
        with evaluating(twin, train=as_published), torch.no_grad():
            clean = _output(twin, inputs, places, (seed, 0) if as_published else None)
            for i, k in np.argwhere([[d == dtype] * draws for d in dtypes]).tolist():
                _set_weights(twin, encoder, stds[i], (seed, k))
                moved = _output(twin, inputs, places, (seed, k + 1) if as_published else None)
                found[i, k] = (moved - clean).norm(dim=1).numpy()
                relative[i, k] = found[i, k] / clean.norm(dim=1).numpy()
                done += 1
                if told is not None:
                    told(done / (len(stds) * draws))
    return {
        "std": stds,
        "mean": found.mean(axis=(1, 2)),
        "sd": found.std(axis=(1, 2)),
        "relative": relative.mean(axis=(1, 2)),
        "precision": [str(d).removeprefix("torch.") for d in dtypes],
        "distances": found,
        "draws": draws,
        "examples": found.shape[2],
        "seed": seed,
    }


def _places(inputs: dict[str, Tensor], at: str) -> Int[Tensor, "... batch"]:
    """Return the position of each sequence that is measured; refuse sequences whose first position is padding."""
    ids = inputs["input_ids"]
    real = real_tokens(ids, inputs.get("attention_mask"))
    if at not in ("first", "last"):
        raise UserError(f"at={at!r} was asked; give 'first' or 'last'")
    if at == "last":
        return (real * torch.arange(1, ids.shape[1] + 1, device=ids.device)).argmax(dim=1)
    padding = ~real[:, 0]
    if padding.any():
        raise UserError(
            f"the first position of {int(padding.sum())} of {len(ids)} sequences is padding, but its output is "
            "measured; pad on the right"
        )
    return torch.zeros(len(ids), dtype=torch.long, device=ids.device)


def _precision(encoder: nn.Module, std: float, precision: str) -> torch.dtype:
    own = next(encoder.parameters()).dtype
    if precision not in ("auto", "model", "float64"):
        raise UserError(f"precision={precision!r} was asked; give 'auto', 'model' or 'float64'")
    if precision == "float64" or (precision == "auto" and 0 < std < RESOLVED * torch.finfo(own).eps):
        return torch.float64
    return own


def _output(
    encoder: nn.Module, inputs: dict[str, Tensor], places: Int[Tensor, "... batch"], seed: tuple[int, int] | None
) -> Float64[Tensor, "batch width"]:
    """Return the measured tokens' last-layer vectors."""
    rows = torch.arange(len(places), device=places.device)
    if seed is None:
        return last_hidden(encoder, inputs)[rows, places].double().cpu()
    with torch.random.fork_rng():
        torch.manual_seed(_number(seed))
        return last_hidden(encoder, inputs)[rows, places].double().cpu()


def _set_weights(twin: nn.Module, clean: nn.Module, std: float, seed: tuple[int, int]) -> None:
    """Copy the clean weights into the twin, with noise added in float64."""
    generator = torch.Generator().manual_seed(_number(seed))
    for target, source in zip(twin.parameters(), clean.parameters(), strict=True):
        noise: Float[Tensor, ...] = torch.randn(source.shape, generator=generator, dtype=torch.float64)
        target.copy_(source.double().cpu() + std * noise)


def _number(seed: tuple[int, int]) -> int:
    """Return a generator's seed from (seed, draw)."""
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> 1)
