"""The Dockerfile's first stage: what the sandbox runs on a base root, and so a part of what decides each build."""

from __future__ import annotations

import re

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_bytes
from kubedeb.records import frozen
from pkgbuild.library import shipped_folder

FROM = re.compile(r"\s*FROM\s", re.IGNORECASE)


@frozen
class Stage:
    """A Dockerfile of one stage, as docker builds it."""

    dockerfile: bytes

    @property
    def digest(self) -> str:
        """Return the sha256 that is part of each build's digest and of the image's name."""
        return sha256_bytes(self.dockerfile)


def first_stage(text: str) -> bytes:
    """Return a Dockerfile up to its second stage, without comments and empty lines; pure."""
    lines: list[str] = []
    stages = 0
    for line in text.splitlines():
        stages += FROM.match(line) is not None
        if stages > 1:
            break
        if line.strip() and not line.lstrip().startswith("#"):
            lines.append(line)
    return "".join(f"{line}\n" for line in lines).encode()


def sandbox_stage() -> Stage:
    """Return the shipped Dockerfile's first stage. Raises `KubedebError` (SANDBOX) when the file cannot be read."""
    path = shipped_folder("Dockerfile")
    try:
        return Stage(first_stage(path.read_text()))
    except OSError as error:
        raise KubedebError(
            f"cannot read {path}", details=str(error), hint="It comes with kubedeb: install it anew.", code=ExitCode.SANDBOX
        ) from error
