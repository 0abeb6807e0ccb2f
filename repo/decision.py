"""Whether a suite needs a new generation, and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from kubedeb.records import frozen
from kubedeb.release import Release
from repo.indices import Listed, index_paths
from repo.live import Live
from repo.models import Member, Suite
from repo.snapshots import Applied, Rows, Snapshot


@frozen
class Decision:
    """What publishing a suite would make of it; `reason` is empty when that is what it serves already.

    `listed` are indices of the same packages that may be in the store. `drafted`: it carries out all of the suite's draft.
    """

    target: Snapshot
    reason: str
    added: tuple[Member, ...] = ()
    removed: tuple[Member, ...] = ()
    new: Mapping[str, Rows] = field(default_factory=dict)
    listed: Listed | None = None
    drafted: bool = False

    def without_rows(self) -> Decision:
        """Return it without the packages of new chunks: these are in the store now, and may be a hundred thousand."""
        return replace(self, new={})


def decide(
    live: Live | None, applied: Applied, suite: Suite, asked: str = "", *, again: bool = True, listed: Listed | None = None
) -> Decision:
    """Return whether what was applied must become a new generation, and why.

    `asked` is somebody's reason; with `again` it is one though nothing changes.
    """
    if live is not None and live.snapshot == applied.snapshot:
        listed = Listed(suite.name, live.release.indices)
    if live is None:
        reason = "the first generation"
    elif live.snapshot != applied.snapshot:
        counted = f"{len(applied.added)} added, {len(applied.removed)} removed"
        reason = counted if applied.added or applied.removed else asked or counted
    else:
        reason = _other_settings(live.release, suite) or (asked if again else "")
    return Decision(applied.snapshot, reason, applied.added, applied.removed, applied.new, listed, applied.drafted)


def _other_settings(release: Release, suite: Suite) -> str:
    """Return what the suite's settings change in its Release, if anything."""
    if release.architectures != suite.architectures:
        return f"architectures are now {' '.join(suite.architectures)}"
    if index_paths(suite) != set(release.indices):
        return "other indices are asked for"
    if bool(suite.options.valid_for) != ("Valid-Until" in release.fields):
        return "Valid-Until is switched on or off"
    return ""
