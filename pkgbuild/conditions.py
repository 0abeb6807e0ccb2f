"""What a build may use, and what is done when it fails; none of it decides what is built."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace

from kubedeb.records import frozen
from pkgbuild.sandbox import TIME_LIMIT
from pkgbuild.spec import BuildSpec


@frozen
class Conditions:
    """`memory` in bytes (None: no limit), `seconds` until a build is ended.

    `shell`: open a shell in the sandbox of a build that failed. `trace_network`: build once more and say which addresses were
    tried. For commands that are shown to people: `again`, the options that found the recipe, the store and the sandbox.
    """

    memory: int | None = None
    seconds: float = TIME_LIMIT
    shell: bool = False
    trace_network: bool = False
    again: tuple[str, ...] = ()

    def look_inside(self, spec: BuildSpec) -> str:
        """Return the command that makes the sandbox again to the point of failure and opens a shell in it; pure."""
        return self._command(spec, "--shell")

    def beside(self, needed: Iterable[BuildSpec]) -> Conditions:
        """Return these where a build stands on packages of other recipes, which belong into the same run; pure."""
        return replace(self, again=(*(f"{spec.recipe}@{spec.version}" for spec in needed), *self.again))

    def trace(self, spec: BuildSpec) -> str:
        """Return the command that says which addresses a build tries; pure."""
        return self._command(spec, "--trace-network")

    def lock_missing(self) -> str:
        """Return the command that locks build dependencies which never were; pure."""
        return shlex.join(["kubedeb", "base", "update", "--missing", *self.again])

    def together(self, spec: BuildSpec, recipes: Sequence[str]) -> str:
        """Return the command that builds a version with the recipes that it needs; pure."""
        return shlex.join(["kubedeb", "build", f"{spec.recipe}@{spec.version}", *recipes, *self.again])

    def _command(self, spec: BuildSpec, option: str) -> str:
        named = {
            "--memory": str(self.memory or ""),  # what failed for want of it fails the same way
            "--time-limit": f"{self.seconds:g}" if self.seconds != TIME_LIMIT else "",
        }
        more = [word for name, value in named.items() if value for word in (name, value)]
        return shlex.join(["kubedeb", "build", f"{spec.recipe}@{spec.version}", *self.again, *more, option])


NO_CONDITIONS = Conditions()
