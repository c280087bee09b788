"""PWCCA, mean CCA, SVCCA and unbiased linear CKA of two models' features, with the same on shuffled rows.

Projection-weighted CCA after Morcos, Raghu & Bengio 2018 (§3): with h_i the unit-norm canonical variates of x and x_j
its centred features, alpha_i = sum_j |<h_i, x_j>| and pwcca_x = sum_i alpha_i rho_i / sum_i alpha_i. Not symmetric.
The weights are L1 norms, so they survive a reordering or sign change of x's features but not a rotation of them.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from discbench.errors import UserError
from discbench.probes.features import Matrix, Moments, Rows, Sums, feature_pair

__all__ = ["INVARIANCES", "INVARIANCES_OF", "Moments", "SaturatedWarning", "as_published", "similarity"]
__all__ += ["similarity_from_moments"]

INVARIANCES = ("translation", "scale", "feature_order", "row_order", "identity")
"""What every value keeps; `INVARIANCES_OF` adds what single values keep."""

INVARIANCES_OF = {
    "pwcca_x": ("invertible_y",),
    "pwcca_y": ("invertible_x",),
    "mean_cca": ("invertible_x", "invertible_y", "orthogonal", "symmetric"),
    "svcca": ("orthogonal", "symmetric"),
    "cka": ("orthogonal", "symmetric"),
}

CUT = 1e-6
"""Directions below this share of the largest singular value are rounding: float32 leaves about 6e-8, see `Moments`."""
GRAM_IS_ENOUGH = 1e-3
"""Above this share, singular values from X'X are right to about 1e-10; below, the QR route takes over."""
CONSTANT = 1e-12
FEWEST_FOR_HSIC = 4


class SaturatedWarning(UserWarning):
    """So few rows that some canonical correlations are 1 for any data."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Singular values (rank,) of centred features, largest first, and their right singular vectors (width, rank)."""

    values: Float64[np.ndarray, "... rank"]
    directions: Float64[np.ndarray, "width rank"]

    @property
    def whitening(self) -> Float64[np.ndarray, "width rank"]:
        """The map that makes the features orthonormal."""
        return self.directions / self.values

    def leading(self, variance: float) -> int:
        """Return how many directions hold this share of the variance (squares of singular values)."""
        held = np.cumsum(self.values**2) / np.sum(self.values**2)
        return int(np.searchsorted(held, variance * (1 - 1e-12)) + 1)


def similarity(
    x: Rows, y: Rows, *, cut: float = CUT, variance: float = 0.99, seed: int = 0, null: bool = True
) -> dict[str, Any]:
    """Compare two models' features on the same tokens, (tokens, width_x) against (tokens, width_y), in float64.

    Args:
        x: features of one model, float32 or float64, NumPy or torch.
        y: features of the other on the same rows; another width is allowed.
        cut: directions with a singular value below `cut` times the largest are dropped (rank).
        variance: share of variance, not of singular values, that SVCCA keeps on either side.
        seed: of the row shuffle behind `null`.
        null: whether to shuffle.

    Returns:
        pwcca_x (weights from x), pwcca_y, mean_cca (over the smaller rank), svcca, cka (linear, unbiased, may fall a
        little below 0), n, width_x, width_y, rank_x, rank_y, saturated (correlations that are 1 for any data), cut,
        svcca_variance, seed, and null: the same five values with the rows of y shuffled, or None.

    Raises:
        UserError: on NaN, constant features, unequal rows, or n - 1 <= max width (CCA is then 1 for any data).
    """
    pair = feature_pair(x, y)
    n, widths = len(pair[0]), (pair[0].shape[1], pair[1].shape[1])
    _check_rows(n, *widths)
    centred = [z - z.mean(axis=0) for z in pair]
    sides = [
        _spectrum_of_rows(z, float(np.linalg.norm(raw)), name, cut)
        for z, raw, name in zip(centred, pair, "xy", strict=True)
    ]
    left, right = (z @ side.whitening for z, side in zip(centred, sides, strict=True))
    norms = np.stack([(z**2).sum(axis=1) for z in centred])
    result = _values(left.T @ right, sides, n, norms @ norms.T, variance)
    shuffled = None
    if null:
        order = np.random.default_rng(seed).permutation(n)
        norms[1] = norms[1][order]
        shuffled = _values(left.T @ right[order], sides, n, norms @ norms.T, variance)
    return result | _facts(n, widths, sides, cut, variance) | {"seed": seed, "null": shuffled}


def similarity_from_moments(moments: Moments, *, cut: float = CUT, variance: float = 0.99) -> dict[str, Any]:
    """Compare two models' features from their running moments; keys and errors as in `similarity`.

    X'X squares the condition number. In float64 its eigenvalues are right to about 1e-15 of the largest, so singular
    values down to about 3e-8 of the largest can be told from 0, and `cut` = 1e-6 (1e-12 of the largest eigenvalue) is
    safe; but directions near the cut are only right to about 1e-4. With all kept singular values above 1e-3 of the
    largest the result equals the array's to 1e-9. `null` comes from the wrongly paired stream, see `Moments`.
    """
    if moments.total is None:
        raise UserError("similarity of no rows was asked; call update on the moments first")
    real, wrong = moments.total, moments.shuffled()
    split = real.split
    widths = (split, len(real.mean) - split)
    _check_rows(real.rows, *widths)
    sides = [_spectrum_of_moments(real, side, cut) for side in (slice(0, split), slice(split, None))]
    result, null = (
        _values(
            sides[0].whitening.T @ part.second[:split, split:] @ sides[1].whitening,
            sides,
            part.rows,
            part.fourth,
            variance,
        )
        for part in (real, wrong)
    )
    return result | _facts(real.rows, widths, sides, cut, variance) | {"seed": moments.seed, "null": null}


def as_published(x: Rows, y: Rows, ridge: float = 1e-4) -> float:
    """Return the number of Kao & Lee 2021 (Table 1, as coded): weights from x, features not centred, a ridge on X'X.

    Differs from `pwcca_x`: no centring before the solve; `ridge` (their 1.5e-3 stability, 1e-3 fluorescence, 1e-4
    localization) on the diagonals of X'X and Y'Y instead of a rank cut; correlations are signed Pearson values of the
    regularised variates; the variates of x are made orthonormal one after the other; no check of n. Kept to re-derive
    Table 1, not to measure with: give it n = 1000 rows and it is mostly saturation.
    """
    x, y = feature_pair(x, y)
    inverse_x, inverse_y = (_inverse_root(z.T @ z + ridge * np.eye(z.shape[1])) for z in (x, y))
    left, _, right = np.linalg.svd(inverse_x @ (x.T @ y) @ inverse_y, full_matrices=False)
    variates_x, variates_y = x @ (inverse_x @ left), y @ (inverse_y @ right.T)
    weights = np.abs(np.linalg.qr(variates_x)[0].T @ x).sum(axis=1)
    return float(weights @ _pearson(variates_x, variates_y) / weights.sum())


def _check_rows(n: int, width_x: int, width_y: int) -> None:
    wide = max(width_x, width_y)
    if n - 1 <= wide or n < FEWEST_FOR_HSIC:
        raise UserError(
            f"similarity of x {(n, width_x)} and y {(n, width_y)} was asked, but with n - 1 <= {wide} rows CCA is 1 "
            f"for any data; give at least {10 * wide} rows or fewer features"
        )


def _spectrum_of_rows(z: Matrix, scale: float, name: str, cut: float) -> Spectrum:
    """Decompose centred rows: by X'X where that is accurate, else by QR."""
    squares, directions = np.linalg.eigh(z.T @ z)
    spectrum = _kept(np.sqrt(np.clip(squares[::-1], 0, None)), directions[:, ::-1], cut, scale, name)
    if len(spectrum.values) == len(squares) and spectrum.values[-1] >= GRAM_IS_ENOUGH * spectrum.values[0]:
        return spectrum
    _, values, rows = np.linalg.svd(np.linalg.qr(z, mode="r"))
    return _kept(values, rows.T, cut, scale, name)


def _spectrum_of_moments(part: Sums, side: slice, cut: float) -> Spectrum:
    squares, directions = np.linalg.eigh(part.second[side, side])
    scale = float(np.sqrt(np.trace(part.second[side, side]) + part.rows * np.sum(part.mean[side] ** 2)))
    values = np.sqrt(np.clip(squares[::-1], 0, None))
    return _kept(values, directions[:, ::-1], cut, scale, "y" if side.start else "x")


def _kept(values: Matrix, directions: Matrix, cut: float, scale: float, name: str) -> Spectrum:
    if values[0] <= CONSTANT * scale:
        raise UserError(f"all features of {name} (width {len(directions)}) are constant; there is nothing to compare")
    rank = int(np.sum(values > cut * values[0]))
    return Spectrum(values[:rank], directions[:, :rank])


def _values(cross: Matrix, sides: list[Spectrum], n: int, fourth: Matrix, variance: float) -> dict[str, float]:
    """Return the five values from the whitened features' products and the sums of products of squared row norms."""
    left, correlations, right = np.linalg.svd(cross, full_matrices=False)
    correlations = np.clip(correlations, 0, 1)
    leading = [side.leading(variance) for side in sides]
    svcca = np.linalg.svd(cross[: leading[0], : leading[1]], compute_uv=False)
    return {
        "pwcca_x": _projection_weighted(left, sides[0], correlations),
        "pwcca_y": _projection_weighted(right.T, sides[1], correlations),
        "mean_cca": float(correlations.mean()),
        "svcca": float(np.clip(svcca, 0, 1).mean()),
        "cka": _unbiased_cka(cross, sides, n, fourth),
    }


def _projection_weighted(variates: Matrix, side: Spectrum, correlations: Matrix) -> float:
    """Weigh by alpha: variate i is U a_i and the features are U S V', so <h_i, x_j> = (a_i' S V')_j."""
    weights = np.abs((variates.T * side.values) @ side.directions.T).sum(axis=1)
    return float(weights @ correlations / weights.sum())


def _unbiased_cka(cross: Matrix, sides: list[Spectrum], n: int, fourth: Matrix) -> float:
    """Return linear CKA with the unbiased HSIC of Song et al. 2012 (§2.3, estimator HSIC_1), from moments alone.

    With centred features the row sums of the Gram matrices vanish, so zeroing their diagonals, the squared row norms
    p and q, leaves ||X'Y||^2 - sum pq in the trace term and -p, -q as the row sums.
    """
    values = [side.values for side in sides]
    squares = [float(np.sum(v**2)) for v in values]
    inner = np.array([[np.sum(values[0] ** 4), 0.0], [0.0, np.sum(values[1] ** 4)]])
    inner[0, 1] = np.sum((values[0][:, None] * cross * values[1]) ** 2)

    def hsic(i: int, j: int) -> float:
        corner = squares[i] * squares[j] / ((n - 1) * (n - 2))
        return float(inner[i, j] - fourth[i, j] * (1 + 2 / (n - 2)) + corner)

    own = hsic(0, 0) * hsic(1, 1)
    return hsic(0, 1) / float(np.sqrt(own)) if own > 0 else float("nan")


def _facts(n: int, widths: tuple[int, int], sides: list[Spectrum], cut: float, variance: float) -> dict[str, Any]:
    """Return what must stand beside every value; warn when it is saturated."""
    ranks = [len(side.values) for side in sides]
    saturated = max(0, sum(ranks) - (n - 1))
    if saturated:
        warnings.warn(
            f"{saturated} canonical correlations are 1 for any data: n = {n} rows for ranks {ranks[0]} and {ranks[1]}; "
            f"give at least {10 * max(ranks)} rows",
            SaturatedWarning,
            stacklevel=3,
        )
    return {
        "n": n,
        "width_x": widths[0],
        "width_y": widths[1],
        "rank_x": ranks[0],
        "rank_y": ranks[1],
        "saturated": saturated,
        "cut": cut,
        "svcca_variance": variance,
    }


def _inverse_root(matrix: Matrix) -> Matrix:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors / np.sqrt(values)) @ vectors.T


def _pearson(x: Matrix, y: Matrix) -> Matrix:
    """Return the signed correlation of each column of x with the same column of y."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return (x * y).sum(0) / np.sqrt((x**2).sum(0) * (y**2).sum(0))
