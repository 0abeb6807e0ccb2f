"""Keys take turns before the eyes of a real apt: one that has only the old key, and gets the new one from the archive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aptclient import AptClient
from debs import write_deb
from kubedeb.errors import ExitCode
from repo.keyringpackage import build
from repo.keys import Keys, signers
from repo.keyset import read_keys, write_keys
from repo.live import read_live
from repo.rotation import DAY, ArchiveKey, Keyset, State
from repositories import VERSIONS, Made

RING = "kubedeb-archive-keyring"


def asked(made: Made, capsys: pytest.CaptureFixture[str], *words: str | Path) -> dict[str, object]:
    """Run `kubedeb repo key …` with `--json` and return its document."""
    capsys.readouterr()
    assert made.key(*words, "--json") == 0, capsys.readouterr().err
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return document


def fingerprint(document: dict[str, object]) -> str:
    key = document["key"]
    assert isinstance(key, dict)
    return str(key["fingerprint"])


def with_old_key(made: Made) -> AptClient:
    """Return a client whose keyring file has what clients get today."""
    ring = made.folder / "of-the-client.gpg"
    ring.write_bytes((made.public / f"{RING}.gpg").read_bytes())
    return made.client("old", keyring=ring)


def install_keyring(client: AptClient) -> None:
    """Do what installing the newest keyring package does to the client's keyring file."""
    version = client.versions(RING)[0]
    assert client.download(RING, version).clean
    package = client.folder / "work" / f"{RING}_{version}_all.deb"
    subprocess.run(["dpkg-deb", "-x", package, client.folder / "root"], check=True)
    client.keyring.write_bytes((client.folder / "root/usr/share/keyrings" / f"{RING}.gpg").read_bytes())


def signed_by(made: Made) -> frozenset[str]:
    live = read_live(made.opened, "bookworm")
    assert live is not None
    return signers(live.inrelease, made.root / "keyring.gpg")


def wait(made: Made, days: int) -> None:
    """Let the offers of the keyring package be so many days old."""
    keys = read_keys(made.opened)
    older = [ArchiveKey(**{**vars(key), "offered": {s: t - days * DAY for s, t in key.offered.items()}}) for key in keys.keys]
    write_keys(made.opened.layout, Keyset(tuple(older)))


def test_a_client_with_the_old_key_gets_the_new_one_and_never_complains(
    published: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    client = with_old_key(published)
    assert client.update().clean
    old = read_keys(published.opened).keys[0].fingerprint
    new = fingerprint(asked(published, capsys, "introduce"))
    assert (signed_by(published), client.update().clean) == ({old}, True)
    assert published.key("package") == 0
    assert client.update().clean

    assert published.key("overlap", new[-16:]) == 0
    assert signed_by(published) == {old, new}
    package = write_deb(published.folder / "more", "later", "1")
    assert published.repo("add", "--suite", "bookworm", "--publish", package) == 0
    assert signed_by(published) == {old, new}
    answer = client.update()
    assert answer.clean, answer.text
    assert client.versions("later") == ["1"]
    fresh = published.client("new", keyring=published.root / f"keys/{new}.gpg")
    assert fresh.update().clean

    capsys.readouterr()
    assert published.key("retire", old) == ExitCode.KEY
    assert "has not been offered for 30 days" in capsys.readouterr().err
    wait(published, 31)
    before_install = client.keyring.read_bytes()
    install_keyring(client)
    assert published.key("retire", old) == 0
    assert signed_by(published) == {new}
    answer = client.update()
    assert answer.clean, answer.text
    assert published.repo("verify") == 0
    # This is what the refusal spares a client that did not get the package.
    client.keyring.write_bytes(before_install)
    assert "NO_PUBKEY" in client.update().text
    # What retired goes from the clients' keyring; the past that it signed can still be read.
    assert published.key("package") == 0
    assert (published.public / f"{RING}.gpg").read_bytes() == (published.root / f"keys/{new}.gpg").read_bytes()
    assert published.repo("fsck") == 0
    assert published.agent_is_gone()


def test_named_snapshots_are_signed_again_and_stay_as_they_were(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert published.snapshot("create", "kept", "bookworm") == 0
    old = read_keys(published.opened).keys[0].fingerprint
    new = fingerprint(asked(published, capsys, "introduce"))
    ring = published.folder / "of-the-client.gpg"
    ring.write_bytes((published.public / f"{RING}.gpg").read_bytes())
    client = published.client("named", keyring=ring, suite="snapshots/kept")
    assert client.update().clean
    folder = published.public / "dists/snapshots/kept"
    before = (folder / "Release").read_bytes()
    assert published.key("overlap", new) == 0
    of_both = (folder / "InRelease").read_bytes()
    assert signers(of_both, published.root / "keyring.gpg") == {old, new}
    # A kill before the snapshot was signed again: the same command completes it.
    assert published.key("retire", old, "--yes") == 0
    (folder / "InRelease").write_bytes(of_both)
    assert published.key("retire", old) == 0
    assert signers((folder / "InRelease").read_bytes(), published.root / "keyring.gpg") == {new}
    assert signers((folder / "Release.gpg").read_bytes(), published.root / "keyring.gpg", folder / "Release") == {new}
    ring.write_bytes((published.root / f"keys/{new}.gpg").read_bytes())
    # apt keeps the file that it has where the new one is no newer, and that is signed by the old key.
    answer = client.update()
    assert answer.clean, answer.text
    assert client.versions() == list(VERSIONS)
    assert ((folder / "Release").read_bytes(), published.repo("verify"), published.repo("fsck")) == (before, 0, 0)


def test_what_would_break_a_client_is_refused_and_changes_nothing(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    old = read_keys(published.opened).keys[0].fingerprint
    new = fingerprint(asked(published, capsys, "introduce"))

    def state() -> tuple[bytes, bytes]:
        return (published.root / "keys.json").read_bytes(), (published.public / "dists/bookworm/InRelease").read_bytes()

    before = state()
    refused = [
        (("retire", old), "is the only key that signs"),
        (("retire", old, "--yes"), "is the only key that signs"),
        (("revoke", old), "will refuse every suite"),
        (("overlap", "0123"), "no key is called '0123'"),
    ]
    for words, said in refused:
        assert published.key(*words) == ExitCode.KEY
        assert said in capsys.readouterr().err
    assert state() == before
    # keys.json changed and the suite did not: a kill in between, which the same command completes.
    keys = read_keys(published.opened)
    write_keys(published.opened.layout, keys.put(ArchiveKey(new, State.SIGNING, 1)))
    assert published.key("retire", old, "--yes") == ExitCode.KEY
    assert "is signed by no key that would be left" in capsys.readouterr().err
    assert published.key("overlap", new) == 0
    assert signed_by(published) == {old, new}
    assert published.key("retire", old, "--offered-for", "0") == ExitCode.KEY
    assert published.key("retire", old, "--yes") == 0
    assert signed_by(published) == {new}
    assert published.key("overlap", old) == ExitCode.KEY


@pytest.mark.turn
def test_a_stolen_key_is_revoked_at_once(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    old = read_keys(published.opened).keys[0].fingerprint
    stolen = (published.public / "dists/bookworm/InRelease").read_bytes()
    new = fingerprint(asked(published, capsys, "introduce"))
    client = with_old_key(published)
    assert published.key("revoke", old, "--yes") == 0
    assert (signed_by(published), [key.state for key in read_keys(published.opened).keys]) == (
        {new}, [State.REVOKED, State.SIGNING],
    )  # fmt: skip
    assert client.update().clean
    (published.public / "dists/bookworm/InRelease").write_bytes(stolen)
    assert published.repo("publish", "bookworm") == ExitCode.REPOSITORY
    assert "the signature of InRelease is not good" in capsys.readouterr().err


@pytest.mark.turn
def test_the_keyring_package_is_the_same_bytes_every_time(published: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip # noqa: E501
    assert published.key("package") == 0
    capsys.readouterr()
    assert published.key("package") == 0
    assert "nothing to do in bookworm: keyring package" in capsys.readouterr().out
    from repo.keyringpackage import _plan, _served
    from repo.transaction import transaction

    with transaction(published.opened, print) as opened:
        plan = _plan(opened, _served(opened), opened.lives.keys())
    umask = os.umask(0o077)
    try:
        again = build(plan, tmp_path)
    finally:
        os.umask(umask)
    served = list((published.public / "pool").rglob(f"{RING}_*.deb"))
    assert [path.read_bytes() for path in served] == [again.read_bytes()]
    listed = subprocess.check_output(["dpkg-deb", "-c", again], text=True)
    assert "-rw-r--r-- root/root" in listed
    assert "./etc/apt/preferences.d/kubedeb.pref" in listed
    # A package with a new name changes the preferences, so there is a newer keyring package, and the old one leaves.
    package = write_deb(published.folder / "more", "later", "1")
    assert published.repo("add", "--suite", "bookworm", "--publish", package) == 0
    assert published.repo("add", "--suite", "bookworm", write_deb(published.folder / "more", "draft", "1")) == 0
    assert published.key("package", "--suite", "bookworm") == 0
    client = published.client()
    assert client.update().clean
    assert (len(client.versions(RING)), client.versions("draft")) == (1, [])
    assert client.versions(RING) > [plan.version]


def test_expiry_is_told_at_every_publish(published: Made, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip # noqa: E501
    short = fingerprint(asked(published, capsys, "introduce", "--expires", "100"))
    assert published.repo("publish", "--strict", "bookworm") == 0
    assert published.key("overlap", short) == 0
    capsys.readouterr()
    assert published.repo("publish", "bookworm") == 0
    assert f"warning: the key {short} expires on " in capsys.readouterr().err
    assert published.repo("publish", "--strict", "bookworm") == ExitCode.KEY
    import time

    real = time.time
    monkeypatch.setattr("repo.publish.time.time", lambda: real() + 101 * DAY)
    assert published.repo("publish", "bookworm") == ExitCode.KEY
    assert f"the key {short} expired on " in capsys.readouterr().err
    assert published.repo("metrics") == 0
    assert f'kubedeb_repo_key_expiry_timestamp_seconds{{fingerprint="{short}"}}' in capsys.readouterr().out


@contextmanager
def own_home(tmp_path: Path) -> Iterator[Path]:
    """Give a gpg home of somebody, with one key and a running agent."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    base = ["gpg", "--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    subprocess.run([*base, "--quick-generate-key", "somebody", "ed25519", "sign", "never"], check=True, capture_output=True)
    try:
        yield home
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


def key_of(home: Path) -> str:
    lines = subprocess.check_output(["gpg", "--homedir", home, "--batch", "--with-colons", "-K"], text=True).splitlines()
    return next(line for line in lines if line.startswith("fpr:")).split(":")[9]


SIGNER = """
import subprocess, sys
form, fingerprint = sys.argv[1:]
base = ["gpg", "--homedir", {home!r}, "--batch", "--armor", "--digest-algo", "SHA512", "--local-user", fingerprint]
sys.exit(subprocess.run([*base, "--clearsign" if form == "inline" else "--detach-sign"]).returncode)
"""


@pytest.mark.turn
@pytest.mark.parametrize("how", ["agent", "command", "file"])
def test_a_key_that_is_there_already_signs_beside_ours(
    published: Made, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = read_keys(published.opened).keys[0].fingerprint
    with own_home(tmp_path) as home:
        new = key_of(home)
        exported = tmp_path / "exported.gpg"
        what = "--export-secret-keys" if how == "file" else "--export"
        exported.write_bytes(subprocess.check_output(["gpg", "--homedir", home, "--batch", what, new]))
        script = tmp_path / "sign.py"
        script.write_text(SIGNER.format(home=str(home)))
        words: dict[str, tuple[str | Path, ...]] = {
            "agent": (new, "--agent", "--home", str(home)), "command": (exported, "--command"), "file": (exported,),
        }  # fmt: skip
        if how == "command":
            assert published.key("import", *words[how]) == ExitCode.KEY
            assert "Set KUBEDEB_SIGN_COMMAND" in capsys.readouterr().err
            monkeypatch.setenv("KUBEDEB_SIGN_COMMAND", f"{sys.executable} {script}")
        assert published.key("import", *words[how]) == 0
        assert published.key("overlap", new) == 0
        assert signed_by(published) == {old, new}
        for name in (old, new):
            client = published.client(f"of-{name}", keyring=published.root / f"keys/{name}.gpg")
            assert client.update().clean
        assert published.repo("verify") == 0
        assert published.key("retire", old, "--yes") == 0
        assert signed_by(published) == {new}
        assert (home / "S.gpg-agent").exists() is True
    if how == "agent":
        assert published.repo("publish", "bookworm") == 0
        subprocess.run(["rm", "-r", home / "private-keys-v1.d"], check=True)
        assert published.repo("resign", "bookworm") == ExitCode.KEY
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


@pytest.mark.turn
def test_a_signer_that_does_not_sign_is_refused(published: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip # noqa: E501
    before = (published.root / "keys.json").read_bytes()
    with own_home(tmp_path) as home:
        public = tmp_path / "public.gpg"
        public.write_bytes(subprocess.check_output(["gpg", "--homedir", home, "--batch", "--export", key_of(home)]))
    for command, said in (
        ("true", "is no signature"),
        ("false", "false failed with exit status 1"),
        ("echo", "is no signature"),
    ):
        monkeypatch.setenv("KUBEDEB_SIGN_COMMAND", command)
        assert published.key("import", public, "--command") == ExitCode.KEY
        assert said in capsys.readouterr().err
    assert (published.root / "keys.json").read_bytes() == before


@pytest.mark.turn
@pytest.mark.parametrize("sealed", [False, True])
def test_a_backup_brings_the_keys_back(
    published: Made, tmp_path: Path, sealed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    new = fingerprint(asked(published, capsys, "introduce"))
    assert published.key("overlap", new) == 0
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n")
    sealing: tuple[str | Path, ...] = ("--passphrase-file", passphrase) if sealed else ()
    target = tmp_path / "keys.backup"
    assert published.key("backup", target, *sealing) == 0
    assert target.stat().st_mode & 0o777 == 0o600
    assert (b"keys.json" in target.read_bytes()) is not sealed
    subprocess.run(["rm", "-r", *(published.root / name for name in
                    ("gnupg", "keys", "keys.json", "keyring.gpg", "clients.gpg", "repository.json"))], check=True)  # fmt: skip
    damaged = tmp_path / "damaged"
    damaged.write_bytes(target.read_bytes()[:300])
    assert published.key("restore", damaged, *sealing) == ExitCode.KEY
    if sealed:
        assert published.key("restore", target) == ExitCode.KEY
        assert "One that is encrypted needs --passphrase-file" in capsys.readouterr().err
    assert published.key("restore", target, *sealing) == 0
    package = write_deb(published.folder / "more", "later", "1")
    assert published.repo("add", "--suite", "bookworm", "--publish", package) == 0
    assert new in signed_by(published)
    assert published.client().update().clean
    assert published.client().versions() == list(VERSIONS)
    # An old backup does not take a rotation back unless one insists.
    assert published.key("retire", new, "--yes") == 0
    assert published.key("restore", target, *sealing) == ExitCode.KEY
    assert "They may be newer" in capsys.readouterr().err
    assert published.key("restore", target, *sealing, "--yes") == 0


@pytest.mark.turn
def test_a_repository_of_before_there_were_several_keys(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("keys.json", "clients.gpg"):
        (published.root / name).unlink()
    subprocess.run(["rm", "-r", published.root / "keys"], check=True)
    assert published.repo("verify") == 0
    old = read_keys(published.opened).keys[0].fingerprint
    new = fingerprint(asked(published, capsys, "introduce"))
    assert published.key("overlap", new) == 0
    assert (signed_by(published), published.client().update().clean) == ({old, new}, True)
    assert Keys(published.root / "gnupg").public(old) == (published.root / f"keys/{old}.gpg").read_bytes()
