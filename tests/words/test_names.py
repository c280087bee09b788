"""What strangers call things is printed and drawn as plain words."""

import io

import pytest
from rich.table import Table
from rich.text import Text

from discbench.words.names import drawn, lines, printable
from discbench.words.terminal import Terminal

NAMES = ["[red]x", "x[/bold]", ":smile:", "[link=file:///x]y[/link]", "\\[x]"]


@pytest.mark.parametrize(
    "text,line",
    [("a\nb", "a\\nb"), ("\x1b[0m", "\\x1b[0m"), ("\u202e", "\\u202e"), ("x" * 200, "x" * 159 + "…"), (7, "7")],
)
def test_what_is_shown_is_one_printable_line(text, line):
    assert line == printable(text)


def test_line_breaks_of_our_own_stay():
    assert "a\n\\x1bb\n\\u2028" == lines("a\n\x1bb\n\u2028")


def printed(thing):
    sink = io.StringIO()
    Terminal(file=sink, width=200, force_terminal=False).print(thing)
    return sink.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_a_terminal_prints_brackets_and_colons_as_they_are(name):
    table = Table(title=name)
    table.add_column(name)
    table.add_row(name)

    assert f"{name}\n" == printed(name)
    assert 3 == printed(table).count(name)


@pytest.mark.parametrize("wrap", [str, Text])
def test_a_terminal_spells_control_and_direction_characters(wrap):
    table = Table()
    table.add_column("a")
    table.add_row(wrap("x\x1b]0;owned\x1b\\\u202ey"))

    assert "x\\x1b]0" in printed(table)
    assert all(line.isprintable() for line in printed(table).splitlines())
    assert "x\\x1b[2J\n" == printed(wrap("x\x1b[2J"))


def test_a_chart_is_given_printable_words():
    spec = {"values": [{"name": "a\u202eb", "x": 1.5}], "sort": ["a\x00"]}

    assert {"values": [{"name": "a\\u202eb", "x": 1.5}], "sort": ["a\\x00"]} == drawn(spec)
