"""`.buildinfo` files (deb-buildinfo(5)): read, and brought into a form that two equal builds share; `.changes` files; pure."""

from __future__ import annotations

import re
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_bytes
from kubedeb.records import frozen
from kubedeb.stanza import control_text, one

VARYING = frozenset(
    {"Build-Date", "Build-Kernel-Version", "Build-Tainted-By", "Build-Path", "Build-Origin", "Build-Driver", "Environment"}
)
"""What says where and when a build was done, and not what came of it."""
DEPENDENCY = re.compile(r"^\s*(?P<name>[a-z0-9][a-z0-9+.-]+)(?::[a-z0-9-]+)? \(= (?P<version>[^)]+)\)$")


@frozen
class BuildInfo:
    """What a rebuild needs of a .buildinfo: `installed` {name: version} was there, `files` {name: sha256} came of it.

    `host_architecture` is what was built for, where `build_architecture` ran.
    """

    source: str
    version: str
    build_architecture: str
    host_architecture: str
    installed: dict[str, str]
    files: dict[str, str]
    environment: dict[str, str]

    @property
    def debs(self) -> dict[str, str]:
        """Return the packages among the files."""
        return {name: sha256 for name, sha256 in self.files.items() if name.endswith(".deb")}


def parse(text: str, file: Path) -> BuildInfo:
    """Return what a .buildinfo says, signed or not; `file` is what messages name. Raises `KubedebError` (PACKAGE) for none."""
    from debian.deb822 import Deb822

    stanza = Deb822(text)
    try:
        rows = [line.split() for line in stanza["Checksums-Sha256"].splitlines() if line.strip()]
        found = BuildInfo(
            stanza["Source"].split()[0],
            stanza["Version"],
            stanza["Build-Architecture"],
            stanza.get("Host-Architecture", stanza["Build-Architecture"]),
            _installed(stanza["Installed-Build-Depends"]),
            {name: sha256 for sha256, _, name in rows},
            dict(re.findall(r'^ ([A-Z_a-z]+)="(.*)"$', stanza.get("Environment", ""), re.MULTILINE)),
        )
    except (KeyError, ValueError, IndexError) as error:
        raise KubedebError(
            f"{file} is not a .buildinfo file", details=f"What is missing or wrong: {error}",
            hint="dpkg-buildpackage, and so kubedeb build, writes one beside each .changes file.", code=ExitCode.PACKAGE,
        ) from error  # fmt: skip
    if not all(map(is_plain, found.files)):
        raise KubedebError(f"{file}: a .buildinfo names files by name, not by path", code=ExitCode.PACKAGE)
    return found


def is_plain(name: str) -> bool:
    """Say whether a file is named by its name, not by a path."""
    return "/" not in name and not name.startswith(".")


def listed(changes: bytes) -> dict[str, str]:
    """Return {name: sha256} of the files that a .changes file lists. Raises `KubedebError` (BUILD) when it is none.

    It comes from the build: a path in it would lead out of the folder that the files are taken to.
    """
    try:
        rows = [line.split() for line in one(control_text(changes))["Checksums-Sha256"].splitlines() if line.strip()]
        found = {name: sha256 for sha256, _, name in rows}
    except (KeyError, ValueError) as error:
        raise KubedebError("the build's .changes file is none", details=str(error), code=ExitCode.BUILD) from error
    if paths := [name for name in found if not is_plain(name)]:
        raise KubedebError("the build's .changes file lists paths, not names", details=paths[0], code=ExitCode.BUILD)
    if not any(name.endswith(".buildinfo") for name in found):
        raise KubedebError("the build's .changes file lists no .buildinfo", code=ExitCode.BUILD)
    return found


def _installed(text: str) -> dict[str, str]:
    found = {}
    for item in text.replace("\n", " ").split(","):
        if not item.strip():
            continue
        match = DEPENDENCY.match(item)
        if match is None:
            raise ValueError(f"Installed-Build-Depends has {item.strip()!r}")
        found[match["name"]] = match["version"]
    return found


def normal_form(text: str) -> str:
    """Return a .buildinfo without what says where and when, fields and folded lines sorted."""
    stanza = one(control_text(text.encode()))
    fields = [(key, stanza[key]) for key in sorted(stanza, key=str.lower) if key not in VARYING]
    return "".join(f"{key}:{_sorted(value)}\n" for key, value in fields)


def _sorted(value: str) -> str:
    lines = [line.strip().rstrip(",") for line in value.splitlines() if line.strip()]
    return f" {lines[0]}" if len(lines) == 1 else "".join(f"\n {line}" for line in sorted(lines))


def normal_digest(text: str) -> str:
    """Return the sha256 of the normal form, which equal builds share."""
    return sha256_bytes(normal_form(text).encode())
