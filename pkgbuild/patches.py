"""A recipe's patches: `patches/VERSION/`, whose `series` names them in order, as quilt's does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError

SERIES = "series"


def near(word: str, known: Iterable[str]) -> str:
    """Return a sentence with the known name that `word` comes next to, and all of them."""
    import difflib  # only a mistake waits for it

    names = list(known)
    close = difflib.get_close_matches(word, names, n=1)
    listed = f"Known are: {', '.join(names) or 'none'}."
    return f"Did you mean {close[0]!r}? {listed}" if close else listed


def read_patches(folder: Path, versions: Sequence[str]) -> dict[str, tuple[tuple[str, bytes], ...]]:
    """Return (name, bytes) of each version's patches, in the order of its series.

    Raises `KubedebError` (RECIPE): a folder of no version, a patch in no series, a series that names no file or one twice.
    """
    found = {}
    for below in sorted(folder.iterdir()) if folder.is_dir() else []:
        if below.name not in versions:
            raise _wrong(f"{below}: the recipe has no version {below.name!r}", near(below.name, versions))
        names = sorted(path.name for path in below.iterdir() if path.name != SERIES)
        series = below / SERIES
        if not series.is_file():
            raise _wrong(f"{series} is missing: it names the patches in their order", f"There are: {', '.join(names)}.")
        ordered = in_order(series.read_text(), str(series), names)
        found[below.name] = tuple((name, (below / name).read_bytes()) for name in ordered)
    return found


def in_order(text: str, where: str, names: Sequence[str]) -> list[str]:
    """Return the names in a series, in order; pure. Raises `KubedebError` (RECIPE) with the line in `where`."""
    listed: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        name = line.partition("#")[0].strip()
        if not name:
            continue
        if name not in names:
            raise _wrong(f"{where}:{number}: there is no patch {name!r}", near(name, names))
        if name in listed:
            raise _wrong(f"{where}:{number}: {name!r} is listed twice", "A patch is applied once.")
        listed.append(name)
    if missing := [name for name in names if name not in listed]:
        raise _wrong(
            f"{where}:{len(text.splitlines()) + 1}: the patch {missing[0]!r} is in no series", near(missing[0], listed)
        )
    return listed


def _wrong(brief: str, details: str) -> KubedebError:
    return KubedebError(
        brief, details=details, hint="A series has one patch a line, in the order they apply.", code=ExitCode.RECIPE
    )
