"""What the documents say of the program is what the program says."""

import dataclasses
import fnmatch
import importlib.util
import re
import shlex
from pathlib import Path

import click
import numpy as np
import pytest

import discbench
from discbench.cli import cli
from discbench.data import rowcache
from discbench.plugins import hookspecs, registry
from discbench.values.metrics import rehearse

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(str(path.relative_to(DOCS).with_suffix("")) for path in DOCS.rglob("*.md"))
DOCUMENTS = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])


def generated():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    return generate


def leaves(command, words=()):
    """All commands that are no groups, by their words."""
    if not isinstance(command, click.Group):
        return {words: command}
    return {k: v for name, member in command.commands.items() for k, v in leaves(member, (*words, name)).items()}


def blocks(text):
    """The shell lines of a page, continuation lines joined."""
    joined = "\n".join(re.findall(r"```(?:console|bash)\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ")
    return [line.removeprefix("$ ") for line in joined.splitlines()]


def test_the_tables_of_tasks_of_rooms_and_of_the_boards_fields_are_current():
    generate = generated()

    assert generate.disciplines_table() in (ROOT / "README.md").read_text()
    assert generate.rooms_picture() in (ROOT / "ARCHITECTURE.md").read_text()
    assert generate.tasks_table() in (ROOT / "docs" / "tasks.md").read_text()
    assert generate.details_table() in (ROOT / "docs" / "tasks.md").read_text()
    assert generate.fields_tables() in (ROOT / "docs" / "leaderboard.md").read_text()


def test_the_page_of_findings_is_read_from_the_published_board():
    tables = generated().claims.tables()
    page = (DOCS / "findings.md").read_text()

    assert [] == [name for name, table in tables.items() if f"<!-- {name} -->\n{table}\n<!-- /{name} -->" not in page]
    assert tables.keys() == set(re.findall(r"<!-- (claim-\w+) -->", page))


def test_a_claim_holds_where_all_of_the_interval_has_its_sign():
    claims = generated().claims

    assert ["yes", "no", "open", "no interval"] == [claims.verdict(b) for b in ((0.1, 0.2), (-2, -1), (-1, 1), None)]
    assert "-0.100 [-0.200, +0.000]" == claims.said(-0.1, (-0.2, 0.0))


def test_the_page_of_fields_is_current_and_every_field_says_what_it_means():
    fields = generated().task_fields

    assert fields.tables() in (DOCS / "fields.md").read_text()
    assert [] == [(kind.__name__, of[0]) for kind in fields.CLASSES for of in fields.fields(kind) if not of[3]]
    counted = {kind: len(dataclasses.fields(kind)) for kind in fields.CLASSES}
    assert counted == {kind: len(fields.fields(kind)) for kind in fields.CLASSES}


def test_a_part_of_the_documents_is_written_alone(tmp_path, monkeypatch):
    generate = generated()
    page = tmp_path / "fields.md"
    page.write_text("<!-- fields -->\nold\n<!-- /fields -->\n")
    monkeypatch.setattr(generate.task_fields, "PAGE", page)
    for name in ("README", "ARCHITECTURE", "TASKS", "LEADERBOARD"):
        monkeypatch.setattr(generate, name, tmp_path / "not there")

    generate.main(["--only", "fields"])
    assert page.read_text() == f"<!-- fields -->\n{generate.task_fields.tables()}\n<!-- /fields -->\n"


@pytest.mark.parametrize(
    "name", ["dna.splice", "dna.splice-grouped", "dna.h3", "protein.stability", "chem.bbbp", "glue.cola"]
)
def test_the_near_copies_of_a_task_in_the_table_are_those_of_its_rows(real_data, name):
    if name.startswith("chem."):
        pytest.importorskip("rdkit")
    task = registry.tasks(registry.plugins())[name]
    loaded = rowcache.load(task, real_data, download=False, unverified=True)

    assert generated().copies_row(task, loaded) in (ROOT / "docs" / "tasks.md").read_text()


def test_every_room_stands_in_the_architecture():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rooms = {f"{path.stem}`" for path in (ROOT / "discbench").glob("*.py")} - {"__init__`", "__main__`"}
    rooms |= {f"{path.parent.name}/" for path in (ROOT / "discbench").glob("*/__init__.py")}

    assert sorted(room for room in rooms if f"`{room}" not in text) == []


def test_the_public_names_are_those_of_the_list():
    assert sorted(discbench.__all__) == discbench.__all__
    assert {name for name in vars(discbench) if not name.startswith("_")} - set(discbench.__all__) <= {
        "hookspecs", "mapping", "metrics", "types", "errors",
        *(path.stem for path in (ROOT / "discbench").iterdir()),
    }  # fmt: skip


def test_every_hook_is_in_the_contributing_guide_or_the_hookspecs_docstring():
    hooks = [name for name in vars(hookspecs) if name.startswith("discbench_")]

    assert 6 == len(hooks)
    assert [] == [name for name in hooks if f"`{name}`" not in (ROOT / "CONTRIBUTING.md").read_text()]


def test_the_reference_of_commands_has_every_command_and_every_option():
    text = generated().commands_reference()
    sections = dict(part.split("\n", 1) for part in f"\n{text}\n".split("\n## ")[1:])

    assert {"discbench " + " ".join(words) for words in leaves(cli)} <= set(sections)
    for words, command in leaves(cli).items():
        named = set(re.findall(r"--[a-z-]+", sections["discbench " + " ".join(words)]))
        wanted = {opt for p in command.params if isinstance(p, click.Option) for opt in (*p.opts, *p.secondary_opts)}

        assert wanted <= named, words
        assert f"discbench {' '.join(words)} [OPTIONS]" in sections["discbench " + " ".join(words)]


def test_the_reference_of_hooks_has_every_hook_and_each_says_when_it_is_called():
    hooks = {name: value for name, value in vars(hookspecs).items() if name.startswith("discbench_")}
    text = generated().hooks_reference()

    assert [f"discbench.plugins.hookspecs.{name}" for name in hooks] == re.findall(r"autofunction:: (\S+)", text)
    assert [name for name, hook in hooks.items() if "called" not in hook.__doc__] == []


@pytest.mark.parametrize("page", ["commands", "hooks"])
def test_a_reference_page_has_the_place_that_its_reference_is_put_into(page):
    text = (DOCS / "reference" / f"{page}.md").read_text()

    assert "all of it" in generated().fill(text, page, "all of it")


def test_the_reference_of_the_api_has_every_public_name():
    text = (DOCS / "reference" / "api.md").read_text() + (DOCS / "reference" / "hooks.md").read_text()
    named = set(re.findall(r"discbench\.(\w+)\s", text)) | set(re.findall(r"`@discbench\.(\w+)`", text))

    assert set(discbench.__all__) - {"__version__"} <= named


def test_every_page_is_in_one_toctree():
    text = (DOCS / "index.md").read_text()
    listed = [
        line
        for block in re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
        if line and not line.startswith(":")
    ]
    times = {page: sum(fnmatch.fnmatchcase(page, pattern) for pattern in listed) for page in PAGES}

    assert {page: int(page != "index") for page in PAGES} == times


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_in_a_document_is_one_that_the_program_takes(document):
    for line in blocks(document.read_text()):
        words = shlex.split(line.split("&&")[-1], comments=True)
        words = words[words.index("discbench") + 1 :] if "discbench" in words else []
        if not words or words[0].startswith("-"):
            continue
        command, rest = cli, words
        while isinstance(command, click.Group):
            assert rest[0] in command.commands, line
            command, rest = command.commands[rest[0]], rest[1:]
        known = {opt for param in command.params for opt in (*param.opts, *param.secondary_opts)} | {"--help"}
        takes_all = command.context_settings.get("ignore_unknown_options", False)

        assert takes_all or {word.split("=")[0] for word in rest if word.startswith("--")} <= known, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_between_files_leads_to_a_file(document):
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())

    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("name", ["families", "stretches"])
def test_the_splits_of_the_page_on_tasks_keep_families_on_one_side(name):
    """Their code, run as it stands there."""
    (code,) = re.findall(rf"<!-- {name} -->\n```python\n(.*?)```", (DOCS / "add-a-task.md").read_text(), re.DOTALL)
    made = {}
    exec(code, made)
    splits = [value for value in made.values() if isinstance(value, discbench.Splits)]

    assert splits
    for cut in splits:
        train, validation, test = ({row.family for row in part} for part in (cut.train, cut.validation, cut.test))
        assert set() == train & validation == train & test == validation & test
        assert None not in train
        assert train


def test_the_metric_of_the_page_on_tasks_is_the_recall():
    """Its code, run as it stands there."""
    (code,) = re.findall(r"<!-- metric -->\n```python\n(.*?)```", (DOCS / "add-a-task.md").read_text(), re.DOTALL)
    made = {}
    exec(code, made)

    assert 0.5 == made["recall"](np.array([1, 1, 0]), np.array([0, 1, 1]))
    assert None is rehearse((made["recall"],), np.array([0, 1]), 2)


def found(name):
    """Whether a dotted name of ours can be imported and looked up."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True
    return False


def test_every_name_of_ours_that_a_page_gives_is_there():
    given = {name for path in DOCUMENTS for name in re.findall(r"\bdiscbench(?:\.[A-Za-z_]\w*)+", path.read_text())}
    files = {name for name in given if name.endswith((".tex", ".yaml"))}

    assert 20 < len(given)
    assert [] == sorted(name for name in given - files if not found(name))


def test_every_file_of_ours_that_a_page_or_a_script_of_the_board_names_is_there():
    rooms = "benchmarks|docs|examples|findings|leaderboard|tests"
    named = re.compile(rf"(?<![\w/.-])(?:{rooms})/[\w./-]+\.(?:py|sh|md|json|ipynb)\b")
    texts = [
        path.read_text() for path in (*DOCUMENTS, *(ROOT / "leaderboard").glob("*.sh"), ROOT / "leaderboard/README.md")
    ]
    given = {name for text in texts for name in named.findall(text)}

    assert 40 < len(given)
    assert [] == sorted(name for name in given if not (ROOT / name).is_file())
