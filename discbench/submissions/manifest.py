"""The list of a submission: what it holds, by hash, and what is derived from its cells."""

import json
import shlex
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from discbench.results.forms.result import ID
from discbench.values.cells import NOTHING, SHA256
from discbench.values.checkpoints import VOCAB, told_apart
from discbench.values.rates import SEARCH
from discbench.values.recipes import changes
from discbench.values.version import __version__
from discbench.words.forms import Fields, OneOf, Schema, Several, Table, Text

Record = dict[str, Any]
MOST_CELLS = 30_000
VERSION = "1.0"
FORM = Fields(
    {
        "format": OneOf(("discbench-submission",)),
        "version": OneOf((VERSION,)),
        "discbench": Text(50, r"[0-9][0-9A-Za-z.+!-]*"),
        "versions": Table(Several(Text(100), (1, 1000), unique=True), (0, 50), Text(100)),
        "commands": Several(Text(20_000), (0, 10_000)),
        "cells": Several(
            Fields({"id": ID, "path": Text(1000), "sha256": SHA256, "predictions": Text(64, "([0-9a-f]{64})?", 0)}),
            (0, MOST_CELLS),
        ),
    },
    about={
        "discbench": "Version that packed it.",
        "versions": "Library -> versions that the cells ran with.",
        "commands": "Commands that run these cells, derived from the cells.",
    },
)


def schema() -> Schema:
    """Return the JSON Schema of `submission.json`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://discbench.dev/schemas/submission-1.0.schema.json",
        "title": "discbench submission",
        "description": "submission.json of a packed submission: what it holds, by hash, and where it comes from.",
        **FORM.schema,
    }


def manifest(listed: list[Record], cells: Iterable[Record], ran_with: Iterable[dict[str, str]]) -> Record:
    """Return the list of a submission.

    Args:
        listed: `id`, `path`, `sha256` and `predictions` of each cell, in the order of the paths.
        cells: The cells, in the same order.
        ran_with: The versions that each cell ran with.
    """
    return {
        "format": "discbench-submission",
        "version": VERSION,
        "discbench": __version__,
        "cells": listed,
        "versions": versions(ran_with),
        "commands": commands(cells),
    }


def differs(said: Record, results: dict[str, Record]) -> list[str]:
    """Return which parts of a list are not those that its cells give.

    Args:
        said: A list of the right form, of these very files.
        results: By path.
    """
    ordered = [results[path] for path in sorted(results)]
    wanted = manifest(
        said["cells"], [r["cell"] for r in ordered], [r["run"]["versions"] for r in ordered if "run" in r]
    )
    ids = [(cell["path"], cell["id"]) for cell in said["cells"]]
    named = [(path, results[path]["id"]) for path in sorted(results)]
    parts = {"ids": ids == named, **{n: said[n] == wanted[n] for n in ("versions", "commands")}}
    return [name for name, same in parts.items() if not same]


def as_bytes(record: Record) -> bytes:
    """Return a list as the file that is packed."""
    return (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()


def versions(ran_with: Iterable[dict[str, str]]) -> dict[str, list[str]]:
    """Return the versions of each library that the cells ran with."""
    found: dict[str, set[str]] = defaultdict(set)
    for each in ran_with:
        for library, version in each.items():
            found[library].add(version)
    return {library: sorted(found[library]) for library in sorted(found)}


def commands(cells: Iterable[Record]) -> list[str]:
    """Return commands that run these cells, derived from the cells themselves."""
    groups: dict[str, list[Record]] = defaultdict(list)
    held = [cell for cell in cells if cell.get("rate") != SEARCH]  # a search is run by the runs that it is for
    names = told_apart((cell["checkpoint"], cell["revision"]) for cell in held)
    for cell in held:
        shared = {k: v for k, v in cell.items() if k not in {"task", "rows", "init", "seed", "mapping_seed", "recipe"}}
        tied = cell["init"] == NOTHING or cell["mapping_seed"] == cell["seed"]
        shared["changed"] = changes(cell)
        way = [shared, cell["recipe"]["name"], None if tied else cell["mapping_seed"]]
        groups[json.dumps(way, sort_keys=True)].append(cell)
    return [_command(groups[way], json.loads(way)[2], names) for way in sorted(groups)]


def _command(cells: list[Record], mapping_seed: int | None, names: dict[tuple[str, str], str]) -> str:
    cell = cells[0]
    name, revision = cell["checkpoint"], cell["revision"]
    commit, _, vocab = revision.partition(VOCAB)
    if len(commit) == len("0" * 40):
        name = f"{name}@{commit}"
    elif not name.startswith(("builtin:", "baseline:")):
        name = f"{name}=DIRECTORY{names[name, revision].removeprefix(name)}"  # of one name: DIRECTORY@1f2e3d4
    words = ["discbench", "eval", "--model", name, "--tasks", _listed(c["task"].split("@")[0] for c in cells)]
    words += ["--vocab", "FILE"] if vocab else []
    words += ["--seeds", str(max(c["seed"] for c in cells) + 1)]
    if cell["init"] != NOTHING:
        words += ["--inits", _listed(c["init"] for c in cells), "--recipe", cell["recipe"]["name"]]
        words += ["--rates", cell["rate"]] if "rate" in cell else []
        words += ["--mapping", cell["mapping"]]
        words += ["--map-specials" if cell.get("map_specials") else "--keep-specials"]
        words += [] if mapping_seed is None else ["--mapping-seed", str(mapping_seed)]
    for field, value in sorted(changes(cell).items()):
        words += ["--set", f"{field}={value}"]
    for field, value in sorted(cell["specials"].items()):
        words += ["--special", f"{field}={value}"]
    if cell["fraction"] < 1:
        words += ["--fraction", str(cell["fraction"]), "--subset", cell.get("subset", "drawn")]
    words += [] if cell["limit"] is None else ["--limit", str(cell["limit"])]
    words += ["--take", ",".join(map(str, cell["take"]))] if "take" in cell else []
    return shlex.join(words)


def _listed(names: Any) -> str:  # noqa: ANN401 - an iterable of words
    return ",".join(sorted(set(names)))
