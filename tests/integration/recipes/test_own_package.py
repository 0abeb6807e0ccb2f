"""kubedeb as a Debian package: built from the checkout, installed in a clean Debian 12, run there without any network."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest

from cleanroot import LABELS, Root, clean_root
from clientimages import ensure
from kubedeb import __version__
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from pkgbuild.store import Store
from stacks import ARM64, files, scripts, unlike

pytestmark = [pytest.mark.docker, pytest.mark.long]  # its minutes on a quiet machine are not measured yet
TOP = Path(__file__).parents[3]
SHIPPED = {path.parent.name for path in (TOP / "recipes").glob("*/recipe.yaml")}


def lay_out(folder: Path) -> Path:
    """Make the wheel and the pinned recipe in `folder`, as script/package does; return the wheel."""
    subprocess.run([sys.executable, TOP / "script/lib/package.py", folder], check=True, cwd=TOP, capture_output=True)
    (wheel,) = (folder / "wheel").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def build(with_base: Store, kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what builds the package for an architecture, inspected as every build is."""
    folder = tmp_path_factory.mktemp("own")
    wheel = lay_out(folder)
    where = ["--recipes", str(folder / "recipes"), "--store", str(with_base.folder), "--cache", str(kept / "sources")]

    def build(architecture: str) -> Path:
        out, those = folder / architecture, [*where, "--arch", architecture]
        assert run(["recipe", "fetch", "kubedeb", *those, "--from", str(wheel.parent)]) == ExitCode.DONE
        assert run(["build", "kubedeb", *those, "-o", str(out)]) == ExitCode.DONE
        (package,) = out.glob("*.deb")
        return package

    return build


@pytest.fixture(scope="module")
def built(build: Callable[[str], Path]) -> Path:
    return build("amd64")


@pytest.fixture(scope="module")
def root(built: Path) -> Iterator[Root]:
    """Install it in a clean Debian 12, whose own archive has all that it depends on, and cut the network off."""
    with clean_root(ensure("bookworm")) as made:
        made.put("/packages/kubedeb.deb", built.read_bytes())
        made.ok("apt-get", "update")
        made.ok("apt-get", "install", "-y", "--no-install-recommends", "systemd", "/packages/kubedeb.deb")
        with without_network(made) as alone:
            yield alone


@contextmanager
def without_network(root: Root) -> Iterator[Root]:
    """Go on in a container that has all of `root`'s files and no network."""
    client = docker.from_env()
    image = root.container.commit()
    container = client.containers.run(
        image.id, ["sleep", "3600"], detach=True, network_mode="none", labels=LABELS, init=True
    )  # fmt: skip
    try:
        yield Root(container)
    finally:
        container.remove(force=True)
        client.images.remove(image.id, force=True)
        client.close()


def test_the_same_files_are_the_same_wheel(tmp_path: Path) -> None:
    first, second = (hashlib.sha256(lay_out(tmp_path / name).read_bytes()).hexdigest() for name in ("first", "second"))
    assert first == second
    assert first in (tmp_path / "second/recipes/kubedeb/recipe.yaml").read_text()


def test_arm64_is_amd64_but_for_its_programs(built: Path, build: Callable[[str], Path]) -> None:
    other = build("arm64")
    assert unlike(built, other) <= {"Architecture", "Installed-Size"}
    assert scripts(built) == scripts(other)
    assert {path.replace("aarch64", "x86_64") for path in files(other)} == set(files(built))
    assert {int.from_bytes(program[18:20], "little") for program in programs(other)} == {ARM64}


def programs(package: Path) -> Iterator[bytes]:
    """Yield the first bytes of each ELF file of a package."""
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        heads = [stream.read(64) for member in tar if member.isreg() and (stream := tar.extractfile(member))]
    yield from (head for head in heads if head.startswith(b"\x7fELF"))


def test_it_runs_without_a_network_and_without_python_packages_of_debian(root: Root) -> None:
    assert __version__ in root.ok("kubedeb", "--version")
    assert {line.split()[0] for line in root.ok("kubedeb", "recipe", "list").splitlines()[1:]} >= SHIPPED
    assert "etcd" in root.ok("kubedeb", "rules", "list")
    assert root.ok("kubedeb", "recipe", "lint", "helm").startswith("helm: ok")
    code = "import boto3, distributed, docker, pydantic, sys; print(sys.prefix, pydantic.__file__)"
    prefix, place = root.ok("/usr/lib/kubedeb/bin/python3", "-I", "-c", code).split()
    assert (prefix, place.startswith(prefix)) == ("/usr/lib/kubedeb", True)


def test_it_publishes_and_signs_again_with_nothing_else_installed(root: Root) -> None:
    where = ("--repository", "/srv/apt")
    root.ok("kubedeb", "repo", "init", *where, "--origin", "example", "--suite", "bookworm", "--valid-for", "10")
    root.ok("kubedeb", "repo", "add", *where, "--suite", "bookworm", "--publish", "/packages/kubedeb.deb")
    assert "generation 2" in root.ok("kubedeb", "repo", "resign", *where, "bookworm")


def test_the_timer_is_there_and_nothing_is_on(root: Root) -> None:
    root.ok("systemd-analyze", "verify", "kubedeb-resign@bookworm.timer", "kubedeb-resign@bookworm.service")
    assert "kubedeb" not in root.ok("find", "/etc/systemd", "-name", "kubedeb*")
    assert "/var/lib/kubedeb" in root.ok("getent", "passwd", "kubedeb")


def test_shells_complete_it(root: Root) -> None:
    script = "source /usr/share/bash-completion/completions/kubedeb && complete -p kubedeb"
    assert "_kubedeb_completion" in root.ok("bash", "-c", script)
    asked = "COMP_WORDS='kubedeb rec' COMP_CWORD=1 _KUBEDEB_COMPLETE=bash_complete kubedeb"
    assert "plain,recipe" in root.ok("bash", "-c", asked)


def test_a_purge_leaves_nothing_of_it(root: Root) -> None:
    """The last of the module: the package is gone afterwards."""
    root.ok("dpkg", "--purge", "kubedeb")
    assert root.run("ls", "/usr/lib/kubedeb")[0] == 2, "no compiled module is left either"
