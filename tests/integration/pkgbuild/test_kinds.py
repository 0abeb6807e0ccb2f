"""One sample of every build kind in real containers: what is built, and that it is the same again."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import kindsamples
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from pkgbuild import dockerd
from pkgbuild.build import Workshop, make
from pkgbuild.cache import Cache
from pkgbuild.dockersandbox import docker_sandbox
from pkgbuild.library import choose, find
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.sandbox import PLAIN, Bind, Surroundings
from pkgbuild.spec import expand
from pkgbuild.store import BuiltPackage, Store

pytestmark = [pytest.mark.docker, pytest.mark.turn]
OURS = """\
hello-daemon (1.0-1~deb12u1) bookworm; urgency=medium

  * Our first build of it.

 -- kubedeb maintainers <kubedeb@localhost>  Mon, 23 Nov 2026 12:00:00 +0000
"""
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


def test_another_architecture_needs_no_emulation(made: Make) -> None:
    assert [package.architecture for package in made("hello-archive", Architecture.ARM64)] == ["arm64"]


def test_a_debian_source_is_what_dpkg_makes_of_it(made: Make, tmp_path: Path) -> None:
    (package,) = made("hello-daemon")
    plain = tmp_path / "plain"
    plain.mkdir()
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
        "DPKG_DEB_COMPRESSOR_TYPE": "xz", "DPKG_DEB_COMPRESSOR_LEVEL": "1",
    }  # fmt: skip

    def command(*argv: str, folder: Path) -> None:
        subprocess.run(argv, cwd=folder, env=environment, check=True, capture_output=True)

    command("dpkg-source", "--extract", str(tmp_path / "recipes/sources" / kindsamples.DSC), "tree", folder=plain)
    changelog = plain / "tree/debian/changelog"
    changelog.write_text(OURS + changelog.read_text())
    command("dpkg-buildpackage", "--build=binary", "--unsigned-changes", "--no-check-builddeps", folder=plain / "tree")
    assert kindsamples.digest(plain / package.file) == package.sha256


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
