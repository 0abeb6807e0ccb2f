"""The tree that goes into the sandbox: the same bytes each time, every member the builder's, copies bit for bit."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

import debs
import samplerecipe
from kubedeb.errors import KubedebError
from pkgbuild.layout import Files, places, write_tree
from pkgbuild.library import choose, find
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.sandbox import PLAIN
from pkgbuild.spec import Expanded, expand


def expanded(folder: Path) -> Expanded:
    return expand(choose(find([samplerecipe.write_recipe(folder)]), ["hello"])[0], Suite.BOOKWORM, Architecture.AMD64)


def laid_out(folder: Path) -> tuple[bytes, dict[str, str]]:
    one = expanded(folder)
    out = io.BytesIO()
    copied = write_tree(out, one.spec, one.tree, Files({samplerecipe.SOURCE: folder / "sources/any-name.deb"}))
    return out.getvalue(), copied


def test_copies_are_the_sources_and_are_hashed_on_the_way(tmp_path: Path) -> None:
    data, copied = laid_out(tmp_path)
    script = b"#!/bin/sh\necho hello 1.10\n"
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        stream = tar.extractfile("hello-1.10/tree/hello/usr/bin/hello")
        assert stream is not None
        assert stream.read() == script
        assert "hello-1.10/debian/copyright" in tar.getnames()
    assert copied["tree/hello/usr/bin/hello"] == hashlib.sha256(script).hexdigest()
    assert sorted(copied) == ["debian/copyright", "tree/hello/usr/bin/hello"]


def test_the_same_bytes_each_time_and_all_the_builders(tmp_path: Path) -> None:
    data, _ = laid_out(tmp_path)
    assert data == laid_out(tmp_path)[0]
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = tar.getmembers()
    assert {(member.uid, member.gid, member.mtime) for member in members} == {
        (PLAIN.user, PLAIN.user, expanded(tmp_path).spec.epoch)
    }
    assert {member.mode for member in members if member.isdir()} == {0o755}
    folders = [member.name for member in members if member.isdir()]
    assert folders == sorted(folders)


def test_places_group_what_one_source_gives(tmp_path: Path) -> None:
    assert places(expanded(tmp_path).spec) == {
        (samplerecipe.SOURCE, "usr/share/doc/hello-source/copyright"): ["debian/copyright"],
        (samplerecipe.SOURCE, "usr/bin/hello"): ["tree/hello/usr/bin/hello"],
    }


def test_a_file_that_the_source_lacks_is_named(tmp_path: Path) -> None:
    one = expanded(tmp_path)
    other = tmp_path / "other.deb"
    other.write_bytes(debs.deb(data={"./usr/share/doc/hello-source/copyright": b"x"}))
    with pytest.raises(KubedebError, match="source hello-source has no file usr/bin/hello"):
        write_tree(io.BytesIO(), one.spec, one.tree, Files({samplerecipe.SOURCE: other}))
