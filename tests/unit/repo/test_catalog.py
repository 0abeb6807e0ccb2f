import sqlite3
from pathlib import Path

import pytest

from kubedeb.errors import ExitCode, KubedebError
from repo.catalog import open_catalog
from repo.models import Action, Change, Member, Package

ONE, TWO = (Package("etcd-server", version, "amd64", digit * 64, 1, "Package: etcd-server\n")
            for version, digit in (("3.3", "1"), ("3.4", "2")))  # fmt: skip
MEMBERS = [Member(p.name, p.version, p.architecture, p.sha256) for p in (ONE, TWO)]


def test_a_draft_ends_with_its_publish(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c") as catalog:
        catalog.add("bookworm", [ONE, TWO], [ONE])
        assert catalog.draft("bookworm") == (Change(Action.ADD, MEMBERS[0]),)
        assert (catalog.draft("trixie"), catalog.published_names()) == ((), [])
        catalog.published("bookworm", 1, ["b"], [])
        assert catalog.draft("bookworm") == (Change(Action.ADD, MEMBERS[0]),)
        catalog.published("bookworm", 1, ["c"], [ONE.sha256])
    with open_catalog(tmp_path / "c") as catalog:
        assert (catalog.draft("bookworm"), catalog.published_names()) == ((), ["etcd-server"])
        assert (catalog.settled("bookworm"), catalog.settled("trixie"), catalog.knows_nothing()) == (1, 0, False)
        assert (catalog.same("etcd-server", "3.4", "amd64"), catalog.same("etcd-server", "3.4", "arm64")) == (TWO, None)


def test_a_removal_waits_in_the_draft_and_what_was_never_published_is_forgotten(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c") as catalog:
        catalog.learn(["one"], {"one": (ONE,)}.__getitem__)
        catalog.add("bookworm", [TWO], [TWO])
        catalog.add("trixie", [TWO], [TWO])
        catalog.remove("bookworm", [MEMBERS[0]], [MEMBERS[1]])
        assert catalog.draft("bookworm") == (Change(Action.REMOVE, MEMBERS[0]),)
        assert catalog.same("etcd-server", "3.4", "amd64") == TWO
        catalog.remove("trixie", [], [MEMBERS[1]])
        assert catalog.same("etcd-server", "3.4", "amd64") is None
        catalog.published("bookworm", 2, [], [ONE.sha256])
        assert (catalog.draft("bookworm"), catalog.published_names()) == ((), ["etcd-server"])
        assert catalog.same("etcd-server", "3.3", "amd64") == ONE


def test_what_is_live_stays_known_when_a_draft_is_withdrawn(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c") as catalog:
        catalog.learn(["one"], {"one": (ONE,)}.__getitem__)
        catalog.add("trixie", [ONE], [ONE])
        catalog.remove("trixie", [], [MEMBERS[0]])
        assert (catalog.draft("trixie"), catalog.same("etcd-server", "3.3", "amd64")) == ((), ONE)


def test_a_chunk_is_learned_once(tmp_path: Path) -> None:
    read: list[str] = []

    def load(chunk: str) -> tuple[Package, ...]:
        read.append(chunk)
        if chunk == "gone":
            raise KubedebError("gone", code=ExitCode.REPOSITORY)
        return {"one": (ONE,), "both": (ONE, TWO)}[chunk]

    with open_catalog(tmp_path / "c") as catalog:
        assert catalog.knows_nothing()
        catalog.add("bookworm", [TWO], [TWO])
        catalog.learn(["one", "one"], load)
        with pytest.raises(KubedebError, match="gone"):
            catalog.learn(["both", "gone"], load)
        assert not catalog.knows_nothing()
        catalog.learn(["gone", "both", "one"], load, lenient=True)
        assert read == ["one", "both", "gone", "gone", "both"]
        assert catalog.same("etcd-server", "3.4", "amd64") == TWO
        catalog.remove("bookworm", [], [MEMBERS[1]])
        # What another publisher published is not forgotten when the draft lets go of it.
        assert catalog.same("etcd-server", "3.4", "amd64") == TWO
        assert catalog.changes("bookworm") == (set(), [])


def test_changes_are_what_a_publish_needs(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c") as catalog:
        catalog.learn(["one"], {"one": (ONE,)}.__getitem__)
        catalog.add("bookworm", [TWO], [TWO])
        catalog.remove("bookworm", [MEMBERS[0]], [])
        assert catalog.changes("bookworm") == ({ONE.key}, [TWO])


def test_a_damaged_catalog_is_said_and_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(KubedebError, match="catalog cannot be read") as error, open_catalog(path):
        pass
    assert error.value.code == ExitCode.REPOSITORY
    assert "Move the file away" in error.value.hint


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(KubedebError, match="catalog cannot be read") as error, open_catalog(path):
        pass
    assert "its schema is 99" in error.value.details


def test_a_catalog_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(KubedebError) as error, open_catalog(tmp_path / "no" / "folder"):
        pass
    assert error.value.code == ExitCode.REPOSITORY_STORAGE
