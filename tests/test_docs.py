"""What the documents say of the program is what the program says."""

import importlib.util
from pathlib import Path

import discbench
from discbench import hookspecs

ROOT = Path(__file__).parents[1]


def test_the_tables_of_tasks_and_of_the_boards_fields_are_current():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)

    assert generate.tasks_table() in (ROOT / "README.md").read_text()
    assert generate.details_table() in (ROOT / "docs" / "tasks.md").read_text()
    assert generate.fields_tables() in (ROOT / "docs" / "leaderboard.md").read_text()


def test_every_room_stands_in_the_architecture():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rooms = {path.stem for path in (ROOT / "discbench").glob("*.py")} - {"__init__", "__main__"}

    assert sorted(room for room in rooms if f"`{room}`" not in text) == []


def test_the_public_names_are_those_of_the_list():
    assert sorted(discbench.__all__) == discbench.__all__
    assert {name for name in vars(discbench) if not name.startswith("_")} - set(discbench.__all__) <= {
        "hookspecs", "mapping", "metrics", "types", "errors",
        *(path.stem for path in (ROOT / "discbench").iterdir()),
    }  # fmt: skip


def test_every_hook_is_in_the_contributing_guide_or_the_hookspecs_docstring():
    hooks = [name for name in vars(hookspecs) if name.startswith("discbench_")]

    assert len(hooks) == 5
    assert "discbench_tasks" in (ROOT / "CONTRIBUTING.md").read_text()
