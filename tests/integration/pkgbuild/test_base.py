"""The base is made once, and made again only when something is new; what docker lost comes back from the store."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import pytest

from kubedeb.cli import run
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.process import run as run_process
from kubedeb.progress import progress
from pkgbuild import backends, dockerd
from pkgbuild.store import Store

pytestmark = pytest.mark.docker
TOP = Path(__file__).parents[3]


@pytest.mark.turn("long looks")
def test_nothing_new_is_said_quickly(with_base: Store, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--store", str(with_base.folder), "--cache", str(with_base.folder / "sources")]
    assert run(["base", "update", *where]) == ExitCode.DONE
    capsys.readouterr()
    began = time.monotonic()
    assert run(["base", "update", *where]) == ExitCode.DONE
    said = capsys.readouterr().out.splitlines()
    assert said
    assert [line for line in said if not line.endswith(", nothing new")] == []
    assert time.monotonic() - began < 30


def test_what_docker_lost_comes_back_from_the_store(with_base: Store, tmp_path: Path) -> None:
    lock = with_base.base("bookworm", "amd64")
    assert lock is not None
    other, store = dataclasses.replace(lock, include=("debhelper", os.urandom(4).hex())), Store(tmp_path)
    with dockerd.connect() as client:
        with pytest.raises(KubedebError, match="is no longer in the store"):
            backends.ensure_images(client, store, other, progress())
        store.root_file(other).parent.mkdir()
        store.root_file(other).symlink_to(with_base.root_file(lock))
        try:
            made = backends.ensure_images(client, store, other, progress())
            output = client.containers.run(made, ["dpkg-buildpackage", "--version"], remove=True, network_mode="none")
            assert b"dpkg-buildpackage" in output
        finally:
            for tag in client.images.list(name="kubedeb/build") + client.images.list(name="kubedeb/base"):
                for name in tag.tags:
                    if other.digest[:12] in name:
                        client.images.remove(name, force=True)


@pytest.mark.turn("long looks")
def test_both_stages_build_and_the_tool_answers(with_base: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tag = f"test-{os.getpid()}"
    variables = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    try:
        done = run_process(
            [TOP / "script/docker-images"], code=ExitCode.BUG, cwd=TOP,
            env={**variables, "KUBEDEB_IMAGE_TAG": tag, "KUBEDEB_STORE": str(with_base.folder)},
        )  # fmt: skip
        assert done.text.splitlines()[-1].startswith("kubedeb 0.")
    finally:
        with dockerd.connect() as client:
            for stage in ("tool", "build"):
                if dockerd.has_image(client, f"kubedeb/{stage}:{tag}"):
                    client.images.remove(f"kubedeb/{stage}:{tag}", force=True)
