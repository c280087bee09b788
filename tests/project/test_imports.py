"""The house has no ring, neither of files nor of rooms; torch is loaded in few rooms; no room is a corridor."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2] / "discbench"
TORCH = {"models", "training", "executors", "probing", "probes", "pretraining", "testing"}
"""Rooms that may name torch or transformers in an import."""


def imported(source, modules):
    """Yield the modules of ours that a source names in an import, at its head or within a function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                if deeper in modules or node.module in modules:
                    yield deeper if deeper in modules else node.module


def arrows(sources):
    """Return what each module imports of ours."""
    return {name: set(imported(source, sources)) - {name} for name, source in sources.items()}


def rings(graph):
    """Return the members of a ring, in the order in which they are imported, if there is one."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def room(module):
    """Return the room of a module; a file of the front door is a room of its own."""
    parts = module.split(".")
    return ".".join(parts[:2])


def between_rooms(graph):
    """Return which rooms each room imports from."""
    found = {}
    for module, targets in graph.items():
        found.setdefault(room(module), set()).update(room(target) for target in targets)
    return {name: targets - {name} for name, targets in found.items()}


def foreign(source):
    """Return the packages that a source imports, wherever the import stands."""
    nodes = list(ast.walk(ast.parse(source)))
    named = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    named += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in named}


def house():
    paths = {path: path.relative_to(HOUSE.parent).with_suffix("").parts for path in HOUSE.rglob("*.py")}
    return {".".join(parts).removesuffix(".__init__"): path.read_text() for path, parts in paths.items()}


def test_no_file_imports_what_imports_it():
    sources = house()

    assert 100 < len(sources)
    assert [] == rings(arrows(sources))


def test_no_room_imports_from_one_that_imports_from_it():
    rooms = between_rooms(arrows(house()))

    assert 15 < len(rooms)
    assert [] == rings(rooms)


@pytest.mark.parametrize(
    "own, other",
    [
        ("discbench.values", "discbench.data"),
        ("discbench.data", "discbench.training"),
        ("discbench.results", "discbench.training"),
    ],
)
def test_an_arrow_that_is_turned_round_makes_a_ring(own, other):
    sources = house()
    sources[f"{own}.turned"] = f"def late():\n    from {other} import x\n"

    assert {own, other} <= set(rings(between_rooms(arrows(sources))))


def test_torch_and_transformers_are_named_in_few_rooms():
    named = {name for name, source in house().items() if foreign(source) & {"torch", "transformers"}}

    assert set() == {room(name).removeprefix("discbench.") for name in named} - TORCH


def test_no_room_is_a_corridor():
    entries = [path for path in HOUSE.iterdir() if path.name != "__pycache__"]
    rooms = {path.parent for path in HOUSE.rglob("__init__.py")} - {HOUSE}
    files = {room.name: sum(part.is_file() for part in room.iterdir()) for room in rooms}

    assert 26 >= len(entries)
    assert {} == {name: count for name, count in files.items() if count > 14}


def test_every_room_says_what_it_is_for_and_which_rooms_it_uses():
    sources = house()
    front = {"discbench", *(f"discbench.{path.stem}" for path in HOUSE.glob("*.py"))}
    used = {
        name.removeprefix("discbench."): targets - front
        for name, targets in between_rooms(arrows(sources)).items()
        if name not in front
    }
    docs = {name: ast.get_docstring(ast.parse(sources[f"discbench.{name}"])) for name in used}
    said = {name: re.findall(r"`(\w+)`", text.rpartition("Uses ")[2]) for name, text in docs.items()}

    assert {
        name: sorted(target.removeprefix("discbench.") for target in targets) for name, targets in used.items()
    } == said


@pytest.mark.parametrize(
    "found, sources",
    [
        ({"a", "b"}, {"a": "from b import x", "b": "def f():\n    import a"}),
        ({"p", "p.c"}, {"p": "if TYPE_CHECKING:\n    from p.c import x", "p.c": "from p import y"}),
        (set(), {"a": "import os\nfrom b import c", "b": "", "b.c": "from b import x"}),
    ],
)
def test_a_ring_is_found_wherever_the_import_stands(found, sources):
    assert found == set(rings(arrows(sources)))
