"""A suite that follows another repository: by what has changed alone, one whole state after the other, and never back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import foreign
import killing
from debs import write_deb
from foreign import HandMade, Shaky, stanza, write_package
from kubedeb.errors import ExitCode
from repositories import Made
from uploads import Signer

NAMES = ("etcd-server", "kubelet", "helm")


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    with Signer(tmp_path_factory.mktemp("theirs")) as found:
        yield found


@pytest.fixture
def keyring(signer: Signer, tmp_path: Path) -> Path:
    signer.export(tmp_path / "theirs.asc")
    return tmp_path / "theirs.asc"


@pytest.fixture
def packages(tmp_path: Path) -> list[Path]:
    return [write_package(tmp_path / "in", name, f"{number}.0-1") for number, name in enumerate(NAMES, 1)]


@pytest.fixture
def ours(tmp_path: Path) -> Made:
    made = Made(tmp_path / "repository", [], tmp_path)
    assert made.repo("init", "--origin", "kubedeb", "-s", "mirrored", "-s", "own") == 0
    return made


@pytest.fixture
def theirs(tmp_path: Path, signer: Signer) -> HandMade:
    return HandMade(tmp_path / "theirs", signer)


def follow(made: Made, where: str | Path, keyring: Path, *queries: str) -> int:
    return made.repo("mirror", "-s", "mirrored", "--from-suite", "bookworm", "--keyring", keyring, where, *queries)


def seen(made: Made) -> list[list[str]]:
    client = made.client(suite="mirrored")
    assert client.update().clean
    return [client.versions(name) for name in NAMES]


def state(folder: Path) -> dict[str, tuple[float, bytes]]:
    return {str(path): (path.stat().st_mtime, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_a_mirror_of_aptly_brings_what_has_changed(
    ours: Made, signer: Signer, packages: list[Path], keyring: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream = foreign.aptly(tmp_path / "aptly", signer.home, packages[:2])
    with Shaky(upstream / "public") as web:
        assert follow(ours, web.url, keyring) == 0
        assert seen(ours) == [["1.0-1"], ["2.0-1"], []]
        # The keys are kept with the definition; without a change InRelease alone is asked for, and nothing is written.
        keyring.unlink()
        web.log.clear()
        before = state(ours.root)
        assert ours.repo("mirror") == 0
        assert "nothing to do: mirrored is as it was there and here" in capsys.readouterr().out
        assert [path for path, _ in web.log] == ["/dists/bookworm/InRelease"]
        after = state(ours.root)
        assert {name for name in after if before.get(name) != after[name]} <= {str(ours.root / "lock")}
        foreign.aptly(upstream, signer.home, packages[2:])
        web.log.clear()
        assert ours.repo("mirror", "--json") == 0
        assert seen(ours) == [["1.0-1"], ["2.0-1"], ["3.0-1"]]
        assert [path.rpartition("/")[2] for path, _ in web.asked()] == [packages[2].name]
        assert [path for path, _ in web.asked("Packages")] == []
    assert ours.repo("verify") == 0


def test_what_leaves_there_leaves_here_in_the_same_generation(
    ours: Made, theirs: HandMade, packages: list[Path], keyring: Path, tmp_path: Path
) -> None:
    theirs.publish("\n".join(map(stanza, packages)), packages)
    assert follow(ours, theirs.root, keyring, "etcd*", "helm (>= 3)") == 0
    assert seen(ours) == [["1.0-1"], [], ["3.0-1"]]
    newer = write_package(tmp_path / "in", "helm", "4.0-1")
    # What somebody adds to the suite himself goes: it belongs to its mirror. Other suites are their own.
    for suite in ("mirrored", "own"):
        assert ours.repo("add", "-s", suite, "--publish", write_deb(tmp_path / "in", "local", "1")) == 0
    theirs.publish("\n".join(map(stanza, [*packages[1:2], newer])), [newer])
    assert ours.repo("mirror", "-s", "mirrored") == 0
    assert seen(ours) == [[], [], ["4.0-1"]]
    client = ours.client("two", suite="mirrored")
    assert client.update().clean
    assert client.versions("local") == []
    assert len(list((ours.public / "generations/mirrored").iterdir())) == 3
    own = ours.client("own", suite="own")
    assert own.update().clean
    assert own.versions("local") == ["1"]


def test_an_old_state_is_not_played_back(
    ours: Made, theirs: HandMade, packages: list[Path], keyring: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs.release["Date"] = "Mon, 02 Jan 2006 15:04:05 +0000"
    theirs.publish(stanza(packages[0]), packages[:1])
    shutil.copytree(theirs.root, theirs.root.with_name("old"))
    theirs.release["Date"] = "Tue, 03 Jan 2006 15:04:05 +0000"
    theirs.publish(stanza(packages[1]), packages[1:2])
    assert follow(ours, theirs.root, keyring) == 0
    shutil.rmtree(theirs.root)
    theirs.root.with_name("old").rename(theirs.root)
    assert ours.repo("mirror") == ExitCode.FOREIGN
    assert "before the one seen last" in capsys.readouterr().err
    assert seen(ours) == [[], ["2.0-1"], []]


def test_a_mirror_that_fails_changes_nothing_and_goes_on_later(
    ours: Made, theirs: HandMade, packages: list[Path], keyring: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("repo.downloads.TOGETHER", 1)
    theirs.publish(stanza(packages[0]), packages[:1])
    with Shaky(theirs.root) as web:
        assert follow(ours, web.url, keyring) == 0
        theirs.publish("\n".join(map(stanza, packages[1:])), packages[2:])
        assert ours.repo("mirror") == ExitCode.FOREIGN
        assert f"pool/{packages[1].name}: is missing" in capsys.readouterr().err
        assert seen(ours) == [["1.0-1"], [], []]
        shutil.copy(packages[1], theirs.root / "pool")
        web.log.clear()
        assert ours.repo("mirror") == 0
        # What had come before is not asked for again.
        assert [path.rpartition("/")[2] for path, _ in web.asked()] == [packages[1].name]
    assert seen(ours) == [[], ["2.0-1"], ["3.0-1"]]


def test_what_is_asked_must_be_there(
    ours: Made, theirs: HandMade, packages: list[Path], keyring: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs.publish(stanza(packages[0]), packages[:1])
    assert ours.repo("mirror") == 0
    assert "nothing is mirrored" in capsys.readouterr().out
    assert ours.repo("mirror", "-s", "own") == ExitCode.USAGE
    assert ours.repo("mirror", "--keyring", keyring, theirs.root) == ExitCode.USAGE
    assert ours.repo("mirror", "-s", "own", theirs.root) == ExitCode.USAGE
    assert ours.repo("mirror", "-s", "none", "--keyring", keyring, theirs.root) == ExitCode.REPOSITORY
    (ours.root / "mirrors.json").write_text("[")
    assert ours.repo("mirror") == ExitCode.REPOSITORY


def kill_everywhere(ours: Made, theirs: HandMade, packages: list[Path], keyring: Path, sample: int | None) -> None:
    theirs.publish("\n".join(map(stanza, packages[:2])), packages)
    assert follow(ours, theirs.root, keyring) == 0
    theirs.publish("\n".join(map(stanza, packages[1:])), packages)
    old, new = [["1.0-1"], ["2.0-1"], []], [[], ["2.0-1"], ["3.0-1"]]

    for number, (call, when) in enumerate(killing.chosen(killing.points("mirror", ours.copy("counted"), ()), sample)):
        made = ours.copy(str(number))
        killing.kill("mirror", made, (), call, when)
        assert seen(made) in (old, new), (call, when)
        assert made.repo("mirror") == 0
        assert seen(made) == new
        assert made.repo("verify") == 0
        shutil.rmtree(made.root)


@pytest.mark.turn("kills of import, mirror and gc")
def test_a_kill_anywhere_leaves_the_old_or_the_new(ours: Made, theirs: HandMade, packages: list[Path], keyring: Path) -> None:
    kill_everywhere(ours, theirs, packages, keyring, 4)


@pytest.mark.long
def test_a_kill_everywhere_leaves_the_old_or_the_new(ours: Made, theirs: HandMade, packages: list[Path], keyring: Path) -> None:
    kill_everywhere(ours, theirs, packages, keyring, None)
