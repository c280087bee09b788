"""Words of strangers: what names, revisions and causes become before they are printed or drawn."""

from typing import Any

MOST_SHOWN, MOST_DRAWN = 160, 1000


def printable(value: object, most: int = MOST_SHOWN) -> str:
    """Return a value for one line of a terminal, a log or a chart.

    Control, format and direction characters and line breaks are spelt out, and what is longer is cut.
    """
    text = value if isinstance(value, str) else repr(value)
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def one_line(text: str, most: int = MOST_SHOWN) -> str:
    """Return text as one line that can be stored: `printable`, no blank at an end, at most so many characters."""
    return printable(" ".join(text.split()), most)[:most].strip()


def lines(text: str) -> str:
    """Return text of our own that may hold such names: its line breaks stay, all else is as `printable`."""
    if text.isprintable():
        return text
    return "\n".join(printable(line, len(line) + 1) for line in text.split("\n"))


def counted(number: int, what: str) -> str:
    """Return how many there are: `1 seed`, `2 seeds`."""
    return f"{number} {what}" + "s" * (number != 1)


def drawn(spec: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a chart's specification with every text in it as `printable`."""
    if isinstance(spec, dict):
        return {name: drawn(value) for name, value in spec.items()}
    if isinstance(spec, list):
        return [drawn(value) for value in spec]
    return printable(spec, MOST_DRAWN) if isinstance(spec, str) else spec
