"""The docker daemon: reached, asked for images, given images; every error of the SDK becomes ours."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import CHUNK
from pkgbuild.stage import Stage

if TYPE_CHECKING:
    from docker import DockerClient

LABEL = "kubedeb.base"
NO_ROOM = "no space left on device"


@contextmanager
def docker_errors(doing: str) -> Iterator[None]:
    """Turn what the SDK and its HTTP library raise into `KubedebError` (SANDBOX; BUILD_STORAGE when the disk is full)."""
    import docker.errors
    import requests

    try:
        yield
    except (docker.errors.DockerException, requests.RequestException) as error:
        if NO_ROOM in str(error).lower():
            raise KubedebError(
                f"docker has no room left while {doing}", details=str(error),
                hint="Make room where docker keeps its data (docker system df), then run the same command again.",
                code=ExitCode.BUILD_STORAGE,
            ) from error  # fmt: skip
        raise KubedebError(
            f"docker failed while {doing}", details=str(error),
            hint="docker info should answer; the daemon's own log says more.", code=ExitCode.SANDBOX,
        ) from error  # fmt: skip


@contextmanager
def connect() -> Iterator[DockerClient]:
    """Give a client whose daemon answers. Raises `KubedebError` (SANDBOX) at once when none does."""
    import docker
    import docker.errors
    import requests

    try:
        client = docker.from_env(timeout=300)
        client.ping()
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise KubedebError(
            "the docker daemon does not answer", details=str(error),
            hint="Start it (script/bootstrap does so), or name another with DOCKER_HOST.", code=ExitCode.SANDBOX,
        ) from error  # fmt: skip
    try:
        yield client
    finally:
        client.close()


def has_image(client: DockerClient, tag: str) -> bool:
    """Say whether the daemon has the image."""
    with docker_errors(f"looking for the image {tag}"):
        return bool(client.images.list(name=tag))


def import_root(client: DockerClient, root: IO[bytes], tag: str) -> None:
    """Make an image of a root file system given as a tar stream."""
    name, _, version = tag.rpartition(":")
    with docker_errors(f"importing {tag}"):
        # The SDK announces a chunked body; requests sends one only for an iterator that is no file.
        blocks = iter(lambda: root.read(CHUNK), b"")
        client.api.import_image_from_stream(blocks, repository=name, tag=version, changes=[f"LABEL {LABEL}={version}"])


def sandbox_tag(base_tag: str, stage: Stage) -> str:
    """Return the name of the image that the sandbox runs: another base or another stage, another image."""
    return f"{base_tag.replace('kubedeb/base:', 'kubedeb/build:')}-{stage.digest[:8]}"


def build_stage(client: DockerClient, stage: Stage, base_tag: str, tag: str) -> None:
    """Build the stage on a base with docker's own (classic) builder."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(stage.dockerfile)
        tar.addfile(member, io.BytesIO(stage.dockerfile))
    context.seek(0)
    with docker_errors(f"building {tag}"):
        client.images.build(
            fileobj=context, custom_context=True, buildargs={"BASE": base_tag}, tag=tag, rm=True,
            forcerm=True, network_mode="none", labels={LABEL: base_tag},
        )  # fmt: skip
