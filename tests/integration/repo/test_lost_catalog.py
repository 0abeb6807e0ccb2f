"""Without its catalog the repository still knows what it has published: from every suite, and from every generation."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from debs import write_deb
from kubedeb.errors import ExitCode, KubedebError
from repositories import VERSIONS, Made


@pytest.fixture
def two(drafted: Made) -> Iterator[Made]:
    """A repository with suites bookworm (etcd-server) and trixie (tools 1), both published."""
    assert drafted.repo("publish", "bookworm") == 0
    assert drafted.repo("init", "--origin", "kubedeb", "--suite", "trixie") == 0
    tools = write_deb(drafted.folder / "in", "tools", "1")
    assert drafted.repo("add", "--suite", "trixie", "--publish", tools) == 0
    yield drafted
    assert drafted.repo("verify") == 0


def lose_catalog(made: Made) -> None:
    (made.root / "catalog.sqlite").unlink()


def test_a_published_version_still_gets_no_other_bytes(two: Made, capsys: pytest.CaptureFixture[str]) -> None:
    lose_catalog(two)
    for name, version in (("tools", "1"), ("etcd-server", VERSIONS[0])):
        other = write_deb(two.folder / "other", name, version, salt="!")
        for suite in ("bookworm", "trixie"):
            capsys.readouterr()
            assert two.repo("add", "--suite", suite, "--publish", other) == ExitCode.PACKAGE
            assert f"{name} {version} amd64 has other bytes in the repository" in capsys.readouterr().err


def test_neither_does_one_that_has_left(two: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert two.repo("remove", "--suite", "trixie", "--publish", "tools") == 0
    for suite in ("bookworm", "trixie"):
        lose_catalog(two)
        other = write_deb(two.folder / "other", "tools", "1", salt="!")
        assert two.repo("add", "--suite", suite, "--publish", other) == ExitCode.PACKAGE
        assert "tools 1 amd64 has other bytes in the repository" in capsys.readouterr().err


def test_nor_does_anything_where_all_has_left(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    preferences = (published.public / "kubedeb.pref").read_text()
    assert published.repo("remove", "--suite", "bookworm", "--publish", "etcd-server") == 0
    lose_catalog(published)
    assert published.repo("publish", "bookworm") == 0
    assert (published.public / "kubedeb.pref").read_text() == preferences
    other = write_deb(published.folder / "other", "etcd-server", VERSIONS[0], salt="!")
    assert published.repo("add", "--suite", "bookworm", other) == ExitCode.PACKAGE
    assert f"etcd-server {VERSIONS[0]} amd64 has other bytes in the repository" in capsys.readouterr().err


def test_the_preferences_keep_every_name(two: Made) -> None:
    preferences = two.public / "kubedeb.pref"
    good = preferences.read_text()
    assert "Package: etcd-server tools\n" in good
    for suite in ("bookworm", "trixie"):
        lose_catalog(two)
        assert two.repo("publish", suite) == 0
        assert preferences.read_text() == good
    lose_catalog(two)
    package = write_deb(two.folder / "in", "late", "1")
    assert two.repo("add", "--suite", "trixie", "--publish", package) == 0
    assert "Package: etcd-server late tools\n" in preferences.read_text()


def test_a_suite_that_went_live_and_was_not_settled_is_pinned_too(
    published: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert published.repo("init", "--origin", "kubedeb", "--suite", "trixie") == 0

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("repo.catalog.Catalog.published", full)
        tools = write_deb(published.folder / "in", "tools", "1")
        assert published.repo("add", "--suite", "trixie", "--publish", tools) == ExitCode.REPOSITORY_STORAGE
        assert "generation 1 of trixie is live" in capsys.readouterr().err
    assert published.repo("publish", "bookworm") == 0
    assert "Package: etcd-server tools\n" in (published.public / "kubedeb.pref").read_text()


def test_show_reads_from_the_pool(two: Made, capsys: pytest.CaptureFixture[str]) -> None:
    lose_catalog(two)
    assert two.repo("show", "tools") == 0
    assert "Package: tools\n" in capsys.readouterr().out


def poison(made: Made) -> str:
    """Publish one version with two contents, as a catalog that knows too little allowed it; return the second's sha256."""
    from kubedeb.deb import read_deb
    from repo import publish, staging
    from repo.models import package_of
    from repo.place import writing
    from repo.snapshots import apply

    other = write_deb(made.folder / "other", "tools", "1", salt="!")
    package = package_of(read_deb(other))
    made.opened.layout.staging.mkdir()
    made.opened.layout.store.adopt(package.member.pool_name, other, package.sha256)
    real = apply
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "apply", lambda base, load, leaving, added: real(base, load, leaving, [*added, package]))
        with pytest.raises(KubedebError, match="would have two contents") as error:
            publish.publish(made.opened, "trixie", lambda _: None)
        assert error.value.code == ExitCode.PACKAGE
        patch.setattr(staging, "contradictions", lambda *_: [])
        assert publish.publish(made.opened, "trixie", lambda _: None).changed
    with writing(made.opened.layout):
        pass
    return package.sha256


def test_two_contents_are_refused_found_and_mended(drafted: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert drafted.repo("init", "--origin", "kubedeb", "--suite", "trixie") == 0
    tools = write_deb(drafted.folder / "in", "tools", "1")
    assert drafted.repo("add", "--suite", "trixie", "--publish", tools) == 0
    second = poison(drafted)
    capsys.readouterr()
    assert drafted.repo("verify") == ExitCode.VERIFY
    out = capsys.readouterr().out
    assert "has the same name, version and architecture as" in out
    assert second in out
    late = write_deb(drafted.folder / "in", "late", "1")
    assert drafted.repo("add", "--suite", "trixie", "--publish", late) == ExitCode.PACKAGE
    assert "hint: Take it out: kubedeb repo remove --suite trixie tools=1" in capsys.readouterr().err
    assert drafted.repo("remove", "--suite", "trixie", "--publish", "tools=1") == 0
    assert drafted.repo("verify") == 0
    assert drafted.client(suite="trixie").update().clean


def test_two_contents_in_two_suites_are_found(two: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "copy" / "repository"
    shutil.copytree(two.root, root, copy_function=shutil.copy2)
    copy = Made(root, two.packages, root.parent)
    assert copy.repo("init", "--origin", "kubedeb", "--suite", "sid") == 0
    # Another repository's suite put beside ours is what two publishers that know nothing of each other make.
    other = tmp_path / "other" / "repository"
    shutil.copytree(two.root, other, copy_function=shutil.copy2)
    shutil.rmtree(other / "public/generations/trixie")
    shutil.rmtree(other / "public/dists/trixie")
    (other / "catalog.sqlite").unlink()
    second = Made(other, two.packages, other.parent)
    assert second.repo("init", "--origin", "kubedeb", "--suite", "sid") == 0
    salted = write_deb(tmp_path / "salted", "tools", "1", salt="!")
    assert second.repo("add", "--suite", "sid", "--publish", salted) == 0
    for folder in ("dists/sid", "generations/sid", "snapshots", "pool"):
        shutil.copytree(other / "public" / folder, root / "public" / folder, dirs_exist_ok=True, copy_function=shutil.copy2)
    capsys.readouterr()
    assert copy.repo("verify") == ExitCode.VERIFY
    assert "has the same name, version and architecture as" in capsys.readouterr().out
    # What is there already hinders nobody; what would make more of it does.
    assert copy.repo("publish", "sid") == 0
    assert copy.repo("add", "--suite", "sid", "--publish", write_deb(tmp_path / "in", "late", "1")) == ExitCode.PACKAGE
    assert "tools 1 amd64 would have two contents" in capsys.readouterr().err
