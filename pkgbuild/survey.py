"""What a run has to do: every spec expanded as far as that is known, the graph between them, an action for each."""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

from kubedeb.records import frozen
from pkgbuild.baselock import BaseLock
from pkgbuild.builddeps import names, without
from pkgbuild.graph import Needs, OwnPackage, needs, with_own
from pkgbuild.keep import Keep
from pkgbuild.library import Chosen
from pkgbuild.plan import Action, Verb, earlier, plan, stale
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.spec import Locked, expand
from pkgbuild.store import BuildResult, Store


@frozen
class Ground:
    """What all specs of a run stand on: suite, architecture, the base's lock, and packages of ours from an apt repository."""

    suite: Suite
    architecture: Architecture
    lock: BaseLock
    locked: Locked
    offered: Mapping[str, OwnPackage]


class Survey:
    """The chosen rows by their place in the list, their needs, and what is to be done about each.

    `lacking` says of a stored build which judges are wanted that have not judged it.

    Raises `KubedebError` (RECIPE) when a row cannot be expanded or recipes need each other in a circle.
    """

    def __init__(
        self, chosen: Sequence[Chosen], ground: Ground, store: Store, lacking: Callable[[BuildResult], Collection[str]], *,
        check: bool, verify: bool,
    ) -> None:  # fmt: skip
        self._chosen, self._ground, self._store, self._lacking = chosen, ground, store, lacking
        self._check, self._verify = check, verify
        self._results: dict[str, BuildResult | None] = {}
        self._pages = Keep(store.folder).pages
        self.expanded = [expand(one, ground.suite, ground.architecture, ground.locked, self._pages) for one in chosen]
        self.needs: Needs = needs([one.spec for one in self.expanded])
        self.actions: dict[int, Action] = {}
        for place in graphlib.TopologicalSorter({place: set(of.values()) for place, of in self.needs.items()}).static_order():
            self.actions[place] = self._preview(place)

    @cached_property
    def stored(self) -> list[dict[str, Any]]:
        """Return every spec in the store; read once, and only when something is to be built."""
        return self._store.specs()

    def result(self, place: int) -> BuildResult | None:
        """Return what the store held for a place when it was asked first."""
        spec = self.expanded[place].spec
        if spec.digest not in self._results:
            self._results[spec.digest] = self._store.result(spec, verify=self._verify)
        return self._results[spec.digest]

    def own(self, place: int, results: Mapping[int, BuildResult | None]) -> list[tuple[OwnPackage, int | None]]:
        """Return the packages of ours that a place builds with, and the place that makes each (None: the apt repository)."""
        made = {}
        for name, maker in self.needs[place].items():
            result = results.get(maker)
            for package in result.packages if result else ():
                if package.name == name:
                    made[name] = (OwnPackage(name, package.version, package.sha256), maker)
        wanted = dict.fromkeys(name for relation in self.expanded[place].spec.build_depends for name in names(relation))
        offered = self._ground.offered
        return [made.get(name) or (offered[name], None) for name in wanted if name in made or name in offered]

    def wants(self, place: int) -> tuple[str, ...]:
        """Return what of Debian's packages a place builds with beyond the base, sorted."""
        return without(self.expanded[place].spec.build_depends, {*self.needs[place], *self._ground.offered})

    def settle(self, place: int, own: Sequence[OwnPackage]) -> Action:
        """Expand a place once more with the packages of ours that its root will hold, and return what is to be done."""
        if own:
            locked = with_own(self._ground.locked, self.expanded[place].spec.build_depends, own)
            one, ground = self._chosen[place], self._ground
            self.expanded[place] = expand(one, ground.suite, ground.architecture, locked, self._pages)
        spec = self.expanded[place].spec
        result = self.result(place)
        before = earlier(spec, self.stored) if result is None else None
        lacking = self._lacking(result) if result else ()
        self.actions[place] = plan(spec, stored=result is not None, earlier=before, check=self._check, lacking=lacking)
        return self.actions[place]

    def _preview(self, place: int) -> Action:
        before = [maker for maker in self.needs[place].values() if self.actions[maker].verb is Verb.BUILD]
        if not before:
            results = {maker: self.result(maker) for maker in self.needs[place].values()}
            return self.settle(place, [package for package, _ in self.own(place, results)])
        names = ", ".join(self.expanded[maker].spec.title for maker in before)
        return Action(Verb.BUILD, self.expanded[place].spec, f"{names} is built first and may be new")

    def stale(self) -> list[int]:
        """Return the places that a newer base or toolchain concerns, with those that they need; their actions say why."""
        found = []
        for place, action in self.actions.items():
            before = earlier(action.spec, self.stored) if action.verb is Verb.BUILD else None
            old = self._store.past_base(before["base"]) if before else None
            if reason := stale(action.spec, before, old, self._ground.lock):
                self.actions[place] = Action(Verb.BUILD, action.spec, f"made with an older base or toolchain: {reason}")
                found.append(place)
        return sorted(self.with_needs(found))

    def with_needs(self, places: Collection[int]) -> set[int]:
        """Return places with all that they stand on."""
        wanted: set[int] = set()
        waiting = list(places)
        while waiting:
            place = waiting.pop()
            if place not in wanted:
                wanted.add(place)
                waiting += self.needs[place].values()
        return wanted
