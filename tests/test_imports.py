"""The house has no ring: no room imports, even within a function, what imports it."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


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


def rings(sources):
    """Return the modules of a ring, in the order in which they are imported, if there is one."""
    graph = {name: set(imported(source, sources)) - {name} for name, source in sources.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_room_imports_what_imports_it():
    paths = {path: path.relative_to(ROOT).with_suffix("").parts for path in (ROOT / "discbench").rglob("*.py")}
    sources = {".".join(parts).removesuffix(".__init__"): path.read_text() for path, parts in paths.items()}

    assert 100 < len(sources)
    assert [] == rings(sources)


@pytest.mark.parametrize(
    "found, sources",
    [
        ({"a", "b"}, {"a": "from b import x", "b": "def f():\n    import a"}),
        ({"p", "p.c"}, {"p": "if TYPE_CHECKING:\n    from p.c import x", "p.c": "from p import y"}),
        (set(), {"a": "import os\nfrom b import c", "b": "", "b.c": "from b import x"}),
    ],
)
def test_a_ring_is_found_wherever_the_import_stands(found, sources):
    assert found == set(rings(sources))
