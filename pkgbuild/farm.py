"""A farm: the same builds on the workers of a dask.distributed cluster, everything between them through a shared store."""

from __future__ import annotations

import ipaddress
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kubedeb import __version__
from kubedeb.config import path_setting
from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.progress import Progress, Task, progress
from pkgbuild.baselock import BaseLock
from pkgbuild.builders import Job, OwnFile
from pkgbuild.cache import Cache
from pkgbuild.checksum import Checksum
from pkgbuild.dsc import named_files
from pkgbuild.finding import lacking
from pkgbuild.judging import VERDICT
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.sandbox import SandboxKind
from pkgbuild.session import session
from pkgbuild.shared import Shared
from pkgbuild.spec import BuildSpec
from pkgbuild.store import BuildResult, Store, recorded
from pkgbuild.target import Target

if TYPE_CHECKING:
    from distributed import Client

AT_ONCE = 64
"""Builds that are handed to the scheduler at once; it decides which run."""
CONNECT = 30


@dataclass(frozen=True)
class Farm:
    """A scheduler (`tls://HOST:PORT`), the location that all share, and the files of this client's TLS."""

    address: str
    store: str
    ca: str = ""
    cert: str = ""
    key: str = ""

    def check(self) -> None:
        """Raise `KubedebError` (USAGE) unless the connection is one that only those with a key can use."""
        parts = urlsplit(self.address)
        if parts.scheme == "tcp" and parts.hostname and _loopback(parts.hostname):
            problem = ""
        elif parts.scheme == "tcp":
            problem = "A scheduler runs whatever code it is sent, with no question asked: plain TCP is for loopback only."
        elif parts.scheme != "tls" or not parts.hostname or not parts.port:
            problem = "An address is tls://HOST:PORT."
        elif not (self.ca and self.cert and self.key):
            problem = "TLS needs --farm-ca, --farm-cert and --farm-key (or the settings of these names)."
        elif missing := [file for file in (self.ca, self.cert, self.key) if not Path(file).is_file()]:
            problem = f"There is no file {', '.join(missing)}."
        else:
            problem = ""
        if not problem and not self.store:
            problem = "Sources and results pass through a store that all workers reach: --farm-store LOCATION."
        if problem:
            raise KubedebError(f"cannot use the farm {self.address}", details=problem, code=ExitCode.USAGE)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class Terms:
    """What a worker is told beside the job: the base and the sha256 of its root, the shared location, what is inspected."""

    lock: BaseLock
    root: str
    location: str
    lintian: bool
    root_tests: bool
    sandbox: SandboxKind
    version: str = __version__


@dataclass(frozen=True)
class Answer:
    """What a worker answers: the lines that its check said, and the parts of a `KubedebError` when it failed.

    Without an error the result lies in the shared store, under `digest`.
    """

    digest: str = ""
    said: tuple[str, ...] = ()
    error: tuple[str, str, str, int] | None = None


def work(job: Job, terms: Terms) -> Answer:
    """Carry one job out, on a worker: bring what it needs, build as on any machine, share the result, the record last."""
    said: list[str] = []
    digest = job.expanded.spec.digest
    try:
        _work(job, terms, said.append)
    except KubedebError as error:  # an exception with named arguments does not survive the way back
        return Answer(digest, tuple(said), (error.brief, error.details, error.hint, int(error.code)))
    return Answer(digest, tuple(said))


def _work(job: Job, terms: Terms, say: Callable[[str], object]) -> None:
    from pkgbuild.run import RunOptions, local_builder

    if terms.version != __version__:
        raise KubedebError(
            f"a worker has kubedeb {__version__}, the job is of {terms.version}",
            hint="Install the same version everywhere.", code=ExitCode.SANDBOX,
        )  # fmt: skip
    shared, spec = Shared(terms.location), job.expanded.spec
    if shared.has(spec.digest) and not (job.check or job.inspect):  # an earlier worker died only after it had shared it
        return
    store, cache = Store(path_setting("store").absolute()), Cache(path_setting("cache").absolute())
    target = Target(Suite(spec.suite), Architecture(spec.architecture), store, cache)
    options = RunOptions(lintian=terms.lintian, root_tests=terms.root_tests, sandbox=terms.sandbox)
    with session(store.folder) as run_file, storage_errors(f"the store {store.folder}", ExitCode.BUILD_STORAGE):
        root = store.root_file(terms.lock)
        if not root.exists():
            shared.get(Checksum.sha256(terms.root), root)
        for pin in () if job.inspect else spec.sources:
            file = _bring(shared, cache, pin.checksum)
            for named in named_files(file) if pin.kind == "dsc" else ():
                _bring(shared, cache, named.checksum)
        own = tuple(OwnFile(_bring(shared, cache, Checksum.sha256(one.sha256)), one.sha256, one.name) for one in job.own)
        if shared.has(spec.digest):  # this one is to be checked or inspected, whatever this worker made earlier
            with store.alone(spec, lambda: None, lambda: False), store.building(spec) as folder:
                shared.get_result(spec.digest, folder)
        try:
            with local_builder(target, terms.lock, options, _Teller(progress(), say), run_file) as builder:
                builder.start(replace(job, own=own)).result()
        finally:
            if store.log(spec).exists():
                shared.put_log(store.log(spec))
            if store.result(spec) is not None:  # a check that fails has its verdict beside the packages
                shared.put_result(spec.digest, store.build_folder(spec))


def _bring(shared: Shared, cache: Cache, checksum: Checksum) -> Path:
    if held := cache.get(checksum):
        return held
    with session(cache.folder) as run_file:
        fetched = run_file.with_name(f"{run_file.name}-{checksum.value}")
        try:
            shared.get(checksum, fetched)
            return cache.adopt(fetched, checksum)
        finally:
            fetched.unlink(missing_ok=True)


class _Teller:
    """A worker's progress that also keeps what is said, for whoever asked."""

    def __init__(self, inner: Progress, say: Callable[[str], object]) -> None:
        self._inner, self._say = inner, say

    def say(self, text: str) -> None:
        self._inner.say(text)
        self._say(text)

    def task(self, title: str) -> AbstractContextManager[Task]:
        return self._inner.task(title)


class FarmBuilder:
    """Hands jobs to the scheduler and brings their results into the store; see `builders.Builder`."""

    def __init__(self, client: Client, farm: Farm, target: Target, terms: Terms, progress: Progress) -> None:
        self._client, self._target, self._terms, self._progress = client, target, terms, progress
        self._shared = Shared(farm.store)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="farm")
        self._asked: list[Any] = []
        self._stopped = threading.Event()

    def start(self, job: Job) -> Future[BuildResult]:
        """Begin a job; see `Builder.start`."""
        return self._pool.submit(self._through, job)

    def stop(self) -> None:
        """Take back what no worker has begun; a build that one is at ends there, and its result is not fetched."""
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.cancel(self._asked, force=True)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Wait until every thread has ended."""
        self._pool.shutdown(wait=True)

    def _through(self, job: Job) -> BuildResult:
        spec, store = job.expanded.spec, self._target.store
        with self._progress.task(f"build {spec.title} on the farm") as task:
            task.note(job.reason)
            with store.alone(spec, lambda: task.note("waiting for another build of it"), self._stopped.is_set):
                held = store.result(spec)
                if held is None and not job.check and self._shared.has(spec.digest):
                    held = self._take(spec)
                if held and not self._lacking(held) and not job.check:
                    return held
                if held:  # what is compared or inspected is what this store holds
                    self._shared.put_result(spec.digest, store.build_folder(spec))
                try:
                    self._ask(replace(job, inspect=held is not None and not job.check))
                except KubedebError:
                    if job.check and self._shared.has(spec.digest):
                        self._take(spec)
                    raise
                return self._take(spec)

    def _lacking(self, held: BuildResult) -> tuple[str, ...]:
        return lacking(held.inspection, lintian=self._terms.lintian, root_tests=self._terms.root_tests)

    def _take(self, spec: BuildSpec) -> BuildResult:
        """Bring the shared result of a spec into the store; where the store has it, what was stated about it since."""
        store = self._target.store
        if (held := store.result(spec)) is not None:
            with tempfile.TemporaryDirectory(dir=store.folder, prefix=".farm-") as name:
                self._shared.get_result(spec.digest, Path(name))
                judged = recorded(Path(name))
                if judged is None:
                    raise KubedebError(f"the farm's result of {spec.title} is damaged", code=ExitCode.BUILD_STORAGE)
                files = {file: (Path(name) / file).read_bytes() for file in (*held.attestations, VERDICT)}
            store.amend(spec, replace(held, inspection=judged[0].inspection), files)
            return store.result(spec) or held
        with store.building(spec) as folder:
            self._shared.get_result(spec.digest, folder)
        self._shared.get_log(store.log(spec))
        if (result := store.result(spec)) is None:
            raise KubedebError(f"the farm's result of {spec.title} is damaged", code=ExitCode.BUILD_STORAGE)
        return result

    def _ask(self, job: Job) -> None:
        for pin in () if job.inspect else job.expanded.spec.sources:
            file = self._target.cache.path(pin.checksum)
            self._shared.put(file, pin.checksum)
            for named in named_files(file) if pin.kind == "dsc" else ():
                self._shared.put(self._target.cache.path(named.checksum), named.checksum)
        for own in job.own:
            self._shared.put(own.path, Checksum.sha256(own.sha256))
        asked = self._client.submit(work, job, self._terms, pure=False, retries=0)
        self._asked.append(asked)
        try:
            answer: Answer = asked.result()
        except Exception as error:  # whatever the scheduler says: a build's own errors come as answers
            raise KubedebError(
                f"the farm did not build {job.expanded.spec.title}", details=f"{type(error).__name__}: {error}",
                hint="The scheduler's and the workers' own logs say more.", code=ExitCode.SANDBOX,
            ) from error  # fmt: skip
        for line in answer.said:
            self._progress.say(line)
        if answer.error:
            brief, details, hint, code = answer.error
            self._shared.get_log(self._target.store.log(job.expanded.spec))
            raise KubedebError(brief, details=details, hint=hint, code=ExitCode(code))


@contextmanager
def farm_builder(farm: Farm, target: Target, terms: Terms, progress: Progress) -> Iterator[FarmBuilder]:
    """Give a builder on a farm. Raises `KubedebError`: USAGE (not a safe address), SANDBOX (nobody answers)."""
    farm.check()
    Shared(farm.store).put(target.store.root_file(terms.lock), Checksum.sha256(terms.root))
    try:
        import distributed
    except ImportError as error:
        raise KubedebError(
            "dask.distributed is not installed", details=str(error), hint="pip install 'kubedeb[farm]'", code=ExitCode.SANDBOX
        ) from error
    files = {"tls_ca_file": farm.ca, "tls_client_cert": farm.cert, "tls_client_key": farm.key, "require_encryption": True}
    tls: Any = distributed.Security(**files) if farm.address.startswith("tls:") else None  # type: ignore[no-untyped-call]
    try:
        client = distributed.Client(farm.address, security=tls, timeout=CONNECT, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:
        raise KubedebError(
            f"the scheduler {farm.address} does not answer", details=str(error), code=ExitCode.SANDBOX
        ) from error
    with client:
        builder = FarmBuilder(client, farm, target, terms, progress)
        try:
            yield builder
        finally:
            builder.close()
