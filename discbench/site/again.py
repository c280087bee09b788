"""The command that makes a cell again, from what a board's entry says."""

import shlex
from typing import Any

from discbench.values.checkpoints import VOCAB

Record = dict[str, Any]


def command(entry: Record, init: str, seeds: list[int]) -> str:
    """Return the `discbench eval` that makes these runs of an entry again; it runs all seeds from 0 to the greatest.

    A checkpoint of a directory is named as `NAME=DIRECTORY`, since a board does not know where it lies, and so is the
    file of tokens that stood for a tokenizer. Of tuned rates the command searches first.
    """
    words = ["discbench", "eval", "--model", model(entry), "--tasks", entry["task"].split("@")[0]]
    words += ["--vocab", "FILE"] if VOCAB in entry["revision"] else []
    if init != "none":  # a baseline has neither
        words += ["--inits", init]
    words += ["--seeds", str(max(seeds, default=0) + 1)]
    if init != "none":
        words += ["--recipe", entry["recipe"], *_changed(entry), "--mapping", entry["mapping"]]
        words += ["--rates", entry["rate"]] if entry.get("rate") else []
        words += ["--map-specials"] if entry["map_specials"] else []
        words += ["--mapping-seed", str(entry["mapping_seed"])] if entry["mapping_seed"] is not None else []
        words += [
            part for name, value in sorted(entry["specials"].items()) for part in ("--special", f"{name}={value}")
        ]
    words += ["--fraction", f"{entry['fraction']!r}", "--subset", entry["subset"]] if entry["fraction"] < 1 else []
    words += ["--limit", str(entry["limit"])] if entry["limit"] else []
    words += ["--take", ",".join(map(str, entry["take"]))] if entry["take"] else []
    return shlex.join(words)


def _changed(entry: Record) -> list[str]:
    return [part for field, value in sorted(entry["changed"].items()) for part in ("--set", f"{field}={_text(value)}")]


def _text(value: Any) -> str:  # noqa: ANN401 - of any field
    return {None: "none", True: "true", False: "false"}.get(value, str(value)) if not isinstance(value, str) else value


def model(entry: Record) -> str:
    """Return what `--model` takes for an entry's checkpoint; where one of a directory lies a board does not know."""
    name, revision = entry["checkpoint"], entry["revision"].partition(VOCAB)[0]
    if ":" in name:  # builtin:tiny, baseline:kmer
        return str(name)
    return f"{name}=DIRECTORY" if not revision or revision.startswith("sha256-") else f"{name}@{revision}"
