"""What hosts must do when a suite moves back: apt goes up by itself and never down. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kubedeb.versions import DebianVersion
from repo.models import SOURCE, Member

# Above 1000 a pin lets apt go down.
DOWN = 1001


@dataclass(frozen=True, order=True)
class Downgrade:
    """A package whose newest version was `before` and is `after` now; empty: the suite has none any more."""

    name: str
    before: str
    after: str


def downgrades(before: Iterable[Member], after: Iterable[Member]) -> tuple[Downgrade, ...]:
    """Return the packages that hosts may have in a version newer than the newest that they can get now."""
    old, new = _newest(before), _newest(after)
    return tuple(
        Downgrade(name, version, new.get(name, ""))
        for name, version in sorted(old.items())
        if name not in new or DebianVersion(new[name]) < DebianVersion(version)
    )


def _newest(members: Iterable[Member]) -> dict[str, str]:
    newest: dict[str, str] = {}
    for member in members:
        if member.architecture != SOURCE:
            seen = newest.get(member.name)
            if seen is None or DebianVersion(seen) < DebianVersion(member.version):
                newest[member.name] = member.version
    return newest


def install_line(found: Iterable[Downgrade]) -> str:
    """Return the command that takes a host down to what the suite has now, empty when there is nothing to go down to.

    `--only-upgrade` keeps it from installing what a host does not have.
    """
    wanted = " ".join(f"{one.name}={one.after}" for one in found if one.after)
    return f"apt-get update && apt-get install --only-upgrade --allow-downgrades {wanted}" if wanted else ""


def pins_text(found: Iterable[Downgrade]) -> str:
    """Return apt preferences that do the same at the next `apt-get dist-upgrade`; for a file that goes again afterwards."""
    return "\n".join(
        f"Explanation: {one.before} was taken back\nPackage: {one.name}\nPin: version {one.after}\nPin-Priority: {DOWN}\n"
        for one in found
        if one.after
    )


def without(found: Iterable[Downgrade]) -> tuple[str, ...]:
    """Return the packages of which the suite has no version any more: hosts keep theirs, or remove them."""
    return tuple(one.name for one in found if not one.after)
