"""The fields of what a task is made of, as Markdown: from the dataclasses and the words below their fields."""

import ast
import dataclasses
import inspect
import re
import sys
import textwrap
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from discbench import Classes, Dataset, Form, RandomTable, Row, Scalar, Specialist, Splits, Task, TextTable

PAGE = Path(__file__).parent / "fields.md"
CLASSES = (Task, Dataset, Splits, Row, RandomTable, TextTable, Classes, Scalar, Specialist, Form)
NAMES = {kind.__name__ for kind in CLASSES}


def tables() -> str:
    """Return a section for each class: what it is, then its fields."""
    return "\n\n".join(_section(kind) for kind in CLASSES)


def _section(kind: type) -> str:
    rows = [f"| `{name}` | {accepts} | {default} | {meaning} |" for name, accepts, default, meaning in fields(kind)]
    table = ["| field | accepts | default | meaning |", "|---|---|---|---|", *rows] if rows else ["It has no fields."]
    about = f"{_line(inspect.getdoc(kind) or '')} {_given(kind)}".strip()
    return "\n".join([f"## {kind.__name__}", "", about, "", *table])


def _given(kind: type) -> str:
    """Return which fields are given by name."""
    placed = [f"`{field.name}`" for field in dataclasses.fields(kind) if not field.kw_only]
    named = [field.name for field in dataclasses.fields(kind) if field.kw_only]
    if named and placed:
        return f"{', '.join(placed)} may be given by position, the others by name."
    return "All fields are given by name." if named else ""


def fields(kind: type) -> list[tuple[str, str, str, str]]:
    """Return (name, what it accepts, default, meaning) of each field, in the order in which they are written."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    if not isinstance(body, ast.ClassDef):
        raise TypeError(f"{kind} is no class")
    known = {field.name: field for field in dataclasses.fields(kind)}
    found = []
    for place, part in enumerate(body.body):
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and part.target.id in known:
            below = body.body[place + 1] if place + 1 < len(body.body) else None
            name = part.target.id
            found.append((name, _accepts(part.annotation, kind), _default(known[name]), _meaning(below)))
    return found


def _meaning(below: ast.stmt | None) -> str:
    """Return the words below a field, if there are any."""
    value = below.value if isinstance(below, ast.Expr) else None
    return _line(value.value) if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _default(field: "dataclasses.Field[Any]") -> str:
    if field.default is dataclasses.MISSING:
        return "must be given"
    return f"`{field.default!r}`"


def _accepts(annotation: ast.expr, kind: type) -> str:
    """Return an annotation in words: each type as code, a class of this page as a link, choices one by one."""
    parts = ast.unparse(annotation).split(" | ")
    return " or ".join(_type(part, kind) for part in parts)


def _type(text: str, kind: type) -> str:
    said = getattr(sys.modules[kind.__module__], text, None)
    if get_origin(said) is Literal:
        return " or ".join(f"`{choice!r}`" for choice in get_args(said))
    if text in NAMES:
        return f"[`{text}`](#{text.lower()})"
    function = re.fullmatch(r"Callable\[\[(.*)\], (.*)\]", text)
    if function:
        return f"a function `({function[1]})` that returns `{function[2]}`"
    return f"`{text}`"
