"""A field of the facts: what it says, and the read-only command or endpoint that it comes from (`docs/facts.md`)."""

from __future__ import annotations

from typing import Any

from pydantic import Field


def fact(what: str, read: str, default: Any = ...) -> Any:
    """Declare a field that says `what` and is read by `read`; no `default`: it must be there."""
    return Field(default, description=what, json_schema_extra={"read": read})
