"""`recipes/recipe.schema.json`: the JSON schema of `recipe.yaml`, from the form, so that editors complete it."""

from __future__ import annotations

from kubedeb.files import canonical_json
from pkgbuild.recipeform import FORM

SCHEMA_FILE = "recipe.schema.json"


def schema() -> str:
    """Return the schema as the file's text."""
    return canonical_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **FORM.adapter.json_schema()})
