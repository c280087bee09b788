"""Which architecture a checkpoint is of, where its config.json does not say: old ones name no model_type."""

import re
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
    """Return the configuration of a checkpoint whose config.json names no model_type.

    The class that it names tells its architecture, or else the names of its weights: `bert.encoder...`. Whether all
    weights of that architecture are there is seen when they are loaded, as always.

    Args:
        checkpoint: Whose.
        said: What config.json says.

    Raises:
        CheckpointError: Neither tells an architecture; the message says what to add.
    """
    from transformers import CONFIG_MAPPING, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, AutoConfig

    names = weight_names(Path(directory_of(checkpoint, weights=True)))
    kinds = {_plain(kind): kind for kind in CONFIG_MAPPING}
    classes = [re.split(r"(?:For[A-Z]|Model$|LMHead)", str(name))[0] for name in said.get("architectures") or []]
    for kind in map(kinds.get, map(_plain, (*classes, *dict.fromkeys(name.partition(".")[0] for name in names)))):
        of_text = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING.get(CONFIG_MAPPING[kind], None) if kind else None
        if of_text is not None:
            return AutoConfig.for_model(kind, **said)
    first = f" (the first is {min(names)!r})" if names else ""
    raise CheckpointError(
        f"model {checkpoint.name!r}: its config.json names no model_type, and neither its architectures nor the names"
        f' of its weights{first} tell it; add it to config.json, for example "model_type": "bert"'
    )


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


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
