"""Bases of each suite by `kubedeb base update`, and what was built on them built again from a kit, where there is no network.

The other machine is a network namespace without an interface, with an empty store and an empty cache.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import shutil
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from upstream import serving

import kindsamples
import kitsample
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from kubedeb.process import Result
from kubedeb.process import run as run_process
from pkgbuild.base import APT_SOURCES
from pkgbuild.cache import Cache
from pkgbuild.checksum import Checksum
from pkgbuild.kit import MANIFEST
from pkgbuild.layers import Layer
from pkgbuild.store import Store
from signers import signers

KUBEDEB = (sys.executable, "-m", "kubedeb")
QUICK = ("--sandbox", "unshare", "--no-lintian", "--no-root-tests")
XZ_1_DICTIONARY = 1 << 20
"""Bytes, xz(1); that of -6, which dpkg takes without being told, is 8 MiB."""


RECIPE = """\
name: thing
summary: a thing
licence: Apache-2.0
homepage: https://localhost/
maintainer: kubedeb maintainers <kubedeb@localhost>
kind: prebuilt
copyright: thing/LICENSE
packages:
  - name: thing
    copies: {/usr/bin/thing: thing/thing}
versions:
  - version: "1.0"
    revision: 1
    date: "2026-11-24"
    changes: [First.]
    sources:
      amd64:
        - {kind: archive, name: thing, url: "URL/thing-{version}.tar.gz", sha256: DIGEST, signature: SIGNATURE}
"""


def offline(*words: str | Path, ok: tuple[int, ...] = (0,)) -> Result:
    return run_process(["unshare", "--net", *KUBEDEB, *words], code=ExitCode.BUG, ok=ok, timeout=900)


def debs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.deb")}


CASES = {
    "prebuilt": ("bullseye", "hello-archive", ("amd64", "arm64")),
    "go": ("bookworm", "hello-module@1.10", ("amd64",)),
    "debian": ("trixie", "hello-daemon", ("amd64",)),
}


@pytest.mark.docker
@pytest.mark.long
@pytest.mark.parametrize("kind", CASES)
def test_what_was_built_is_built_again_from_the_kit_alone(
    kind: str, store_with_root: Callable[[str], Path], kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite, name, architectures = CASES[kind]
    recipes = kindsamples.lay_out(tmp_path / "recipes")
    cache = kindsamples.fill_cache(recipes, kept / "sources")
    store = store_with_root("store") if suite == "bookworm" else tmp_path / "store"
    here = ["--recipes", str(recipes), "--store", str(store), "--cache", str(cache)]
    assert run(["base", "update", "--suite", suite, "--sandbox", "unshare", "--json", *here]) == 0
    shown = capsys.readouterr()
    made = json.loads(shown.out)
    assert (made["suite"], made["architecture"], made["made"]) == (suite, "amd64", suite != "bookworm")
    [go] = [layer for layer in made["layers"] if layer["build_depends"] == ["golang-1.19-go"]]
    if kind == "go":
        assert "golang-1.19-go" in [entry["name"] for entry in go["packages"]]
    else:  # each suite has its own Go
        assert "golang-1.19-go" in go["error"]
        assert f"{suite} has no golang-1.19-go, which these recipes need: hello-gopath, hello-module" in shown.err
    if "arm64" in architectures:  # the same base; the recipes that have arm64 sources need nothing beside it
        assert run(["base", "update", "--suite", suite, "--arch", "arm64", "--sandbox", "unshare", "--json", *here]) == 0
        again = json.loads(capsys.readouterr().out)
        assert (again["made"], again["digest"], again["layers"]) == (False, made["digest"], [])
    for architecture in architectures:
        how = ["--suite", suite, "--arch", architecture, *QUICK, "-o", str(tmp_path / "out")]
        assert run(["build", name, *how, *here]) == ExitCode.DONE
    assert run(["recipe", "fetch", name, *here, "--suite", suite, "-o", str(tmp_path / "kit")]) == ExitCode.DONE
    run_process(["sha256sum", "--check", "--quiet", "SHA256SUMS"], code=ExitCode.BUG, cwd=tmp_path / "kit")

    there = ["--recipes", recipes, "--store", tmp_path / "other", "--cache", tmp_path / "empty", "--suite", suite]
    lacking = offline("build", name, *there, "--offline", *QUICK, ok=(ExitCode.FETCH,))
    assert b"error: " in lacking.stderr
    offline("recipe", "fetch", name, *there, "--from", tmp_path / "kit", "--offline")
    for architecture in architectures:
        how = ["--arch", architecture, "--offline", *QUICK, "-o", str(tmp_path / "again")]
        offline("build", name, *there, *how)
    assert apt_sources(Store(tmp_path / "other"), suite) == apt_sources(Store(store), suite)
    assert len(debs(tmp_path / "out")) == len(architectures)
    assert debs(tmp_path / "again") == debs(tmp_path / "out")
    assert Store(tmp_path / "other").bases() == [base for base in Store(store).bases() if base.suite == suite]
    if suite == "bullseye":
        for deb in (tmp_path / "out").glob("*.deb"):
            assert dictionary(deb) == XZ_1_DICTIONARY


def apt_sources(store: Store, suite: str) -> bytes:
    """Return what apt's sources are inside a base's root."""
    lock = store.base(suite, "amd64")
    assert lock is not None
    with (
        store.root_file(lock).open("rb") as packed,
        zstandard.ZstdDecompressor().stream_reader(packed) as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        members = (tar.extractfile(member) for member in tar if member.name == f"./{APT_SOURCES}")
        file = next(members)
        assert file is not None
        return file.read()


def dictionary(deb: Path) -> int:
    """Return the size in bytes of the dictionary that a package's data was compressed with: xz's level."""
    packed = run_process(["ar", "p", deb, "data.tar.xz"], code=ExitCode.BUG).stdout
    assert lzma.decompress(packed)
    # xz's format, 3.1 and 5.3.1: after the stream's header of 12 bytes the block's, its size, its flags, two sizes where
    # the flags say so (7 bits a byte, the last below 0x80), and of the filter its id, the size of its properties, and these.
    place = 14
    for flag in (0x40, 0x80):
        while packed[13] & flag and packed[place] & 0x80:
            place += 1
        place += bool(packed[13] & flag)
    filter_id, length, bits = packed[place : place + 3]
    assert (filter_id, length) == (0x21, 1)
    return int((2 | (bits & 1)) << (bits // 2 + 11))


def test_a_kit_carries_signatures_and_they_are_checked_where_it_is_taken_in(tmp_path: Path) -> None:
    data = b"a release of thing"
    digest = hashlib.sha256(data).hexdigest()
    kitsample.fill(Cache(tmp_path / "a"), Store(tmp_path / "as"), 1000)
    kitsample.fill(Cache(tmp_path / "x"), Store(tmp_path / "bs"), 1000)  # a root that is there is not made again
    fetch = ["recipe", "fetch", "thing", "--recipes", tmp_path / "recipes"]
    (tmp_path / "recipes/thing/debian").mkdir(parents=True)
    (tmp_path / "recipes/thing/keyring").mkdir()
    with serving() as upstream, signers(tmp_path / "gpg") as keys:
        upstream.add("/thing-1.0.tar.gz", data)
        upstream.add("/thing.asc", keys.sign("upstream", data))
        (tmp_path / "recipes/thing/keyring/up.asc").write_text(keys.keyring("upstream"))
        text = RECIPE.replace("SIGNATURE", "{url: URL/thing.asc, keyring: up.asc}")
        text = text.replace("URL", upstream.url).replace("DIGEST", digest)
        (tmp_path / "recipes/thing/recipe.yaml").write_text(text)
        where = ["--cache", tmp_path / "a", "--store", tmp_path / "as"]
        run_process([*KUBEDEB, *fetch, *where, "-o", tmp_path / "kit"], code=ExitCode.BUG)
    assert (tmp_path / "kit/sha256" / digest).read_bytes() == data
    where = ["--cache", tmp_path / "b", "--store", tmp_path / "bs", "--offline"]
    lacking = offline(*fetch, *where, ok=(ExitCode.SOURCE_GONE,))
    assert "the network is off, and the cache lacks 1 source" in lacking.stderr.decode()
    offline(*fetch, *where, "--from", tmp_path / "kit")
    assert (tmp_path / "b/sha256" / digest).read_bytes() == data
    assert [path.name for path in (tmp_path / "kit").iterdir() if path.name == "verified"] == []
    [signature] = (tmp_path / "kit/signatures").iterdir()
    assert len(list((tmp_path / "b/verified").iterdir())) == 1  # checked here, with what the kit brought
    signature.write_bytes(b"no signature")
    where = ["--cache", tmp_path / "c", "--store", tmp_path / "bs", "--offline"]
    refused = offline(*fetch, *where, "--from", tmp_path / "kit", ok=(ExitCode.SOURCE_MISMATCH,))
    assert "the signature of thing-1.0.tar.gz is not good: gpgv finds no signature" in refused.stderr.decode()


def test_a_kit_without_a_base_is_none_and_needs_a_network(tmp_path: Path) -> None:
    recipes = kindsamples.lay_out(tmp_path / "recipes", "hello-archive")
    cache = kindsamples.fill_cache(recipes, tmp_path / "cache")
    where = ["--recipes", recipes, "--store", tmp_path / "store", "--cache", cache]
    said = offline("recipe", "fetch", "hello-archive", *where, "--offline", "-o", tmp_path / "kit", ok=(ExitCode.SANDBOX,))
    assert b"there is no base that could go into the kit" in said.stderr
    assert not (tmp_path / "kit" / MANIFEST).exists()


def test_a_full_disk_leaves_no_kit(tiny_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipes = kindsamples.lay_out(tmp_path / "recipes", "hello-archive")
    cache, store = kindsamples.fill_cache(recipes, tmp_path / "cache"), Store(tmp_path / "store")
    one = kitsample.fill(Cache(cache), store, 260_000)
    command = ["recipe", "fetch", "hello-archive", "--recipes", str(recipes), "--offline"]
    where = ["--cache", str(cache), "--store", str(store.folder)]
    assert run([*command, *where, "-o", str(tiny_disk / "kit")]) == ExitCode.BUILD_STORAGE
    assert "No space left on device" in capsys.readouterr().err
    assert not (tiny_disk / "kit" / MANIFEST).exists()
    assert list(tiny_disk.rglob("*.part")) == []
    shutil.rmtree(tiny_disk / "kit")
    assert run([*command, *where, "-o", str(tmp_path / "kit")]) == ExitCode.DONE
    there = ["--cache", str(tiny_disk / "cache"), "--store", str(tmp_path / "other")]
    assert run([*command, *there, "--from", str(tmp_path / "kit")]) == ExitCode.BUILD_STORAGE
    assert Store(tmp_path / "other").bases() == []
    assert store.bases() == [one.lock]
    assert list(tiny_disk.rglob("*.part")) == []


@pytest.mark.turn("rarer looks")
def test_a_mirror_that_is_gone_or_has_other_packages_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = kindsamples.lay_out(tmp_path / "recipes", "hello-archive")
    cache, store = kindsamples.fill_cache(recipes, tmp_path / "cache"), Store(tmp_path / "store")
    one = kitsample.fill(Cache(cache), store, 1000)
    lost = Checksum.sha256(one.lock.packages[0].sha256)
    Cache(cache).path(lost).unlink()
    where = ["--recipes", str(recipes), "--cache", str(cache), "--store", str(store.folder)]
    command = ["recipe", "fetch", "hello-archive", *where, "-o", str(tmp_path / "kit")]
    # Debian has a dpkg, but not of this version.
    assert run(command) == ExitCode.SOURCE_GONE
    said = capsys.readouterr().err
    assert "NOT RUN: the cache lacks 1 package of the bookworm base and its layers, and so does the mirror by now" in said
    assert f"dpkg 1 {lost}" in said
    monkeypatch.setenv("KUBEDEB_MIRROR", "http://127.0.0.1:9/debian")
    assert run(command) == ExitCode.FETCH
    assert run(["base", "update", *where]) == ExitCode.FETCH
    assert not (tmp_path / "kit" / MANIFEST).exists()
    assert store.bases() == [one.lock]


def test_fetching_ahead_brings_what_is_locked_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipes = kindsamples.lay_out(tmp_path / "recipes", "hello-module")
    cache, store = Cache(kindsamples.fill_cache(recipes, tmp_path / "cache")), Store(tmp_path / "store")
    one = kitsample.fill(cache, store, 1000)
    toolchain = one.layers[0].packages[0]
    store.keep_layer(Layer(one.lock.digest, ("golang-1.19-go",), (toolchain,)))
    where = ["--recipes", str(recipes), "--cache", str(cache.folder), "--store", str(store.folder), "--offline"]
    assert run(["recipe", "fetch", "hello-module", *where]) == ExitCode.DONE
    cache.path(Checksum.sha256(toolchain.sha256)).unlink()
    assert run(["recipe", "fetch", "hello-module", *where]) == ExitCode.SOURCE_GONE
    assert f"jq 1 sha256 {toolchain.sha256}" in capsys.readouterr().err


def test_a_full_disk_leaves_no_base(tiny_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--store", str(tiny_disk / "store"), "--cache", str(tiny_disk / "cache")]
    assert run(["base", "update", *where]) == ExitCode.BUILD_STORAGE
    assert "the disk is full" in capsys.readouterr().err
    assert Store(tiny_disk / "store").bases() == []
