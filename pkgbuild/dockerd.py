"""The docker daemon: reached, asked for images, given images; every error of the SDK becomes ours."""

from __future__ import annotations

import io
import socket
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import CHUNK, canonical_json, sha256_bytes
from kubedeb.records import frozen
from pkgbuild.session import is_dead
from pkgbuild.stage import Stage

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

LABEL = "kubedeb.base"
SANDBOX = "kubedeb.run"
"""The label of every sandbox's container; its value is `HOST:` and the file of the run that it belongs to."""
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


def owned(run: str) -> dict[str, str]:
    """Return the label of a sandbox's container: this machine, and the file of the run that it belongs to."""
    return {SANDBOX: f"{socket.gethostname()}:{run}"}


def sweep(client: DockerClient) -> int:
    """Remove the sandboxes of this machine's dead runs, and return how many there were; others may use the same daemon."""
    import docker.errors

    here = owned("/")[SANDBOX]
    with docker_errors("looking for the sandboxes of dead runs"):
        left = client.containers.list(all=True, filters={"label": SANDBOX}, ignore_removed=True)
    runs = [(container, container.labels[SANDBOX]) for container in left]
    dead = [container for container, run in runs if run.startswith(here) and is_dead(Path(run[len(here) - 1 :]))]
    for container in dead:
        with suppress(docker.errors.APIError):  # another run may be at it too
            container.remove(force=True)
    return len(dead)


def import_root(client: DockerClient, root: IO[bytes], tag: str) -> None:
    """Make an image of a root file system given as a tar stream."""
    name, _, version = tag.rpartition(":")
    with docker_errors(f"importing {tag}"):
        # The SDK announces a chunked body; requests sends one only for an iterator that is no file.
        blocks = iter(lambda: root.read(CHUNK), b"")
        client.api.import_image_from_stream(blocks, repository=name, tag=version, changes=[f"LABEL {LABEL}={version}"])


def remove_images(client: DockerClient, tags: Sequence[str]) -> None:
    """Remove images; one that is gone already, or that a container still uses, is passed over."""
    import docker.errors

    for tag in tags:
        with suppress(docker.errors.APIError):
            client.images.remove(tag)


@frozen
class LabelledImage:
    """An image of kubedeb: name, label, bytes, when it was made (seconds since the epoch); `busy`: a container runs it."""

    tag: str
    label: str
    size: int
    made: float
    busy: bool


def labelled_images(client: DockerClient) -> list[LabelledImage]:
    """Return every named image that carries our label."""
    with docker_errors("looking for images"):
        found = client.images.list(filters={"label": LABEL})
        used = {container.attrs["ImageID"] for container in client.containers.list(all=True, sparse=True)}
    return [_labelled(image, tag, image.id in used) for image in found for tag in image.tags]


def _labelled(image: Image, tag: str, busy: bool) -> LabelledImage:
    made = datetime.fromisoformat(image.attrs["Created"][:19]).replace(tzinfo=UTC)
    return LabelledImage(tag, image.labels[LABEL], image.attrs["Size"], made.timestamp(), busy)


def sandbox_tag(base_tag: str, stage: Stage) -> str:
    """Return the name of the image that the sandbox runs: another base or another stage, another image."""
    return f"{base_tag.replace('kubedeb/base:', 'kubedeb/build:')}-{stage.digest[:8]}"


def build_stage(client: DockerClient, stage: Stage, base_tag: str, tag: str) -> None:
    """Build the stage on a base with docker's own (classic) builder."""
    _build(client, {"Dockerfile": stage.dockerfile}, base_tag, tag)


WITH_PACKAGES = b"""\
ARG BASE
FROM $BASE
USER root
COPY *.deb /tmp/own/
RUN dpkg --install /tmp/own/*.deb && rm -r /tmp/own
USER builder
"""


def with_packages(client: DockerClient, image: str, packages: Sequence[tuple[Path, str]]) -> str:
    """Return an image that has packages of ours (file, sha256) installed besides; made once for the same bytes.

    Raises `KubedebError` (SANDBOX) when they cannot be installed.
    """
    if not packages:
        return image
    name = sha256_bytes(canonical_json([WITH_PACKAGES.decode(), *sorted(sha256 for _, sha256 in packages)]).encode())
    tag = f"{image}-{name[:12]}"
    if not has_image(client, tag):
        context: dict[str, bytes | Path] = {"Dockerfile": WITH_PACKAGES, **{f"{sha256}.deb": file for file, sha256 in packages}}
        try:
            _build(client, context, image, tag)
        except KubedebError as error:
            raise KubedebError(
                f"cannot install {', '.join(sorted(file.name for file, _ in packages))} into the build's root",
                details=error.details, code=error.code,
                hint="What they depend on beside the base must be among the recipe's build_depends too.",
            ) from error  # fmt: skip
    return tag


def _build(client: DockerClient, files: Mapping[str, bytes | Path], base_tag: str, tag: str) -> None:
    """Build an image from a context of these files; it goes through a file, because packages may be large."""
    with tempfile.TemporaryFile() as context:
        with tarfile.open(fileobj=context, mode="w") as tar:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = content.stat().st_size if isinstance(content, Path) else len(content)
                with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as stream:
                    tar.addfile(member, stream)
        context.seek(0)
        with docker_errors(f"building {tag}"):
            client.images.build(
                fileobj=context, custom_context=True, buildargs={"BASE": base_tag}, tag=tag, rm=True,
                forcerm=True, network_mode="none", labels={LABEL: base_tag},
            )  # fmt: skip
