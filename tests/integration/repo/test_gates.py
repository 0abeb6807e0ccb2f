"""What a suite lets in: statements that named keys have signed, and packages that can be installed."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from debs import write_deb
from kubedeb.errors import ExitCode
from kubedeb.files import sha256_of
from repo.gates import KINDS
from repo.statements import PAYLOAD, signed_bytes
from repositories import Made

ANN, BOB, EVE = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2, 3))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "makers"
    folder.mkdir()
    for name, key in (("ann", ANN), ("bob", BOB)):
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (folder / f"{name}.pem").write_bytes(public)
    return folder


def state(package: Path, who: str, key: Ed25519PrivateKey, **verdicts: str) -> Path:
    """Write what somebody says about a package, beside it."""
    lines = []
    for kind, verdict in verdicts.items():
        said: dict[str, Any] = {
            "_type": "https://in-toto.io/Statement/v1", "predicateType": KINDS[kind], "predicate": {"verdict": verdict},
            "subject": [{"name": package.name, "digest": {"sha256": sha256_of(package)}}],
        }  # fmt: skip
        payload = json.dumps(said).encode()
        signature = base64.b64encode(key.sign(signed_bytes(PAYLOAD, payload))).decode()
        document = {"payload": base64.b64encode(payload).decode(), "payloadType": PAYLOAD, "signatures": [{"sig": signature}]}
        lines.append(f"{json.dumps(document)}\n")
    target = package.with_name(f"{package.name.removesuffix('.deb')}{who}.intoto.jsonl")
    target.write_text("".join(lines))
    return target


def test_what_nobody_vouched_for_is_not_promoted(published: Made, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gates = ("--gate", "lint", "--gate", "reproduced=2", "--gate-keys", str(keys))
    assert published.repo("init", "--origin", "kubedeb", "--suite", "production", *gates) == 0
    staging = published.folder / "staging"
    package = write_deb(staging, "vouched", "1")
    assert published.repo("init", "--origin", "kubedeb", "--suite", "staging") == 0

    def promoted() -> str:
        assert published.repo("add", "--suite", "staging", "--publish", package) == 0
        capsys.readouterr()
        status = published.repo("promote", "staging", "production", "--yes")
        said = capsys.readouterr()
        assert status == (0 if "published production" in said.out else ExitCode.PACKAGE), said.err
        return said.out + said.err

    assert "2 gates of production are closed: vouched 1 amd64: lint: 0 of 1" in promoted()
    state(package, "", ANN, lint="pass", reproduced="pass")
    assert "reproduced: 1 of 2 say that it passed" in promoted()
    state(package, ".eve", EVE, reproduced="pass")
    assert "reproduced: 1 of 2 say that it passed" in promoted()
    state(package, ".bob", BOB, reproduced="fail")
    assert "reproduced: bob.pem says that it failed" in promoted()
    assert not (published.public / "dists/production/InRelease").exists()
    other = write_deb(published.folder / "other", "other", "1")
    assert published.repo("add", "--suite", "production", "--publish", other) == ExitCode.PACKAGE
    assert published.repo("remove", "--suite", "production", "other") == 0
    # What the repository makes itself, the keyring package, nobody else says anything about.
    assert published.key("package", "--suite", "production") == 0
    assert published.client("prod", suite="production").update().clean
    assert published.repo("release-set", "production=staging") == ExitCode.PACKAGE
    (keys / "bob.pem").write_text("no key")
    assert published.repo("promote", "staging", "production", "--yes") == ExitCode.KEY


def test_two_builders_open_the_gate(published: Made, keys: Path) -> None:
    gates = ("--gate", "lint", "--gate", "reproduced=2", "--gate-keys", str(keys))
    assert published.repo("init", "--origin", "kubedeb", "--suite", "production", *gates) == 0
    package = write_deb(published.folder / "staging", "vouched", "1")
    state(package, "", ANN, lint="pass", reproduced="pass")
    state(package, ".bob", BOB, reproduced="pass")
    assert published.repo("add", "--suite", "production", "--publish", package) == 0
    client = published.client("prod", suite="production")
    assert client.update().clean
    assert client.versions("vouched") == ["1"]
    assert published.repo("init", "--origin", "kubedeb", "--suite", "production", "--gate", "twice") == ExitCode.USAGE
    assert published.repo("init", "--origin", "kubedeb", "--suite", "production", "--gate", "none") == 0
    other = write_deb(published.folder / "other", "other", "1")
    assert published.repo("add", "--suite", "production", "--publish", other) == 0


def test_what_could_not_be_installed_does_not_go_live(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    # Its own repository stands for Debian: apt fetches what a host has besides.
    debian = Made(published.folder / "debian", [], published.folder)
    assert debian.repo("init", "--origin", "debian", "--suite", "stable") == 0
    assert debian.repo("add", "--suite", "stable", "--publish", write_deb(published.folder / "d", "libc6", "2.36")) == 0
    sources = published.folder / "debian.sources"
    sources.write_text(
        f"Types: deb\nURIs: file:{debian.public}\nSuites: stable\nComponents: main\nSigned-By: {debian.root}/keyring.gpg\n"
    )
    assert published.repo("init", "--origin", "kubedeb", "--installable", "--background", str(sources)) == 0

    def add(name: str, version: str, more: str) -> tuple[int, str]:
        capsys.readouterr()
        status = published.repo(
            "add", "--suite", "bookworm", "--publish", write_deb(published.folder / "p", name, version, more=more)
        )
        return status, capsys.readouterr().err

    assert add("lib", "1", "Depends: libc6 (>= 2.30)\n")[0] == 0
    assert add("tool", "1", "Depends: lib (<< 2)\n")[0] == 0
    status, said = add("daemon", "1", "Depends: missing (>= 2)\n")
    assert (status, "daemon needs missing:amd64 (>= 2), which nothing has" in said) == (ExitCode.PACKAGE, True)
    assert published.repo("remove", "--suite", "bookworm", "daemon") == 0
    before = (published.public / "dists/bookworm/InRelease").read_bytes()
    # What depends on what leaves is looked at too.
    assert published.repo("remove", "--suite", "bookworm", "--publish", "lib") == ExitCode.PACKAGE
    assert "tool 1 (amd64): tool needs lib:amd64 (< 2)" in capsys.readouterr().err
    assert (published.public / "dists/bookworm/InRelease").read_bytes() == before
    assert add("other", "1", "")[0] == ExitCode.PACKAGE  # the draft still lets lib leave
    assert published.repo("add", "--suite", "bookworm", published.folder / "p/lib_1_amd64.deb") == 0
    assert published.repo("publish", "bookworm") == 0
    # What was broken before, and did not change, hinders nobody; verify lists it.
    assert published.repo("init", "--origin", "kubedeb", "--no-installable") == 0
    assert add("daemon", "1", "Depends: missing (>= 2)\n")[0] == 0
    assert published.repo("init", "--origin", "kubedeb", "--installable") == 0
    assert add("missing", "1", "")[0] == 0
    assert published.repo("verify") == ExitCode.VERIFY
    assert "cannot be installed: daemon 1 (amd64): daemon needs missing:amd64 (>= 2)" in capsys.readouterr().out
    assert add("missing", "2", "")[0] == 0
    assert published.repo("verify") == 0


def test_a_suite_of_ours_may_stand_behind_another(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert published.repo("init", "--origin", "kubedeb", "--suite", "addons", "--installable", "--background", "bookworm") == 0
    package = write_deb(published.folder / "p", "addon", "1", more="Depends: etcd-server (>= 3.5)\n")
    assert published.repo("add", "--suite", "addons", "--publish", package) == 0
    assert published.repo("init", "--origin", "kubedeb", "--suite", "addons", "--background", "none") == 0
    newer = write_deb(published.folder / "p", "addon", "2", more="Depends: etcd-server (>= 3.5)\n")
    assert published.repo("add", "--suite", "addons", "--publish", newer) == ExitCode.PACKAGE
    assert "addon needs etcd-server:amd64 (>= 3.5)" in capsys.readouterr().err


def test_without_dose_nothing_is_believed(published: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    assert published.repo("init", "--origin", "kubedeb", "--installable") == 0
    monkeypatch.setattr("repo.installable.shutil", SimpleNamespace(which=lambda _: None))
    package = write_deb(published.folder / "p", "some", "1")
    assert published.repo("add", "--suite", "bookworm", "--publish", package) == ExitCode.CLIENT
