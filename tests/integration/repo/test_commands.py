"""What a person gets for bad input: one clear message, a documented exit code, and nothing changed."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from debs import control, deb, write_deb
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from repositories import VERSIONS, Made
from testseed import seed

BAD = {
    "empty.deb": (b"", "is not a Debian package: it is empty"),
    "text.deb": (b"hello, hello, hello", "is not a Debian package: it is not an ar archive"),
    "short.deb": (deb()[:-30], "is not a Debian package: it is truncated"),
    "injected.deb": (deb(control(more="X: 1\n\nPackage: evil\n")), "2 stanzas where there must be exactly one"),
    "speaks.deb": (deb(control(more="Filename: ../../../etc/passwd\n")), "which only a repository may write"),
    "shell.deb": (deb(control(version="1$(reboot)")), "its field Version is not valid: '1$(reboot)'"),
    "arm.deb": (deb(control(architecture="armel")), "is for armel; suite bookworm has amd64"),
}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("publish", "bokworm"), ExitCode.REPOSITORY, "there is no suite 'bokworm'"),
        (("add", "--suite", "sid", "x.deb"), ExitCode.REPOSITORY, "there is no suite 'sid'"),
        (
            ("add", "--suite", "bookworm", "/nonexistent.deb"),
            ExitCode.PACKAGE,
            "/nonexistent.deb: cannot be read: No such",
        ),
        (("add", "--suite", "bookworm", "/proc/self/fd"), ExitCode.PACKAGE, "there is no .deb or .dsc file in this folder"),
        (("add", "--suite", "bookworm", "/nonexistent.changes"), ExitCode.PACKAGE, "cannot be read as a .changes file"),
        (("show", "etcd-sever"), ExitCode.PACKAGE, "did you mean 'etcd-server'?"),
        (("show", "etcd-server=3.6"), ExitCode.PACKAGE, "version '3.6' of etcd-server is not in the repository"),
        (("init", "--origin", "other"), ExitCode.REPOSITORY, "origin is 'kubedeb' and cannot become 'other'"),
        (("verify", "http://localhost:1/"), ExitCode.USAGE, "name the key to trust and the suites"),
        (("verify", "/nonexistent", "--suite", "s", "--keyring", "/etc/passwd"), ExitCode.KEY, "/etc/passwd is no public key"),
        (("rollback", "bookworm", "--to", "9"), ExitCode.REPOSITORY, "generation 9 of bookworm is no earlier one"),
        (("serve", "--bind", "203.0.113.1"), ExitCode.REPOSITORY, "cannot serve on 203.0.113.1"),
    ],
)
def test_bad_input(template: Made, arguments: tuple[str, ...], code: ExitCode, message: str, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip # noqa: E501
    assert template.repo(*arguments) == code
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_a_server_that_is_not_there_is_told_in_few_words(template: Made, capsys: pytest.CaptureFixture[str]) -> None:
    key = template.root / "keyring.gpg"
    assert template.repo("import", "-s", "bookworm", "--keyring", key, "http://127.0.0.1:1/") == ExitCode.FOREIGN
    assert "dists/bookworm/InRelease: cannot be read: Connection refused\n" in capsys.readouterr().err


def test_no_repository_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["list"], ["publish", "s"], ["add", "-s", "s", "x.deb"], ["show", "x"], ["verify"], ["serve"]):
        assert run(["repo", command[0], "--repository", str(tmp_path / "no"), *command[1:]]) == ExitCode.REPOSITORY
        assert capsys.readouterr().err == (
            f"error: there is no repository in {tmp_path}/no\n"
            "hint: Name one with --repository or KUBEDEB_REPOSITORY, or make one: kubedeb repo init --origin NAME\n"
        )
    (tmp_path / "no").mkdir()
    (tmp_path / "no/repository.json").write_text('{"origin": 1}')
    assert run(["repo", "list", "--repository", str(tmp_path / "no")]) == ExitCode.REPOSITORY


def test_all_that_is_wrong_is_said_at_once_and_nothing_is_added(
    drafted: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write_deb(tmp_path, "good", "1")
    for name, (data, _) in BAD.items():
        (tmp_path / name).write_bytes(data)
    assert drafted.repo("add", "--suite", "bookworm", good, *(tmp_path / name for name in BAD)) == ExitCode.PACKAGE
    said = capsys.readouterr().err
    for name, (_, message) in BAD.items():
        assert any(f"{tmp_path / name}: " in line and message in line for line in said.splitlines()), said
    assert drafted.repo("list", "good") == 0
    assert "good" not in capsys.readouterr().out
    assert not list((drafted.public / "pool").rglob("good*"))


def test_mutated_packages_never_surprise(drafted: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(seed())  # noqa: S311 - reproducible on purpose
    for number in range(50):
        raw = bytearray(deb(control(version=f"1.{number}"), form=chance.choice(["", ".gz", ".xz", ".zst"])))
        for _ in range(chance.randint(1, 5)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        path = tmp_path / f"{number}.deb"
        path.write_bytes(bytes(raw))
        assert drafted.repo("add", "--suite", "bookworm", path) in (0, ExitCode.PACKAGE), capsys.readouterr().err
    assert drafted.repo("publish", "bookworm") == 0
    assert drafted.client().update().clean


def test_list_and_show(drafted: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert drafted.repo("list", "etcd-*", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["version"], row["state"]) for row in rows] == [
        (VERSIONS[2], "published"), (VERSIONS[1], "draft"), (VERSIONS[0], "draft"),
    ]  # fmt: skip
    assert drafted.repo("list", "nothing-*") == 0
    assert capsys.readouterr().out == "suite  package  version  architecture  state\n"
    assert drafted.repo("show", f"etcd-server={VERSIONS[1]}", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(item["Version"], item["suites"]) for item in shown] == [(VERSIONS[1], {"bookworm": "draft"})]
    assert drafted.repo("show", "etcd-server") == 0
    assert capsys.readouterr().out.count("Package: etcd-server\n") == 3


def test_json_of_what_changes_something(drafted: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert drafted.repo("init", "--origin", "kubedeb", "--url", "http://apt.localhost/", "--json") == 0
    assert json.loads(capsys.readouterr().out)["done"] == ["changed url to http://apt.localhost/"]
    assert drafted.repo("publish", "bookworm", "--json") == 0
    published = json.loads(capsys.readouterr().out)
    assert (published["generation"], published["packages"], len(published["added"])) == (2, 3, 2)
    assert set(published["judges"]) == {"apt", "gpgv", "sqv"}
    assert "URIs: http://apt.localhost/\n" in (drafted.public / "kubedeb.sources").read_text()
