"""Mirrors by URL prefix: where else an archive lies; pure."""

from __future__ import annotations

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen


@frozen
class Mirror:
    """URLs that begin with `prefix` are asked of `replacement` first."""

    prefix: str
    replacement: str


def parse(text: str) -> tuple[Mirror, ...]:
    """Return the mirrors of the setting: `PREFIX=REPLACEMENT`, separated by white space. Raises `KubedebError` (CONFIG)."""
    return tuple(_one(word) for word in text.split())


def _one(word: str) -> Mirror:
    prefix, equals, replacement = word.partition("=")
    if not equals or not all(part.startswith(("http://", "https://")) for part in (prefix, replacement)):
        raise KubedebError(
            f"the setting mirrors holds {word!r}, which is not PREFIX=REPLACEMENT", details="Both are http or https URLs.",
            hint="Several are separated by white space (kubedeb config show says where the setting comes from).",
            code=ExitCode.CONFIG,
        )  # fmt: skip
    return Mirror(prefix, replacement)


def places(url: str, mirrors: tuple[Mirror, ...]) -> list[str]:
    """Return where to ask for a URL: the mirrors, those of the longest prefix first, then upstream itself."""
    fitting = sorted((mirror for mirror in mirrors if url.startswith(mirror.prefix)), key=lambda one: -len(one.prefix))
    return list(dict.fromkeys([*(one.replacement + url.removeprefix(one.prefix) for one in fitting), url]))
