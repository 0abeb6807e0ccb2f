"""Commands and files on nodes that are docker containers."""

from __future__ import annotations

import shlex
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

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

        with self._client(node, 600) as client:
            container = client.containers.get(self._name(node))
            try:
                blocks, _ = container.get_archive(path, chunk_size=CHUNK)
            except NotFound as error:
                raise RefusedError(f"node {node}", f"reading {path}", "there is no such file") from error
            with tempfile.TemporaryFile() as spool, replacing(target, mode=0o600, sync=True) as stream:
                _unpack(blocks, spool, stream)

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


def _unpack(blocks: Iterable[bytes], spool: IO[bytes], stream: IO[bytes]) -> None:
    """Write the only file of a tar stream into `stream`."""
    for block in blocks:
        spool.write(block)
    spool.seek(0)
    with tarfile.open(fileobj=spool) as archive:
        member = archive.next()
        source: Any = archive.extractfile(member) if member else None
        while source and (block := source.read(CHUNK)):
            stream.write(block)


def hosts_of(cluster: Cluster) -> Hosts:
    """Return how the cluster file says that its nodes are reached."""
    match cluster.transport.kind:
        case TransportKind.DOCKER:
            return DockerHosts(cluster.transport.container)
    raise KubedebError(f"no transport {cluster.transport.kind}", code=ExitCode.CLUSTER)  # pragma: no cover - closed set


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
