"""What differs between architectures: where the head is, which side is padded, how far positions reach."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from discbench.data.rows import Encoded
from discbench.errors import CheckpointError
from discbench.training.inputs import to_inputs
from discbench.values.mapping import Vocabulary

POSITION_TABLES = ("position_embeddings", "position_embedding", "wpe", "embed_positions", "positions_embed")
"""What transformers calls a learned or sinusoidal table of absolute positions."""
PADDING_TOLERANCE = 1e-3
"""Of what other symbols would change: sums in float32 over another width come to far less, leaking padding to more."""


LEFT = frozenset({"xlnet"})
"""Model types that read their answer at the last place whatever the mask says, so that rows must end there."""


def pads_left(model: Any) -> bool:  # noqa: ANN401 - transformers' model classes
    """Tell whether the model's rows are padded at the left."""
    return model.config.model_type in LEFT


def head_of(model: nn.Module, outputs: int) -> tuple[str, nn.Linear]:
    """Return the last linear layer by name: it is fresh in every init.

    Raises:
        CheckpointError: None outside the body has that many outputs.
    """
    body = model.base_model_prefix
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == outputs and name.split(".")[0] != body
    ]
    if not found:
        raise CheckpointError(
            f"{type(model).__name__} has no linear head of {outputs} outputs; it cannot be fine-tuned"
        )
    return found[-1]


def position_table(model: nn.Module) -> int | None:
    """Return how many tokens the model's table of absolute positions can number; None if it has no table."""
    declared = declared_length(model)
    for name, module in model.named_modules():
        if name.rsplit(".", 1)[-1] in POSITION_TABLES and isinstance(module, nn.Embedding):
            # RoBERTa's kind numbers positions from behind the padding id
            skipped = 0 if module.padding_idx is None else int(module.padding_idx) + 1
            return min(module.num_embeddings, declared or module.num_embeddings) - skipped
    return None


def declared_length(model: Any) -> int | None:  # noqa: ANN401 - transformers' model classes
    """Return the tokens that the checkpoint's configuration declares; rotary and relative positions reach further."""
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return limit if isinstance(limit, int) and limit > 0 else None


def position_limit(model: nn.Module, max_tokens: int | None = None) -> int | None:
    """Return how long rows may be, in tokens; None if there is no limit.

    A table of absolute positions is a limit whatever is asked. Without one (rotary, relative, ALiBi) the declared
    length is a limit until `max_tokens` names a greater one: running past it then stands in the recipe and the cell.
    """
    table = position_table(model)
    if table is not None:
        return table
    declared = declared_length(model)
    return declared if declared is None or max_tokens is None else max(declared, max_tokens)


def advice(model: nn.Module, longest: int) -> str:
    """Return what to do about rows of `longest` tokens that are longer than the model's limit."""
    cut = f"cut them with --set max_tokens={position_limit(model)}"
    if position_table(model) is not None:
        return cut
    return f"{cut}, or let its relative positions run past their declared length with --set max_tokens={longest}"


def check_ends(model: Any, vocabulary: Vocabulary) -> None:  # noqa: ANN401 - transformers' model classes
    """Refuse an encoder-decoder whose rows would not end with the id at which it reads its answer.

    Raises:
        CheckpointError: The last special id is not the configuration's end-of-sequence id.
    """
    config = model.config
    eos = getattr(config, "eos_token_id", None)
    if getattr(config, "is_encoder_decoder", False) and vocabulary.suffix[-1:] != (eos,):
        raise CheckpointError(
            f"a {config.model_type!r} reads its answer at its end-of-sequence id {eos}, but rows would end with"
            f" {vocabulary.suffix or 'no special id'}; give --special sep={eos}"
        )


@torch.no_grad()
def padding_leak(model: nn.Module, vocabulary: Vocabulary, shortest: int, longest: int) -> float:
    """Return how much a longer row in its batch changes a row's answer, as a share of what other symbols would change.

    About 1e-4 or less where the attention mask is respected. Convolutions and Fourier mixing across the padding give
    more, and so does an attention that is sparse for wide batches only.

    Args:
        model: A sequence classifier on the CPU, in float32.
        vocabulary: Whose ids the two rows are made of.
        shortest: Tokens of the row that is padded, special ones included.
        longest: Tokens of the row beside it.
    """
    around = len(vocabulary.prefix) + len(vocabulary.suffix)
    short, long, usable = max(1, shortest - around), longest - around, min(len(vocabulary.regular), 2**16)
    first = np.arange(short + long) * 7
    codes = (np.concatenate([first, first[:short] + 1]) % usable).astype(np.uint16)
    ends = np.cumsum([0, short, long, short])
    inputs = to_inputs(Encoded(codes, ends, np.zeros(3)), vocabulary.regular, vocabulary, None)
    inputs = replace(inputs, left=pads_left(model))
    trained = model.training
    model.eval()
    padded, alone, other = (  # the wide batch first: BigBird never returns from full to sparse attention
        model(input_ids=drawn["input_ids"], attention_mask=drawn["attention_mask"]).logits[0]
        for drawn in (inputs.batch([0, 1]), inputs.batch([0]), inputs.batch([2]))
    )
    model.train(trained)
    return float((padded - alone).abs().max() / (other - alone).abs().max())


def check_padding(model: Any, vocabulary: Vocabulary, name: str, task: str, lengths: tuple[int, int]) -> None:  # noqa: ANN401
    """Refuse a model whose answers depend on which rows share a batch.

    Args:
        model: A sequence classifier on the CPU, in float32.
        vocabulary: The checkpoint's.
        name: The checkpoint's.
        task: The task's name.
        lengths: Tokens of the task's shortest and of its longest row; where they are equal nothing is ever padded.

    Raises:
        CheckpointError: Padding leaks, and the rows need it.
    """
    shortest, longest = lengths
    leak = padding_leak(model, vocabulary, shortest, longest) if shortest < longest else 0.0
    if not leak <= PADDING_TOLERANCE:
        raise CheckpointError(
            f"{task} has rows of {shortest} to {longest} tokens, but {name!r} (a {model.config.model_type!r}) does not"
            f" keep padding apart: the rows that share its batch change an answer by {leak:.0%} of what other symbols"
            " would; give a model that respects its attention mask, or a task with rows of one length"
        )
