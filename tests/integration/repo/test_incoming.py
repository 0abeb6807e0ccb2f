"""Uploads, as dput leaves them: signed ones become packages, others are moved aside with the reason, each as a whole."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from debs import write_deb
from kubedeb.errors import ExitCode
from repo import incoming
from repositories import Made
from uploads import Signer, write_changes, write_source


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    with Signer(tmp_path_factory.mktemp("alice")) as signer:
        yield signer


@pytest.fixture
def made(tmp_path: Path, alice: Signer) -> Made:
    made = Made(tmp_path / "repository", [], tmp_path)
    alice.export(tmp_path / "keys" / "alice.asc")
    assert (
        made.repo("init", "--origin", "kubedeb", "-s", "bookworm", "-s", "trixie", "--changes-keyring", tmp_path / "keys") == 0
    )
    (tmp_path / "in").mkdir()
    return made


def upload(made: Made, signer: Signer, name: str, files: list[Path], distribution: str = "bookworm") -> Path:
    """Leave a signed upload of files that lie in the folder already."""
    plain = write_changes(made.folder / "in" / f"{name}.plain", files, distribution)
    signed = signer.sign(plain, f"{name}.changes")
    plain.unlink()
    return signed


def dput(made: Made, signer: Signer, changes: Path) -> None:
    """Upload as a maintainer does, with dput's own looks at the signature and the files."""
    configuration = made.folder / "dput.cf"
    configuration.write_text(f"[ours]\nmethod = local\nincoming = {made.folder / 'in'}\nallow_unsigned_uploads = 0\n")
    subprocess.run(
        ["dput", "--config", configuration, "ours", changes], check=True, capture_output=True, timeout=60,
        env={**os.environ, "GNUPGHOME": str(signer.home)},
    )  # fmt: skip


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_uploads_go_live_in_the_suites_that_they_are_for(made: Made, alice: Signer) -> None:
    folder = made.folder / "in"
    dsc = write_source(folder, "hello", "1.0-1")
    sources = [path for path in folder.iterdir() if path.name.startswith("hello_")]
    assert dsc in sources
    upload(made, alice, "hello", [*sources, write_deb(folder, "hello", "1.0-1")])
    upload(made, alice, "other", [write_deb(folder, "other", "1")], "unstable")
    assert made.repo("incoming", "--map", "unstable=trixie", folder) == 0
    assert names(folder) == []
    for suite, package, versions in (("bookworm", "hello", ["1.0-1"]), ("trixie", "other", ["1"])):
        client = made.client(suite, suite=suite)
        assert client.update().clean
        assert client.versions(package) == versions
    assert made.repo("incoming", folder) == 0


def test_what_dput_uploads_goes_live(made: Made, alice: Signer) -> None:
    out = made.folder / "out"
    plain = write_changes(out / "plain", [write_deb(out, "hello", "1.0-1")])
    dput(made, alice, alice.sign(plain, "hello_1.0-1_amd64.changes"))
    assert names(made.folder / "in") == ["hello_1.0-1_amd64.changes", "hello_1.0-1_amd64.deb"]
    assert made.repo("incoming", made.folder / "in") == 0
    assert names(made.folder / "in") == []
    client = made.client()
    assert client.update().clean
    assert client.versions("hello") == ["1.0-1"]


def test_what_cannot_be_taken_is_moved_aside_whole(made: Made, alice: Signer, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made.folder / "in"
    good = write_deb(folder, "good", "1")
    bad = write_deb(folder, "bad", "1")
    bad.write_bytes(bad.read_bytes()[:-100])
    upload(made, alice, "both", [good, bad])
    write_changes(folder / "unsigned.changes", [good])
    upload(made, alice, "unknown", [write_deb(folder, "fine", "1")], "sid")
    assert made.repo("incoming", folder) == ExitCode.PACKAGE
    said = capsys.readouterr()
    assert "rejected both.changes: " in said.out
    assert "is not a Debian package: it is truncated" in said.out
    assert "it is not signed by a key in" in said.out
    assert "its Distribution is 'sid'" in said.out
    # What unsigned.changes lists is not its own to move; fine is a file of an upload of which nothing is believed.
    assert names(folder) == sorted(["fine_1_amd64.deb", "good_1_amd64.deb", *(f"rejected/{name}" for name in (
        "both.1/bad_1_amd64.deb", "both.1/both.changes", "both.1/reason.txt", "unknown.1/reason.txt",
        "unknown.1/unknown.changes", "unsigned.1/reason.txt", "unsigned.1/unsigned.changes",
    ))])  # fmt: skip
    assert made.repo("list", "--json") == 0
    assert capsys.readouterr().out == "[]\n"


def test_an_upload_may_still_be_on_its_way(made: Made, alice: Signer, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made.folder / "in"
    late = write_deb(folder, "late", "1")
    upload(made, alice, "late", [late])
    data = late.read_bytes()
    late.unlink()
    assert made.repo("incoming", folder) == 0
    assert "waiting late.changes for bookworm: late_1_amd64.deb is not there yet" in capsys.readouterr().out
    late.symlink_to("/etc/hostname")
    assert made.repo("incoming", "--patience", "0", folder) == ExitCode.PACKAGE
    assert "is missing; late.changes lists it" in capsys.readouterr().err
    late.unlink()
    late.write_bytes(data)
    (folder / "rejected" / "late.1" / "late.changes").rename(folder / "late.changes")
    assert made.repo("incoming", folder) == 0
    assert names(folder) == ["rejected/late.1/reason.txt"]


def test_a_run_that_was_killed_is_repeated(made: Made, alice: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made.folder / "in"
    upload(made, alice, "hello", [write_deb(folder, "hello", "1")])
    before = names(folder)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for number, victim in enumerate(("publish", "_clear")):
        monkeypatch.setattr(incoming, victim, killed)
        assert made.repo("incoming", folder) == ExitCode.INTERRUPTED, number
        assert names(folder) == before
        monkeypatch.undo()
    assert made.repo("incoming", folder) == 0
    client = made.client()
    assert client.update().clean
    assert (client.versions("hello"), names(folder)) == (["1"], [])


def test_a_suite_without_keys_takes_no_upload(made: Made, alice: Signer, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made.folder / "in"
    assert made.repo("init", "--origin", "kubedeb", "--changes-keyring", "") == 0
    upload(made, alice, "hello", [write_deb(folder, "hello", "1")])
    assert made.repo("incoming", folder) == ExitCode.REPOSITORY
    assert "suite bookworm has no keys to check uploads with" in capsys.readouterr().err
    assert made.repo("incoming", "--keyring", made.folder / "keys", folder) == 0
    assert made.repo("incoming", made.folder / "nowhere") == ExitCode.REPOSITORY
    assert made.repo("incoming", "--map", "sid", folder) == ExitCode.USAGE


def test_it_looks_again_and_again(made: Made, alice: Signer) -> None:
    folder = made.folder / "in"
    command = [sys.executable, "-m", "kubedeb", "repo", "incoming", "-r", made.root, "--every", "0.2", folder]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as loop:
        try:
            for number in ("1", "2"):
                one = write_deb(folder, "hello", number)
                changes = upload(made, alice, f"hello{number}", [one])
                end = time.monotonic() + 30
                while changes.exists() and time.monotonic() < end:
                    time.sleep(0.1)
                assert not changes.exists()
        finally:
            loop.terminate()
            loop.wait(20)
    client = made.client()
    assert client.update().clean
    assert client.versions("hello") == ["2", "1"]
