"""A container of a clean Debian (`clientimages.ensure`): apt, and this machine's own way to its Debian mirror."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import docker
from docker.models.containers import Container

from kubedeb.dockerexec import execute

LABELS = {"kubedeb.test": "1"}


@dataclass(frozen=True)
class Root:
    """A running container of the image."""

    container: Container

    def run(self, *command: str) -> tuple[int, str]:
        """Run a command as root; return its status and all that it said."""
        environment = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        assert self.container.client is not None
        output = bytearray()
        status = execute(
            self.container.client, str(self.container.id), command, lambda _, block: output.extend(block),
            timeout=600, env=environment,
        )  # fmt: skip
        return status, output.decode()

    def ok(self, *command: str) -> str:
        """Run a command that must succeed; return all that it said."""
        status, said = self.run(*command)
        assert status == 0, said
        return said

    def put(self, path: str, data: bytes) -> None:
        """Write a file."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            item = tarfile.TarInfo(path.lstrip("/"))
            item.size, item.mode = len(data), 0o644
            archive.addfile(item, io.BytesIO(data))
        self.container.put_archive("/", out.getvalue())


@contextmanager
def clean_root(image: str) -> Iterator[Root]:
    """Run a container of `image` that shares this machine's network; remove it afterwards."""
    client = docker.from_env()
    container = client.containers.run(image, ["sleep", "3600"], detach=True, network_mode="host", labels=LABELS, init=True)
    try:
        yield Root(container)
    finally:
        container.remove(force=True)
        client.close()
