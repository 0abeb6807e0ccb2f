"""What dpkg and apt rely on in a binary package, checked before it enters the pool."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from pathlib import Path

from kubedeb.deb import Deb, DebError, read_deb
from kubedeb.stanza import CONTROL_CHARACTER
from kubedeb.versions import DebianVersion
from repo.relations import FIELDS, wrong_relation

MULTI_ARCH = ("no", "same", "foreign", "allowed")


def read_binary(path: Path) -> Deb:
    """Read a `.deb` to the end of its data. Raises `DebError` for what dpkg or apt would trip over; `OSError`."""
    deb = read_deb(path, look)
    problem = wrong_field(deb.control)
    if problem:
        raise DebError(problem)
    return deb


def look(item: tarfile.TarInfo) -> None:
    """Raise `DebError` for an entry that leaves the root, or that dpkg's lists cannot name."""
    for what, path in (("entry", item.name), ("hard link to", item.linkname if item.islnk() else "")):
        if ".." in path.split("/"):
            raise DebError(f"its data has the {what} {path[:200]!r}, which leaves the root")
    if item.name.startswith("/"):
        raise DebError(f"its data has the entry {item.name[:200]!r}, which is not relative to the root")
    if "\n" in item.name or CONTROL_CHARACTER.search(item.name):
        raise DebError(f"its data has the entry {item.name[:200]!r} with a control character in its name")
    if item.issparse():
        raise DebError(f"its {item.name[:200]} is a sparse file, which dpkg does not unpack")


def wrong_field(control: Mapping[str, str]) -> str:
    """Return what dpkg or apt would not take in a control file whose names and version are well-formed, else empty."""
    try:
        DebianVersion(control["Version"])
    except ValueError as error:
        return f"its field Version is not valid: {error}"
    for name in FIELDS:
        if control.get(name) and (problem := wrong_relation(name, control[name])):
            return problem
    kind = control.get("Multi-Arch", "no")
    if kind not in MULTI_ARCH:
        return f"its field Multi-Arch is {kind[:80]!r}, not one of {', '.join(MULTI_ARCH)}"
    if kind == "same" and control["Architecture"] == "all":
        return "it is Multi-Arch: same and for all architectures, which dpkg refuses"
    if not control.get("Installed-Size", "0").isascii() or not control.get("Installed-Size", "0").isdigit():
        return f"its field Installed-Size is not a number: {control['Installed-Size'][:80]!r}"
    return ""
