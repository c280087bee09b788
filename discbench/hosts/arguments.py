"""What a host's users write (`recipe=quick,seeds=3,inits=pretrained+scratch`) -> keywords of `discbench.evaluate`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from discbench.errors import NoSuchName, UserError, did_you_mean
from discbench.values.asked import Evaluation, questions
from discbench.values.recipes import Recipe


def words(name: str, value: object) -> tuple[str, ...]:
    """Read a list: a list, or text with + or commas between (commas end a value in most hosts)."""
    parts = value if isinstance(value, list | tuple) else re.split(r"[+,]", str(value).strip("[]()"))
    found = tuple(str(part).strip(" '\"") for part in parts if str(part).strip(" '\""))
    if not found:
        raise UserError(f"{name}={value!r}: names with + between were expected")
    return found


def whole(name: str, value: object) -> int:
    """Read a whole number."""
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value).strip()):
        raise UserError(f"{name}={value!r}: a whole number was expected")
    return int(str(value))


def _wholes(name: str, value: object) -> tuple[int, ...]:
    return tuple(whole(name, part) for part in words(name, value))


def _number(name: str, value: object) -> float:
    try:
        return float(str(value))
    except ValueError as error:
        raise UserError(f"{name}={value!r}: a number was expected") from error


def _yes(name: str, value: object) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    if str(value).lower() not in known:
        raise UserError(f"{name}={value!r}: true or false was expected")
    return known[str(value).lower()]


def _text(name: str, value: object) -> str:
    del name
    return str(value)


READERS: dict[str, Callable[[str, object], object]] = {
    "words": words,
    "whole": whole,
    "wholes": _wholes,
    "number": _number,
    "yes": _yes,
    "text": _text,
    "folder": _text,
}
"""How each kind of field is read from text."""
OPTIONS = {
    asked.name: READERS[asked.metadata["kind"]]
    for asked in questions(Evaluation)
    if asked.metadata["kind"] and asked.name not in {"model", "tasks"}
}
"""Keywords of `evaluate` that a host's user may give, and how each is read. All others are fields of the recipe."""

FIELDS = tuple(field.name for field in fields(Recipe) if field.name != "name")


def keywords(given: Mapping[str, object]) -> dict[str, Any]:
    """Return keywords of `discbench.evaluate`; values of None count as not given.

    Raises:
        NoSuchName: A name that is neither an option nor a field of a recipe.
        UserError: A value of the wrong kind.
    """
    found: dict[str, Any] = {}
    changes: dict[str, object] = {}
    for name, value in given.items():
        if value is None:
            continue
        if name in OPTIONS:
            found[name] = OPTIONS[name](name, value)
        elif name in FIELDS:
            changes[name] = value
        else:
            known = (*OPTIONS, *FIELDS)
            raise NoSuchName(
                f"no argument {name!r}{did_you_mean(name, known, 'there are ' + ', '.join(OPTIONS))}"
                f"; and the recipe's fields {', '.join(FIELDS)}"
            )
    if changes:
        found["set"] = changes
    return found


def asked_for(options: Mapping[str, Any]) -> Evaluation:
    """Return the evaluation that keywords ask for, looked at as far as it can be without a model and a task.

    Raises:
        UserError: Something in it cannot be.
    """
    asked = Evaluation(**options)
    _ = asked.request  # it checks itself
    return asked
