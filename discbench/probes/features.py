"""Feature matrices: reading them, and their moments over a stream of batches."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from torch import Tensor

from discbench.errors import UserError

Matrix = NDArray[np.float64]
Rows = Tensor | NDArray[np.floating]
"""What is read as a feature matrix: a tensor on any device, or an array."""

HALF = (torch.float16, torch.bfloat16, np.dtype(np.float16))
BUFFER_ROWS = 4096
AXES = 2


def features(values: Rows, name: str) -> Float64[np.ndarray, "tokens width"]:
    """Read a NumPy array or a tensor on any device as a float64 matrix; raise UserError for what cannot be measured."""
    if values.dtype in HALF:
        raise UserError(
            f"{name} is {values.dtype}: its rounding fills directions that the model leaves empty; run it in float32"
        )
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != AXES:
        raise UserError(f"{name} must have shape (tokens, width), but has {matrix.shape}; drop padding and stack rows")
    if not np.isfinite(matrix).all():
        bad = int((~np.isfinite(matrix)).any(axis=1).sum())
        raise UserError(
            f"{name} of shape {matrix.shape} has NaN or infinity in {bad} rows; mend the model or its input"
        )
    return matrix


def feature_pair(x: Rows, y: Rows) -> tuple[Matrix, Matrix]:
    """Read two matrices whose rows belong together."""
    left, right = features(x, "x"), features(y, "y")
    if len(left) != len(right):
        raise UserError(f"x {left.shape} and y {right.shape} differ in rows; give both models the same tokens")
    return left, right


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Central moments of z = [x, y] and of its squared row norms n = (|x|^2, |y|^2), all about one mean."""

    rows: int
    mean: Float64[np.ndarray, "... width"]
    second: Float64[np.ndarray, "width width"]
    """Sum of z z'."""
    third: Float64[np.ndarray, "width 2"]
    """Sum of z n'."""
    fourth: Float64[np.ndarray, "2 2"]
    """Sum of n n'."""
    split: int
    """Width of x: z[:split] is x, z[split:] is y."""

    def norms(self) -> Float64[np.ndarray, "... 2"]:
        """Return the sums of |x|^2 and |y|^2: the traces of the two diagonal blocks."""
        variances = np.diag(self.second)
        return np.array([variances[: self.split].sum(), variances[self.split :].sum()])

    def about(self, mean: Float64[np.ndarray, "... width"]) -> "Sums":
        """Return the same sums about another mean (the first moment about the present one is 0)."""
        step = mean - self.mean
        parts = np.zeros((len(step), 2))
        parts[: self.split, 0], parts[self.split :, 1] = step[: self.split], step[self.split :]
        squares, moved, norms = (parts**2).sum(0), self.second @ parts, self.norms()
        crossed = parts.T @ self.third
        return replace(
            self,
            mean=mean,
            second=self.second + self.rows * np.outer(step, step),
            third=self.third - 2 * moved - np.outer(step, norms + self.rows * squares),
            fourth=self.fourth
            - 2 * (crossed + crossed.T)
            + 4 * parts.T @ moved
            + np.outer(norms, squares)
            + np.outer(squares, norms)
            + self.rows * np.outer(squares, squares),
        )

    def merge(self, other: "Sums") -> "Sums":
        """Return the sums over both sets of rows (Chan, Golub & LeVeque 1983, carried to the fourth moment)."""
        rows = self.rows + other.rows
        mean = self.mean + (other.mean - self.mean) * (other.rows / rows)
        left, right = self.about(mean), other.about(mean)
        return replace(
            left,
            rows=rows,
            second=left.second + right.second,
            third=left.third + right.third,
            fourth=left.fourth + right.fourth,
        )


def sums(x: Float64[np.ndarray, "tokens width_x"], y: Float64[np.ndarray, "tokens width_y"]) -> Sums:
    """Return the moments of one batch about its own mean."""
    both = np.concatenate([x, y], axis=1)
    mean = both.mean(axis=0)
    both -= mean
    split = x.shape[1]
    norms = np.stack([(part**2).sum(1) for part in (both[:, :split], both[:, split:])], axis=1)
    return Sums(
        rows=len(both), mean=mean, second=both.T @ both, third=both.T @ norms, fourth=norms.T @ norms, split=split
    )


class Moments:
    """Running moments of two models' features over a stream of batches, and of the same rows wrongly paired.

    Memory is a few (width_x + width_y)^2 float64 matrices and a buffer, whatever the number of rows. The wrongly paired
    stream is the null: each x meets a y drawn at random (seeded) from a pool of the last `buffer` or so rows, and the y
    left in the pool at the end meet the x that filled it, so that every row is used once. Up to `buffer` rows this
    is a uniform shuffle; beyond, a shuffle over distances of about `buffer` rows.
    """

    def __init__(self, *, seed: int = 0, buffer: int = BUFFER_ROWS) -> None:
        if buffer < 1:
            raise UserError(f"a buffer of {buffer} rows was asked for the shuffled pairs; give at least 1")
        self.seed = seed
        self.buffer = buffer
        self.total: Sums | None = None
        self._random = np.random.default_rng(seed)
        self._shuffled: Sums | None = None
        self._first: list[Matrix] = []
        self._pool: Matrix | None = None

    @property
    def rows(self) -> int:
        """Rows seen so far."""
        return self.total.rows if self.total else 0

    def update(self, x: Rows, y: Rows) -> None:
        """Add a batch of (tokens, width_x) and (tokens, width_y) rows; raise UserError when they do not fit."""
        left, right = feature_pair(x, y)
        if not len(left):
            return
        self._check_widths(left, right)
        self.total = merged(self.total, sums(left, right))
        room = self.buffer - (0 if self._pool is None else len(self._pool))
        self._fill(left[:room], right[:room])
        for start in range(room, len(left), self.buffer):
            self._exchange(left[start : start + self.buffer], right[start : start + self.buffer])

    def shuffled(self) -> Sums:
        """Return the moments of the wrongly paired rows seen so far; repeats for the same state."""
        if self._pool is None:
            raise UserError("moments of no rows were asked; call update first")
        order = np.random.default_rng((self.seed, len(self._pool))).permutation(len(self._pool))
        return merged(self._shuffled, sums(np.concatenate(self._first), self._pool[order]))

    def _check_widths(self, x: Matrix, y: Matrix) -> None:
        if self.total is None:
            return
        split = self.total.split
        widths = (split, len(self.total.mean) - split)
        if widths != (x.shape[1], y.shape[1]):
            raise UserError(
                f"x {x.shape} and y {y.shape} do not continue batches of widths {widths}; keep one layer each"
            )

    def _fill(self, x: Matrix, y: Matrix) -> None:
        if len(x):
            self._first.append(x.copy())
            self._pool = y.copy() if self._pool is None else np.concatenate([self._pool, y])

    def _exchange(self, x: Matrix, y: Matrix) -> None:
        assert self._pool is not None
        slots = self._random.permutation(len(self._pool))[: len(y)]
        self._shuffled = merged(self._shuffled, sums(x, self._pool[slots]))
        self._pool[slots] = y


def merged(total: Sums | None, batch: Sums) -> Sums:
    """Add a batch to what there is, which may be nothing."""
    return total.merge(batch) if total else batch
