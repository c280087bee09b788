"""Facts of checkpoints that no result holds: depth, tokens seen and held-out loss of their pre-training.

They come from a checkpoint's own directory (`config.json`, and `pretraining.json` as `discbench pretrain` writes it) or
from a file: JSON or TOML (checkpoint -> field -> number), or CSV with a column `checkpoint` and one a field.
"""

import csv
import io
import json
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from discbench.errors import CheckpointError, UserError, did_you_mean
from discbench.values.checkpoints import builtins, is_called, locate, read_config

Facts = dict[str, float]
FIELDS = MappingProxyType(
    {
        "layers": "layers of the body",
        "tokens_seen": "tokens of all pre-training batches",
        "held_out_loss": "nats a masked token, of text that pre-training did not see",
    }
)
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
"""What configurations call their depth."""
MOST = 10**6
"""Bytes of a file of facts."""


def of_folder(folder: Path) -> Facts:
    """Return what a checkpoint's directory says of itself; what it does not say is left out.

    Raises:
        CheckpointError: It holds no readable config.json.
    """
    config = read_config(folder)
    found: dict[str, Any] = {}
    deep = [config[name] for name in LAYERS if name in config]
    if deep:
        found["layers"] = deep[0]
    try:
        card = json.loads((folder / "pretraining.json").read_text(encoding="utf-8"))
        found["tokens_seen"] = card["tokens_seen"]
        found["held_out_loss"] = card["held_out_loss"][-1]["loss"]
    except FileNotFoundError:
        pass
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CheckpointError(
            f"{str(folder / 'pretraining.json')!r} is no card of `discbench pretrain` ({error}); remove it or give the"
            " facts in a file"
        ) from error
    return checked(found, str(folder))


def of_builtins(wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Facts]:
    """Return the facts of those (checkpoint, revision) that are shipped and are still what they were."""
    there = builtins()
    return {
        (name, revision): of_folder(there[name])
        for name, revision in wanted
        if name in there and locate(name).revision == revision
    }


def read(given: str) -> dict[str, Facts]:
    """Return name -> facts of what `--about` gives: a file, or NAME=DIRECTORY of a checkpoint.

    Raises:
        UserError: It is not there, or says something else than the facts that are known.
    """
    path = Path(given).expanduser()
    cuts = [(given[:at], given[at + 1 :]) for at, sign in enumerate(given) if sign == "="]
    if cuts and not path.exists():
        folders = [(name, Path(of).expanduser()) for name, of in cuts if name and of and Path(of).expanduser().is_dir()]
        if not folders:
            raise UserError(
                f"--about {given!r}: {cuts[0][1]!r} is no directory; give NAME=DIRECTORY of a checkpoint, or a file"
            )
        return {folders[0][0]: of_folder(folders[0][1])}
    readers: dict[str, Callable[[str], Any]] = {".json": json.loads, ".toml": tomllib.loads, ".csv": _table}
    if path.suffix not in readers or not path.is_file():
        raise UserError(
            f"--about {given!r}: a file {', '.join(readers)} or NAME=DIRECTORY is expected, but"
            f" {'it is another file' if path.is_file() else 'there is no such file'}"
        )
    try:
        if path.stat().st_size > MOST:
            raise UserError(
                f"--about {given!r} has {path.stat().st_size:,} bytes, no file of facts has {MOST:,}; is it one?"
            )
        said = readers[path.suffix](path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise UserError(f"--about {given!r} cannot be read ({error}); see docs/explain.md for its form") from error
    if not isinstance(said, dict) or not all(isinstance(of, dict) for of in said.values()):
        raise UserError(
            f"--about {given!r}: checkpoint -> field -> number is expected; see docs/explain.md for its form"
        )
    return {str(name): checked(of, f"--about {given!r}: {name}") for name, of in said.items()}


def _table(text: str) -> dict[str, dict[str, Any]]:
    rows = csv.DictReader(io.StringIO(text), strict=True)
    if "checkpoint" not in (rows.fieldnames or []):
        raise ValueError("its first line names no column 'checkpoint'")
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        name = row.pop("checkpoint")
        if None in row or name in found:
            wrong = (
                f"line {rows.line_num} has more cells than columns" if None in row else f"{name!r} stands in it twice"
            )
            raise ValueError(wrong)
        found[name] = {key: float(cell) for key, cell in row.items() if cell and cell.strip()}
    return found


def checked(said: Mapping[str, Any], where: str) -> Facts:
    """Return facts as numbers.

    Raises:
        UserError: A field that is not known, or no number above 0.
    """
    for name, value in said.items():
        if name not in FIELDS:
            raise UserError(f"{where}: no fact {name!r}{did_you_mean(name, FIELDS, 'there are ' + ', '.join(FIELDS))}")
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
        if not number:
            raise UserError(f"{where}: {name} is a number above 0 ({FIELDS[name]}), but {value!r:.40} was given")
    return {name: float(value) for name, value in said.items()}


def placed(
    told: Iterable[Mapping[str, Facts]], keys: Iterable[tuple[str, str]]
) -> tuple[dict[tuple[str, str], Facts], list[str]]:
    """Return facts by (checkpoint, revision), later ones over earlier, and the names that no checkpoint answers to."""
    wanted = list(keys)
    found = of_builtins(wanted)
    strange: list[str] = []
    for of_names in told:
        for name, facts in of_names.items():
            meant = [key for key in wanted if is_called(*key, name)]
            for key in meant:
                found[key] = {**found.get(key, {}), **facts}
            strange += [] if meant else [name]
    return found, strange
