"""How boards and measurements show themselves in a notebook, and what keeps notebooks quiet."""

import io
import warnings
from collections.abc import Callable, Iterable
from html import escape

from rich.console import Console

from discbench.words.terminal import Terminal

WIDTH = 160
"""Characters of a line of text."""


def plain(draw: Callable[[Console], None]) -> str:
    """Return what is drawn on a console as text, without colours and without trailing blanks.

    Args:
        draw: Prints on the console that it is given.
    """
    text = io.StringIO()
    draw(Terminal(file=text, width=WIDTH, force_jupyter=False, color_system=None))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip("\n")


def html_table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a table; every word in it is escaped, a line break stays one."""
    columns = "".join(f"<th>{_html(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{_html(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table>"


def html_lines(lines: Iterable[str]) -> str:
    """Return paragraphs, escaped; empty lines are left out."""
    return "".join(f"<p>{_html(line)}</p>" for line in lines if line)


def _html(value: object) -> str:
    return escape(str(value)).replace("\n", "<br>")


def without_widgets() -> None:
    """Import tqdm without its warning that a notebook lacks ipywidgets; the libraries' bars are silent anyway."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")
        import tqdm.auto  # noqa: F401 - the warning is given once, when it is imported
