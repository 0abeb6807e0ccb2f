"""Where the files of a wheel lie in an environment: below its prefix, as an installer puts them; pure.

Modules lie at the top of the archive, everything else in NAME-VERSION.data/, by kind
(https://packaging.python.org/en/latest/specifications/binary-distribution-format/). Commands are left out: an installer would
write its own interpreter into them, and a package has those that it wants in its own `files/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kubedeb.errors import ExitCode, KubedebError

MODULES = frozenset({"purelib", "platlib"})
DATA = "data"


def place(path: str, python: str) -> str | None:
    """Return where a wheel's file lies below the prefix, for a Python `3.11`; None for what is not laid out."""
    top, _, rest = path.partition("/")
    if not top.endswith(".data"):
        return f"lib/python{python}/site-packages/{path}"
    kind, _, below = rest.partition("/")
    if kind in MODULES:
        return f"lib/python{python}/site-packages/{below}"
    return below if kind == DATA else None


def refuse_twice(placed: Iterable[tuple[str, str]], before: Mapping[str, str]) -> None:
    """Raise `KubedebError` (RECIPE) when one of (path, wheel) is a path that another wheel has put there already."""
    for path, wheel in placed:
        if path in before:
            raise KubedebError(
                f"the wheels {before[path]} and {wheel} both have {path}", code=ExitCode.RECIPE,
                hint="Leave one of them out, or take a version that does not have it.",
            )  # fmt: skip
