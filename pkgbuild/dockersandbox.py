"""The docker sandbox: one container without a network per build, always removed."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from kubedeb.dockerexec import execute
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import CHUNK, replacing
from kubedeb.process import interactive
from pkgbuild import dockerd
from pkgbuild.dockerd import docker_errors
from pkgbuild.sandbox import PLAIN, TIME_LIMIT, Bind, Surroundings, command, shell_command

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container


@contextmanager
def docker_sandbox(
    client: DockerClient, image: str, surroundings: Surroundings = PLAIN, binds: Sequence[Bind] = (), *,
    lifetime: float = 2 * TIME_LIMIT, owner: str = "",
) -> Iterator[DockerSandbox]:  # fmt: skip
    """Give a sandbox in a new container of `image`; raises `KubedebError` (SANDBOX) when docker cannot.

    The container ends and removes itself after `lifetime` seconds, should kubedeb be killed before it can;
    `owner` is the file of the run (`session.session`) that it belongs to, so that the next run can remove it earlier.
    """
    import docker.errors
    import requests

    with docker_errors(f"starting a container of {image}"):
        container = client.containers.run(
            image, ["sleep", str(int(lifetime))], detach=True, auto_remove=True, network_mode="none",
            hostname=surroundings.hostname, mem_limit=surroundings.memory, memswap_limit=surroundings.memory,
             volumes=_volumes(binds),
            labels=dockerd.owned(owner), security_opt=["no-new-privileges"],
            cap_drop=["ALL"] if surroundings.user else [],
        )  # fmt: skip
    try:
        sandbox = DockerSandbox(client, container, surroundings)
        sandbox.make_build_root()
        yield sandbox
    finally:
        with suppress(docker.errors.APIError, requests.RequestException):
            _remove(container)


def _volumes(binds: Sequence[Bind]) -> dict[str, dict[str, str]]:
    return {str(bind.source): {"bind": bind.target, "mode": "rw" if bind.writable else "ro"} for bind in binds}


def _remove(container: Container) -> None:
    """Remove a container, and return when it is gone: after a time limit auto_remove is at it already."""
    import docker.errors

    try:
        container.remove(force=True)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError:
        container.wait(timeout=30, condition="removed")


class DockerSandbox:
    """A running container; made by `docker_sandbox`."""

    def __init__(self, client: DockerClient, container: Container, surroundings: Surroundings) -> None:
        self._client = client
        self._container = container
        self.surroundings = surroundings

    def make_build_root(self) -> None:
        """Make the folder that sources are unpacked below, unless it is the image's own."""
        around = self.surroundings
        if (around.build_root, around.user) == (PLAIN.build_root, PLAIN.user):
            return
        tree = io.BytesIO()
        with tarfile.open(fileobj=tree, mode="w") as tar:
            member = tarfile.TarInfo(around.build_root.lstrip("/"))
            member.type, member.mode, member.uid, member.gid = tarfile.DIRTYPE, 0o755, around.user, around.user
            tar.addfile(member)
        with docker_errors("making the build's folder in the sandbox"):
            self._container.put_archive("/", tree.getvalue())

    def put(self, tree: IO[bytes]) -> None:
        """Unpack a tar stream below the build root, owners as in the stream."""
        with docker_errors("copying the sources into the sandbox"):
            # requests sends what has no known length only from an iterator that is no file.
            self._container.put_archive(self.surroundings.build_root, iter(lambda: tree.read(CHUNK), b""))

    def run(self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], log: IO[bytes], timeout: float = TIME_LIMIT) -> int:
        """Run a command; see `Sandbox.run`."""
        words = command(self.surroundings, env, argv, cwd)
        with docker_errors("running the build"):
            try:
                return execute(
                    self._client, self._name, words, lambda _, block: log.write(block), timeout=timeout, user=self._user
                )
            except TimeoutError as error:
                self._end_all()
                raise KubedebError(f"{argv[0]} did not end within {timeout:g} s", code=ExitCode.BUILD) from error

    def shell(self, *, cwd: str, env: Mapping[str, str]) -> None:
        """Give the terminal to a shell; see `Sandbox.shell`. Raises `KubedebError` (SANDBOX) without docker's own command."""
        options = ["--interactive", "--tty", "--user", self._user]
        interactive(
            ["docker", "exec", *options, self._name, *shell_command(self.surroundings, env, cwd)], code=ExitCode.SANDBOX
        )

    @property
    def _name(self) -> str:
        return self._container.id or ""

    @property
    def _user(self) -> str:
        return f"{self.surroundings.user}:{self.surroundings.user}"

    def _end_all(self) -> None:
        """Kill what a command left running, so that the container can still be entered; kill it whole where that fails."""
        try:
            # kill(2) of -1 spares the first process, which holds the container, and the caller.
            execute(
                self._client, self._name, ["sh", "-c", "kill -KILL -1"], lambda *_: None, timeout=10, user=self._user
            )  # fmt: skip
        except OSError:
            self._container.kill()

    def stop(self) -> None:
        """End everything in it; see `Sandbox.stop`."""
        import docker.errors

        with docker_errors("ending a sandbox"), suppress(docker.errors.NotFound):
            self._container.kill()

    def get(self, path: str, target: Path) -> None:
        """Copy one file out; see `Sandbox.get`."""
        import docker.errors

        with docker_errors(f"copying {path} out of the sandbox"):
            try:
                blocks, _ = self._container.get_archive(path)
            except docker.errors.NotFound as error:
                raise KubedebError(f"the build made no {path}", code=ExitCode.BUILD) from error
            with tarfile.open(fileobj=io.BufferedReader(_Blocks(blocks), CHUNK), mode="r|", bufsize=CHUNK) as tar:
                member = tar.next()
                content = tar.extractfile(member) if member is not None else None
                if content is None:
                    raise KubedebError(f"{path} is no regular file", code=ExitCode.BUILD)
                with replacing(target) as out:
                    shutil.copyfileobj(content, out, CHUNK)
            for _ in blocks:  # read to its end, the connection is free again
                pass

    def peek(self, path: str, target: Path) -> bool:
        """Copy one file out while a command runs; see `Sandbox.peek`."""
        try:
            self.get(path, target)
        except KubedebError:
            return False
        return True


class _Blocks(io.RawIOBase):
    """An iterator of blocks as a stream."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = block
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size
