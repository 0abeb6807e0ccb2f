"""The steps of a run of `kubedeb build`: each build begun when its needs are built, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kubedeb.errors import KubedebError
from kubedeb.records import frozen
from pkgbuild import outcome as outcomes_of
from pkgbuild.builddeps import without
from pkgbuild.conditions import Conditions
from pkgbuild.layers import Layer, Wants, debs
from pkgbuild.outcome import Outcome
from pkgbuild.plan import Verb
from pkgbuild.spec import BuildSpec, SourcePin
from pkgbuild.store import BuildResult
from pkgbuild.survey import Survey
from pkgbuild.target import Target

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pkgbuild.builders import Builder
    from pkgbuild.ours import Offer
    from pkgbuild.run import RunOptions


@frozen
class Lacking:
    """Why builds cannot be begun: by place, those whose build dependencies were never locked; sources that cannot be had."""

    unlocked: Mapping[int, KubedebError]
    sources: Mapping[SourcePin, KubedebError]

    def of(self, place: int, spec: BuildSpec) -> KubedebError | None:
        """Return the reason for one build, if there is one."""
        return self.unlocked.get(place) or next((self.sources[pin] for pin in spec.sources if pin in self.sources), None)


class Work:
    """The steps of one run, as `jobs.work_through` takes them; `outcomes` is filled while they are done."""

    def __init__(
        self, survey: Survey, target: Target, options: RunOptions, lacking: Lacking, offered: Mapping[str, Offer],
        layers: Mapping[Wants, Layer], builder: Builder,
    ) -> None:  # fmt: skip
        self._survey, self._target, self._options = survey, target, options
        self._lacking, self._offered, self._layers, self._builder = lacking, offered, layers, builder
        self.outcomes: dict[int, Outcome] = {}

    def start(self, place: int) -> Future[BuildResult] | Outcome:
        """Plan a place whose needs are built, and begin it unless there is nothing to do."""
        from pkgbuild.builders import Job, OwnFile

        own = self._survey.own(place, {other: outcome.result for other, outcome in self.outcomes.items()})
        action = self._survey.settle(place, [package for package, _ in own])
        if action.verb is Verb.SKIP:
            return Outcome(action, self._survey.result(place))
        if action.verb is Verb.INSPECT:
            return self._builder.start(Job(self._survey.expanded[place], action.reason, conditions=self._options.conditions))
        if error := self._lacking.of(place, action.spec):
            return Outcome(action, None, error, begun=False)
        ours = {package.name for package, _ in own}
        layer = self._layers.get(without(action.spec.build_depends, ours))
        added = [OwnFile(*deb) for deb in debs(layer, self._target.cache)] if layer else []
        for package, maker in own:
            file = self._file(package.name, maker)
            added.append(OwnFile(file, package.sha256, file.name))
        return self._builder.start(
            Job(self._survey.expanded[place], action.reason, tuple(added), self._options.check, self._conditions(place))
        )

    def _conditions(self, place: int) -> Conditions:
        needed = self._survey.with_needs([place]) - {place}
        return self._options.conditions.beside(self._survey.expanded[other].spec for other in sorted(needed))

    def finished(self, place: int, future: Future[BuildResult]) -> Outcome:
        """Return what became of a build; an exception that is no `KubedebError` is a bug and raised."""
        error = future.exception()
        if error is not None and not isinstance(error, KubedebError):
            raise error
        return Outcome(self._survey.actions[place], None if error else future.result(), error)

    def blocked(self, place: int, by: list[int]) -> Outcome:
        """Return the outcome of a build that stands on one that failed."""
        return outcomes_of.blocked(self._survey.actions[place], [self.outcomes[other] for other in by])

    def failed(self, outcome: Outcome) -> bool:
        """Say whether nothing can be built on it."""
        return outcome.error is not None

    def _file(self, name: str, maker: int | None) -> Path:
        from pkgbuild.ours import bring

        if maker is None:
            return bring(self._offered[name], self._target.cache)
        result, spec = self.outcomes[maker].result, self._survey.expanded[maker].spec
        packages = {package.name: package.file for package in result.packages} if result else {}
        return self._target.store.build_folder(spec) / packages[name]
