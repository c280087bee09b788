"""Which architecture a checkpoint is of, where its config.json does not say: old ones name no model_type."""

from pathlib import Path
from typing import Any

from discbench.errors import CheckpointError
from discbench.values.checkpoints import Checkpoint, directory_of, read_config


def untyped(place: str) -> dict[str, Any] | None:
    """Return the config.json of a checkpoint that names neither a model_type nor code of its own; else None.

    Raises:
        CheckpointError: It is absent or is no JSON object.
    """
    config = read_config(Path(place))
    return None if "model_type" in config or "AutoConfig" in (config.get("auto_map") or {}) else config


def config_of(checkpoint: Checkpoint, said: dict[str, Any]) -> Any:  # noqa: ANN401 - transformers' config classes
    """Return the configuration of a checkpoint whose config.json names no model_type, by the names of its weights.

    Weights of a classifier or language model are called by its architecture: `bert.encoder...`. Whether all weights of
    that architecture are there is seen when they are loaded, as always.

    Args:
        checkpoint: Whose.
        said: What config.json says.

    Raises:
        CheckpointError: The names tell no architecture; it says what to add.
    """
    from transformers import CONFIG_MAPPING, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, AutoConfig

    names = weight_names(Path(directory_of(checkpoint, weights=True)))
    for start in dict.fromkeys(name.partition(".")[0] for name in names):
        if start in CONFIG_MAPPING:
            of_text = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING.get(CONFIG_MAPPING[start], None)
            if of_text is not None and of_text.base_model_prefix == start:
                return AutoConfig.for_model(start, **said)
    first = f", the first of them is {names[0]!r}" if names else ""
    raise CheckpointError(
        f"model {checkpoint.name!r}: its config.json names no model_type, and the names of its weights tell no"
        f' architecture{first}; add it to config.json, for example "model_type": "bert"'
    )


def weight_names(place: Path) -> list[str]:
    """Return the names of the weights in a checkpoint's first file of them; none of what cannot be read."""
    import torch
    from safetensors import safe_open

    whole = [*sorted(place.glob("*.safetensors")), *sorted(place.glob("pytorch_model*.bin"))]
    try:
        if not whole:
            return []
        if whole[0].suffix == ".safetensors":
            with safe_open(whole[0], framework="pt") as file:
                return list(file.keys())
        return list(torch.load(whole[0], map_location="cpu", weights_only=True))
    except Exception:  # noqa: BLE001 - what is no file of weights is told when it is loaded
        return []
