"""Components with versions, as people write them in commands: `kubernetes=1.10.13`, `storage=etcd2`."""

from __future__ import annotations

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
            f"{text!r} is not {VERSION}", hint="As in kubernetes=1.7.16 or storage=etcd2.", code=ExitCode.USAGE
        ) from error
