"""Text as batches for a masked language model: lines -> vocabulary -> one stream of ids -> masked blocks.

Every batch is a function of (seed, step).
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from discbench.pretraining.vocabulary import CLS, MASK, SEP, SPECIALS
from discbench.values.recipes import TO_MASK, TO_RANDOM, PretrainRecipe

LINES_AT_ONCE = 10_000

Tokens = NDArray[np.uint16]
FEWEST_TOKENS = 16
"""Of a text: less cannot be cut into blocks."""


def tokenize(lines: Iterator[str], tokenizer: Tokenizer) -> Tokens:
    """Return one stream of token ids; a blank line (a document's end) becomes [SEP]."""
    parts: list[Tokens] = []
    chunk: list[str] = []

    def flush() -> None:
        encodings = tokenizer.encode_batch([line.strip() for line in chunk], add_special_tokens=False)
        ids = [[SEP] if not line.strip() else e.ids for line, e in zip(chunk, encodings, strict=True)]
        parts.append(np.array([i for line in ids for i in line], dtype=np.uint16))
        chunk.clear()

    for line in lines:
        chunk.append(line)
        if len(chunk) == LINES_AT_ONCE:
            flush()
    flush()
    return np.concatenate(parts)


def blocks(stream: Tokens, count: int, length: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw `count` windows of the stream, each `[CLS] length-2 tokens [SEP]`: (count, length)."""
    starts = rng.integers(0, len(stream) - length, count)
    body = stream[starts[:, None] + np.arange(length - 2)].astype(np.int64)
    edge = np.ones((count, 1), dtype=np.int64)
    return np.concatenate([CLS * edge, body, SEP * edge], axis=1)


def mask(
    ids: NDArray[np.int64], recipe: PretrainRecipe, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return (input ids, positions to predict, their true ids)."""
    chosen = (rng.random(ids.shape) < recipe.masked) & (ids >= len(SPECIALS))
    fate = rng.random(ids.shape)
    noisy = np.where(chosen & (fate < TO_MASK), MASK, ids)
    random_ids = rng.integers(len(SPECIALS), recipe.vocabulary, ids.shape)
    noisy = np.where(chosen & (fate >= 1 - TO_RANDOM), random_ids, noisy)
    return torch.from_numpy(noisy), torch.from_numpy(chosen), torch.from_numpy(ids[chosen])


def batch(
    stream: Tokens, recipe: PretrainRecipe, seed: int, step: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw the batch that belongs to (seed, step)."""
    rng = np.random.default_rng((seed, step))
    length = recipe.positions if step % recipe.long_every == 0 else recipe.length
    length = min(length, len(stream) // 2)
    return mask(blocks(stream, max(1, recipe.batch_tokens // length), length, rng), recipe, rng)
