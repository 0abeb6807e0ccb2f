"""The kinds of sandboxes, ready for use: docker where a daemon answers, else namespaces of our own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import CHUNK, canonical_json, sha256_bytes
from kubedeb.process import ProcessError, run
from kubedeb.progress import Progress
from kubedeb.records import frozen
from pkgbuild import dockerd
from pkgbuild.baselock import BaseLock
from pkgbuild.dockersandbox import docker_sandbox
from pkgbuild.halting import Halt
from pkgbuild.sandbox import PLAIN, Backend, Bind, OpenSandbox, SandboxKind
from pkgbuild.session import LOCKS, locked
from pkgbuild.stage import sandbox_stage
from pkgbuild.store import Store
from pkgbuild.unsharesandbox import refused, remove_tree, unshare_sandbox, why_no_ids, with_ids

if TYPE_CHECKING:
    from docker import DockerClient

OwnPackages = Sequence[tuple[Path, str]]
"""Packages (file, sha256) that a root holds beside its base."""
# What the Dockerfile's first stage does to a base, where no docker does it.
STAGE = """set -e
echo builder:x:1000: >>/etc/group
echo builder:x:1000:1000::/nonexistent:/bin/sh >>/etc/passwd
install --directory --owner builder --group builder --mode 0755 /build
"""


@contextmanager
def backend(
    choice: SandboxKind, store: Store, progress: Progress, run_file: Path, halt: Halt | None = None
) -> Iterator[Backend]:
    """Give the chosen kind of sandbox; `run_file` is the file of the run that they belong to, `halt` ends making a root.

    Raises `KubedebError` (SANDBOX) when docker is wanted and no daemon answers.
    """
    with ExitStack() as stack:
        client = None if choice is SandboxKind.UNSHARE else _client(choice, stack)
        if client is not None:
            dockerd.sweep(client)
            yield DockerBackend(client, store, progress, run_file, halt or Halt())
            return
        if choice is SandboxKind.AUTO:
            progress.say("No docker daemon answers: building in the unshare sandbox.")
        yield UnshareBackend(store, progress, halt or Halt())


def _client(choice: SandboxKind, stack: ExitStack) -> DockerClient | None:
    """Connect to the daemon, until `stack` is left; none that answers is an error only where docker is wanted."""
    try:
        return stack.enter_context(dockerd.connect())
    except KubedebError:
        if choice is SandboxKind.DOCKER:
            raise
        return None


@frozen
class DockerBackend:
    """Containers of an image for each root."""

    client: DockerClient
    store: Store
    progress: Progress
    run_file: Path
    halt: Halt
    name: str = SandboxKind.DOCKER.value

    def prepare(self, lock: BaseLock, own: OwnPackages = ()) -> OpenSandbox:
        """Have the image of a base, and of packages on it; see `Backend.prepare`."""
        tag = self.halt.leaving(partial(self._image, lock, own))
        self.store.note_use(tag)
        return partial(docker_sandbox, self.client, tag, owner=str(self.run_file))

    def _image(self, lock: BaseLock, own: OwnPackages) -> str:
        """Return the image; the daemon names one that it makes when it is whole, and gives up when nobody listens any more."""
        return dockerd.with_packages(self.client, ensure_images(self.client, self.store, lock, self.progress), own)

    def forget(self, lock: BaseLock) -> None:
        """Remove a base's images; see `Backend.forget`."""
        dockerd.remove_images(self.client, (dockerd.sandbox_tag(lock.tag, sandbox_stage()), lock.tag))


def ensure_images(client: DockerClient, store: Store, lock: BaseLock, progress: Progress) -> str:
    """Return the image that the sandbox runs; what docker has lost is made from the kept root.

    Raises `KubedebError` (SANDBOX) when neither docker nor the store has the root.
    """
    stage = sandbox_stage()
    tag = dockerd.sandbox_tag(lock.tag, stage)
    if dockerd.has_image(client, tag):
        return tag
    if not dockerd.has_image(client, lock.tag):
        import zstandard

        with progress.task(f"import {lock.tag} into docker"), _root_file(store, lock).open("rb") as stream:
            dockerd.import_root(client, zstandard.ZstdDecompressor().stream_reader(stream), lock.tag)
    dockerd.build_stage(client, stage, lock.tag, tag)
    return tag


@frozen
class UnshareBackend:
    """Overlays on roots that are unpacked once, in the store: `roots-UID/`."""

    store: Store
    progress: Progress
    halt: Halt
    name: str = SandboxKind.UNSHARE.value

    def prepare(self, lock: BaseLock, own: OwnPackages = ()) -> OpenSandbox:
        """Have the base unpacked, and packages installed over it; see `Backend.prepare`."""
        base = self._once(base_name(lock), partial(self._unpack, lock))
        lower = [base]
        if own:
            name = sha256_bytes(canonical_json([base.name, *sorted(sha256 for _, sha256 in own)]).encode())
            layer = f"layer-{name[:16]}"
            lower.insert(0, self._once(layer, partial(self._install, base, own)))
            self.store.note_use(layer, base.name)
        return partial(unshare_sandbox, lower, self.store.folder / "tmp")

    def forget(self, lock: BaseLock) -> None:
        """Remove an unpacked base; see `Backend.forget`."""
        remove_tree(self._roots / base_name(lock))

    @property
    def _roots(self) -> Path:
        return self.store.folder / f"roots-{os.getuid()}"

    def _once(self, name: str, make: partial[None]) -> Path:
        """Return `roots-UID/NAME`, which `make` fills in a folder beside it when it is not there: whole, and once."""
        target = self._roots / name
        with storage_errors(f"the store {self.store.folder}", ExitCode.BUILD_STORAGE):
            target.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.store.folder / LOCKS / f"{name}.lock"):
                if not target.is_dir():
                    part = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{name}.", suffix=".part"))
                    part.chmod(0o755)
                    try:
                        make(part)
                        # Nothing need be on the disk yet, and a name left without its content would be believed.
                        run(["sync", "--file-system", part], code=ExitCode.BUILD_STORAGE, timeout=600)
                        part.rename(target)
                    finally:
                        remove_tree(part)
        return target

    def _unpack(self, lock: BaseLock, part: Path) -> None:
        import zstandard

        archive = part.with_suffix(".tar")
        with self.progress.task(f"unpack the base {lock.digest[:12]}"):
            try:
                with _root_file(self.store, lock).open("rb") as packed, archive.open("wb") as out:
                    zstandard.ZstdDecompressor().copy_stream(packed, out, write_size=CHUNK)
                options = ["--numeric-owner", "--preserve-permissions", "--exclude=./dev/*"]
                self._run("tar", "--extract", *options, f"--directory={part}", f"--file={archive}")
            finally:
                archive.unlink(missing_ok=True)
            self._keep_changes([part], part, ["sh", "-c", STAGE], ())

    def _install(self, base: Path, own: OwnPackages, part: Path) -> None:
        binds = [Bind(file.parent, f"/mnt/{number}") for number, (file, _) in enumerate(own)]
        debs = [f"/mnt/{number}/{file.name}" for number, (file, _) in enumerate(own)]
        self._keep_changes([base], part, ["dpkg", "--install", *debs], binds)

    def _keep_changes(self, lower: Sequence[Path], part: Path, argv: Sequence[str], binds: Sequence[Bind]) -> None:
        """Run a command as root over `lower` and merge what it changed into `part`."""
        with unshare_sandbox(lower, self.store.folder / "tmp", PLAIN) as sandbox, self.halt.ending(sandbox.stop):
            sandbox.as_root(argv, binds=binds)
            self._run("cp", "--archive", f"{sandbox.changes}/.", part)

    def _run(self, *argv: str | Path) -> None:
        """Run a program of this machine that may touch files of the sandbox's ids."""
        with self.halt.program() as started:
            try:
                run(with_ids(argv), code=ExitCode.SANDBOX, started=started)
            except ProcessError as error:
                if why := why_no_ids():
                    raise refused(why, error.result) from error
                raise


def base_name(lock: BaseLock) -> str:
    """Return what a base is called where it lies unpacked."""
    return f"base-{lock.digest[:16]}-{sandbox_stage().digest[:8]}"


def _root_file(store: Store, lock: BaseLock) -> Path:
    path = store.root_file(lock)
    if not path.exists():
        raise KubedebError(
            f"the root of the base {lock.tag} is no longer in the store", details=f"{path} is missing.",
            hint=f"Make it anew:\nrm {store.folder}/bases/{lock.suite}-{lock.architecture}.json && kubedeb base update",
            code=ExitCode.SANDBOX,
        )  # fmt: skip
    return path
