"""What `kubedeb build` does: choose, expand, plan, fetch, build, and say of each spec what became of it."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import CHUNK, replacing, sha256_of
from kubedeb.progress import Progress
from pkgbuild import outcome as outcomes_of
from pkgbuild.builddeps import names, without
from pkgbuild.conditions import NO_CONDITIONS, Conditions
from pkgbuild.finding import ROOTS, lacking
from pkgbuild.jobs import work_through
from pkgbuild.layering import Layering
from pkgbuild.layers import Layer, Wants, debs, wants_of
from pkgbuild.library import Chosen
from pkgbuild.outcome import Outcome
from pkgbuild.plan import Verb
from pkgbuild.recipe import BUILD_ARCHITECTURE, Architecture
from pkgbuild.sandbox import SandboxKind
from pkgbuild.session import session
from pkgbuild.spec import Expanded, Locked, SourceNeeds, SourcePin, build_depends_of, expand
from pkgbuild.stage import sandbox_stage
from pkgbuild.store import BuildResult, Store
from pkgbuild.survey import Ground, Survey
from pkgbuild.target import Target

if TYPE_CHECKING:
    from pkgbuild.baselock import BaseLock
    from pkgbuild.builders import Builder, Job
    from pkgbuild.farm import Farm
    from pkgbuild.inspectbuild import Inspector
    from pkgbuild.ours import Offer
    from pkgbuild.sandbox import Backend, OpenSandbox


@dataclass(frozen=True)
class RunOptions:
    """How a run goes about it; none of it decides what is built.

    `check`: build each once more and compare. `jobs`: builds at once. `verify`: hash every stored file again. `stale`: only
    what a newer base or toolchain concerns. `dry`: say what would be done, and do nothing. `sources`: `.sources` files of apt
    repositories with packages of ours that recipes build-depend on. `lintian`, `root_tests`: ask these judges of each build;
    `previous`: packages that the root tests upgrade from, instead of those that the store holds. `sandbox`: its kind. `farm`:
    where builds run, None on this machine. `offline`: sources come from the cache alone. `verbose`: say each request of the
    fetch phase. `conditions`: the limits of each build, and what is done when it fails.
    """

    check: bool = False
    jobs: int = 1
    verify: bool = False
    stale: bool = False
    offline: bool = False
    verbose: bool = False
    dry: bool = False
    sources: tuple[Path, ...] = ()
    lintian: bool = True
    root_tests: bool = True
    sandbox: SandboxKind = SandboxKind.AUTO
    previous: tuple[Path, ...] = ()
    farm: Farm | None = None
    conditions: Conditions = NO_CONDITIONS


DEFAULT_OPTIONS = RunOptions()
MACHINES = {"x86_64": Architecture.AMD64, "aarch64": Architecture.ARM64}


def run_builds(
    chosen: Sequence[Chosen], target: Target, progress: Progress, options: RunOptions = DEFAULT_OPTIONS
) -> list[Outcome]:
    """Bring every chosen version's packages into the store, those first that others build-depend on.

    A build that fails, or whose source is gone, keeps only those from being built that depend on it. What concerns all raises
    `KubedebError`: a recipe that cannot be expanded, no base, no sandbox.
    """
    lock = target.store.base(target.suite, BUILD_ARCHITECTURE) or _first_base(chosen, target, progress)
    needs = _needs(chosen, target, lock, options, progress)
    offered = _offers(chosen, needs, target, options)
    packages = {name: offer.package for name, offer in offered.items()}
    layering = Layering(lock, target.store, target.cache, target.mirror, options.offline, progress)
    wants = wants_of(chosen, packages, target.architecture, needs)
    layers = layering.known(wants) if options.dry else layering.locked(wants)
    locked = Locked(lock.digest, sandbox_stage().digest, {want: layer.digest for want, layer in layers.items()}, needs)
    ground = Ground(target.suite, target.architecture, lock, locked, packages)
    survey = Survey(chosen, ground, target.store, unjudged(options, target), check=options.check, verify=options.verify)
    places = survey.stale() if options.stale else sorted(survey.actions)
    if options.dry or all(survey.actions[place].verb is Verb.SKIP for place in places):
        return [Outcome(survey.actions[place], survey.result(place)) for place in places]
    with session(target.store.folder) as run_file:
        wanted = [survey.expanded[place] for place in places if survey.actions[place].verb.makes]
        depends = [set(one.spec.build_depends) for one in wanted]
        layering.bring(layer for want, layer in layers.items() if any(of.issuperset(want) for of in depends))
        lost = _fetch(wanted, target, options, progress)
        with _builder(target, lock, options, progress, run_file) as builder:
            work = _Work(survey, target, options, lost, offered, layers, builder)
            try:
                work_through({place: set(survey.needs[place].values()) for place in places}, work, work.outcomes)
            except BaseException:
                progress.say("ending what is being built …")
                builder.stop()
                raise
    return [work.outcomes[place] for place in places]


class _Work:
    """The steps of one run, as `jobs.work_through` takes them."""

    def __init__(
        self, survey: Survey, target: Target, options: RunOptions, lost: Mapping[SourcePin, KubedebError],
        offered: Mapping[str, Offer], layers: Mapping[Wants, Layer], builder: Builder,
    ) -> None:  # fmt: skip
        self._survey, self._target, self._options = survey, target, options
        self._lost, self._offered, self._layers, self._builder = lost, offered, layers, builder
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
        if gone := next((self._lost[pin] for pin in action.spec.sources if pin in self._lost), None):
            return Outcome(action, None, gone, begun=False)
        ours = {package.name for package, _ in own}
        layer = self._layers.get(without(action.spec.build_depends, ours))
        added = [OwnFile(*deb) for deb in debs(layer, self._target.cache)] if layer else []
        for package, maker in own:
            file = self._file(package.name, maker)
            added.append(OwnFile(file, package.sha256, file.name))
        return self._builder.start(
            Job(self._survey.expanded[place], action.reason, tuple(added), self._options.check, self._options.conditions)
        )

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


def _first_base(chosen: Sequence[Chosen], target: Target, progress: Progress) -> BaseLock:
    from pkgbuild import base

    for one in chosen:  # a recipe that cannot be expanded is told before half a minute goes into a base
        expand(one, target.suite, target.architecture)
    progress.say(f"There is no base for {target.suite} {BUILD_ARCHITECTURE} yet: making it, once.")
    return base.update(target, lambda _: (), progress).lock


def _needs(
    chosen: Sequence[Chosen], target: Target, lock: BaseLock, options: RunOptions, progress: Progress
) -> dict[SourceNeeds, tuple[str, ...]]:
    """Return what source packages build-depend on; a .dsc that cannot be had is told when its build is to be made."""
    from pkgbuild.sourceneeds import bring_into_cache, source_needs

    fetch = None if options.offline or options.dry else bring_into_cache(target, progress)
    return source_needs(chosen, target.architecture, lock, target.store, target.cache, fetch)


def _offers(
    chosen: Sequence[Chosen], needs: Mapping[SourceNeeds, tuple[str, ...]], target: Target, options: RunOptions
) -> dict[str, Offer]:
    depends = [relation for one in chosen for relation in build_depends_of(one, target.architecture, needs)]
    wanted = {name for relation in depends for name in names(relation)}
    if not options.sources or not wanted:
        return {}
    from pkgbuild.ours import offers

    return offers(options.sources, wanted, target.architecture, target.store.folder / "tmp")


def _fetch(
    builds: Collection[Expanded], target: Target, options: RunOptions, progress: Progress
) -> dict[SourcePin, KubedebError]:
    """Bring all sources into the cache; where that fails for one build of several, only that one is lost."""
    from pkgbuild.fetch import fetch, fetch_all, network

    say = progress.say if options.verbose else lambda _: None
    net = network(target.cache, target.mirror, target.mirrors, say, offline=options.offline)
    pins = [pin for one in builds for pin in one.spec.sources]
    return (fetch if len(builds) == 1 else fetch_all)(pins, target.cache, net, progress)


def _builder(
    target: Target, lock: BaseLock, options: RunOptions, progress: Progress, run_file: Path
) -> AbstractContextManager[Builder]:
    """Return what gives the builder: this machine, or a farm."""
    if options.farm is None:
        return local_builder(target, lock, options, progress, run_file)
    from pkgbuild.farm import Terms, farm_builder

    if not target.store.root_file(lock).exists():
        raise KubedebError(
            f"the root of {lock.tag} is not in the store, and the farm's workers need it",
            details=f"{target.store.root_file(lock)} is missing.",
            hint=f"Make it anew:\nrm {target.store.folder}/bases/{lock.suite}-{lock.architecture}.json && kubedeb base update",
            code=ExitCode.SANDBOX,
        )
    root = sha256_of(target.store.root_file(lock))
    terms = Terms(lock, root, options.farm.store, options.lintian, options.root_tests, options.sandbox)
    return farm_builder(options.farm, target, terms, progress)


@contextmanager
def local_builder(target: Target, lock: BaseLock, options: RunOptions, progress: Progress, run_file: Path) -> Iterator[Builder]:
    """Give what carries builds out: threads of this process with sandboxes of the chosen kind."""
    from pkgbuild.backends import backend
    from pkgbuild.builders import LocalBuilder

    with backend(options.sandbox, target.store, progress, run_file) as sandboxes:

        def prepare(job: Job) -> OpenSandbox:
            return sandboxes.prepare(lock, [(own.path, own.sha256) for own in job.own])

        inspector = _inspector(sandboxes, target, lock, options)
        builder = LocalBuilder(
            target.store, target.cache, prepare, options.jobs, progress, inspector, SandboxKind(sandboxes.name)
        )
        try:
            yield builder
        finally:
            builder.close()


def unjudged(options: RunOptions, target: Target) -> Callable[[BuildResult], tuple[str, ...]]:
    """Return what says which of a run's judges have not judged a stored build and could do so.

    Whether the root tests could run on this machine is looked up only for a build that lacks them; a farm's workers may.
    """

    @cache
    def roots() -> bool:
        if MACHINES.get(platform.machine()) != target.architecture or options.sandbox is SandboxKind.UNSHARE:
            return False
        from pkgbuild.dockerd import connect

        try:
            with connect():
                return True
        except KubedebError:
            return False

    def of(result: BuildResult) -> tuple[str, ...]:
        names = lacking(result.inspection, lintian=options.lintian, root_tests=options.root_tests)
        return tuple(name for name in names if name != ROOTS or options.farm is not None or roots())

    return of


def _inspector(sandboxes: Backend, target: Target, lock: BaseLock, options: RunOptions) -> Inspector:
    """Return who inspects the builds; packages of another architecture than the machine's cannot be tried out."""
    from pkgbuild.backends import DockerBackend
    from pkgbuild.cleanroot import docker_root
    from pkgbuild.inspectbuild import Inspector

    if not options.root_tests:
        return Inspector(options.lintian, None, "--no-root-tests", options.previous)
    if MACHINES.get(platform.machine()) != target.architecture:
        return Inspector(options.lintian, None, f"this machine does not run {target.architecture}", options.previous)
    if not isinstance(sandboxes, DockerBackend):
        return Inspector(options.lintian, None, "the root tests need docker", options.previous)
    sandboxes.prepare(lock)
    opened = partial(docker_root, sandboxes.client, lock.tag, owner=str(sandboxes.run_file), used=target.store.note_use)
    return Inspector(options.lintian, opened, "", options.previous)


def export(outcomes: Sequence[Outcome], store: Store, folder: Path) -> list[Path]:
    """Copy every package, .changes and .buildinfo of the outcomes into `folder`: never a link, people sign files in place."""
    held = [(store.build_folder(outcome.action.spec), outcome.result) for outcome in outcomes]
    return export_files([built / name for built, result in held if result for name in result.files], folder)


def export_files(files: Sequence[Path], folder: Path) -> list[Path]:
    """Copy files into `folder` under their names and return the copies. Raises `KubedebError` (BUILD_STORAGE)."""
    with storage_errors(str(folder), ExitCode.BUILD_STORAGE):
        folder.mkdir(parents=True, exist_ok=True)
        return [_copy(file, folder / file.name) for file in files]


def _copy(source: Path, target: Path) -> Path:
    with replacing(target) as out, source.open("rb") as stream:
        shutil.copyfileobj(stream, out, CHUNK)
    return target
