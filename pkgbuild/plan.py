"""What is to be done for each spec, and why; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any

from kubedeb.records import frozen
from pkgbuild.baselock import BaseLock, changed
from pkgbuild.spec import BuildSpec

TOOLS = {
    "base": "the base root",
    "layer": "the build dependencies",
    "sandbox": "the sandbox (the Dockerfile's first stage)",
}
"""What a build was made with, as opposed to made of: the fields of a spec, and what people call them."""
SHOWN = 3


class Verb(StrEnum):
    """What happens to a spec."""

    BUILD = "build"
    SKIP = "skip"
    REBUILD = "rebuild"
    """Built again beside what the store holds, and compared with it."""
    INSPECT = "inspect"
    """Judged where it lies in the store: a verdict is wanted that it lacks."""

    @property
    def makes(self) -> bool:
        """Say whether something is built: then sources and build dependencies are needed."""
        return self in (Verb.BUILD, Verb.REBUILD)


@frozen
class Action:
    """One spec, what is done, and the reason for people."""

    verb: Verb
    spec: BuildSpec
    reason: str


def plan(
    spec: BuildSpec, *, stored: bool, earlier: Mapping[str, Any] | None, check: bool, lacking: Collection[str] = ()
) -> Action:
    """Return the action for a spec: `stored`: the store holds it; `earlier`: another build of its version.

    `lacking`: the judges whose verdict is wanted and who have not judged what the store holds.
    """
    held = f"the store holds this build ({spec.digest[:12]})"
    if stored and lacking:
        held += f", not judged yet by {' and '.join(lacking)}"
    if stored and check:
        return Action(Verb.REBUILD, spec, f"{held}, --check compares")
    if stored:
        return Action(Verb.INSPECT if lacking else Verb.SKIP, spec, held)
    if earlier is None:
        return Action(Verb.BUILD, spec, "the store has no build of it")
    return Action(Verb.BUILD, spec, f"changed since the last build: {', '.join(differences(spec, earlier))}")


def earlier(spec: BuildSpec, stored: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the newest other build of the same package version, of specs as data, the newest last."""
    alike = ("recipe", "package_version", "architecture")
    found = [
        data for data in stored
        if data.get("digest") != spec.digest and all(data.get(key) == getattr(spec, key) for key in alike)
    ]  # fmt: skip
    return found[-1] if found else None


def stale(spec: BuildSpec, before: Mapping[str, Any] | None, old: BaseLock | None, new: BaseLock | None) -> str:
    """Return why a newer base or toolchain concerns an earlier build of a spec, empty when none does.

    `old` and `new` are the locks of the bases that the earlier build and the spec stand on, where they are known.
    """
    if before is None:
        return ""
    reasons = [words for key, words in TOOLS.items() if before.get(key) != getattr(spec, key)]
    if reasons and reasons[0] == TOOLS["base"] and old and new:
        news = changed(old, new.packages) or ["other packages are in it"]
        more = f" and {len(news) - SHOWN} more" if len(news) > SHOWN else ""
        reasons[0] += f": {', '.join(news[:SHOWN])}{more}"
    return "; ".join(reasons)


def differences(spec: BuildSpec, earlier: Mapping[str, Any]) -> list[str]:
    """Return in words what differs between a spec and an earlier one's data."""
    now = spec.as_dict()
    before_tree = dict(earlier.get("tree", []))
    tree = dict(spec.tree)
    changed = sorted(path for path in tree.keys() | before_tree.keys() if tree.get(path) != before_tree.get(path))
    words = {
        **TOOLS,
        "sources": "the sources",
        "packages": "the packages' contents",
        "format": "kubedeb itself",
    }
    others = [key for key in now if key not in ("digest", "tree") and _plain(now[key]) != _plain(earlier.get(key))]
    return [*(words.get(key, key) for key in others), *changed] or ["its record was written differently"]


def _plain(value: Any) -> Any:
    """Return a value as it comes back from JSON: tuples are lists there."""
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
