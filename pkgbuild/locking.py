"""Lock what builds stand on: the base of a suite and what recipes build-depend on. Nothing else asks apt's solver."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from kubedeb.progress import Progress
from pkgbuild import base
from pkgbuild.base import Update
from pkgbuild.baselock import BaseLock
from pkgbuild.layers import Wants, wants_of
from pkgbuild.library import Chosen
from pkgbuild.ours import offered
from pkgbuild.recipe import Architecture
from pkgbuild.sourceneeds import bring_into_cache, source_needs
from pkgbuild.spec import SourceNeeds, build_depends_of
from pkgbuild.target import Target


def lock_for(
    chosen: Sequence[Chosen], target: Target, progress: Progress, sources: Sequence[Path] = (), *, missing: bool = False
) -> Update:
    """Bring the base of a suite up to date and lock what recipes build-depend on; say what of it the suite does not have.

    `sources` are `.sources` files of repositories with packages of ours. `missing`: lock only what was never locked. Raises as
    `base.update`.
    """
    needs: dict[SourceNeeds, tuple[str, ...]] = {}

    def wants(lock: BaseLock) -> set[Wants]:
        bring = bring_into_cache(target, progress)
        needs.update(source_needs(chosen, target.architecture, lock, target.store, target.cache, bring))
        return wants_of(chosen, offered(chosen, needs, target, sources), target.architecture, needs)

    done = base.update(target, wants, progress, missing=missing)
    for one in done.layers:
        if one.error:
            needing = ", ".join(needing_them(one.wants, chosen, target.architecture, needs))
            progress.say(f"{target.suite} has no {' '.join(one.wants)}, which these recipes need: {needing}")
    return done


def needing_them(
    wants: Wants, chosen: Collection[Chosen], architecture: Architecture, needs: Mapping[SourceNeeds, tuple[str, ...]]
) -> list[str]:
    """Return the names, sorted, of the recipes whose build dependencies hold all of `wants`; pure."""
    return sorted({
        one.loaded.recipe.name for one in chosen if set(wants) <= set(build_depends_of(one, architecture, needs))
    })  # fmt: skip
