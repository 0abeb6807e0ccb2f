"""The commands that need no container: what they print, how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import samplerecipe
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from pkgbuild.baselock import BaseLock
from pkgbuild.indexentry import IndexEntry
from pkgbuild.library import find, shipped_folder
from pkgbuild.store import Store

LOCK = BaseLock("bookworm", "amd64", ("debhelper",), (IndexEntry("apt", "2.6", "amd64", "a"),))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KUBEDEB_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("KUBEDEB_CACHE", str(tmp_path / "cache"))
    return samplerecipe.write_recipe(tmp_path / "recipes")


def test_list_shows_ours_and_the_shipped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "list", "--recipes", str(folder)]) == ExitCode.DONE
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["recipe", "hello", *sorted(find([shipped_folder()]))]
    assert run(["recipe", "list", "--recipes", str(folder), "--json"]) == ExitCode.DONE
    assert [recipe["name"] for recipe in json.loads(capsys.readouterr().out)] == ["hello", *sorted(find([shipped_folder()]))]


def test_show_says_the_digest_and_whether_there_is_a_base(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "show", "hello", "--recipes", str(folder)]) == ExitCode.DONE
    before = capsys.readouterr().out
    assert "base: none yet (kubedeb base update)" in before
    Store(folder.parent / "store").keep_base(LOCK)
    assert run(["recipe", "show", "hello@1.10", "--recipes", str(folder), "--json"]) == ExitCode.DONE
    spec = json.loads(capsys.readouterr().out)
    assert spec["base"] == LOCK.digest
    assert spec["digest"] not in before


def test_another_first_stage_of_the_dockerfile_is_another_build(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(folder.parent / "store").keep_base(LOCK)
    digests = []
    for user in ("builder", "other"):
        (folder.parent / "Dockerfile").write_text(f"FROM x AS build\nUSER {user}\nFROM x AS tool\n")
        monkeypatch.setattr("pkgbuild.stage.shipped_folder", lambda name: folder.parent / name)
        assert run(["recipe", "show", "hello", "--recipes", str(folder), "--json"]) == ExitCode.DONE
        digests.append(json.loads(capsys.readouterr().out)["digest"])
    assert digests[0] != digests[1]


def test_show_wants_one_version(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "show", "etcd"]) == ExitCode.USAGE
    assert "3.3.25, 3.4.23, 3.5.16" in capsys.readouterr().err


def test_render_prints_or_writes_the_tree(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "render", "hello", "--recipes", str(folder)]) == ExitCode.DONE
    assert "==> debian/changelog <==\nhello (1.10-1~deb12u1) bookworm; urgency=medium" in capsys.readouterr().out
    target = folder / "out"
    assert run(["recipe", "render", "hello", "--recipes", str(folder), "-o", str(target)]) == ExitCode.DONE
    assert (target / "debian/rules").stat().st_mode & 0o777 == 0o755


def test_lint_prints_findings_and_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "lint", "--recipes", str(folder)]) == ExitCode.DONE
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in said if ": ok, " in line] == sorted(["hello", *find([shipped_folder()])])
    assert "  2.8.2 for arm64 is not built: source helm is not pinned: no checksum of it was found" in said
    (folder / "hello/debian/rules").unlink()
    assert run(["recipe", "lint", "hello", "--recipes", str(folder)]) == ExitCode.RECIPE
    assert "hello: debian/rules is missing" in capsys.readouterr().err


def test_fetch_from_a_folder_needs_no_mirror(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["recipe", "fetch", "hello", "--recipes", str(folder), "--from", str(folder / "sources")]
    assert run([*command, "--json"]) == ExitCode.DONE
    shown = json.loads(capsys.readouterr().out)
    assert shown["taken"] == [str(folder / "sources/any-name.deb")]
    assert Path(shown["sources"][0]["file"]).read_bytes() == samplerecipe.source_deb()


def test_base_list(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store(folder.parent / "store").keep_base(LOCK)
    assert run(["base", "list"]) == ExitCode.DONE
    assert LOCK.tag in capsys.readouterr().out
    assert run(["base", "list", "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)[0]["packages"][0]["name"] == "apt"


WRONG = {
    "nothing named": (["build"], ExitCode.USAGE, "Name a recipe, or give --all"),
    "both": (["build", "hello", "--all"], ExitCode.USAGE, "Name recipes, or give --all: not both."),
    "nothing to fetch": (["recipe", "fetch"], ExitCode.USAGE, "Name a recipe, or give --all"),
    "a near name": (["build", "etcb"], ExitCode.RECIPE, "Did you mean 'etcd'?"),
    "an architecture without sources": (["build", "etcd", "--arch", "arm64"], ExitCode.RECIPE, "has no sources for arm64"),
    "a suite": (["build", "etcd", "--suite", "buster"], ExitCode.USAGE, "'buster' is not one of"),
    "a folder that is not there": (["recipe", "list", "--recipes", "/nowhere"], ExitCode.USAGE, "does not exist"),
    "a record that is not there": (["rebuild", "/nowhere"], ExitCode.PACKAGE, "cannot read /nowhere\n  No such file"),
    "a record that is none": (["rebuild", "/proc/version"], ExitCode.PACKAGE, "/proc/version is not a .buildinfo file"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_command_line(what: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv, code, message = WRONG[what]
    assert run(argv) == code
    assert message in capsys.readouterr().err
