"""A flipped byte in anything that is signed: apt refuses it, and `verify` names the file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from aptclient import AptClient
from debs import write_deb
from kubedeb.armor import PUBLIC_KEY, armored
from kubedeb.errors import ExitCode
from repo.live import chunk_name
from repo.snapshots import Snapshot
from repositories import VERSIONS, Made
from uploads import write_source

# What clients copy once and what a publish writes anew; nothing signs them.
UNSIGNED = (".sources", ".pref", ".gpg")


def flip(path: Path) -> None:
    """Change one byte in the middle of a file, and keep its length and time."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def live_files(made: Made) -> list[Path]:
    """Return the files of the live generation: superseded indices and snapshots are history."""
    older = (made.public / "generations/bookworm/000001.InRelease").read_text()
    old_snapshot = made.public / f"snapshots/{older.partition('Kubedeb-Snapshot: ')[2][:64]}.json"
    old_chunks = [made.public / chunk_name(chunk.sha256) for chunk in Snapshot.parse(old_snapshot.read_text()).chunks]
    dists = made.public / "dists/bookworm"
    named = (dists / "InRelease").read_text()
    old = [path for path in dists.rglob("by-hash/SHA256/*") if path.name not in named]
    history = {old_snapshot, *old_chunks, made.public / "generations/bookworm/000001.InRelease", *old}
    # The audit log says who moved what: no client reads it and nothing signs it.
    history |= set((made.public / "audit").rglob("*.json"))
    files = [path for path in made.public.rglob("*") if path.is_file() and path not in history]
    return sorted(path for path in files if path.parent != made.public)


def refused(made: Made, damaged: Path) -> bool:
    """Return whether a client that reads `damaged` refuses it: each kind of client, or one that never reads it."""
    by_hash, plain = "by-hash" in damaged.parts, damaged.name.startswith(("Packages", "Sources"))
    inrelease = damaged.name == "InRelease"
    form = "gz" if damaged.suffix == ".gz" or (by_hash and damaged.read_bytes()[:1] == b"\x1f") else "xz"
    options = [f'Acquire::CompressionTypes::Order {{ "{form}"; }};']
    hidden = made.public / "dists/bookworm/InRelease"
    if plain:
        options.append('Acquire::By-Hash "no";')
    if not (by_hash or inrelease or damaged.suffix == ".deb"):
        hidden = hidden.rename(made.folder / "hidden")
    client = AptClient(made.folder / f"client-{damaged.name}-{form}", f"file:{made.public}", made.root / "keyring.gpg",
                       options=tuple(options))  # fmt: skip
    update = client.update()
    if hidden.parent == made.folder:
        hidden.rename(made.public / "dists/bookworm/InRelease")
    if damaged.suffix == ".deb":
        assert update.clean
        version = damaged.name.split("_")[1]
        return client.download("etcd-server", version).status != 0
    return update.status != 0 and client.versions() == []


def test_a_flipped_byte_anywhere_is_refused_and_found(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert published.repo("verify") == 0
    files = live_files(published)
    names = {path.name for path in files}
    assert {"InRelease", "Release", "Release.gpg", "Packages.gz", "Packages.xz", "Sources.xz", "000002.InRelease"} <= names
    assert len([path for path in files if path.suffix == ".deb"]) == 3
    assert len([path for path in files if "by-hash" in path.parts]) == 4
    for path in files:
        good = path.read_bytes()
        flip(path)
        # apt does not ask for an index that Release says is empty.
        if ("dists" in path.parts or "pool" in path.parts) and "source" not in path.parts:
            assert refused(published, path), path
        capsys.readouterr()
        assert published.repo("verify", "--json") == ExitCode.VERIFY, path
        found = {finding["path"] for finding in json.loads(capsys.readouterr().out)["findings"]}
        assert str(path.relative_to(published.public)) in found
        path.write_bytes(good)
    assert published.repo("verify") == 0


def test_a_missing_file_is_found(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    for path in live_files(published):
        good = path.read_bytes()
        path.unlink()
        capsys.readouterr()
        assert published.repo("verify", "--json") == ExitCode.VERIFY, path
        findings = json.loads(capsys.readouterr().out)["findings"]
        assert {"path": str(path.relative_to(published.public)), "problem": "is missing"} in findings
        path.write_bytes(good)


@pytest.fixture
def furnished(published: Made, capsys: pytest.CaptureFixture[str]) -> Made:
    """A repository with a source, a statement, and what it served before under a name."""
    folder = published.folder / "more"
    write_source(folder, "hello", "1.0-1")
    write_deb(folder, "hello", "1.0-1").with_name("hello_1.0-1_amd64.intoto.jsonl").write_text('{"payload": ""}\n')
    assert published.repo("add", "-s", "bookworm", "--publish", folder) == 0
    assert published.snapshot("create", "kept", "bookworm") == 0
    assert published.repo("remove", "-s", "bookworm", "--publish", "hello") == 0
    assert published.repo("verify") == 0
    assert ", snapshots/kept: 5 packages" in capsys.readouterr().out
    assert published.repo("fsck") == 0
    return published


@pytest.mark.parametrize("how", ["flipped", "missing"])
def test_what_apt_reads_besides_and_what_has_a_name(furnished: Made, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    kept = furnished.public / "dists/snapshots/kept"
    patterns = ("pool/*/*/*.orig.tar.xz", "pool/*/*/*.dsc", "pool/*/*/*.intoto.jsonl", "named/kept.json", "kubedeb*")
    read = [path for pattern in patterns for path in sorted(furnished.public.glob(pattern))]
    read += [kept / name for name in ("InRelease", "Release", "Release.gpg", "main/source/Sources.gz")]
    assert len(read) == 11
    for path in [*read, *sorted(kept.rglob("by-hash/SHA256/*"))[:1]]:
        good, times = path.read_bytes(), path.stat()
        _ = flip(path) if how == "flipped" else path.unlink()
        capsys.readouterr()
        assert furnished.repo("verify", "--json") == ExitCode.VERIFY, path
        found = {finding["path"] for finding in json.loads(capsys.readouterr().out)["findings"]}
        assert str(path.relative_to(furnished.public)) in found
        path.write_bytes(good)
        os.utime(path, (times.st_mtime, times.st_mtime))
    assert furnished.repo("verify") == 0


def test_a_named_snapshot_is_served_anew(furnished: Made) -> None:
    kept = furnished.public / "dists/snapshots/kept"
    (kept / "InRelease").unlink()
    flip(next(kept.rglob("by-hash/SHA256/*")))
    assert furnished.repo("fsck") == ExitCode.VERIFY
    assert furnished.snapshot("create", "kept", "kept") == 0
    assert furnished.repo("verify") == 0
    assert furnished.repo("fsck") == 0
    old = furnished.client("old", suite="snapshots/kept", options=('Acquire::By-Hash "no";',))
    assert old.update().clean
    assert old.versions("hello") == ["1.0-1"]


def test_a_package_list_that_does_not_unpack_is_found(furnished: Made, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (furnished.public / "snapshots/chunks").glob("*.gz"):
        data = bytearray(path.read_bytes())
        # The header says deflate, and what follows is none.
        data[10] = 0xFF
        path.write_bytes(data)
    assert furnished.repo("verify") == ExitCode.VERIFY
    assert "wrong content" in capsys.readouterr().out
    assert furnished.repo("fsck", "--repair") == 0
    assert furnished.repo("verify") == 0


def test_every_finding_is_listed_in_one_run(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    packages = sorted((published.public / "pool").rglob("*.deb"))
    flip(packages[0])
    packages[1].unlink()
    packages[2].write_bytes(packages[2].read_bytes() + b"more")
    assert published.repo("verify") == ExitCode.VERIFY
    out = capsys.readouterr().out
    assert [line.split("  ")[-1] for line in out.splitlines()[1:4]] and "3 findings" in out  # noqa: PT018
    for path, problem in zip(packages, ("wrong content", "is missing", "wrong size"), strict=True):
        assert any(path.name in line and line.endswith(problem) for line in out.splitlines()), out


def test_a_damaged_package_is_healed_by_adding_it_again(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    package = next((published.public / "pool").rglob("*3.4.23*.deb"))
    flip(package)
    assert published.repo("verify") == ExitCode.VERIFY
    capsys.readouterr()
    assert published.repo("add", "--suite", "bookworm", *published.packages) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "is in bookworm already" in line]
    assert [("3.4.23" in line) for line in told] == [line.endswith("what the store had lost of it is back") for line in told]
    assert len(told) == len(published.packages)
    assert published.repo("verify") == 0


def test_old_names_are_healed_by_the_next_publish(published: Made) -> None:
    suite = published.public / "dists/bookworm"
    for name in ("Release", "main/binary-amd64/Packages.xz", "main/binary-amd64/Packages.gz"):
        flip(suite / name)
    (published.public / "kubedeb.pref").unlink()
    assert published.repo("verify") == ExitCode.VERIFY
    assert published.repo("publish", "bookworm") == 0
    assert published.repo("verify") == 0
    assert (published.public / "kubedeb.pref").exists()


def test_a_lost_inrelease_is_not_taken_for_a_new_suite(drafted: Made, capsys: pytest.CaptureFixture[str]) -> None:
    inrelease = drafted.public / "dists/bookworm/InRelease"
    inrelease.unlink()
    assert drafted.repo("publish", "bookworm") == ExitCode.REPOSITORY
    assert "was published, but its InRelease is missing" in capsys.readouterr().err
    inrelease.write_bytes((drafted.public / "generations/bookworm/000001.InRelease").read_bytes())
    assert drafted.repo("publish", "bookworm") == 0
    assert drafted.client().update().clean
    assert drafted.client().versions() == list(VERSIONS)


@pytest.mark.parametrize("name", ["dists/bookworm/InRelease", "snapshots"])
def test_a_damaged_truth_stops_the_publisher(published: Made, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = published.public / name
    for file in [path] if path.is_file() else sorted(path.glob("*.json")):
        flip(file)
    assert published.repo("publish", "bookworm") == ExitCode.REPOSITORY
    assert "hint: " in capsys.readouterr().err


def test_a_folder_in_the_place_of_a_file_is_the_operators(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    inrelease = published.public / "dists/bookworm/InRelease"
    inrelease.unlink()
    inrelease.mkdir()
    assert published.repo("verify") == ExitCode.VERIFY
    for command in (("publish", "bookworm"), ("list",)):
        assert published.repo(*command) == ExitCode.REPOSITORY_STORAGE
        assert "dists/bookworm/InRelease: Is a directory\nhint: " in capsys.readouterr().err


def test_a_key_may_be_armored(published: Made) -> None:
    key = published.folder / "key.asc"
    key.write_bytes(armored((published.root / "keyring.gpg").read_bytes(), PUBLIC_KEY))
    assert published.repo("verify", published.public, "--suite", "bookworm", "--keyring", key) == 0


def test_somebody_elses_key_is_not_believed(published: Made, template: Made, capsys: pytest.CaptureFixture[str]) -> None:
    other = Made(published.folder / "other", template.packages, published.folder)
    assert other.repo("init", "--origin", "kubedeb") == 0
    assert published.repo("verify", "--keyring", other.root / "keyring.gpg") == ExitCode.VERIFY
    assert "dists/bookworm/InRelease" in capsys.readouterr().out
    client = published.client("stranger", keyring=other.root / "keyring.gpg")
    assert client.update().status == 100
    assert client.versions() == []


def test_versions_are_what_the_floor_reads(published: Made) -> None:
    from kubedeb.aptrepo import AptRepository

    for uri in (str(published.public), published.public.as_uri()):
        repository = AptRepository(uri, published.root / "keyring.gpg", code=ExitCode.VERIFY)
        stanzas = repository.packages(repository.release("bookworm"), "main", "amd64")
        assert sorted(stanza["Version"] for stanza in stanzas) == sorted(VERSIONS)
