"""Commands and files on nodes that are docker containers."""

from __future__ import annotations

import shlex
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubedeb.dockerexec import STDERR, STDOUT, execute
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import replacing
from upgrade_plans.adapters.protocols import Hosts, Outcome, RefusedError, UnreachableError
from upgrade_plans.models.cluster import Cluster, TransportKind

if TYPE_CHECKING:
    from docker import DockerClient

MARGIN = 20
KILL_AFTER = 5
TIMED_OUT = (124, 137)
CHUNK = 1024 * 1024
ALONE = ("flock", "/run/kubedeb.lock")


class DockerHosts:
    """Nodes that are docker containers, reached through `docker exec`."""

    def __init__(self, container: str) -> None:
        self._container = container

    def run(self, node: str, argv: Sequence[str], *, timeout: float, env: dict[str, str] | None = None) -> Outcome:
        """Run `argv` in the node's container; see `Hosts`."""
        # The limit holds inside as well: closing our end of an exec does not end the command.
        words = ["timeout", f"--kill-after={KILL_AFTER}", f"{timeout:g}", *argv]
        environment = {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **(env or {})}
        outputs = {STDOUT: bytearray(), STDERR: bytearray()}
        with self._client(node, timeout + MARGIN) as client:
            name = client.containers.get(self._name(node)).id or ""
            status = execute(client, name, words, lambda which, block: outputs[which].extend(block),
                             timeout=timeout + MARGIN, env=environment)  # fmt: skip
        if status in TIMED_OUT:
            raise UnreachableError(f"node {node}", f"$ {shlex.join(argv)}\nnot done within {timeout:g} s")
        return Outcome(tuple(argv), status, bytes(outputs[STDOUT]), bytes(outputs[STDERR]))

    def get(self, node: str, path: str, target: Path) -> None:
        """Copy a file out of the node's container; see `Hosts`."""
        from docker.errors import NotFound

        with _storage(target), replacing(target, mode=0o600, sync=True) as stream, self._client(node, 600) as client:
            container = client.containers.get(self._name(node))
            try:
                blocks, _ = container.get_archive(path, chunk_size=CHUNK)
            except NotFound as error:
                raise RefusedError(f"node {node}", f"reading {path}", "there is no such file") from error
            try:
                for block in _unpacked(blocks):
                    with _storage(target):
                        stream.write(block)
            except tarfile.TarError as error:
                raise UnreachableError(f"node {node}", f"{path} was cut off while it was copied: {error}") from error

    def _name(self, node: str) -> str:
        return self._container.format(node=node)

    @contextmanager
    def _client(self, node: str, timeout: float) -> Iterator[DockerClient]:
        import docker
        import requests
        from docker.errors import APIError, DockerException, NotFound

        try:
            client = docker.from_env(timeout=int(timeout) + 1)
        except (DockerException, requests.RequestException) as error:
            raise UnreachableError(f"node {node}", f"the docker daemon cannot be asked: {error}") from error
        try:
            yield client
        except NotFound as error:
            raise UnreachableError(f"node {node}", f"there is no container {self._name(node)}") from error
        except APIError as error:
            raise UnreachableError(f"node {node}", f"container {self._name(node)}: {error.explanation or error}") from error
        except (DockerException, requests.RequestException, OSError) as error:
            raise UnreachableError(f"node {node}", f"container {self._name(node)}: {error}") from error
        finally:
            client.close()


class _Reader:
    """Blocks as a file that is read from its beginning to its end."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._left = b""

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end."""
        parts, wanted = [], size
        while wanted and (block := self._left or next(self._blocks, b"")):
            parts.append(block[:wanted])
            self._left = block[wanted:]
            wanted -= len(parts[-1])
        return b"".join(parts)


def _unpacked(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of the only file of a tar stream. Raises `tarfile.TarError` when it is cut off."""
    reader: Any = _Reader(blocks)
    with tarfile.open(fileobj=reader, mode="r|") as archive:
        member = archive.next()
        source: Any = archive.extractfile(member) if member else None
        while source and (block := source.read(CHUNK)):
            yield block


@contextmanager
def _storage(target: Path) -> Iterator[None]:
    """Say of a full disk, or a missing right, that it is this machine's."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        hint = "Make room or mend the rights on this machine."
        raise RefusedError("this machine", f"writing {target}", why, hint) from error


def hosts_of(cluster: Cluster) -> Hosts:
    """Return how the cluster file says that its nodes are reached."""
    match cluster.transport.kind:
        case TransportKind.DOCKER:
            return DockerHosts(cluster.transport.container)
    raise KubedebError(
        f"nodes cannot be reached by {cluster.transport.kind} yet", details="Planning works from a facts file alone.",
        hint="What can be carried out today: transport {kind: docker}.", code=ExitCode.CLUSTER,
    )  # fmt: skip


def change(hosts: Hosts, node: str, argv: Sequence[str], *, timeout: float, env: dict[str, str] | None = None) -> Outcome:
    """Run a command that changes a node, alone: what a dead executor began goes on, and the next one waits for it."""
    return hosts.run(node, (*ALONE, *argv), timeout=timeout, env=env)


def must(outcome: Outcome, node: str, what: str, ok: Sequence[int] = (0,)) -> Outcome:
    """Return `outcome`, or raise `RefusedError` with its whole output when its status is not in `ok`."""
    if outcome.status in ok:
        return outcome
    output = (outcome.stderr + outcome.stdout).decode(errors="replace").strip()
    lines = output.splitlines()[-20:]
    why = "\n".join([f"$ {shlex.join(outcome.argv)}", *lines, f"exit status {outcome.status}"])
    raise RefusedError(f"node {node}", what, why)
