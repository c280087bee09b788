"""The fields of a JSON Schema as Markdown."""

from collections.abc import Iterator
from typing import Any


def tables(schema: dict[str, Any], name: str) -> str:
    """Return every field of the JSON that a schema describes, one table an object of the schema."""
    parts = {name: schema, **{k: v for k, v in schema["$defs"].items() if "properties" in v}}
    return "\n\n".join(
        "\n".join([f"### {name}", "", *_about(part), "| field | type | meaning |", "|---|---|---|", *_fields(part)])
        for name, part in parts.items()
    )


def _about(part: dict[str, Any]) -> list[str]:
    return [part["description"], ""] if "description" in part else []


def _fields(part: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, field in part.get("properties", {}).items():
        yield f"| `{prefix}{name}` | {_type(field)} | {field['description']} |"
        yield from _fields(field, f"{prefix}{name}.")
        if isinstance(field.get("items"), dict):
            yield from _fields(field["items"], f"{prefix}{name}[].")


def _type(field: dict[str, Any]) -> str:
    """Return a field's type in words."""
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[1]
        return name.replace("_", " ") if name in {"number_or_null", "marks"} else f"[{name}](#{name})"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    found = field["type"] if isinstance(field["type"], str) else " or ".join(field["type"])
    inner = field.get("items") or field.get("additionalProperties")
    return f"{found} of {_type(inner)}" if isinstance(inner, dict) and "properties" not in inner else found
