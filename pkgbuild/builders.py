"""Who builds: threads of this process, each with a sandbox of its own; the Protocol that a farm fulfils too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.progress import Progress
from kubedeb.records import frozen
from pkgbuild.build import Workshop, build
from pkgbuild.cache import Cache
from pkgbuild.check import check
from pkgbuild.conditions import NO_CONDITIONS, Conditions
from pkgbuild.halting import Halt
from pkgbuild.inspectbuild import NOBODY, Inspector
from pkgbuild.judging import judge_stored
from pkgbuild.sandbox import PLAIN, Bind, OpenSandbox, Sandbox, SandboxKind, Surroundings
from pkgbuild.spec import Expanded
from pkgbuild.statement import Material
from pkgbuild.store import BuildResult, Store


@frozen
class OwnFile:
    """A package that goes into a build's root beside the base: where its file lies, its sha256, its name as a file."""

    path: Path
    sha256: str
    name: str


@frozen
class Job:
    """One build, as a value: what is built, why, with which packages beside the base, whether twice, its conditions.

    What the store holds is not built; it is inspected when it lacks a verdict that the run wants. `inspect` says to a farm's
    worker, whose store may hold nothing yet, that this is all, and that it needs no source.
    """

    expanded: Expanded
    reason: str
    own: tuple[OwnFile, ...] = ()
    check: bool = False
    conditions: Conditions = NO_CONDITIONS
    inspect: bool = False


def _materials(own: Sequence[OwnFile]) -> tuple[Material, ...]:
    return tuple(Material(file.name, "", "sha256", file.sha256) for file in own)


class Builder(Protocol):
    """Carries jobs out, some of them at once."""

    def start(self, job: Job) -> Future[BuildResult]:
        """Begin a job; the future's result is in the store when it is there, its error is a `KubedebError`."""

    def stop(self) -> None:
        """End everything that was begun, sandboxes too; futures may then never be done."""


Prepare = Callable[[Job], OpenSandbox]
"""Returns what opens the sandboxes of a job, its root made ready."""


class LocalBuilder:
    """Builds in threads of this process; used as a context manager, it waits for them."""

    def __init__(
        self, store: Store, cache: Cache, prepare: Prepare, jobs: int, progress: Progress, inspector: Inspector = NOBODY,
        kind: SandboxKind = SandboxKind.DOCKER, halt: Halt | None = None,
    ) -> None:  # fmt: skip
        self._inspector, self._kind = inspector, kind
        self._store, self._cache, self._prepare, self._progress = store, cache, prepare, progress
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="build")
        self._halt = halt or Halt()

    def start(self, job: Job) -> Future[BuildResult]:
        """Begin a job in a thread; see `Builder.start`."""
        return self._pool.submit(self._work, job)

    def stop(self) -> None:
        """End every sandbox and judge; see `Builder.stop`."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._halt.now()

    def close(self) -> None:
        """Wait until every thread has ended."""
        self._pool.shutdown(wait=True)

    def _work(self, job: Job) -> BuildResult:
        spec = job.expanded.spec
        held = self._store.result(spec)
        if held is None or job.check:
            held = self._make(job, held)
        if self._inspector.lacking(held.inspection):  # stored by a run that left judges out
            with self._progress.task(f"inspect {spec.title}") as task:
                task.note(job.reason)
                wait = partial(task.note, f"waiting for another build of {spec.title}")
                held = judge_stored(spec, self._store, self._inspector, wait, self._halt.is_set) or held
        return held

    def _make(self, job: Job, held: BuildResult | None) -> BuildResult:
        """Build what the store does not hold; then build it again if that is wanted, and compare."""
        title = job.expanded.spec.title
        shop = Workshop(
            self._store, self._cache, self._tracked(self._prepare(job)), self._inspector, _materials(job.own), job.conditions
        )
        if held is None:
            with self._progress.task(f"build {title}") as task:
                task.note(job.reason)
                with self._addresses_told(job, shop):
                    held = build(
                        job.expanded, shop, lambda: task.note(f"waiting for another build of {title}"), self._halt.is_set
                    )
        if job.check:
            with self._progress.task(f"build {title} again, everything varied, and compare"):
                check(job.expanded, shop, held, self._kind, lambda line: self._progress.say(f"{title}: {line}"))
        return held

    @contextmanager
    def _addresses_told(self, job: Job, shop: Workshop) -> Iterator[None]:
        """Repeat a build that fails under strace when that is wanted, and say what it tried to reach."""
        try:
            yield
        except KubedebError as error:
            if not job.conditions.trace_network or error.code is not ExitCode.BUILD:
                raise
            from pkgbuild.tracing import trace_network, with_addresses

            with self._progress.task(f"build {job.expanded.spec.title} again under strace"):
                raise with_addresses(error, trace_network(job.expanded, shop)) from error

    def _tracked(self, opened: OpenSandbox) -> OpenSandbox:
        """Return the same opener, whose sandboxes are ended by `stop`."""

        @contextmanager
        def tracked(surroundings: Surroundings = PLAIN, binds: Sequence[Bind] = ()) -> Iterator[Sandbox]:
            with opened(surroundings, binds) as sandbox, self._halt.ending(sandbox.stop):
                yield sandbox

        return tracked
