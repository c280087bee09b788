"""Distance between two models' attention maps once their heads are matched (Kao & Lee 2021, §4, attention).

For one sequence and layer, cost[h, g] = sum over real rows i and columns j of |A_h[i, j] - B_g[i, j]|. Heads are
matched one to one at minimum total cost (Hungarian algorithm, scipy.optimize.linear_sum_assignment), anew for every
sequence and layer, since the order of heads means nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, cast

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from discbench.errors import UserError

INVARIANCES = ("head_order", "sequence_order", "symmetric", "identity")

AXES = 5

Array = Tensor | NDArray[np.floating]
Maps = Array | Iterable[Array | Sequence[Array]]
Mask = Tensor | NDArray[np.generic]
Masks = Mask | Iterable[Mask] | None

BLOCK = 4096
"""Entries of a map compared at a time, so that the differences of all pairs of heads stay in the cache."""


def matched_distance(
    a: Maps,
    b: Maps,
    mask: Masks = None,
    *,
    normalise: Literal["rows", "sum"] = "rows",
    heads: Literal["equal", "subset"] = "equal",
    layers: Sequence[tuple[int, int]] | None = None,
) -> dict[str, Any]:
    """Match the heads of two models per layer and sequence, and return how far apart matched heads are.

    Args:
        a: attention maps (layers, sequences, heads, length, length), rows are queries; or transformers' tuple of layers
            (sequences, heads, length, length); or an iterable of batches of 5 axes, read one at a time.
        b: the other model's, in the same form.
        mask: (sequences, length), 1 for a real token; one per batch if a and b are batches. Padded rows and columns are
            left out, and rows are not normalised again.
        normalise: "rows": mean over matched heads and real rows of the L1 distance of two rows, from 0 to 2 for
            rows that sum to 1, whatever the length. "sum": the sum over matched heads, rows and columns.
        heads: "equal" refuses models with different numbers of heads; "subset" gives every head of the model
            that has fewer its own partner and leaves the other's remaining heads out.
        layers: pairs (layer of a, layer of b) to compare; all, in order, if both have the same number.

    Returns:
        mean and sd (layers,) over sequences (sd with n in the denominator); distance (layers, sequences); assignment
        (layers, sequences, heads of a): the head of b for each head of a, -1 for none; unmatched (layers,): the mean
        without matching, head h against head h (None if the numbers differ); sequences, normalise, heads.

    Raises:
        UserError: shapes that do not fit, models that differ in a way that was not declared, NaN.
    """
    if normalise not in ("rows", "sum") or heads not in ("equal", "subset"):
        raise UserError(f"normalise={normalise!r}, heads={heads!r} was asked; give rows or sum, and equal or subset")
    parts = [_of_batch(*batch, normalise, heads, layers) for batch in _batches(a, b, mask)]
    if not parts:
        raise UserError("attention distance of no batches was asked; give at least one sequence")
    distance, assignment, unmatched = (np.concatenate(column, axis=1) for column in zip(*parts, strict=True))
    return {
        "mean": distance.mean(axis=1),
        "sd": distance.std(axis=1),
        "distance": distance,
        "assignment": assignment,
        "unmatched": None if np.isnan(unmatched).any() else unmatched.mean(axis=1),
        "sequences": distance.shape[1],
        "normalise": normalise,
        "heads": heads,
    }


def costs(
    a: Float[Tensor, "heads length length"], b: Float[Tensor, "heads_b length length"]
) -> Float[Tensor, "heads heads_b"]:
    """Return the L1 distance of every map of a from every map of b, summed in blocks into float64."""
    left, right = a.flatten(1), b.flatten(1)
    total = torch.zeros(len(left), len(right), dtype=torch.float64, device=left.device)
    for start in range(0, left.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        total += (left[:, None, block] - right[None, :, block]).abs_().sum(-1)
    return total


def as_published(a: Array, b: Array) -> dict[str, Any]:
    """Return the numbers of Kao & Lee 2021 as coded: padding included, and the costs added at the wrong index.

    Their (row, column) pairs of matched heads index the array (sequence, head, head) of all costs, so that for each
    sequence whole cost rows of other sequences are added: heads^2 unrelated costs instead of `heads` matched ones.
    Needs at least as many sequences as heads. Kept to explain their figure, not to measure with.
    """
    left, right = _maps(a, "a"), _maps(b, "b")
    _check_shapes(left, right, "equal", None)
    count = left.shape[2]
    if left.shape[1] < count:
        raise UserError(f"as_published of {left.shape[1]} sequences was asked; it indexes them by {count} heads")
    return as_published_of_costs(all_costs(left, right))


def all_costs(a: Array, b: Array) -> Float64[np.ndarray, "layers sequences heads heads"]:
    """Return the costs of every layer and sequence, of all positions."""
    left, right = _maps(a, "a"), _maps(b, "b")
    return np.array(
        [[costs(x, y).cpu().numpy() for x, y in zip(*pair, strict=True)] for pair in zip(left, right, strict=True)]
    )


def as_published_of_costs(table: Float64[np.ndarray, "layers sequences heads heads"]) -> dict[str, Any]:
    """Return `as_published` from the costs of all sequences."""
    sums = np.array([[layer[linear_sum_assignment(cost)].sum() for cost in layer] for layer in table])
    return {"mean": sums.mean(axis=1), "sd": sums.std(axis=1)}


def _batches(a: Maps, b: Maps, mask: Masks) -> Iterator[tuple[Tensor, Tensor, Mask | None]]:
    """Read one batch, a tuple of layers, or an iterable of batches."""
    if isinstance(a, Tensor | np.ndarray) or (isinstance(a, tuple | list) and len(a) and np.ndim(a[0]) == AXES - 1):
        yield _maps(cast("Any", a), "a"), _maps(cast("Any", b), "b"), cast("Any", mask)
        return
    several: list[Any] = [a, b] if mask is None else [a, b, mask]
    try:
        for x, y, *m in zip(*several, strict=True):
            yield _maps(x, "a"), _maps(y, "b"), m[0] if m else None
    except ValueError as error:
        raise UserError(f"batches of a, b and mask do not go together: {error}; give each as often") from error


def _maps(values: Array | Sequence[Array], name: str) -> Float[Tensor, "layers batch heads length length"]:
    """Read attention maps; raise UserError unless they have five axes."""
    if isinstance(values, tuple | list) and len(values):
        if len({tuple(np.shape(layer)) for layer in values}) > 1:
            raise UserError(f"the layers of {name} have shapes {[tuple(np.shape(v)) for v in values]}; give equal ones")
        values = torch.stack([torch.as_tensor(layer) for layer in values])
    maps = torch.as_tensor(values).detach()
    if maps.ndim != AXES or maps.shape[3] != maps.shape[4]:
        raise UserError(
            f"{name} must have shape (layers, sequences, heads, length, length), but has {tuple(maps.shape)}; "
            "stack what output_attentions=True returns"
        )
    return maps if maps.dtype in (torch.float32, torch.float64) else maps.float()


def _check_shapes(a: Tensor, b: Tensor, heads: str, layers: Sequence[tuple[int, int]] | None) -> None:
    shapes = f"a {tuple(a.shape)} and b {tuple(b.shape)}"
    if (a.shape[1], a.shape[3]) != (b.shape[1], b.shape[3]):
        raise UserError(f"{shapes} differ in sequences or length; give both models the same tokens")
    if a.shape[2] != b.shape[2] and heads == "equal":
        raise UserError(f"{shapes} differ in heads; heads='subset' matches the smaller number and leaves the rest out")
    if a.shape[0] != b.shape[0] and layers is None:
        raise UserError(f"{shapes} differ in layers; say which to compare by layers=[(layer of a, layer of b), ...]")


def _real(mask: Mask | None, a: Float[Tensor, "layers batch heads length length"]) -> list[Int[Tensor, "... tokens"]]:
    """Return the real positions of each sequence."""
    _, sequences, _, length, _ = a.shape
    mask = torch.ones(sequences, length) if mask is None else torch.as_tensor(mask)
    if tuple(mask.shape) != (sequences, length):
        raise UserError(f"mask {tuple(mask.shape)} does not fit maps of {tuple(a.shape)}; give ({sequences}, {length})")
    if not mask.any(dim=1).all():
        raise UserError(f"mask {tuple(mask.shape)} has a sequence that is all padding; leave it out")
    return [row.nonzero()[:, 0].to(a.device) for row in mask]


def _of_batch(
    a: Tensor,
    b: Tensor,
    mask: Mask | None,
    normalise: str,
    heads: str,
    layers: Sequence[tuple[int, int]] | None,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return distance (layers, sequences), assignment (layers, sequences, heads) and the distance without matching."""
    _check_shapes(a, b, heads, layers)
    pairs = layers if layers is not None else [(i, i) for i in range(a.shape[0])]
    real, b = _real(mask, a), b.to(a.device)
    found = [[_of_sequence(a[i, s], b[j, s], real[s], normalise) for s in range(a.shape[1])] for i, j in pairs]
    distance, assignment, unmatched = (np.array([[cell[k] for cell in row] for row in found]) for k in range(3))
    return distance, assignment, unmatched


def _of_sequence(
    a: Float[Tensor, "heads length length"],
    b: Float[Tensor, "heads_b length length"],
    real: Int[Tensor, "... tokens"],
    normalise: str,
) -> tuple[float, NDArray[Any], float]:
    first, last = int(real[0]), int(real[-1])
    if len(real) == last + 1 - first:  # padding at the ends only: views, no copies
        a, b = (maps[:, first : last + 1, first : last + 1] for maps in (a, b))
    else:
        a, b = (maps[:, real[:, None], real] for maps in (a, b))
    cost = costs(a, b).cpu().numpy()
    if not np.isfinite(cost).all():
        raise UserError(
            f"maps a {tuple(a.shape)} or b {tuple(b.shape)} have NaN or infinity; mend the model or its input"
        )
    rows, columns = linear_sum_assignment(cost)
    assignment = np.full(len(cost), -1)
    assignment[rows] = columns
    unit = len(rows) * len(real) if normalise == "rows" else 1
    same = cost.shape[0] == cost.shape[1]
    return float(cost[rows, columns].sum() / unit), assignment, float(np.trace(cost) / unit) if same else float("nan")
