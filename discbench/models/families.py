"""What differs between architectures: where the head is, which side is padded, how far positions reach."""

from collections.abc import Iterator
from typing import Any

from torch import nn

from discbench.errors import CheckpointError
from discbench.values.mapping import Vocabulary

POSITION_TABLES = ("position_embeddings", "position_embedding", "wpe", "embed_positions", "positions_embed")
"""What transformers calls a learned or sinusoidal table of absolute positions."""


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
            f"{type(model).__name__} has no linear head of {outputs} outputs outside its body; it cannot be fine-tuned"
        )
    return found[-1]


def position_table(model: nn.Module) -> int | None:
    """Return how many tokens the model's table of absolute positions can number; None if it has no table."""
    declared = declared_length(model)
    for name, module in text_modules(model):
        if name.rsplit(".", 1)[-1] in POSITION_TABLES and isinstance(module, nn.Embedding):
            # RoBERTa's kind numbers positions from behind the padding id
            skipped = 0 if module.padding_idx is None else int(module.padding_idx) + 1
            return min(module.num_embeddings, declared or module.num_embeddings) - skipped
    return None


def text_modules(model: Any) -> Iterator[tuple[str, nn.Module]]:  # noqa: ANN401
    """Yield the model's modules by name, without those of a part that reads no text, as a vision tower."""
    text, other = {type(part) for part in text_parts(model.config)}, []
    for name, module in model.named_modules():
        config = getattr(module, "config", None)
        if hasattr(config, "sub_configs") and type(config) not in text:
            other.append(f"{name}.")
        if not any(f"{name}.".startswith(start) for start in other):
            yield name, module


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


def text_parts(config: Any) -> list[Any]:  # noqa: ANN401 - transformers' config classes
    """Return the configuration and those of its parts, at any depth, that have a vocabulary."""
    parts = [part for name in config.sub_configs if hasattr(part := getattr(config, name, None), "sub_configs")]
    inner = [found for part in parts for found in text_parts(part)]
    return [config, *(part for part in inner if hasattr(part, "vocab_size") or part.sub_configs)]


def padding_of(config: Any) -> int | None:  # noqa: ANN401
    """Return the first id of padding that the configuration or a text part of it names."""
    named = (getattr(part, "pad_token_id", None) for part in text_parts(config))
    return next((pad for pad in named if pad is not None), None)


def set_padding(config: Any, pad: int, *, absent: bool = False) -> None:  # noqa: ANN401
    """Name the id of padding in the configuration and in each text part: classifiers read either where they pool.

    Args:
        config: Changed in place.
        pad: The id.
        absent: Only where none is named.
    """
    for part in text_parts(config):
        if not absent or getattr(part, "pad_token_id", None) is None:
            part.pad_token_id = pad
