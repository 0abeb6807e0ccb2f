"""The one form in which facts, cluster and plans are written and hashed: equal values, equal bytes."""

from __future__ import annotations

from pydantic import BaseModel

from kubedeb.files import canonical_json, sha256_bytes


def text_of(value: BaseModel) -> str:
    """Return a model as canonical JSON."""
    return canonical_json(value.model_dump(mode="json", by_alias=True))


def digest(value: BaseModel) -> str:
    """Return the sha256 of a model's canonical JSON, in hex."""
    return sha256_bytes(text_of(value).encode())
