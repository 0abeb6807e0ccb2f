"""What `add` takes: sources that `apt-get source` gets, what was said about packages, signed uploads; and what it refuses."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from debs import Item, control, deb, write_deb
from kubedeb.errors import ExitCode
from repositories import Made
from uploads import Signer, write_changes, write_source


@pytest.fixture
def empty(tmp_path: Path) -> Made:
    made = Made(tmp_path / "repository", [], tmp_path)
    assert made.repo("init", "--origin", "kubedeb", "-a", "amd64", "-a", "arm64") == 0
    return made


def test_a_source_package_is_what_apt_source_gets(empty: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dsc = write_source(tmp_path / "in", "hello", "1:1.0-1")
    assert empty.repo("add", "-s", "bookworm", "--publish", dsc) == 0, capsys.readouterr().err
    client = empty.client(types="deb-src")
    assert client.update().clean
    answer = client.run("apt-get", "source", "--download-only", "hello")
    assert answer.status == 0, answer.text
    got = client.folder / "work"
    names = sorted(path.name for path in dsc.parent.iterdir())
    assert sorted(path.name for path in got.iterdir()) == names
    assert all((got / name).read_bytes() == (dsc.parent / name).read_bytes() for name in names)
    assert empty.repo("verify") == 0
    assert empty.repo("add", "-s", "bookworm", dsc) == 0
    assert "is in bookworm already" in capsys.readouterr().out
    # The same name and version with other bytes, both digests shown.
    other = write_source(tmp_path / "other", "hello", "1:1.0-1", salt="!")
    assert empty.repo("add", "-s", "bookworm", other) == ExitCode.PACKAGE
    error = capsys.readouterr().err
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() in error for path in (dsc, other))


def test_what_was_said_about_a_package_lies_beside_it(empty: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = write_deb(tmp_path / "in", "hello", "1.0")
    digest = hashlib.sha256(one.read_bytes()).hexdigest()
    record = tmp_path / "in" / "hello_1.0_amd64.buildinfo"
    record.write_text(f"Format: 1.0\nSource: hello\nChecksums-Sha256:\n {digest} {one.stat().st_size} {one.name}\n")
    assert empty.repo("add", "-s", "bookworm", "--publish", one) == 0, capsys.readouterr().err
    assert json.loads(_shown(empty, "hello", capsys))[0]["Kubedeb-Beside"].split()[2::3] == [record.name]
    # A verdict that comes later is linked by the same command; what was there stays, though the folder is another.
    later = write_deb(tmp_path / "later", "hello", "1.0")
    statement = tmp_path / "later" / "hello_1.0_amd64.intoto.jsonl"
    statement.write_text('{"payload": ""}\n')
    assert empty.repo("add", "-s", "bookworm", "--publish", later) == 0, capsys.readouterr().err
    assert json.loads(_shown(empty, "hello", capsys))[0]["Kubedeb-Beside"].split()[2::3] == [record.name, statement.name]
    folder = empty.public / "pool" / digest[:2] / digest
    assert sorted(path.name for path in folder.iterdir()) == sorted([one.name, record.name, statement.name])
    client = empty.client()
    assert client.update().clean
    assert client.versions("hello") == ["1.0"]
    assert empty.repo("add", "-s", "bookworm", "--publish", one) == 0
    assert "nothing to do" in capsys.readouterr().out
    statement.write_text("not JSON\n")
    assert empty.repo("add", "-s", "bookworm", later) == ExitCode.PACKAGE
    assert "is not JSON" in capsys.readouterr().err


def _shown(made: Made, name: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert made.repo("show", "--json", name) == 0
    return capsys.readouterr().out


def test_a_suite_may_want_signed_changes(empty: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = tmp_path / "keys"
    with Signer(tmp_path / "alice") as alice, Signer(tmp_path / "mallory") as mallory:
        alice.export(keys / "alice.asc")
        assert empty.repo("init", "--origin", "kubedeb", "--changes-keyring", keys) == 0
        one = write_deb(tmp_path / "in", "hello", "1.0")
        statement = tmp_path / "in" / "hello_1.0_amd64.intoto.jsonl"
        statement.write_text("not JSON, and not uploaded\n")
        plain = write_changes(tmp_path / "in" / "hello.changes", [one])
        for given, message in (
            (one, "the suite takes signed .changes files only"),
            (plain, "it is not signed by a key in"),
            (mallory.sign(plain, "mallory.changes"), "it is not signed by a key in"),
        ):
            assert empty.repo("add", "-s", "bookworm", given) == ExitCode.PACKAGE
            assert message in capsys.readouterr().err
        good = alice.sign(plain, "alice.changes")
        assert empty.repo("add", "-s", "bookworm", "--publish", good) == 0, capsys.readouterr().err
        # What stands outside of the signature is nobody's: apt takes no such document either.
        other = write_changes(tmp_path / "in" / "other.changes", [write_deb(tmp_path / "in", "other", "1.0")])
        good.write_bytes(other.read_bytes() + b"\n" + good.read_bytes() + b"\n" + other.read_bytes())
        assert empty.repo("add", "-s", "bookworm", good) == ExitCode.PACKAGE
        assert "it is not signed by a key in" in capsys.readouterr().err
        expired = alice.expired(plain, keys)
        assert empty.repo("add", "-s", "bookworm", expired) == ExitCode.PACKAGE
        assert "expired" in capsys.readouterr().err


# A gigabyte in truth, which takes long to pack.
LEAST_BOMB = 16 * 1024 * 1024
LINK = {"kind": tarfile.LNKTYPE, "target": "../../etc/shadow"}
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "outside": (lambda: deb(data=[Item("./../../etc/passwd")]), "which leaves the root"),
    "hardlink": (lambda: deb(data=[Item("./x", **LINK)]), "which leaves the root"),  # type: ignore[arg-type]
    "absolute": (lambda: deb(data=[Item("/etc/passwd")]), "which is not relative to the root"),
    "newline": (lambda: deb(data=[Item("./a\nb")]), "with a control character in its name"),
    "cut": (lambda: _cut(deb(form=".xz")), "truncated"),
    "depends": (lambda: deb(control(more="Depends: a || b\n")), "is no relation"),
    "shell": (lambda: deb(control(version="1.0$(reboot)")), "its field Version is not valid"),
    "revision": (lambda: deb(control(version="1.0-")), "its field Version is not valid"),
    "injected": (lambda: deb(control(more="Section: x\n\nPackage: evil\n")), "stanza"),
    "filename": (lambda: deb(control(more="Filename: ../../etc/passwd\n")), "which only a repository may write"),
    "beside": (lambda: deb(control(more="Kubedeb-Beside: x\n")), "which only a repository may write"),
    "source": (lambda: deb(control(architecture="source")), "its architecture is source"),
    "same": (lambda: deb(control(architecture="all", more="Multi-Arch: same\n")), "which dpkg refuses"),
    "bomb": (lambda: deb(data={"./x": bytes(LEAST_BOMB + 1)}), "a decompression bomb"),
}


def _cut(data: bytes) -> bytes:
    """Return a package of which the last member is an intact member with half of its compressed data."""
    at = data.index(b"data.tar.xz")
    size = int(data[at + 48 : at + 58])
    half = size // 2 * 2 // 2 & ~1
    return data[: at + 48] + f"{half:<10}`\n".encode() + data[at + 60 : at + 60 + half]


@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_packages_have_one_clear_error(
    empty: Made, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make, message = BAD[name]
    monkeypatch.setattr("kubedeb.deb.LEAST_BOMB", LEAST_BOMB)
    path = tmp_path / "bad.deb"
    path.write_bytes(make())
    before = sorted(empty.public.rglob("*"))
    assert empty.repo("add", "-s", "bookworm", "--publish", path) == ExitCode.PACKAGE
    assert message in capsys.readouterr().err
    assert sorted(empty.public.rglob("*")) == before


def test_bad_sources_have_one_clear_error(empty: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dsc = write_source(tmp_path / "in", "hello", "1.0-1")
    text = dsc.read_text()
    tarball = next(path for path in dsc.parent.iterdir() if path != dsc)
    for bad, message in (
        (text.replace(tarball.name, f"../{tarball.name}"), "not a plain file name"),
        (text.replace("Version: 1.0-1", "Version: 1.0;reboot"), "its field Version is not valid"),
        (text.replace("Format:", "X-Format:"), "it is no .dsc"),
        ("", "stanzas where there must be exactly one"),
    ):
        dsc.write_text(bad)
        assert empty.repo("add", "-s", "bookworm", dsc) == ExitCode.PACKAGE
        assert message in capsys.readouterr().err
    dsc.write_text(text)
    tarball.write_bytes(tarball.read_bytes() + b"!")
    assert empty.repo("add", "-s", "bookworm", dsc) == ExitCode.PACKAGE
    assert "is not the file that the .dsc names" in capsys.readouterr().err
    tarball.unlink()
    assert empty.repo("add", "-s", "bookworm", dsc) == ExitCode.PACKAGE
    assert "is missing; the .dsc names it" in capsys.readouterr().err
    assert subprocess.run(["find", empty.public, "-name", "*.dsc"], capture_output=True, check=True).stdout == b""


@pytest.mark.parametrize("given", ["pipe.deb", "pipe.changes", "/dev/zero", "folder"])
def test_a_pipe_or_a_device_is_not_waited_for(
    empty: Made, tmp_path: Path, given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("pipe.deb", "pipe.changes", "folder/pipe.deb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        os.mkfifo(tmp_path / name)
    assert empty.repo("add", "-s", "bookworm", tmp_path / given) == ExitCode.PACKAGE
    assert "is no regular file" in capsys.readouterr().err
