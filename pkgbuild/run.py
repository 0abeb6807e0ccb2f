"""What `kubedeb build` does: choose, expand, plan, fetch, build, and say of each spec what became of it."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import CHUNK, replacing, sha256_of
from kubedeb.progress import Progress
from kubedeb.records import frozen
from pkgbuild.conditions import NO_CONDITIONS, Conditions
from pkgbuild.finding import ROOTS, lacking
from pkgbuild.graph import upgrades
from pkgbuild.jobs import work_through
from pkgbuild.layering import Layering
from pkgbuild.layers import wants_of
from pkgbuild.library import Chosen
from pkgbuild.outcome import Outcome, never_locked
from pkgbuild.plan import Verb
from pkgbuild.recipe import BUILD_ARCHITECTURE, Architecture
from pkgbuild.sandbox import SandboxKind
from pkgbuild.session import session
from pkgbuild.spec import Expanded, Locked, SourceNeeds, SourcePin, expand
from pkgbuild.stage import sandbox_stage
from pkgbuild.store import BuildResult, Store
from pkgbuild.survey import Ground, Survey
from pkgbuild.target import Target
from pkgbuild.work import Lacking, Work

if TYPE_CHECKING:
    from pkgbuild.baselock import BaseLock
    from pkgbuild.builders import Builder, Job
    from pkgbuild.farm import Farm
    from pkgbuild.halting import Halt
    from pkgbuild.inspectbuild import Inspector
    from pkgbuild.ours import Offer
    from pkgbuild.sandbox import Backend, OpenSandbox


@frozen
class RunOptions:
    """How a run goes about it; none of it decides what is built.

    `check`: build each once more and compare. `jobs`: builds at once. `verify`: hash every stored file again. `stale`: only
    what a newer base or toolchain concerns. `dry`: say what would be done, and do nothing. `sources`: `.sources` files of apt
    repositories with packages of ours that recipes build-depend on. `lintian`, `root_tests`: ask these judges of each build;
    `previous`: packages that the root tests upgrade from, instead of those that the store holds. `sandbox`: its kind. `farm`:
    where builds run, None on this machine. `offline`: sources come from the cache alone. `verbose`: say each request of the
    fetch phase. `conditions`: the limits of each build, and what is done when it fails. `makers`: asks which recipe
    makes each package, for messages.
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
    makers: Callable[[], Mapping[str, str]] = dict


DEFAULT_OPTIONS = RunOptions()
MACHINES = {"x86_64": Architecture.AMD64, "aarch64": Architecture.ARM64}


def run_builds(
    chosen: Sequence[Chosen], target: Target, progress: Progress, options: RunOptions = DEFAULT_OPTIONS
) -> list[Outcome]:
    """Bring every chosen version's packages into the store, those first that others build-depend on.

    A build that fails, or whose source is gone, keeps only those from being built that depend on it. What concerns all raises
    `KubedebError`: a recipe that cannot be expanded, no base, no sandbox.
    """
    lock = target.store.base(target.suite, BUILD_ARCHITECTURE) or _first_base(chosen, target, options, progress)
    needs = _needs(chosen, target, lock, options, progress)
    offered = _offered(chosen, needs, target, options)
    packages = {name: offer.package for name, offer in offered.items()}
    layering = Layering(lock, target.store, target.cache, target.mirror, options.offline, progress)
    wants = wants_of(chosen, packages, target.architecture, needs)
    layers = layering.known(wants)
    locked = Locked(lock.digest, sandbox_stage().digest, {want: layer.digest for want, layer in layers.items()}, needs)
    ground = Ground(target.suite, target.architecture, lock, locked, packages)
    survey = Survey(chosen, ground, target.store, unjudged(options, target), check=options.check, verify=options.verify)
    places = survey.stale() if options.stale else sorted(survey.actions)
    makers = cache(options.makers)
    unlocked = {
        place: never_locked(survey.expanded[place].spec, want, options.conditions, makers())
        for place in places if survey.actions[place].verb.makes and (want := survey.wants(place)) and want not in layers
    }  # fmt: skip
    if options.dry or all(survey.actions[place].verb is Verb.SKIP or place in unlocked for place in places):
        return [
            Outcome(survey.actions[place], survey.result(place), unlocked.get(place), begun=place not in unlocked)
            for place in places
        ]  # fmt: skip
    with session(target.store.folder) as run_file:
        makes = [place for place in places if survey.actions[place].verb.makes and place not in unlocked]
        wanted = [survey.expanded[place] for place in makes]
        depends = [set(one.spec.build_depends) for one in wanted]
        needed = {want: layer for want, layer in layers.items() if any(of.issuperset(want) for of in depends)}
        rootless = layering.bring_each(needed)
        unlocked |= {place: rootless[want] for place in makes if (want := survey.wants(place)) in rootless}
        lost = _fetch(wanted, target, options, progress)
        with _builder(target, lock, options, progress, run_file) as builder:
            work = Work(survey, target, options, Lacking(unlocked, lost), offered, layers, builder)
            try:
                needed_by = {place: set(survey.needs[place].values()) for place in places}
                work_through(needed_by, work, work.outcomes, _after(survey, places, options))
            except BaseException:
                progress.say("ending what is being built …")
                builder.stop()
                raise
    return [work.outcomes[place] for place in places]


def _after(survey: Survey, places: Collection[int], options: RunOptions) -> dict[int, int]:
    """Return which places wait for which: the root tests upgrade from the version before, which is in the store by then."""
    if not options.root_tests or options.previous:
        return {}
    upgraded = upgrades([one.spec for one in survey.expanded], survey.needs)
    return {place: older for place, older in upgraded.items() if place in places and older in places}


def _first_base(chosen: Sequence[Chosen], target: Target, options: RunOptions, progress: Progress) -> BaseLock:
    """Do what `kubedeb base update` does, for these recipes; raises as that, or FETCH or SANDBOX where it must not be done."""
    for one in chosen:  # a recipe that cannot be expanded is told before half a minute goes into a base
        expand(one, target.suite, target.architecture)
    if options.offline or options.dry:
        raise KubedebError(
            f"there is no base for {target.suite} {BUILD_ARCHITECTURE} yet, and this run is to make none",
            hint=f"Where there is a network: kubedeb base update --suite {target.suite}\n"
            "From a kit: kubedeb recipe fetch --all --from KIT --offline",
            code=ExitCode.FETCH if options.offline else ExitCode.SANDBOX,
        )
    from pkgbuild.locking import lock_for

    progress.say(f"There is no base for {target.suite} {BUILD_ARCHITECTURE} yet: making it, once.")
    return lock_for(chosen, target, progress, options.sources).lock


def _needs(
    chosen: Sequence[Chosen], target: Target, lock: BaseLock, options: RunOptions, progress: Progress
) -> dict[SourceNeeds, tuple[str, ...]]:
    """Return what source packages build-depend on; a .dsc that cannot be had is told when its build is to be made."""
    from pkgbuild.sourceneeds import bring_into_cache, source_needs

    fetch = None if options.offline or options.dry else bring_into_cache(target, progress)
    return source_needs(chosen, target.architecture, lock, target.store, target.cache, fetch)


def _offered(
    chosen: Sequence[Chosen], needs: Mapping[SourceNeeds, tuple[str, ...]], target: Target, options: RunOptions
) -> dict[str, Offer]:
    if not options.sources:
        return {}
    from pkgbuild.ours import offered

    return offered(chosen, needs, target, options.sources)


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
    from pkgbuild.halting import Halt

    halt = Halt()
    with backend(options.sandbox, target.store, progress, run_file, halt) as sandboxes:

        def prepare(job: Job) -> OpenSandbox:
            return sandboxes.prepare(lock, [(own.path, own.sha256) for own in job.own])

        inspector = _inspector(sandboxes, target, lock, options, halt)
        if options.root_tests and inspector.why_no_root:
            progress.say(f"Nothing is tried out in a clean root: {inspector.why_no_root}.")
        builder = LocalBuilder(
            target.store, target.cache, prepare, options.jobs, progress, inspector, SandboxKind(sandboxes.name), halt
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


def _inspector(sandboxes: Backend, target: Target, lock: BaseLock, options: RunOptions, halt: Halt) -> Inspector:
    """Return who inspects the builds; packages of another architecture than the machine's cannot be tried out."""
    from pkgbuild.backends import DockerBackend
    from pkgbuild.cleanroot import docker_root
    from pkgbuild.inspectbuild import Inspector

    why, opened = "", None
    if not options.root_tests:
        why = "--no-root-tests"
    elif MACHINES.get(platform.machine()) != target.architecture:
        why = f"this machine does not run {target.architecture}"
    elif not isinstance(sandboxes, DockerBackend):
        why = "the root tests need docker"
    else:
        sandboxes.prepare(lock)
        owner, used = str(sandboxes.run_file), target.store.note_use
        opened = partial(docker_root, sandboxes.client, lock.tag, halt=halt, owner=owner, used=used)
    return Inspector(options.lintian, opened, why, options.previous, halt)


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
