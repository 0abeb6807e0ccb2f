"""The judges at work: packages in clean roots, Debian's own etcd-server, lintian, a build that fails for what they find."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import kindsamples
import madedebs
import samplerecipe
from kubedeb.cli import run
from kubedeb.errors import ExitCode, KubedebError
from madedebs import SH, make
from pkgbuild import cleanroot, dockerd, lintian, statement
from pkgbuild.attest import STATEMENTS, read_lines
from pkgbuild.cleanroot import docker_root
from pkgbuild.halting import Halt
from pkgbuild.rootcheck import OpenRoot, try_out
from pkgbuild.store import Store

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = [pytest.mark.docker, pytest.mark.turn]
DEBIANS = "3a9445d4560ad6de1c375756b2a17d97713df44cbd20a658c871fe108af7ef5d"
ETCD = "etcd-server_{}-1~deb12u1_amd64.deb"


@pytest.fixture(scope="module")
def client() -> Iterator[DockerClient]:
    with dockerd.connect() as found:
        yield found


@pytest.fixture(scope="module")
def open_root(with_base: Store, image: str, client: DockerClient) -> OpenRoot:
    lock = with_base.base("bookworm", "amd64")
    assert lock is not None
    return partial(docker_root, client, lock.tag, halt=Halt())


def found(new: Path, old: Path | None, open_root: OpenRoot) -> list[str]:
    return [f"{finding.rule}: {finding.text}" for finding in try_out([new], [old] if old else [], open_root).findings]


def script(name: str, text: str) -> dict[str, Any]:
    return {"scripts": {name: SH + text}}


LEFT = 'if [ "$1" = configure ]; then echo x >/etc/hello-daemon.left; fi\n'
BROKEN: dict[str, tuple[Mapping[str, Any], list[str]]] = {
    "a good package": ({}, []),
    "started by a fork": (
        script("postinst", "sleep 300 >/dev/null 2>&1 &\n"),
        [f"root-process: {step}: /usr/bin/sleep runs" for step in ("install", "upgrade")],
    ),
    "restarted through the init script's policy": (
        {"scripts": {"postinst": SH + "invoke-rc.d hello-daemon restart || true\n"},
         "files": {"/etc/init.d/hello-daemon": SH}},
        [f"root-daemon-touched: {step}: policy-rc.d hello-daemon restart 5" for step in ("install", "upgrade")],
    ),
    "started with an absolute path": (
        script("postinst", "/usr/bin/systemctl start hello-daemon\n"),
        [f"root-daemon-touched: {step}: systemctl start hello-daemon" for step in ("install", "upgrade")],
    ),
    "left behind": (script("postinst", LEFT), ["root-left: purge left /etc/hello-daemon.left behind"]),
    "data deleted": (
        script("postrm", 'if [ "$1" = purge ]; then rm -rf /var/lib/hello-daemon; fi\n'),
        ["root-left: purge deleted /var/lib/hello-daemon/kept-by-kubedeb, which is not its own"],
    ),
    "a user that goes": (
        {"scripts": {"postinst": SH + "getent passwd hello >/dev/null || useradd --system hello\n",
                     "postrm": SH + 'if [ "$1" = purge ]; then userdel hello; fi\n'}},
        ["root-left: purge deleted the user hello", "root-left: purge deleted the group hello"],
    ),
    "a stop that is missing": (
        {"scripts": {"prerm": SH}}, ["root-not-stopped: remove does not stop hello-daemon.service"],
    ),
    "a conffile that changes": (
        {"files": {madedebs.CONF: "# another text\n"}},
        ["root-conffile-prompt: upgrade: dpkg asks about a configuration file that an operator changed"],
    ),
    "a script that fails on upgrade": (
        script("postinst", 'if [ "$2" = 1 ]; then echo no way on; exit 3; fi\n'), ["root-fails"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_clean_root_finds(what: str, tmp_path: Path, open_root: OpenRoot) -> None:
    changed, findings = BROKEN[what]
    said = found(make(tmp_path, "2", **changed), make(tmp_path, "1"), open_root)
    if findings == ["root-fails"]:
        assert len(said) == 1
        assert said[0].startswith("root-fails: upgrade fails with exit status 1: ")
        assert "no way on" in said[0]
    else:
        assert said == findings


def test_a_script_that_hangs_is_a_finding(tmp_path: Path, open_root: OpenRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanroot, "STEP_SECONDS", 5)
    (said,) = found(make(tmp_path, "2", **script("postinst", "echo it waits; sleep 600\n")), None, open_root)
    assert said.startswith("root-fails: install does not end: ")
    assert "it waits" in said


def test_dependencies_that_nobody_has_are_told(tmp_path: Path, open_root: OpenRoot) -> None:
    with pytest.raises(KubedebError, match="apt cannot satisfy what the packages depend on: nobody-has-this") as error:
        found(make(tmp_path, "1", depends="nobody-has-this"), None, open_root)
    assert error.value.code == ExitCode.FETCH


@pytest.mark.turn("builds that take long")
def test_debians_etcd_server_is_found_out_and_ours_is_clean(
    etcd: Any, kept: Path, open_root: OpenRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = kept / "sources/sha256" / DEBIANS
    assert run(["lint", "--json", str(theirs)]) == ExitCode.LINT
    findings = json.loads(capsys.readouterr().out)["packages"][str(theirs)]
    texts = {finding["rule"]: finding["text"] for finding in findings}
    assert "deb-systemd-invoke restart etcd.service" in texts["restart-on-upgrade"]
    assert set(texts) == {
        "data-deleted", "enable-on-install", "needrestart", "restart-on-upgrade", "start-on-install", "tunable-conffile",
        "user-deleted",
    }  # fmt: skip
    ours = sorted(str(path) for path in etcd.out.glob("*.deb"))
    assert run(["lint", "--strict", *ours]) == ExitCode.DONE
    lived = found(theirs, etcd.out / ETCD.format("3.4.23"), open_root)
    assert "root-daemon-touched: upgrade: deb-systemd-invoke restart etcd.service" in lived
    assert "root-left: purge deleted the user etcd" in lived


@pytest.mark.turn("builds that take long")
def test_each_version_of_etcd_is_inspected_against_the_one_before(
    etcd: Any, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--store", str(etcd.out.parent / "store"), "--cache", str(kept / "sources")]
    assert run(["build", "etcd", "--json", *where]) == etcd.status
    builds = json.loads(capsys.readouterr().out)["builds"]
    assert {build["action"] for build in builds} <= {"inspect", "not-run"}
    verdicts = {build["version"]: json.loads((Path(build["changes"]).parent / "lint.json").read_text())
                for build in builds if build["packages"]}  # fmt: skip
    assert {version: verdict["verdict"] for version, verdict in verdicts.items()} == dict.fromkeys(verdicts, "passed")
    against = {judge["name"]: judge["against"] for judge in verdicts["3.5.16"]["judges"]}
    assert against["root-tests"] == "3.4.23-1~deb12u1"
    for build in builds:
        if build["packages"]:
            assert set(build["inspection"]) == {"lint", "lintian", "root-tests"}
            assert "root-tests: " in Path(build["log"]).read_text()


@pytest.mark.turn("long looks")
def test_a_build_fails_for_what_lintian_says(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--recipes", str(samplerecipe.write_recipe(tmp_path / "recipes"))]
    assert run(["recipe", "fetch", "hello", *where, "--from", str(tmp_path / "recipes/sources")]) == ExitCode.DONE
    capsys.readouterr()
    assert run(["build", "hello", "--no-root-tests", *where]) == ExitCode.LINT
    said = capsys.readouterr().err
    assert "hello: no-manual-page [usr/bin/hello] [lintian:no-manual-page]" in said
    assert said.splitlines()[-1].strip().startswith(f"The whole log: {store}/logs/hello_")
    assert list((store / "builds").glob("[!.]*")) == []
    assert run(["build", "hello", "--no-root-tests", "--no-lintian", *where]) == ExitCode.DONE
    for _ in range(2):  # stored without lintian's verdict, which is asked for each time that it is wanted
        assert run(["build", "hello", "--no-root-tests", *where]) == ExitCode.LINT
        assert "no-manual-page" in capsys.readouterr().err
    assert run(["build", "hello", "--no-root-tests", "--no-lintian", *where]) == ExitCode.DONE
    assert "nothing to do" in capsys.readouterr().err


def test_where_packages_cannot_be_tried_out_a_build_says_so(
    store: Path, with_root: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_root(store)
    where = ["--recipes", str(samplerecipe.write_recipe(tmp_path / "recipes"))]
    assert run(["recipe", "fetch", "hello", *where, "--from", str(tmp_path / "recipes/sources")]) == ExitCode.DONE
    assert run(["build", "hello", "--no-lintian", "--sandbox", "unshare", *where]) == ExitCode.DONE
    assert "Nothing is tried out in a clean root: the root tests need docker." in capsys.readouterr().err


def test_a_stored_build_is_inspected_when_a_verdict_lacks(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = kindsamples.lay_out(tmp_path / "recipes", "hello-daemon")
    kindsamples.fill_cache(folder, tmp_path / "cache")
    command = ["build", "hello-daemon", "--recipes", str(folder), "--json"]

    def built(*more: str) -> dict[str, Any]:
        assert run([*command, *more]) == ExitCode.DONE
        [build] = json.loads(capsys.readouterr().out)["builds"]
        return dict(build)

    first = built("--no-lintian", "--no-root-tests")
    shutil.rmtree(tmp_path / "cache")  # what is only inspected needs no source
    planned, inspected, held = built("--dry-run"), built("--offline"), built()
    assert [build["action"] for build in (first, planned, inspected, held)] == ["build", "inspect", "inspect", "skip"]
    assert planned["reason"].endswith("not judged yet by lintian and root-tests")
    assert [set(build["inspection"]) for build in (first, inspected, held)] == [
        {"lint"}, {"lint", "lintian", "root-tests"}, {"lint", "lintian", "root-tests"},
    ]  # fmt: skip
    assert first["packages"] == held["packages"]
    assert first["seconds"] == held["seconds"]
    statements = next((store / "builds" / first["digest"]).glob(f"*{STATEMENTS}"))
    assert [line["predicateType"] for line in read_lines(statements)] == [statement.PROVENANCE, statement.LINT]


def test_lintian_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubedeb.process.PATH", str(tmp_path))
    with pytest.raises(KubedebError, match="lintian is not installed") as error:
        lintian.ask([make(tmp_path, "1")])
    assert "--no-lintian" in error.value.hint


def test_the_root_tests_are_quick(tmp_path: Path, open_root: OpenRoot) -> None:
    new, old = make(tmp_path, "2"), make(tmp_path, "1")
    found(new, old, open_root)
    began = time.monotonic()
    assert found(new, old, open_root) == []
    assert time.monotonic() - began < 15
