"""What is to be done for each spec, and why; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pkgbuild.spec import BuildSpec


class Verb(StrEnum):
    """What happens to a spec."""

    BUILD = "build"
    SKIP = "skip"
    REBUILD = "rebuild"
    """Built again beside what the store holds, and compared with it."""


@dataclass(frozen=True)
class Action:
    """One spec, what is done, and the reason for people."""

    verb: Verb
    spec: BuildSpec
    reason: str


def plan(spec: BuildSpec, *, stored: bool, earlier: Mapping[str, Any] | None, check: bool) -> Action:
    """Return the action for a spec: `stored`: the store holds it; `earlier`: another build of its version."""
    held = f"the store holds this build ({spec.digest[:12]})"
    if stored:
        return Action(Verb.REBUILD, spec, f"{held}, --check compares") if check else Action(Verb.SKIP, spec, held)
    if earlier is None:
        return Action(Verb.BUILD, spec, "the store has no build of it")
    return Action(Verb.BUILD, spec, f"changed since the last build: {', '.join(differences(spec, earlier))}")


def differences(spec: BuildSpec, earlier: Mapping[str, Any]) -> list[str]:
    """Return in words what differs between a spec and an earlier one's data."""
    now = spec.as_dict()
    before_tree = dict(earlier.get("tree", []))
    tree = dict(spec.tree)
    changed = sorted(path for path in tree.keys() | before_tree.keys() if tree.get(path) != before_tree.get(path))
    words = {
        "base": "the base root",
        "sandbox": "the sandbox (the Dockerfile's first stage)",
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
