"""Forms: what JSON may be, as values. A form tells what is wrong with a value, and writes its JSON Schema.

Nothing is coerced: 1 is no decimal, 1.0 is no whole number, a truth value is neither. Text is printable, and every
size has a bound.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import UnionType
from typing import Any, Literal, Protocol, get_args, get_origin

from discbench.words.names import printable

Schema = dict[str, Any]
LARGEST = 2**53 - 1
"""Whole numbers beyond it are not the same in every reader of JSON."""
FINITE = 1e100
"""Decimals up to it can be squared and added up without end in double precision."""
SHORT = 200
"""Bytes of a name."""


class Form(Protocol):
    """What a JSON value may be."""

    @property
    def schema(self) -> Schema:
        """The form as JSON Schema, which cannot tell 1 from 1.0."""

    def faults(self, value: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - JSON
        """Yield what is wrong with a value, each with its place."""


def fault(form: Form, value: Any, path: str = "$") -> str | None:  # noqa: ANN401 - JSON
    """Return the first thing that is wrong with a value, or None."""
    return next(form.faults(value, path), None)


def told(path: str, wanted: str, value: Any) -> str:  # noqa: ANN401 - JSON
    """Return a fault in one printable line: where, what was expected, what was found."""
    return f"{printable(path, 100)}: {wanted} was expected, not {printable(repr(value), 60)}"


@dataclass(frozen=True, slots=True)
class Text:
    """Printable text: no control, format or direction characters, no line break, no blank at an end."""

    most: int = SHORT
    """Bytes in UTF-8."""
    pattern: str = ""
    least: int = 1

    def faults(self, value: Any, path: str) -> Iterator[str]:  # noqa: ANN401, D102
        if type(value) is not str:
            yield told(path, "text", value)
        elif not self.least <= len(value) <= self.most or len(value.encode("utf-8", "replace")) > self.most:
            yield told(path, f"text of {self.least} to {self.most} bytes", value)
        elif not value.isprintable() or value != value.strip():
            yield told(path, "printable text without blanks around it", value)
        elif self.pattern and not re.fullmatch(self.pattern, value):
            yield told(path, f"text like {self.pattern}", value)

    @property
    def schema(self) -> Schema:  # noqa: D102
        found: Schema = {"type": "string", "minLength": self.least, "maxLength": self.most}
        return {**found, **({"pattern": f"^{self.pattern}$"} if self.pattern else {})}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number."""

    least: int = 0
    most: int = LARGEST

    def faults(self, value: Any, path: str) -> Iterator[str]:  # noqa: ANN401, D102
        if type(value) is not int or not self.least <= value <= self.most:
            yield told(path, f"a whole number from {self.least} to {self.most}", value)

    @property
    def schema(self) -> Schema:  # noqa: D102
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Decimal:
    """A decimal number, never written as a whole one unless `whole` allows it."""

    least: float = -FINITE
    most: float = FINITE
    whole: bool = False

    def faults(self, value: Any, path: str) -> Iterator[str]:  # noqa: ANN401, D102
        kinds = {int, float} if self.whole else {float}
        if type(value) not in kinds or not self.least <= value <= self.most:  # NaN is in no bounds
            yield told(path, f"a decimal number from {self.least:g} to {self.most:g}", value)

    @property
    def schema(self) -> Schema:  # noqa: D102
        return {"type": "number", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Truth:
    """True or false."""

    def faults(self, value: Any, path: str) -> Iterator[str]:  # noqa: ANN401, D102
        if type(value) is not bool:
            yield told(path, "true or false", value)

    @property
    def schema(self) -> Schema:  # noqa: D102
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few values, of the same type."""

    values: tuple[Any, ...]

    def faults(self, value: Any, path: str) -> Iterator[str]:  # noqa: ANN401, D102
        if not any(type(value) is type(known) and value == known for known in self.values):
            yield told(path, " or ".join(map(repr, self.values)), value)

    @property
    def schema(self) -> Schema:  # noqa: D102
        return {"const": self.values[0]} if len(self.values) == 1 else {"enum": list(self.values)}


@dataclass(frozen=True, slots=True)
class Maybe:
    """A form, or null."""

    of: Form

    def faults(self, value: Any, path: str) -> Iterator[str]:  # noqa: ANN401, D102
        if value is not None:
            yield from self.of.faults(value, path)

    @property
    def schema(self) -> Schema:  # noqa: D102
        return {"anyOf": [{"type": "null"}, self.of.schema]}


@dataclass(frozen=True, slots=True)
class Decimals:
    """A list of decimal numbers."""

    count: tuple[int, int]
    """Least and most."""
    least: float = -FINITE
    most: float = FINITE

    def faults(self, value: Any, path: str) -> Iterator[str]:  # noqa: ANN401, D102
        if _missized(value, self.count):
            yield _size(value, self.count, path)
            return
        each = Decimal(self.least, self.most)
        if set(map(type, value)) - {float} or not all(map(math.isfinite, value)):
            pass
        elif not value or (self.least <= min(value) and max(value) <= self.most):
            return
        for place, item in enumerate(value):
            yield from each.faults(item, f"{path}[{place}]")

    @property
    def schema(self) -> Schema:  # noqa: D102
        return _listed(Decimal(self.least, self.most), self.count)


@dataclass(frozen=True, slots=True)
class Several:
    """A list of values of one form."""

    of: Form
    count: tuple[int, int]
    unique: bool = False

    def faults(self, value: Any, path: str) -> Iterator[str]:  # noqa: ANN401, D102
        if _missized(value, self.count):
            yield _size(value, self.count, path)
            return
        for place, item in enumerate(value):
            yield from self.of.faults(item, f"{path}[{place}]")
        if self.unique and len(set(map(repr, value))) < len(value):
            yield told(path, "each value once", value)

    @property
    def schema(self) -> Schema:  # noqa: D102
        return {**_listed(self.of, self.count), **({"uniqueItems": True} if self.unique else {})}


@dataclass(frozen=True, slots=True)
class Row:
    """A list of so many values, each of its own form."""

    of: tuple[Form, ...]

    def faults(self, value: Any, path: str) -> Iterator[str]:  # noqa: ANN401, D102
        count = (len(self.of), len(self.of))
        if _missized(value, count):
            yield _size(value, count, path)
            return
        for place, (form, item) in enumerate(zip(self.of, value, strict=True)):
            yield from form.faults(item, f"{path}[{place}]")

    @property
    def schema(self) -> Schema:  # noqa: D102
        count = len(self.of)
        return {"type": "array", "prefixItems": [f.schema for f in self.of], "minItems": count, "maxItems": count}


@dataclass(frozen=True, slots=True)
class Fields:
    """An object with these fields, and no others."""

    needed: Mapping[str, Form]
    may: Mapping[str, Form] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)
    """Field -> what the schema says of it."""

    def faults(self, value: Any, path: str) -> Iterator[str]:  # noqa: ANN401, D102
        if type(value) is not dict:
            yield told(path, "an object", value)
            return
        for name in self.needed:
            if name not in value:
                yield f"{path}: it lacks {name!r}"
        for name, item in value.items():
            form = self.needed.get(name) or self.may.get(name)
            if form is None:
                yield f"{path}: it has {printable(repr(name), 60)}, which nothing writes"
            else:
                yield from form.faults(item, f"{path}.{name}")

    @property
    def schema(self) -> Schema:  # noqa: D102
        known = {**self.needed, **self.may}
        notes = {name: {"description": self.about[name]} if name in self.about else {} for name in known}
        return {
            "type": "object",
            "required": list(self.needed),
            "additionalProperties": False,
            "properties": {name: {**form.schema, **notes[name]} for name, form in known.items()},
        }


@dataclass(frozen=True, slots=True)
class Table:
    """An object whose keys are data, all values of one form."""

    of: Form
    count: tuple[int, int]
    keys: Text = Text(60)

    def faults(self, value: Any, path: str) -> Iterator[str]:  # noqa: ANN401, D102
        if type(value) is not dict or not self.count[0] <= len(value) <= self.count[1]:
            yield told(path, f"an object of {self.count[0]} to {self.count[1]} fields", value)
            return
        for name, item in value.items():
            yield from self.keys.faults(name, f"{path}, a field's name")
            yield from self.of.faults(item, f"{path}.{name}")

    @property
    def schema(self) -> Schema:  # noqa: D102
        bounds = {"minProperties": self.count[0], "maxProperties": self.count[1]}
        return {
            "type": "object",
            **bounds,
            "additionalProperties": self.of.schema,
            "propertyNames": self.keys.schema,
        }


@dataclass(frozen=True, slots=True)
class Either:
    """Of two forms of an object the one that a field's value chooses."""

    name: str
    value: str
    then: Form
    other: Form

    def faults(self, value: Any, path: str) -> Iterator[str]:  # noqa: ANN401, D102
        chosen = self.then if type(value) is dict and value.get(self.name) == self.value else self.other
        yield from chosen.faults(value, path)

    @property
    def schema(self) -> Schema:  # noqa: D102
        said = {"required": [self.name], "properties": {self.name: {"const": self.value}}}
        return {"if": said, "then": self.then.schema, "else": self.other.schema}


def _missized(value: Any, count: tuple[int, int]) -> bool:  # noqa: ANN401 - JSON
    return type(value) is not list or not count[0] <= len(value) <= count[1]


def _size(value: Any, count: tuple[int, int], path: str) -> str:  # noqa: ANN401 - JSON
    wanted = f"{count[0]}" if count[0] == count[1] else f"{count[0]} to {count[1]}"
    if type(value) is list:
        return f"{path}: a list of {wanted} values was expected, not one of {len(value)}"
    return told(path, f"a list of {wanted} values", value)


def _listed(of: Form, count: tuple[int, int]) -> Schema:
    return {"type": "array", "items": of.schema, "minItems": count[0], "maxItems": count[1]}


PLAIN: Mapping[Any, Form] = {str: Text(), int: Whole(), float: Decimal(), bool: Truth()}


def form_of(kind: Any) -> Form:  # noqa: ANN401 - an annotation
    """Return the form of a field by its annotation: str, int, float, bool, `Literal`, or one of them or None."""
    options = get_args(kind)
    if get_origin(kind) is Literal:
        return OneOf(options)
    if isinstance(kind, UnionType):
        (plain,) = (option for option in options if option is not type(None))
        return Maybe(form_of(plain))
    return PLAIN[kind]


def forms_of(kind: type, **own: Form) -> dict[str, Form]:
    """Return the forms of a dataclass's fields by their annotations, but for those that are given."""
    return {each.name: own.get(each.name) or form_of(each.type) for each in fields(kind)}
