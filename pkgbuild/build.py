"""One build: lay the tree out, build it in a sandbox, take the packages out, inspect them, record them, store them."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, cast

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import sha256_of
from kubedeb.parallel import begun
from kubedeb.records import frozen
from pkgbuild.attest import attest
from pkgbuild.buildinfo import listed
from pkgbuild.cache import Cache
from pkgbuild.compilecache import compile_cache
from pkgbuild.conditions import NO_CONDITIONS, Conditions
from pkgbuild.dsc import named_files
from pkgbuild.early import early
from pkgbuild.gomake import go_variables
from pkgbuild.inspectbuild import NOBODY, Inspector
from pkgbuild.inspection import inspect
from pkgbuild.judging import judge, keep_verdict
from pkgbuild.layout import Files, Forward, folder_name, write_tree
from pkgbuild.reading import Readings
from pkgbuild.recipe import BUILD_ARCHITECTURE, Architecture, Kind
from pkgbuild.render import LAID_OUT
from pkgbuild.sandbox import PLAIN, Bind, OpenSandbox, Sandbox, Surroundings
from pkgbuild.spec import BuildSpec, Expanded
from pkgbuild.statement import Material
from pkgbuild.steps import Step, environment, steps
from pkgbuild.store import BuildResult, BuiltPackage, Store
from pkgbuild.whyfailed import OOM_FILES, kills, reason

MACHINES = {Architecture.AMD64: 62, Architecture.ARM64: 183}
"""ELF's e_machine (elf.h): EM_X86_64, EM_AARCH64."""
LOG_TAIL = 15


@frozen
class Workshop:
    """Where builds happen: the store for results and logs, the cache of sources, what opens a sandbox, who inspects, and
    which packages of ours are in the root.

    `conditions` are the limits of a build and what is done when it fails.
    """

    store: Store
    cache: Cache
    sandbox: OpenSandbox
    inspector: Inspector = NOBODY
    own: tuple[Material, ...] = ()
    conditions: Conditions = NO_CONDITIONS


def build(
    expanded: Expanded,
    shop: Workshop,
    waiting: Callable[[], object] = lambda: None,
    stopped: Callable[[], bool] = lambda: False,
) -> BuildResult:
    """Build a spec whose sources are in the cache, put the result into the store and return it.

    When another run is at the same spec, `waiting` is called, and what the other leaves is taken; `stopped` ends the wait.
    Raises `KubedebError`: BUILD with the log's end and path, BUILD_CONTENTS when the packages are not what the recipe declares,
    LINT when they are not fit for a node that serves, BUILD_STORAGE when the disk is full. The store then holds nothing of it
    but the log.
    """
    with shop.store.alone(expanded.spec, waiting, stopped):
        return shop.store.result(expanded.spec) or _build(expanded, shop)


def _build(expanded: Expanded, shop: Workshop) -> BuildResult:
    began = time.monotonic()
    readings = Readings()
    with _log_told(shop.store.log(expanded.spec)), shop.store.building(expanded.spec) as folder:
        packages, changes, buildinfo = make(expanded, shop, folder, readings=readings)
        seconds = round(time.monotonic() - began, 2)
        files = [folder / package.file for package in packages]
        inspected = judge(expanded.spec, files, shop.store, shop.inspector, readings)
        keep_verdict(folder, inspected.verdict)
        lock = shop.store.lock_of(expanded.spec)
        made_of = [*shop.own, *_beside(expanded.spec, shop.cache)]
        stated = attest(folder, expanded.spec, packages, buildinfo, lock, made_of, inspected.verdict, readings.of)
        result = BuildResult(packages, changes, buildinfo, seconds, inspected.seconds, stated)
        with storage_errors(f"the store {shop.store.folder}", ExitCode.BUILD_STORAGE):
            shop.store.record(folder, expanded.spec, result)
    return result


def make(
    expanded: Expanded,
    shop: Workshop,
    folder: Path,
    surroundings: Surroundings = PLAIN,
    binds: Sequence[Bind] = (),
    *,
    cached: bool = True,
    readings: Readings | None = None,
) -> tuple[tuple[BuiltPackage, ...], str, str]:
    """Build and inspect into `folder`; return the packages and the names of the .changes and .buildinfo files.

    `cached`: a `go` build may take from and add to the compile cache. `readings` keeps what was read of the packages.
    """
    spec = expanded.spec
    limited = replace(surroundings, memory=surroundings.memory or shop.conditions.memory)
    storing = partial(storage_errors, f"the store {shop.store.folder}", ExitCode.BUILD_STORAGE)
    caching = compile_cache(shop.store.folder, spec) if cached and spec.go else nullcontext()
    with _log(shop.store.log(spec)) as log, storing(), caching as cache, ExitStack() as opened:
        sandbox = opened.enter_context(shop.sandbox(limited, [*binds, *([cache] if cache else [])]))
        read = (readings or Readings()).of
        with _looked_into(spec, sandbox, shop), storing(), early(sandbox, folder, read) as known:
            variables = go_variables(spec.go, cache.target if cache else None, limited.memory)
            files = fetched(spec, shop.cache)
            copied = put_tree(expanded, files, sandbox)
            for step in steps(spec, files.dsc):
                _run(spec, step, sandbox, known.hearing(log), shop, variables)
            changes, taken = _take(spec, sandbox, folder, known.copied())
            said = _says(spec, sandbox, log)
            if not shop.conditions.shell:
                opened.close()  # takes its time, as reading the packages does, and nobody will look into it
            packages = tuple(_packages(folder, changes, taken, known.sha256()))
            contents = [read(folder / package.file).contents for package in packages]
            found = [*said, *(f"{finding.package}: {finding.text}" for finding in inspect(spec, contents, copied))]
            _refuse(spec, found, shop.store.log(spec))
    return packages, changes, next(name for name in taken if name.endswith(".buildinfo"))


def _refuse(spec: BuildSpec, findings: Sequence[str], log: Path) -> None:
    if findings:
        raise KubedebError(
            f"the packages of {spec.title} are not what the recipe declares", details="\n".join(findings),
            hint=f"Mend the recipe's contents or its debian/ files. The whole log: {log}", code=ExitCode.BUILD_CONTENTS,
        )  # fmt: skip


@contextmanager
def _looked_into(spec: BuildSpec, sandbox: Sandbox, shop: Workshop) -> Iterator[None]:
    """Open a shell in the sandbox of a build that fails when that is wanted, else end the message with the command for it."""
    try:
        with _log_told(shop.store.log(spec)):
            yield
    except KubedebError as error:
        if error.code not in (ExitCode.BUILD, ExitCode.BUILD_CONTENTS, ExitCode.BUILD_STORAGE):
            raise
        if shop.conditions.shell:
            enter(spec, sandbox, error)
            raise
        raise error.with_hint(f"To look inside:\n{shop.conditions.look_inside(spec)}") from error


@contextmanager
def _log_told(log: Path) -> Iterator[None]:
    """Let the message of a build that ends for want of room, or of what its judges found, say where its log is."""
    try:
        yield
    except KubedebError as error:
        if error.code not in (ExitCode.BUILD_STORAGE, ExitCode.LINT) or str(log) in error.hint or not log.exists():
            raise
        raise error.with_hint(f"The whole log: {log}") from error


def enter(spec: BuildSpec, sandbox: Sandbox, error: KubedebError) -> None:
    """Say what failed and give the terminal to a shell where it failed; leaving it removes the sandbox."""
    from kubedeb.progress import progress

    progress(live=False).say(f"{error.brief}\nThis is its sandbox; leave it with exit or Ctrl-D, and it is removed.")
    sandbox.shell(cwd=f"{sandbox.surroundings.build_root}/{folder_name(spec)}", env=environment(spec))


def _beside(spec: BuildSpec, cache: Cache) -> list[Material]:
    """Return the files that the spec's .dsc sources name; the spec itself pins the .dsc alone."""
    return [
        Material(name, "", path.parent.name, path.name)
        for name, path in fetched(spec, cache).beside.items() if not name.endswith(".dsc")
    ]  # fmt: skip


@contextmanager
def _log(path: Path) -> Iterator[IO[bytes]]:
    with storage_errors(f"the build log {path}", ExitCode.BUILD_STORAGE):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb", buffering=0) as log:
            yield log


def fetched(spec: BuildSpec, cache: Cache) -> Files:
    """Return the files of a spec's sources, and of each .dsc among them the files that it names."""
    sources = {pin.name: cache.path(pin.checksum) for pin in spec.sources}
    beside: dict[str, Path] = {}
    for pin in spec.sources:
        if pin.kind == "dsc":
            beside[f"{pin.name}_{pin.version.rpartition(':')[2]}.dsc"] = sources[pin.name]
            beside.update({named.name: cache.path(named.checksum) for named in named_files(sources[pin.name])})
    return Files(sources, beside)


def put_tree(expanded: Expanded, files: Files, sandbox: Sandbox) -> dict[tuple[str, str], str]:
    """Lay the tree out in the sandbox and return {(package, path): sha256} of what came from sources.

    The sandbox unpacks while the sources are read. Raises as `write_tree`, which knows why a stream broke off, and as
    `Sandbox.put`.
    """
    spec = expanded.spec
    out, into = os.pipe()

    def write() -> dict[str, str]:
        with os.fdopen(into, "wb", buffering=0) as stream:
            return write_tree(cast("IO[bytes]", Forward(stream)), spec, expanded.tree, files, sandbox.surroundings.user)

    written = begun(write)
    try:
        with os.fdopen(out, "rb") as stream:
            sandbox.put(stream)
    except KubedebError:
        with suppress(BrokenPipeError):
            written()
        raise
    copied = written()
    laid = {path.removeprefix(f"{LAID_OUT}/"): sha256 for path, sha256 in copied.items() if path.startswith(f"{LAID_OUT}/")}
    return {(path.partition("/")[0], "/" + path.partition("/")[2]): sha256 for path, sha256 in laid.items()}


def _run(spec: BuildSpec, step: Step, sandbox: Sandbox, log: IO[bytes], shop: Workshop, variables: Mapping[str, str]) -> None:
    path = shop.store.log(spec)
    hint = f"The whole log: {path}"
    try:
        status = sandbox.run(
            step.argv,
            cwd=f"{sandbox.surroundings.build_root}/{step.folder}".rstrip("/"),
            env={**environment(spec), **variables},
            log=log,
            timeout=shop.conditions.seconds,
        )
    except KubedebError as error:
        raise KubedebError(
            f"{spec.title}: {error.brief}", details=error.details or "\n".join(_tail(path)), hint=error.hint or hint,
            code=error.code,
        ) from error  # fmt: skip
    if status != 0:
        tail = _tail(path)
        memory = sandbox.surroundings.memory
        why = reason(step.argv[0], status, tail, _kills(sandbox) if memory else 0, memory)
        untraced = why.network and not shop.conditions.trace_network
        network = f"\nWhich addresses it tried:\n{shop.conditions.trace(spec)}" if untraced else ""
        raise KubedebError(
            f"{spec.title} did not build: {why.brief}", details="\n".join(tail),
            hint=f"{hint}\nThe network is off while building.{network}", code=why.code,
        )  # fmt: skip


def _tail(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()[-LOG_TAIL:]


def _kills(sandbox: Sandbox) -> int:
    with tempfile.TemporaryFile() as output:
        sandbox.run(["cat", *OOM_FILES], cwd="/", env={}, log=output, timeout=60)
        output.seek(0)
        return kills(output.read().decode(errors="replace"))


def _take(spec: BuildSpec, sandbox: Sandbox, folder: Path, copied: Collection[str]) -> tuple[str, dict[str, str]]:
    """Copy out the .changes file and what it lists, but for what is in `folder` already; return its name and its sha256s."""
    below = sandbox.surroundings.build_root
    changes = f"{spec.recipe}_{spec.package_version}_{spec.architecture}.changes"
    sandbox.get(f"{below}/{changes}", folder / changes)
    files = listed((folder / changes).read_bytes())
    for name in files:
        if name not in copied:
            sandbox.get(f"{below}/{name}", folder / name)
    return changes, files


def _packages(folder: Path, changes: str, files: Mapping[str, str], known: Mapping[str, str]) -> Iterator[BuiltPackage]:
    """Yield the packages among the files of a .changes file; all must be what it says. `known` are sha256s that are read."""
    for name, sha256 in sorted(files.items()):
        if (known.get(name) or sha256_of(folder / name)) != sha256:
            raise KubedebError(f"{name} is not the file that {changes} lists", code=ExitCode.BUILD)
        if name.endswith(".deb"):
            yield _package(folder / name, sha256)


def _package(path: Path, sha256: str) -> BuiltPackage:
    name, version, architecture = path.stem.split("_")
    return BuiltPackage(name, version, architecture, path.name, path.stat().st_size, sha256)


def _says(spec: BuildSpec, sandbox: Sandbox, log: IO[bytes]) -> list[str]:
    """Run what each package says about its own version."""
    findings = []
    below = sandbox.surroundings.build_root
    for package in spec.packages:
        if package.says is None:
            continue
        program, *rest = package.says.command
        laid = f"{below}/{folder_name(spec)}/{'debian' if spec.kind == Kind.DEBIAN else LAID_OUT}/{package.name}{program}"
        if spec.architecture != BUILD_ARCHITECTURE:
            findings += _made_for(spec, package.name, program, laid, sandbox)
            continue
        with tempfile.TemporaryFile() as output:
            sandbox.run([laid, *rest], cwd=below, env=_environment(package.says.environment), log=output, timeout=60)
            output.seek(0)
            said = output.read().decode(errors="replace")
        log.write(f"$ {program} {' '.join(rest)}\n{said}".encode())
        if package.says.output not in said:
            first = (said.splitlines() or ["nothing"])[0]
            findings.append(f"{package.name}: {program} does not say {package.says.output.strip()!r} but: {first}")
    return findings


def _made_for(spec: BuildSpec, package: str, program: str, laid: str, sandbox: Sandbox) -> list[str]:
    """Say what is wrong with a program that cannot run here: it must at least be made for the right machine."""
    with tempfile.TemporaryDirectory() as name:
        sandbox.get(laid, Path(name) / "program")
        with (Path(name) / "program").open("rb") as stream:
            head = stream.read(20)
    machine = int.from_bytes(head[18:20], "little") if head[:4] == b"\x7fELF" else None
    if machine in (None, MACHINES[Architecture(spec.architecture)]):  # a script runs on every machine
        return []
    return [f"{package}: {program} is made for ELF machine {machine}, not for {spec.architecture}"]


def _environment(pairs: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    return dict(pairs)
