"""Losses of masked language modelling that no model can be below, for languages whose rules are known.

Of the tokens to predict 80 in 100 are hidden, 10 show a token drawn evenly from all K words, and 10 show themselves
(`corpus.mask`). Tokens that are drawn one by one with probabilities q, apart from all else, thus have the floor

    0.8 H(q) + 0.2 H(token | shown), where P(token = i, shown = s) = q_i ([i = s] + 1/K) / 2.

In `flat` and `nesting` every token comes twice. Told which two belong together, and which shown ones are false, a model
predicts a token whose partner is shown for nothing, and any other as one drawn by itself. No model knows more, so that
P(partner is not shown) x the floor above is a floor; a real model, which is not told, stays above it.
"""

import numpy as np
from numpy.typing import NDArray

from discbench.values.recipes import HELD_OUT_BATCHES, TO_MASK, TO_RANDOM, PretrainRecipe

Shares = NDArray[np.float64]
"""(words,): how often each is drawn; they add up to 1."""
EDGES = 2
"""Of a block: [CLS] and [SEP], which are no text."""


def entropy(shares: Shares) -> float:
    """Return the entropy in nats; what is never drawn adds nothing."""
    drawn = shares[shares > 0]
    return float(-(drawn * np.log(drawn)).sum())


def by_itself(shares: Shares) -> float:
    """Return the floor in nats of tokens that nothing else tells of."""
    kinds = len(shares)
    false = TO_RANDOM / (1 - TO_MASK)  # of the places that show a token
    itself = shares * (1 - false + false / kinds)
    other = shares * false / kinds  # for each of kinds - 1 tokens shown
    both = -_xlogx(itself).sum() - (kinds - 1) * _xlogx(other).sum()
    shown = shares * (1 - false) + false / kinds
    return TO_MASK * entropy(shares) + (1 - TO_MASK) * float(both + _xlogx(shown).sum())


def _xlogx(values: Shares) -> Shares:
    return np.where(values > 0, values * np.log(np.where(values > 0, values, 1.0)), 0.0)


def in_pairs(shares: Shares, near: dict[int, float], recipe: PretrainRecipe) -> float:
    """Return the floor in nats of tokens that come twice.

    Args:
        shares: How often each word is drawn.
        near: Length of a stretch of text -> probability that the partner of a token in it lies in it too.
        recipe: How much is hidden.
    """
    hidden = recipe.masked * (TO_MASK + TO_RANDOM)
    shown = sum(share * near[length] * (1 - hidden) for length, share in stretches(recipe).items())
    return (1 - shown) * by_itself(shares)


def stretches(recipe: PretrainRecipe) -> dict[int, float]:
    """Return the lengths in tokens of the stretches that held-out loss is taken over, and the share of each."""
    long = sum(step % recipe.long_every == 0 for step in range(HELD_OUT_BATCHES)) / HELD_OUT_BATCHES
    shares: dict[int, float] = {}
    for length, share in ((recipe.length, 1 - long), (recipe.positions, long)):
        shares[length - EDGES] = shares.get(length - EDGES, 0.0) + share
    return shares


def anywhere_in_line(lines: range, stretch: int) -> float:
    """Return the probability that a token's partner lies in the same stretch, if it may lie at any place of its line.

    Args:
        lines: Lengths of lines in tokens, all alike.
        stretch: Tokens in it; it begins anywhere. What stands between lines is in it too, but is no word.
    """
    near = tokens = 0.0
    for length in lines:
        starts = np.arange(-stretch + 1, length)  # of the stretch, from the line's first token
        overlap = np.minimum(starts + stretch, length) - np.maximum(starts, 0)
        near += float((overlap * (overlap - 1)).sum()) / (length - 1)
        tokens += float(overlap.sum())
    return near / tokens


def nested(opens: float, stretch: int) -> float:
    """Return the probability that a token's partner lies in the same stretch of nested pairs.

    The pair that opens now closes 2k + 1 places later with probability C_k opens^k (1 - opens)^(k + 1), C_k the k-th
    Catalan number.
    """
    near, chance = 0.0, 1 - opens
    for pairs in range(stretch):
        near += chance * max(0.0, 1 - (2 * pairs + 1) / stretch)
        chance *= opens * (1 - opens) * 2 * (2 * pairs + 1) / (pairs + 2)
    return near
