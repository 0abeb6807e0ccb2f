"""One sample of every build kind in real containers: what is built, and that it is the same again."""

from __future__ import annotations

import io
import os
import random
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import kindsamples
import samplerecipe
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from kubedeb.progress import progress
from pkgbuild import dockerd
from pkgbuild.backends import backend
from pkgbuild.build import Workshop, make
from pkgbuild.cache import Cache
from pkgbuild.dockersandbox import docker_sandbox
from pkgbuild.library import choose, find
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.sandbox import PLAIN, Bind, SandboxKind, Surroundings
from pkgbuild.session import session
from pkgbuild.spec import expand
from pkgbuild.store import BuiltPackage, Store

pytestmark = [pytest.mark.docker, pytest.mark.turn]
OURS = """\
hello-daemon (1.0-1~deb12u1) bookworm; urgency=medium

  * Our first build of it.

 -- kubedeb maintainers <kubedeb@localhost>  Mon, 23 Nov 2026 12:00:00 +0000
"""
ABOVE = 'printf %s "$1" | cat - debian/changelog >new; mv new debian/changelog'
URL = "http://upstream.invalid/go.tar.gz"
Make = Callable[..., tuple[BuiltPackage, ...]]


@pytest.fixture
def made(image: str, tmp_path: Path) -> Iterator[Make]:
    """Give what builds one sample, once more each time it is called."""
    folder = kindsamples.lay_out(tmp_path / "recipes")
    cache = Cache(kindsamples.fill_cache(folder, tmp_path / "cache"))
    with dockerd.connect() as client:

        def opened(surroundings: Surroundings = PLAIN, binds: Sequence[Bind] = ()) -> object:
            return docker_sandbox(client, image, surroundings, binds)

        def one(name: str, architecture: Architecture = Architecture.AMD64, out: str = "out") -> tuple[BuiltPackage, ...]:
            expanded = expand(choose(find([folder]), [name])[0], Suite.BOOKWORM, architecture)
            (tmp_path / out).mkdir()
            shop = Workshop(Store(tmp_path / "store"), cache, opened)  # type: ignore[arg-type]
            return make(expanded, shop, tmp_path / out)[0]

        yield one


@pytest.mark.parametrize("name", ["hello-archive", "hello-single", "hello-wheel", "hello-daemon"])
def test_a_sample_of_each_kind_is_the_same_again(name: str, made: Make) -> None:
    first = made(name, out="one")
    assert [package.name for package in first] == [name]
    assert first == made(name, out="two")


CORES = {
    "xz-1": (12, SandboxKind.UNSHARE, ()),
    "gzip-6": (12, SandboxKind.UNSHARE, pytest.mark.long),
    "xz-6": (50, SandboxKind.DOCKER, pytest.mark.long),
}
"""{compression: (MiB of a file that does not compress: several of xz's blocks, the sandbox)}."""


@pytest.mark.parametrize("compression", [pytest.param(name, marks=marks) for name, (_, _, marks) in CORES.items()])
def test_the_bytes_do_not_depend_on_the_number_of_cores(compression: str, with_base: Store, image: str, tmp_path: Path) -> None:
    size, kind, _ = CORES[compression]
    assert len(os.sched_getaffinity(0)) > 1, "one core cannot show it"
    program = b"#!/bin/sh\necho hello 1.10\nexit\n" + random.Random(0).randbytes(size << 20)  # noqa: S311 - what does not pack
    text = samplerecipe.RECIPE.replace("kind: prebuilt", f"kind: prebuilt\ncompression: {compression}")
    folder = samplerecipe.write_recipe(tmp_path / "recipes", text, source=samplerecipe.source_deb(program))
    cache = Cache(kindsamples.fill_cache(folder, tmp_path / "cache"))
    expanded = expand(choose(find([folder]), ["hello"])[0], Suite.BOOKWORM, Architecture.AMD64)
    lock = with_base.base("bookworm", "amd64")
    assert lock is not None
    made = []
    with session(tmp_path / "store") as run_file, backend(kind, with_base, progress(), run_file) as sandboxes:
        shop = Workshop(Store(tmp_path / "store"), cache, sandboxes.prepare(lock))
        for cores in (1, 2):
            (tmp_path / str(cores)).mkdir()
            made.append(make(expanded, shop, tmp_path / str(cores), Surroundings(processors=cores))[0])
    assert made[0] == made[1]
    if compression.startswith("xz"):
        assert blocks_of(tmp_path / "1" / made[0][0].file, tmp_path) > 1  # else there was nothing to share


def blocks_of(deb: Path, tmp_path: Path) -> int:
    """Return of how many blocks the data of a package consist, which are what cores can share."""
    with deb.open("rb") as stream, (tmp_path / "data.tar.xz").open("wb") as out:
        subprocess.run(["ar", "p", "/dev/stdin", "data.tar.xz"], stdin=stream, stdout=out, check=True)
    listed = subprocess.run(["xz", "--robot", "--list", out.name], capture_output=True, text=True, check=True)
    return int(next(line for line in listed.stdout.splitlines() if line.startswith("file")).split("\t")[2])


def test_another_architecture_needs_no_emulation(made: Make) -> None:
    assert [package.architecture for package in made("hello-archive", Architecture.ARM64)] == ["arm64"]


def test_a_toolchain_may_be_an_archive(store: Path, tmp_path: Path) -> None:
    """Go as upstream packs it, pinned among the sources: no package of the root compiles."""
    folder = kindsamples.lay_out(tmp_path / "recipes", "hello-module")
    pinned = kindsamples.digest(kindsamples.go_archive(folder / "sources/go.tar.gz"))
    source = f"        - {{kind: archive, name: go, url: {URL}, sha256: {pinned}}}\n"
    for path, old, new in (
        ("recipe.yaml", "build_depends: [golang-1.19-go]\n", ""),
        ("recipe.yaml", "toolchain: golang-1.19-go", "toolchain: go"),
        ("recipe.yaml", "      amd64:\n", f"      amd64:\n{source}"),
        ("debian/control.j2", ", golang-1.19-go", ""),
    ):
        file = folder / "hello-module" / path
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
    where = ["--recipes", str(folder)]
    assert run(["recipe", "fetch", "hello-module", *where, "--from", str(folder / "sources")]) == ExitCode.DONE
    options = [*where, "--no-lintian", "--no-root-tests", "-o", str(tmp_path / "out")]
    assert run(["build", "hello-module@1.10", *options]) == ExitCode.DONE
    assert "/build/hello-module-1.10/.kubedeb/toolchain/bin/go build" in next((store / "logs").iterdir()).read_text()
    stated = next((tmp_path / "out").glob("*.intoto.jsonl")).read_text()
    assert pinned in stated
    assert "golang" not in stated


def test_a_debian_source_is_what_dpkg_makes_of_it(made: Make, image: str, tmp_path: Path) -> None:
    """Bare dpkg in the build's own base: the host need not have debhelper, nor that suite's."""
    (package,) = made("hello-daemon")
    log = io.BytesIO()

    def command(*argv: str, folder: str) -> None:
        settings = {"DPKG_DEB_COMPRESSOR_TYPE": "xz", "DPKG_DEB_COMPRESSOR_LEVEL": "1"}
        status = plain.run(argv, cwd=folder, env=settings, log=log, timeout=300)
        assert status == 0, f"{argv[0]} ended with {status}:\n{log.getvalue().decode()}"

    with dockerd.connect() as client, docker_sandbox(client, image) as plain, tempfile.TemporaryFile() as sources:
        with tarfile.open(fileobj=sources, mode="w") as tar:
            for file in (tmp_path / "recipes/sources").glob("hello-daemon_*"):
                tar.add(file, file.name)
        sources.seek(0)
        plain.put(sources)
        command("dpkg-source", "--extract", kindsamples.DSC, "tree", folder="/build")
        command("sh", "-ec", ABOVE, "sh", OURS, folder="/build/tree")
        command("dpkg-buildpackage", "--build=binary", "--unsigned-changes", "--ignore-builtin-builddeps", folder="/build/tree")
        plain.get(f"/build/{package.file}", tmp_path / "plain.deb")
    assert kindsamples.digest(tmp_path / "plain.deb") == package.sha256


def test_mutated_recipes_through_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = kindsamples.lay_out(tmp_path / "recipes", "hello-archive")
    recipe = folder / "hello-archive/recipe.yaml"
    text = recipe.read_text()
    before = sorted(tmp_path.rglob("*"))
    codes = set()
    for place in range(50):
        at = place * len(text) // 50
        recipe.write_text(text[:at] + ["{", "\n- ", "\t", "é: ", ""][place % 5] + text[at + place % 7 :])
        codes.add(run(["recipe", "lint", "hello-archive", "--recipes", str(folder)]))
    assert codes <= {ExitCode.DONE, ExitCode.RECIPE}
    assert ExitCode.RECIPE in codes
    assert sorted(tmp_path.rglob("*")) == before
