"""How `recipe.yaml` is written: what `recipe.py` and `sources.py` name in their annotations, and the form that reads it.

Apart from the values, since pydantic is loaded for a tenth of a second: whoever has a validated recipe does without.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from kubedeb.errors import ExitCode
from kubedeb.yamlfile import Form, Quoted, parse
from pkgbuild import recipe, sources
from pkgbuild.recipecheck import refuse


def _not_empty(value: Any) -> Any:
    """Refuse an empty list; as a validator of its own it stays silent when the list is empty for being wrong inside."""
    if not value:
        raise ValueError("at least one is needed")
    return value


NotEmpty = AfterValidator(_not_empty)
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$", description="A Debian package or source name.")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="The file's sha256: 64 lower-case hex digits.")]
Sha512 = Annotated[str, Field(pattern=r"^[0-9a-f]{128}$", description="The file's sha512: 128 lower-case hex digits.")]
AbsolutePath = Annotated[
    str,
    Field(
        pattern=r"^(/([A-Za-z0-9+_.@:~-]|\{series\})*([A-Za-z0-9+_@:~-]|\{series\}))+$",
        description="A path in the package; `{series}` is filled in: 3.4 for version 3.4.23.",
    ),
]
RelativePath = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9+_.-]*(/[A-Za-z0-9_][A-Za-z0-9+_.-]*)*$")]
PackageName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([a-z0-9+.-]|\{series\})+$",
        description="A binary package; `{series}` is filled in: 3.4 for version 3.4.23.",
    ),
]
SourcePath = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9+.-]+(/([A-Za-z0-9+_.@:~-]|\{version\}|\{architecture\})*([A-Za-z0-9+_@:~-]|\{version\}|\{architecture\}))+$",
        description="SOURCE/path/in/it, where SOURCE is the source's name; `{version}` and `{architecture}` are filled in.",
    ),
]

NAMES = {
    **vars(sources), **vars(recipe),
    "Annotated": Annotated, "Literal": Literal, "Field": Field, "NotEmpty": NotEmpty, "Quoted": Quoted,
    "Name": Name, "Sha256": Sha256, "Sha512": Sha512, "PackageName": PackageName,
    "AbsolutePath": AbsolutePath, "RelativePath": RelativePath, "SourcePath": SourcePath,
}  # fmt: skip
"""What the annotations of a recipe's dataclasses are made of."""
FORM = Form(recipe.Recipe, NAMES, refuse)


def read(text: str, path: Path) -> recipe.Recipe:
    """Return the recipe that a file says. Raises `KubedebError` (RECIPE) with every finding and its line."""
    return FORM.validate(parse(text, path, code=ExitCode.RECIPE), code=ExitCode.RECIPE)
