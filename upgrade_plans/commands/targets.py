"""Components with versions, as people write them in commands: `kubernetes=1.10.13`, `storage=etcd2`."""

from __future__ import annotations

from collections.abc import Collection

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.versions import Version

VERSION = "COMPONENT=VERSION"


def pair(text: str) -> tuple[str, Version]:
    """Return a component and its version. Raises `KubedebError` (USAGE)."""
    name, _, written = text.partition("=")
    if name == "storage" and written in ("etcd2", "etcd3"):
        return name, Version(int(written[-1]), 0)
    try:
        return name, Version.parse(written)
    except ValueError as error:
        raise KubedebError(
            f"{text!r} is not {VERSION}: {error}", hint="As in kubernetes=1.7.16 or storage=etcd2.", code=ExitCode.USAGE
        ) from error


def exact(text: str) -> tuple[str, Version]:
    """Return a component and its version, which names its patch: `1.10` would mean 1.10.0. Raises `KubedebError` (USAGE)."""
    name, version = pair(text)
    if name != "storage" and text.count(".") < len(("minor", "patch")):
        raise KubedebError(
            f"{text!r} names a line, not a version",
            hint=f"Name the patch too, as in {name}={version.major}.{version.minor}.1.",
            code=ExitCode.USAGE,
        )
    return name, version


def patches(texts: Collection[str], products: Collection[str]) -> dict[str, Version]:
    """Return the patches to pass lines with, by product and line (`kubernetes-1.8`). Raises `KubedebError` (USAGE)."""
    found: dict[str, Version] = {}
    for text in texts:
        product, sign, _ = text.partition("=")
        if sign and product not in products:
            raise KubedebError(
                f"--via {text}: no lines of {product!r} are known",
                details=f"Known: {', '.join(sorted(products))}.",
                code=ExitCode.USAGE,
            )
        product, version = exact(text)
        line = f"{product}-{version.major}.{version.minor}"
        if found.setdefault(line, version) != version:
            raise KubedebError(f"--via names two patches of {line}: {found[line]} and {version}", code=ExitCode.USAGE)
    return found
