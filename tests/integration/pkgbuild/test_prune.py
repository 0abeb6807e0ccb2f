"""`kubedeb base prune` with a real daemon: images of a base that only this store knows, so that no other test's are touched."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubedeb.cli import run
from kubedeb.errors import ExitCode
from pkgbuild import dockerd
from pkgbuild.baselock import BaseLock
from pkgbuild.dockerd import LABEL
from pkgbuild.indexentry import IndexEntry
from pkgbuild.pruning import OTHER_STAGE, STALE, UNUSED
from pkgbuild.stage import sandbox_stage
from pkgbuild.store import Store

pytestmark = [pytest.mark.docker, pytest.mark.turn]


def lock(store: Store) -> BaseLock:
    found = BaseLock("bookworm", "amd64", (), (IndexEntry("apt", uuid.uuid4().hex, "amd64", "x"),))
    store.keep_base(found)
    return found


@pytest.fixture
def made() -> Iterator[list[str]]:
    """Give a list of images, which are removed afterwards."""
    tags: list[str] = []
    yield tags
    with dockerd.connect() as client:
        dockerd.remove_images(client, tags)


def image(tag: str, label: str, made: list[str]) -> str:
    """Make an image of one empty file."""
    root = io.BytesIO()
    with tarfile.open(fileobj=root, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("file"))
    name, _, version = tag.rpartition(":")
    with dockerd.connect() as client:
        changes = [f"LABEL {LABEL}={label}", f"LABEL test={uuid.uuid4().hex}"]  # equal images would be one with many names
        client.api.import_image_from_data(root.getvalue(), repository=name, tag=version, changes=changes)
    made.append(tag)
    return tag


def test_images_that_no_build_needs_go(tmp_path: Path, made: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path / "store")
    old, new, foreign = lock(store), lock(store), lock(Store(tmp_path / "other"))
    stage = dockerd.sandbox_tag(new.tag, sandbox_stage())
    kept = [
        image(new.tag, new.tag.partition(":")[2], made), image(stage, new.tag, made),
        image(f"{stage}-{'1' * 12}", stage, made), image(foreign.tag, foreign.tag.partition(":")[2], made),
        image(f"kubedeb/roottest:{uuid.uuid4().hex[:16]}", new.tag, made),
    ]  # fmt: skip
    busy = image(f"kubedeb/roottest:{uuid.uuid4().hex[:16]}", old.tag, made)
    gone = {
        image(f"kubedeb/roottest:{uuid.uuid4().hex[:16]}", old.tag, made): STALE,
        image(f"kubedeb/roottest:{uuid.uuid4().hex[:16]}", new.tag, made): UNUSED.format(30),
        image(f"{stage}-{'2' * 12}", stage, made): UNUSED.format(30),
        image(f"{new.tag.replace('base:', 'build:')}-{'3' * 8}", new.tag, made): OTHER_STAGE,
        image(old.tag, old.tag.partition(":")[2], made): STALE,
    }
    for tag in [*kept, *gone]:
        store.note_use(tag)
    for path in (store.folder / "used").iterdir():
        if any(path.name == name.replace("/", "%2F").replace(":", "%3A") for name, why in gone.items() if "days" in why):
            os.utime(path, (time.time() - 31 * 86400,) * 2)
    command = ["base", "prune", "--store", str(store.folder), "--json"]
    with dockerd.connect() as client:
        container = client.containers.create(busy, ["/file"])
        try:
            for more in (["--dry-run"], []):
                assert run([*command, *more]) == ExitCode.DONE
                assert {one["name"]: one["reason"] for one in json.loads(capsys.readouterr().out)} == gone
                there = {tag for one in client.images.list(filters={"label": LABEL}) for tag in one.tags}
                assert there.issuperset({*kept, busy})
                assert bool(there.intersection(gone)) is bool(more)
        finally:
            container.remove()
    assert run([*command, "--days", "0.5"]) == ExitCode.DONE
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == [busy]
    assert run(["base", "prune", "--store", str(store.folder)]) == ExitCode.DONE
    assert capsys.readouterr().out == "nothing to remove\n"
