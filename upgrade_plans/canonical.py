"""The one form in which facts, cluster and plans are written and hashed: equal values, equal bytes."""

from __future__ import annotations

from pydantic import BaseModel

from kubedeb.files import canonical_json, sha256_bytes
from kubedeb.yamlfile import StrictModel


class Sparse(StrictModel):
    """A file of which most keys are left out: what is as it is by default is not written."""


def text_of(value: BaseModel) -> str:
    """Return a model as canonical JSON; of what people and facts leave out nothing is written (`Sparse`)."""
    sparse = isinstance(value, Sparse)
    tree = value.model_dump(mode="json", by_alias=True, exclude_defaults=sparse)
    if sparse and (number := getattr(value, "format", None)):
        tree["format"] = number
    return canonical_json(tree)


def digest(value: BaseModel) -> str:
    """Return the sha256 of a model's canonical JSON, in hex."""
    return sha256_bytes(text_of(value).encode())
