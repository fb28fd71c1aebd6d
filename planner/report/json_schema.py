"""Words to write a JSON schema with: every value is described, every map is closed."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def closed(description: str, **properties: Schema) -> Schema:
    """A map with exactly these keys."""
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def of(kind: str, description: str, **more: Any) -> Schema:
    """A plain value of a JSON type."""
    return {"type": kind, "description": description, **more}


def amount(description: str) -> Schema:
    """A number of at least 0."""
    return of("number", description, minimum=0)


def count(description: str) -> Schema:
    """A whole number of at least 0."""
    return of("integer", description, minimum=0)


def share(description: str) -> Schema:
    """A number from 0 to 1."""
    return of("number", description, minimum=0, maximum=1)


def one_of(description: str, *values: str) -> Schema:
    """One of some words."""
    return {"description": description, "enum": list(values)}


def listing(description: str, items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "description": description, "items": items}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def reference(name: str) -> Schema:
    """A part that is described once."""
    return {"$ref": f"#/$defs/{name}"}
