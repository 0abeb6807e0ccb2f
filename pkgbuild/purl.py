"""Package URLs, the names that statements and bills of materials give to packages; pure. Source: the purl specification."""

from __future__ import annotations

from urllib.parse import quote, unquote

DEBIAN = "pkg:deb/debian/"


def debian(name: str, version: str = "", architecture: str = "", suite: str = "") -> str:
    """Return the purl of a Debian package; `architecture` is `source` for a source package."""
    pairs = [("arch", architecture), ("distro", f"debian-{suite}" if suite else "")]
    about = "&".join(f"{key}={_part(value)}" for key, value in pairs if value)
    return f"{DEBIAN}{_part(name)}{_at(version)}{f'?{about}' if about else ''}"


def read_debian(uri: str) -> tuple[str, str, str] | None:
    """Return (name, version, architecture) of a purl that `debian` made, None for any other."""
    path, _, query = uri.partition("?")
    if not path.startswith(DEBIAN) or "@" not in path:
        return None
    name, _, version = path.removeprefix(DEBIAN).partition("@")
    pairs = dict(pair.partition("=")[::2] for pair in query.split("&"))
    return unquote(name), unquote(version), unquote(pairs.get("arch", ""))


def golang(path: str, version: str) -> str:
    """Return the purl of a Go module; `(devel)` is what Go calls the version of a program's own module."""
    name = "/".join(_part(part) for part in path.lower().split("/"))
    return f"pkg:golang/{name}{_at('' if version == '(devel)' else version)}"


def pypi(name: str, version: str) -> str:
    """Return the purl of a Python distribution."""
    return f"pkg:pypi/{_part(name.lower().replace('_', '-'))}{_at(version)}"


def generic(name: str, version: str) -> str:
    """Return the purl of what is in no package registry."""
    return f"pkg:generic/{_part(name)}{_at(version)}"


def _at(version: str) -> str:
    return f"@{_part(version)}" if version else ""


def _part(text: str) -> str:
    return quote(text, safe=".-_~:")
