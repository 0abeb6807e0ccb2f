"""Images with nothing but the apt of a Debian release, made from this machine's own mirror and kept."""

from __future__ import annotations

import tempfile
from pathlib import Path

import docker

from kubedeb.errors import ExitCode
from kubedeb.process import run
from pkgbuild.apt import host_entries
from pkgbuild.base import mmdebstrap
from pkgbuild.recipe import Architecture

REPOSITORY = "kubedeb-apt-client"


def ensure(suite: str) -> str:
    """Return the image's name, making the image first when this machine has none (20 s)."""
    name = f"{REPOSITORY}:{suite}"
    client = docker.from_env()
    try:
        if not client.images.list(name=name):
            machine = run(["dpkg", "--print-architecture"], code=ExitCode.FETCH).text.strip()
            with tempfile.TemporaryDirectory(prefix="kubedeb-client-") as folder:
                target = Path(folder) / "root.tar"
                mmdebstrap(suite, Architecture(machine), host_entries(suite, "", pockets=True), target, (), ())
                client.api.import_image_from_file(
                    str(target), repository=REPOSITORY, tag=suite, changes=["LABEL kubedeb.test=1"]
                )
        return name
    finally:
        client.close()
