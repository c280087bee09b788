"""Write into README, ARCHITECTURE, docs/tasks and docs/leaderboard what a program knows: tables, figures as printed.

python docs/generate.py [--only PART] [demo-output.txt [baselines.md]]

`--only` writes one of the PARTS (fields, findings, leaderboard, readme, rooms, schemas, tasks) and touches nothing
else. The table of near copies, of the part `tasks`, is written anew only where DISCBENCH_DATA names the files that it
is counted from; that takes minutes. The reference of commands and hooks is put into its pages when the documentation
is built (`conf.py`).
"""

import argparse
import importlib
import inspect
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

import discbench
from discbench import Task, TextTable
from discbench.cli import cli
from discbench.data import rowcache
from discbench.data.rows import Loaded
from discbench.errors import DataError
from discbench.plugins import hookspecs, registry
from discbench.results.forms import result as form
from discbench.submissions import manifest

sys.path.insert(0, str(Path(__file__).parent))
import claims
import schema_fields
import task_fields

ROOT = Path(__file__).parents[1]
DOOR = "(door)"
ABOUT_DOOR = (
    "The files of discbench/ itself: __init__ (public names) and api; cli and __main__ above all, errors below all."
)
README, ARCHITECTURE = ROOT / "README.md", ROOT / "ARCHITECTURE.md"
TASKS = Path(__file__).parent / "tasks.md"
LEADERBOARD = Path(__file__).parent / "leaderboard.md"
SCHEMA = Path(discbench.__file__).parent / "results" / "schemas" / "leaderboard-1.0.schema.json"


def tasks_table() -> str:
    """Return the built-in tasks as Markdown."""
    lines = ["| task | asks | symbols | target, metric | train/validation/test |", "|---|---|---|---|---|"]
    for task in registry.tasks(registry.plugins(others=False)).values():
        sizes = "/".join(map(str, task.dataset.sizes)) if task.dataset.sizes else "?"
        symbols = task.mapping.symbols or "text"
        lines.append(f"| `{task.id}` | {task.about} | {symbols} | {task.target}, {task.metric.name} | {sizes} |")
    return "\n".join(lines)


def disciplines_table() -> str:
    """Return the disciplines of the built-in tasks as Markdown."""
    found: dict[str, list[Task]] = {}
    for task in registry.tasks(registry.plugins(others=False)).values():
        found.setdefault(task.discipline, []).append(task)
    lines = ["| discipline | tasks | for example |", "|---|---|---|"]
    for name, members in found.items():
        shown = min(members, key=lambda task: (not task.dataset.sizes, task.name))
        lines.append(f"| `{name}` | {len(members)} | `{shown.name}`: {shown.about} |")
    return "\n".join(lines)


def details_table() -> str:
    """Return what a score is made of, task by task, as Markdown."""
    lines = [
        "| task | rows | the paper's counts | symbols | cut after | target, metric | specialist | rows known by hash |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for task in registry.tasks(registry.plugins(others=False)).values():
        data, special = task.dataset, task.specialist
        text = isinstance(task.mapping, TextTable)
        longest = f"{task.mapping.max_tokens} tokens" if isinstance(task.mapping, TextTable) else task.max_symbols
        cells = [
            f"`{task.id}`",
            "/".join(map(str, data.sizes)) if data.sizes else "",
            data.published,
            "text" if text else task.mapping.symbols,
            longest or "",
            f"{task.target}, {task.metric.name}",
            f"{special.name} {special.score:.3f}" if special else "",
            f"`{data.rows_sha256[:12]}`" if data.rows_sha256 else "no",
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def copies_row(task: Task, loaded: Loaded) -> str:
    """Return what is known of a task's near copies, as a row of Markdown."""
    told = [f"{100 * part['near'] / part['rows']:.1f} %" for way in loaded.copies for part in (way["test"],)]
    cells = [
        f"`{task.id}`",
        "<br>".join(way["what"] for way in loaded.copies),
        "<br>".join(f"{way['validation']['near']:,} of {way['validation']['rows']:,}" for way in loaded.copies),
        "<br>".join(f"{way['test']['near']:,} of {way['test']['rows']:,}" for way in loaded.copies),
        "<br>".join(told),
        "<br>".join(_agreement(way["test"]) for way in loaded.copies),
        loaded.partial,
    ]
    return "| " + " | ".join(cells) + " |"


def _agreement(found: dict[str, Any]) -> str:
    if found["same_label"] is not None:
        return f"{100 * found['same_label']:.0f} % with its label"
    return "" if found["correlation"] is None else f"correlation {found['correlation']:.2f}"


def copies_table() -> str:
    """Return the near copies of every built-in task whose rows are at hand, as Markdown."""
    lines = [
        "| task | rows that | validation | test | | labels | only a part |",
        "|---|---|---|---|---|---|---|",
    ]
    for task in registry.tasks(registry.plugins(others=False)).values():
        try:
            lines.append(copies_row(task, rowcache.load(task, download=False, unverified=True)))
        except DataError as error:
            print(f"{task.id} is left out: {error}", file=sys.stderr)  # noqa: T201 - a script
    return "\n".join(lines)


def floors() -> list[list[str]]:
    """Return the rooms in floors: each uses only rooms on floors before its own."""
    package = Path(discbench.__file__).parent
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    texts = {name: (package / name / "__init__.py").read_text(encoding="utf-8") for name in rooms}
    said = {name: " ".join(text.rpartition("Uses ")[2].split()) for name, text in texts.items()}
    uses = {name: set(re.findall(r"`(\w+)`", text)) & rooms for name, text in said.items()}
    uses |= {name: uses[name] | {DOOR} for name, text in said.items() if "the front door" in text}
    uses[DOOR] = {"sweeps", "probing"}
    rooms.add(DOOR)
    found: list[list[str]] = []
    while rooms:
        found.append(sorted(name for name in rooms if not uses[name] & rooms))
        rooms -= set(found[-1])
    return found


def rooms_picture() -> str:
    """Return the house as text: a floor a line, the highest first, each room with what it is for."""
    lines = []
    for number, floor in reversed(list(enumerate(floors()))):
        for place, name in enumerate(floor):
            about = ABOUT_DOOR if name == DOOR else _first_line(f"discbench.{name}")
            lines.append(f"{'' if place else number:<3}{name:<12} {about}")
    return "\n".join(["```", *lines, "```"])


def _first_line(module: str) -> str:
    return (importlib.import_module(module).__doc__ or "").split("\n")[0]


def fields_tables() -> str:
    """Return every field of leaderboard.json as Markdown, one table an object of its schema."""
    return schema_fields.tables(json.loads(SCHEMA.read_text(encoding="utf-8")), "leaderboard.json")


def commands(group: click.Group = cli, words: str = "discbench") -> Iterator[tuple[str, click.Command]]:
    """Yield every command and group below a group with the words that call it, in the order of `--help`."""
    for name in group.list_commands(click.Context(group)):
        command = group.commands[name]
        yield f"{words} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{words} {name}")


def commands_reference() -> str:
    """Return what `--help` says of every command, as Markdown."""
    return "\n\n".join(_command(words, command) for words, command in commands())


def _command(words: str, command: click.Command) -> str:
    context = click.Context(command, info_name=words)
    usage = " ".join(command.get_usage(context).removeprefix("Usage: ").split())
    records = [param.get_help_record(context) for param in command.params if isinstance(param, click.Option)]
    options = [f"| `{_cell(record[0])}` | {_cell(record[1])} |" for record in records if record]
    table = ["| option | meaning |", "|---|---|", *options] if options else []
    parts = [f"## {words}", inspect.cleandoc(command.help or ""), f"```text\n{usage}\n```", "\n".join(table)]
    return "\n\n".join(part for part in parts if part)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def hooks() -> list[str]:
    """Return the names of all hooks, in the order of `hookspecs`."""
    return [name for name in vars(hookspecs) if name.startswith("discbench_")]


def hooks_reference() -> str:
    """Return Sphinx's directives for every hook."""
    directives = "\n".join(f".. autofunction:: discbench.plugins.hookspecs.{name}" for name in hooks())
    return f"```{{eval-rst}}\n{directives}\n```"


def fill(text: str, name: str, content: str) -> str:
    """Return the text with what stands between the markers of `name` replaced."""
    return re.sub(
        rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda m: f"{m[1]}{content}\n{m[2]}", text, flags=re.DOTALL
    )


def schemas() -> dict[Path, str]:
    """Return the JSON Schemas that are made from forms, by file."""
    made = {
        SCHEMA.with_name("cell-1.schema.json"): form.schema(),
        Path(manifest.__file__).parent / "submission-1.0.schema.json": manifest.schema(),
    }
    return {path: json.dumps(schema, indent=1) + "\n" for path, schema in made.items()}


def write_schemas() -> None:
    """Write the two schemas that are made from forms."""
    for path, schema in schemas().items():
        path.write_text(schema, encoding="utf-8")


def write_leaderboard() -> None:
    """Write the fields of leaderboard.json into docs/leaderboard.md."""
    _filled(LEADERBOARD, fields=fields_tables())


def write_tasks(baselines: str = "") -> None:
    """Write the tables of docs/tasks.md; what was counted stays where the files are not at hand."""
    tables = {"details": details_table(), "tasks": tasks_table()}
    tables |= {"copies": copies_table()} if "DISCBENCH_DATA" in os.environ else {}
    _filled(TASKS, **tables, **({"baselines": baselines} if baselines else {}))


def write_rooms() -> None:
    """Write the house into ARCHITECTURE.md."""
    _filled(ARCHITECTURE, rooms=rooms_picture())


def write_readme(demo: str = "") -> None:
    """Write the disciplines into the README, and what the demo printed if it is given."""
    board = "\n".join(line.rstrip() for line in demo.splitlines()).strip("\n")
    _filled(README, disciplines=disciplines_table(), **({"demo": f"```text\n{board}\n```"} if board else {}))


def write_fields() -> None:
    """Write the tables of docs/fields.md."""
    _filled(task_fields.PAGE, fields=task_fields.tables())


def write_findings() -> None:
    """Write what the published board says of the paper's claims into docs/findings.md."""
    _filled(claims.PAGE, **claims.tables())


def _filled(page: Path, **parts: str) -> None:
    text = page.read_text(encoding="utf-8")
    for name, content in parts.items():
        text = fill(text, name, content)
    page.write_text(text, encoding="utf-8")


PARTS: dict[str, Callable[..., None]] = {
    "fields": write_fields,
    "findings": write_findings,
    "leaderboard": write_leaderboard,
    "readme": write_readme,
    "rooms": write_rooms,
    "schemas": write_schemas,
    "tasks": write_tasks,
}


def main(words: list[str] | None = None) -> None:
    """Rewrite the pages and schemas, or one part of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", choices=sorted(PARTS), help="write this part, and touch nothing else")
    parser.add_argument("demo", nargs="?", type=Path, help="what the demo printed, for the README")
    parser.add_argument("baselines", nargs="?", type=Path, help="a table of baselines, for docs/tasks.md")
    asked = parser.parse_args(words)
    given = {"readme": asked.demo, "tasks": asked.baselines}
    for name in [asked.only] if asked.only else PARTS:
        path = given.get(name)
        PARTS[name](*([path.read_text(encoding="utf-8").strip("\n")] if path else []))


if __name__ == "__main__":
    main()
