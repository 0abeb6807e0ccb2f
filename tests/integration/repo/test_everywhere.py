"""`--prove=all`: the apt of every supported Debian judges, in a container, before anything is live."""

from __future__ import annotations

import subprocess
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException

from clientimages import ensure
from debs import write_deb
from kubedeb.errors import ExitCode
from repositories import Made

RELEASES = ("bullseye", "bookworm", "trixie", "sid")


def own(made: Made, tmp_path: Path, algorithm: str) -> str:
    """Let the repository sign by a key of this kind alone, and return its fingerprint."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    base = ["gpg", "--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    try:
        subprocess.run([*base, "--quick-generate-key", "old", algorithm, "sign", "never"], check=True, capture_output=True)
        secret = tmp_path / "secret.gpg"
        secret.write_bytes(subprocess.check_output([*base, "--export-secret-keys"]))
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
    before = (made.root / "keys.json").read_text()
    assert made.key("import", secret) == 0
    old, new = before.split('"fingerprint"')[1].split('"')[1], _last(made)
    assert made.key("overlap", new) == 0
    assert made.key("retire", old, "--yes") == 0
    return new


def _last(made: Made) -> str:
    return (made.root / "keys.json").read_text().rsplit('"fingerprint"', 1)[1].split('"')[1]


def no_container_is_left() -> bool:
    client = docker.from_env()
    try:
        return not client.containers.list(all=True, filters={"label": "kubedeb.client"})
    finally:
        client.close()


@pytest.mark.docker
@pytest.mark.turn("clients")
@pytest.mark.parametrize("release", RELEASES)
def test_the_apt_of_a_release_takes_what_goes_live(
    published: Made, release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBEDEB_CLIENT_IMAGES", f"{release}={ensure(release)}")
    package = write_deb(published.folder / "more", "later", "1")
    assert published.repo("init", "--origin", "kubedeb", "--valid-for", "7", "--translations", "--contents") == 0
    assert published.repo("add", "--suite", "bookworm", "--publish", "--prove=all", package) == 0
    said = capsys.readouterr().out
    assert f"accepted by apt, gpgv, sqv, gpgv under a stricter policy, apt of {release}" in said
    assert published.repo("rollback", "bookworm", "--yes", "--prove=all") == 0
    assert f"apt of {release}" in capsys.readouterr().out
    # What an apt refuses does not go live: an index that it takes for another.
    before = (published.public / "dists/bookworm/InRelease").read_bytes()
    monkeypatch.setattr("repo.client._apt_update", lambda *_: None)
    monkeypatch.setattr("repo.staging.release_text", _expired)
    assert published.repo("resign", "bookworm", "--prove=all") == ExitCode.CLIENT
    assert f"the apt of {release} refuses the staged suite" in capsys.readouterr().err
    assert (published.public / "dists/bookworm/InRelease").read_bytes() == before
    assert no_container_is_left()
    monkeypatch.undo()
    # Those that have sqv look at the key too, as years to come will.
    monkeypatch.setenv("KUBEDEB_CLIENT_IMAGES", f"{release}={ensure(release)}")
    monkeypatch.setattr("repo.everywhere._strictly", lambda _: ())
    own(published, tmp_path, "rsa2048")
    status = published.repo("resign", "bookworm", "--prove=all")
    assert status == (ExitCode.CLIENT if release in ("trixie", "sid") else 0)


def _expired(*arguments: object) -> str:
    from repo.indices import release_text

    text = release_text(*arguments)  # type: ignore[arg-type]
    lines = ["Valid-Until: Thu, 01 Jan 2015 00:00:00 +0000" if line.startswith("Valid-Until") else line
             for line in text.splitlines()]  # fmt: skip
    return "\n".join([*lines, ""])


def test_a_key_of_yesterday_passes_today_and_not_the_stricter_policy(
    published: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own(published, tmp_path, "rsa2048")
    monkeypatch.setenv("KUBEDEB_CLIENT_IMAGES", "none=kubedeb-apt-client:there-is-none")
    capsys.readouterr()
    assert published.repo("resign", "bookworm") == 0
    before = (published.public / "dists/bookworm/InRelease").read_bytes()
    assert published.repo("resign", "bookworm", "--prove=all") == ExitCode.CLIENT
    assert "the policy of years to come" in capsys.readouterr().err
    assert (published.public / "dists/bookworm/InRelease").read_bytes() == before


@pytest.mark.docker
@pytest.mark.parametrize(
    ("images", "status", "said"),
    [
        ("none=kubedeb-apt-client:there-is-none", ExitCode.CLIENT, "there is no image kubedeb-apt-client:there-is-none"),
        ("bookworm", ExitCode.CONFIG, "which is not NAME=IMAGE"),
        ("", ExitCode.CONFIG, "which is not NAME=IMAGE"),
    ],
)
def test_a_client_that_is_not_there_is_told(
    published: Made, images: str, status: ExitCode, said: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("KUBEDEB_CLIENT_IMAGES", images)
    before = (published.public / "dists/bookworm/InRelease").read_bytes()
    assert published.repo("resign", "bookworm", "--prove=all") == status
    assert said in capsys.readouterr().err
    assert (published.public / "dists/bookworm/InRelease").read_bytes() == before


@pytest.mark.docker
@pytest.mark.parametrize("command", ["import", "mirror", "gc", "key overlap"])
def test_whatever_goes_live_asks_them_all(
    published: Made, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBEDEB_CLIENT_IMAGES", "none=kubedeb-apt-client:there-is-none")
    assert published.repo("init", "--origin", "kubedeb", "--keep", "1") == 0
    theirs = Made(tmp_path / "theirs", [], tmp_path)
    assert theirs.repo("init", "--origin", "theirs") == 0
    assert theirs.repo("add", "-s", "bookworm", "--publish", write_deb(tmp_path / "in", "hello", "1")) == 0
    source = ("--suite", "bookworm", "--keyring", str(theirs.root / "keyring.gpg"), str(theirs.public))
    assert published.key("introduce") == 0
    arguments = {"import": ("--publish", *source), "mirror": source, "gc": (), "key overlap": (_last(published),)}[command]
    keys = (published.root / "keys.json").read_text()
    before = (published.public / "dists/bookworm/InRelease").read_bytes()
    capsys.readouterr()
    run = published.key if command.startswith("key ") else published.repo
    assert run(command.rpartition(" ")[2], *arguments, "--prove=all") == ExitCode.CLIENT
    assert "there is no image kubedeb-apt-client:there-is-none" in capsys.readouterr().err
    assert (published.public / "dists/bookworm/InRelease").read_bytes() == before
    assert (published.root / "keys.json").read_text() == keys
    assert published.repo("verify") == 0


def test_without_docker_it_is_told(
    published: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def dead() -> None:
        raise DockerException("connection refused")

    monkeypatch.setattr(docker, "from_env", dead)
    assert published.repo("resign", "bookworm", "--prove=all") == ExitCode.CLIENT
    assert "docker does not answer" in capsys.readouterr().err
