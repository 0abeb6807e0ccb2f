"""Builds of a tiny recipe in real containers: what they may see, what they leave, how they fail."""

from __future__ import annotations

import gc
import io
import os
import socket
from pathlib import Path

import pytest

import samplerecipe
from kubedeb.cli import run
from kubedeb.errors import ExitCode, KubedebError
from pkgbuild import dockerd
from pkgbuild.dockerd import sandbox_tag
from pkgbuild.dockersandbox import docker_sandbox
from pkgbuild.library import shipped_folder
from pkgbuild.stage import sandbox_stage

pytestmark = pytest.mark.docker
RULES = samplerecipe.RULES
UNDECLARED = RULES + "execute_after_dh_install:\n\techo x >debian/hello/usr/bin/more\n"
CHANCE = RULES + "execute_after_dh_install:\n\tcat /proc/sys/kernel/random/uuid >>debian/hello/usr/bin/hello.conf\n"
SEEN = "umask; id -u; id -g; hostname; pwd; ls /sys/class/net; env | sort"
LOOK = RULES + f"override_dh_auto_configure:\n\t@echo BEGIN; {SEEN}; echo END\n"


def build(folder: Path, *argv: str) -> int:
    """Fill the cache from the recipe's folder and build: no mirror is asked."""
    where = ["--recipes", str(folder)]
    assert run(["recipe", "fetch", "hello", *where, "--from", str(folder / "sources")]) == ExitCode.DONE
    return run(["build", "hello", "--no-lintian", "--no-root-tests", *where, *argv])


def log_of(store: Path) -> str:
    return "".join(path.read_text() for path in (store / "logs").iterdir())


def held(store: Path) -> list[str]:
    return sorted(path.name for path in (store / "builds").glob("*")) if (store / "builds").exists() else []


def test_second_run_has_nothing_to_do_and_a_change_says_what(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = samplerecipe.write_recipe(tmp_path / "recipes")
    assert build(folder, "--check") == ExitCode.DONE
    shown = capsys.readouterr()
    assert "hello_1.10-1~deb12u1_amd64.deb" in shown.out
    assert "the store has no build of it" in shown.err
    assert build(folder) == ExitCode.DONE
    assert "nothing to do, the store holds this build" in capsys.readouterr().err
    samplerecipe.write_recipe(tmp_path / "recipes", rules=RULES + "# changed\n")
    assert build(folder) == ExitCode.DONE
    assert "changed since the last build: debian/rules" in capsys.readouterr().err
    assert len(held(store)) == 2


def test_another_sandbox_is_another_build(
    store: Path, image: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = samplerecipe.write_recipe(tmp_path / "recipes")
    assert build(folder) == ExitCode.DONE
    shipped = shipped_folder("Dockerfile").read_text()
    (tmp_path / "Dockerfile").write_text(shipped.replace("USER builder", f"ENV TEST={os.getpid()}\nUSER builder"))
    monkeypatch.setattr("pkgbuild.stage.shipped_folder", lambda name: tmp_path / name)
    capsys.readouterr()
    tag = sandbox_tag(image.rpartition("-")[0], sandbox_stage())
    try:
        assert build(folder) == ExitCode.DONE
        assert "changed since the last build: the sandbox (the Dockerfile's first stage)" in capsys.readouterr().err
    finally:
        with dockerd.connect() as client:
            made = dockerd.has_image(client, tag)
            if made:
                client.images.remove(tag, force=True)
    assert made


def test_a_build_sees_one_fixed_environment(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEDEB_SECRET", "s3cret")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert build(samplerecipe.write_recipe(tmp_path / "recipes", rules=LOOK)) == ExitCode.DONE
    seen = log_of(store).partition("BEGIN\n")[2].partition("END\n")[0].splitlines()
    assert seen[:6] == ["0022", "1000", "1000", "kubedeb", "/build/hello-1.10", "lo"]
    names = {line.partition("=")[0] for line in seen[6:]}
    assert {"SOURCE_DATE_EPOCH=1795435200", "LC_ALL=C.UTF-8", "TZ=UTC"} <= set(seen)
    assert not names & {"KUBEDEB_SECRET", "http_proxy", "HOSTNAME", "DOCKER_HOST"}


def test_the_network_is_off(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connect = "perl -MIO::Socket::INET -e 'exit(IO::Socket::INET->new(PeerAddr => $$ARGV[0], Timeout => 2) ? 0 : 1)'"
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104 - a container must not reach it by any address
        port = server.getsockname()[1]
        addresses = [f"127.0.0.1:{port}", f"172.17.0.1:{port}", "mirror.example.invalid:80", "192.0.2.1:53"]
        tries = "".join(f"\t! {connect} {address} || touch reached\n" for address in addresses)
        # The reserved names and addresses answer nobody; that there is no route says that none would.
        routes = "\ttest $$(wc -l </proc/net/route) -le 1 || touch reached\n"
        rules = RULES + f"override_dh_auto_configure:\n{tries}{routes}\t@test ! -e reached && echo nothing was reached; false\n"
        assert build(samplerecipe.write_recipe(tmp_path / "recipes", rules=rules)) == ExitCode.BUILD
    shown = capsys.readouterr().err
    assert "nothing was reached" in shown
    assert "The network is off while building." in shown


TROUBLES = {
    "out of memory": (
        "perl -e '$$x = \"x\" x (1 << 28)'", ["--memory", "64M"], ExitCode.BUILD,
        "did not build: a process ran out of memory, the limit is 64 MiB",
    ),
    "a hang": ("sleep 600", ["--time-limit", "3"], ExitCode.BUILD, "dpkg-buildpackage did not end within 3 s"),
    "a full disk": (
        "cat /dev/zero >/dev/shm/full", [], ExitCode.BUILD_STORAGE, "did not build: the sandbox's disk is full",
    ),
}  # fmt: skip


@pytest.mark.turn("troubles of a build")
@pytest.mark.parametrize("what", TROUBLES)
def test_a_trouble_is_one_line_with_the_log_and_the_way_inside(
    what: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, options, code, message = TROUBLES[what]
    rules = RULES + f"override_dh_auto_configure:\n\t{command}\n"
    folder = samplerecipe.write_recipe(tmp_path / "recipes", rules=rules)
    assert build(folder, *options) == code
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("error: ") and line.endswith(message)]
    assert [line for line in lines if f"The whole log: {store}/logs/hello_" in line]
    again = " ".join([*options, "--shell"]).replace("64M", "67108864")
    assert lines[-1].strip() == f"kubedeb build hello@1.10 --recipes {folder} {again}"


FAILURES = {
    "rules that fail": (
        samplerecipe.RECIPE, RULES + "override_dh_auto_build:\n\techo the reason; false\n", ExitCode.BUILD,
        ["did not build: dpkg-buildpackage failed with exit status 2", "the reason", "The whole log: "],
    ),
    "a file nobody declares": (
        samplerecipe.RECIPE, UNDECLARED, ExitCode.BUILD_CONTENTS,
        ["hello: holds /usr/bin/more, which the recipe does not declare"],
    ),
    "another version inside": (
        samplerecipe.RECIPE.replace("hello {version}", "hello 2"), RULES, ExitCode.BUILD_CONTENTS,
        ["hello: /usr/bin/hello does not say 'hello 2' but: hello 1.10"],
    ),
    "a source without the file": (
        samplerecipe.RECIPE.replace("hello-source/usr/bin/hello", "hello-source/usr/bin/hi"), RULES, ExitCode.RECIPE,
        ["source hello-source has no file usr/bin/hi"],
    ),
}  # fmt: skip


@pytest.mark.turn("failures of a build")
@pytest.mark.parametrize("what", FAILURES)
def test_a_failure_says_why_and_leaves_only_its_log(
    what: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, rules, code, messages = FAILURES[what]
    assert build(samplerecipe.write_recipe(tmp_path / "recipes", text, rules=rules)) == code
    shown = capsys.readouterr().err
    assert [message for message in messages if message not in shown] == []
    assert held(store) == []


def test_check_catches_chance(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = samplerecipe.RECIPE.replace("    says:", "    contents: [/usr/bin/hello.conf]\n    says:")
    assert build(samplerecipe.write_recipe(tmp_path / "recipes", text, rules=CHANCE), "--check") == ExitCode.BUILD
    said = capsys.readouterr().err
    assert "is not reproducible: two builds gave different packages" in said
    assert "hello.conf" in said  # diffoscope's word
    (report,) = (store / "logs").glob("hello_*.diffoscope.txt")
    assert f"The whole report: {report}" in said


def test_a_time_limit_ends_the_command_and_the_container_goes(image: str) -> None:
    with dockerd.connect() as client:
        with docker_sandbox(client, image) as sandbox:
            name = sandbox._container.id
            with pytest.raises(KubedebError, match="sleep did not end within 1 s"):
                sandbox.run(["sleep", "60"], cwd="/build", env={}, log=io.BytesIO(), timeout=1)
        assert name not in [container.id for container in client.containers.list(all=True, ignore_removed=True)]


def test_a_file_that_is_not_there_is_told(image: str, tmp_path: Path) -> None:
    with dockerd.connect() as client, docker_sandbox(client, image) as sandbox:
        with pytest.raises(KubedebError, match=r"the build made no /build/x\.changes"):
            sandbox.get("/build/x.changes", tmp_path / "x")
        with pytest.raises(KubedebError, match="/build is no regular file"):
            sandbox.get("/build", tmp_path / "x")


# The SDK leaves the socket open that it could not connect.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_docker(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/dead.sock")
    assert build(samplerecipe.write_recipe(tmp_path / "recipes"), "--sandbox", "docker") == ExitCode.SANDBOX
    assert "error: the docker daemon does not answer" in capsys.readouterr().err
    assert held(store) == []
    gc.collect()
