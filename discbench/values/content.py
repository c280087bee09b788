"""What decides a checkpoint directory's function, and its SHA-256: every file in it but those that surely do not.

A list of what counts would have to know every file that any architecture, tokenizer or code of a checkpoint's own may
read; what it forgot would leave stale cells behind. A list of what does not count errs towards training once more.
"""

import fnmatch
import functools
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from discbench.errors import CheckpointError

BESIDE = (
    # words and pictures
    ".*", "README*", "LICENSE*", "NOTICE*", "CITATION*", "*.md", "*.log", "*.png", "*.jpg", "*.svg", "*.pdf", "*.ipynb",
    # what a training run leaves beside the weights
    "training_args.*", "trainer_state.json", "*_results.json", "optimizer*.pt", "optimizer*.bin", "scheduler*.pt",
    "scheduler*.bin", "scaler*.pt", "rng_state*.pth", "random_states*.pkl", "events.out.tfevents.*", "pretraining.json",
    # weights of other frameworks
    "*.h5", "*.msgpack", "*.onnx", "*.ot", "*.tflite", "*.mlmodel", "*.ckpt", "*.ckpt.*", "*.gguf",
    # how a chat is written down
    "chat_template*",
)  # fmt: skip
"""Names of files that no sequence classifier and no tokenizer reads."""
WEIGHTS = ("*.safetensors", "*.bin")
ADAPTER = re.compile(r"(^|[._])(lora|adapters?|ia3|prompt_encoder|prefix_tuning)([._]|$)", re.IGNORECASE)
"""Part of a weight's name that tells of an adapter."""
WHOLE_OR_SHARDED = (
    ("model.safetensors", "model.safetensors.index.json"),
    ("pytorch_model.bin", "pytorch_model.bin.index.json"),
)
"""What transformers looks for, in this order."""


def deciding(folder: Path) -> list[Path]:
    """Return the files that decide what a checkpoint does, sorted; folders in it count for the shards in them alone."""
    found = {path for path in folder.iterdir() if path.is_file() and not _beside(path.name)}
    for _, index in WHOLE_OR_SHARDED:
        found |= {path for path in shards(folder / index) if path.is_file()}
    return sorted(found)


def _beside(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in BESIDE)


def content_sha256(folder: Path) -> str:
    """Return the SHA-256 over the files that decide a checkpoint, by name and content.

    A file that has not changed by size, time and place since it was last asked for is not read again.

    Raises:
        CheckpointError: A file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        for path in deciding(folder):
            name, seen = os.path.relpath(path, folder), path.stat()
            file = _file_sha256(path, seen.st_size, seen.st_mtime_ns, seen.st_ino)
            digest.update(f"{name} {file}\n".encode())
    except OSError as error:
        raise CheckpointError(
            f"model {str(folder)!r}: {Path(error.filename or folder).name} cannot be read ({error.strerror}); is it"
            " still being written, or not yours to read?"
        ) from error
    return digest.hexdigest()


@functools.cache
def _file_sha256(path: Path, size: int, changed: int, place: int) -> str:  # noqa: ARG001 - what the answer is kept by
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_weights(folder: Path, name: str | None = None) -> None:
    """See that a checkpoint's weights are there, every shard of them.

    Args:
        folder: Where they should be.
        name: What the user calls the checkpoint; the folder if None.

    Raises:
        CheckpointError: There are none, or a shard that an index names is missing.
    """
    if not any(path for kind in WEIGHTS for path in folder.glob(kind) if not _beside(path.name)):
        raise CheckpointError(
            f"model {name or str(folder)!r}: no weights (*.safetensors or *.bin) beside config.json; give a whole"
            " checkpoint"
        )
    for whole, index in WHOLE_OR_SHARDED:
        if (folder / whole).is_file():
            return
        named = shards(folder / index)
        missing = [os.path.relpath(shard, folder) for shard in named if not shard.is_file()]
        if missing:
            raise CheckpointError(
                f"model {name or str(folder)!r}: {len(missing)} of the {len(named)} shards that {index} names are not"
                f" there, the first is {missing[0]}; copy the whole checkpoint"
            )
        if named:
            return


def shards(index: Path) -> list[Path]:
    """Return the files that an index of shards names; none where there is no index."""
    try:
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return sorted({index.parent / str(name) for name in named})
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"model {str(index.parent)!r}: {index.name} is no index of shards ({error!r}); is it whole?"
        ) from error


def check_merged(names: set[str], model: str) -> None:
    """Refuse an adapter: transformers alone leaves it out, and the base would be scored under its name.

    Args:
        names: The files of the checkpoint.
        model: What the user calls it.

    Raises:
        CheckpointError: An adapter's configuration is among them.
    """
    if "adapter_config.json" in names:
        alone = "config.json" not in names
        where = "without its base" if alone else "beside its base, which alone would be scored"
        raise CheckpointError(
            f"model {model!r} is an adapter {where} (adapter_config.json); merge it first (peft: merge_and_unload, then"
            " save_pretrained, of the tokenizer too) and give what that writes"
        )


def check_all_used(unused: Iterable[str], model: str) -> None:
    """Refuse weights of an adapter that the architecture has no place for: they would be left out without a word.

    Args:
        unused: Names of the weights that were not loaded.
        model: What the user calls the checkpoint.

    Raises:
        CheckpointError: Some are an adapter's.
    """
    left = sorted(name for name in unused if ADAPTER.search(name))
    if left:
        raise CheckpointError(
            f"model {model!r} holds {len(left)} weights of an adapter that would be left out, the first is {left[0]!r};"
            " merge it first (peft: merge_and_unload, then save_pretrained) and give what that writes"
        )


def read_tokens(path: Path) -> dict[str, int]:
    """Return the tokens of a vocabulary file with their ids: one a line from 0, or a JSON object of them.

    Blank lines have a number and no token. Lines end as they do on any system.

    Raises:
        CheckpointError: It cannot be read as one, or holds a token twice, or pieces of words as WordPiece marks them.
    """
    try:
        text = path.read_text(encoding="utf-8")
        made = json.loads(text) if text.lstrip().startswith("{") else None
    except (OSError, ValueError, RecursionError) as error:
        cause = getattr(error, "strerror", None) or f"it is no UTF-8 text or no JSON ({type(error).__name__})"
        raise CheckpointError(
            f"--vocab {str(path)!r} cannot be read: {cause}; give a file with a token a line"
        ) from None
    if made is None:
        lines = text.removesuffix("\n").split("\n")
        pairs = [(line.removesuffix("\r"), at) for at, line in enumerate(lines)]
        twice = sorted({t for t, n in Counter(t for t, _ in pairs if t).items() if n > 1})
        made = {token: at for token, at in pairs if token}
    else:
        twice = []
    wrong = _fault_of_tokens(made, twice)
    if wrong:
        raise CheckpointError(f"--vocab {str(path)!r}: {wrong}")
    return made


def _fault_of_tokens(tokens: dict[str, Any], twice: list[str]) -> str:
    if twice:
        return f"token {twice[0]!r} stands on two lines; each token needs one line, whose number is its id"
    if any(isinstance(i, bool) or not isinstance(i, int) or i < 0 for i in tokens.values()):
        return "a JSON vocabulary names a whole number from 0 for each token, but this one does not"
    if len(set(tokens.values())) < len(tokens):
        return "two tokens have one id; each needs its own"
    pieces = [token for token in tokens if token.startswith("##") and token[2:].isalnum()]
    if pieces:
        return (
            f"{len(pieces)} of its tokens are pieces within words, such as {pieces[0]!r}: a WordPiece vocabulary, which"
            " transformers reads; leave --vocab out"
        )
    return "" if tokens else "it holds no token; give a file with a token a line"


def tokens_sha256(path: Path) -> str:
    """Return the SHA-256 of a vocabulary file's tokens and their ids, however its lines end.

    Raises:
        CheckpointError: As `read_tokens`.
    """
    tokens = sorted(read_tokens(path).items(), key=lambda pair: pair[1])
    return hashlib.sha256(json.dumps(tokens).encode()).hexdigest()
