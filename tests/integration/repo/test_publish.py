from __future__ import annotations

import errno
import os
import re
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path

import pytest
from filelock import FileLock

from debs import write_deb
from kubedeb.errors import ExitCode
from repo.live import chunk_loader, read_live
from repo.snapshots import named
from repo.transaction import Transaction
from repositories import VERSIONS, Made


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return every file below a folder: when it was written, and its bytes."""
    return {str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes())
            for path in sorted(root.rglob("*")) if path.is_file()}  # fmt: skip


def test_a_client_sees_what_is_published_and_nothing_else(drafted: Made) -> None:
    client = drafted.client()
    assert client.update().clean
    assert client.versions() == [VERSIONS[2]]
    assert drafted.repo("publish", "bookworm") == 0
    answer = client.update()
    assert answer.clean, answer.text
    assert client.versions() == list(VERSIONS)
    for version in VERSIONS:
        assert client.download("etcd-server", version).clean


def test_nothing_to_do_says_so_and_writes_nothing(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(published.root)
    capsys.readouterr()
    assert published.repo("publish", "bookworm") == 0
    assert capsys.readouterr().out == "nothing to do: bookworm serves this already (generation 2)\n"
    assert published.repo("add", "--suite", "bookworm", "--publish", *published.packages) == 0
    assert "etcd-server 3.3.25-1~deb12u1 amd64 is in bookworm already\n" in capsys.readouterr().out
    assert tree(published.root) == before


def test_the_checkers_accept_both_signatures(published: Made) -> None:
    suite, key = published.public / "dists/bookworm", published.public / "kubedeb-archive-keyring.gpg"
    for command in (
        ["gpgv", "--keyring", key, suite / "InRelease"],
        ["gpgv", "--keyring", key, suite / "Release.gpg", suite / "Release"],
        ["sqv", "--keyring", key, suite / "Release.gpg", suite / "Release"],
    ):
        subprocess.run(command, check=True, capture_output=True)


def test_publishes_within_a_second_never_hide_each_other(drafted: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    client, dates, mtimes = drafted.client(), [], []
    # The repository may have been made in this very second.
    now = time.time() + 2
    monkeypatch.setattr("repo.publish.time.time", lambda: now)
    inrelease = drafted.public / "dists/bookworm/InRelease"
    for number in range(3):
        package = write_deb(drafted.folder / "more", "quick", f"1.{number}")
        assert drafted.repo("add", "--suite", "bookworm", "--publish", package) == 0
        live = read_live(drafted.opened, "bookworm")
        assert live is not None
        dates.append(live.date)
        mtimes.append(int(inrelease.stat().st_mtime))
        assert client.update().clean
        assert len(client.versions("quick")) == number + 1
    assert dates == mtimes == [int(now), int(now) + 1, int(now) + 2]


def test_a_date_ahead_of_the_clock_is_waited_for(
    published: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, waited = time.time, list[float]()
    monkeypatch.setattr("repo.publish.time.time", lambda: real() - 20)
    monkeypatch.setattr("repo.staging.time.sleep", waited.append)
    package = write_deb(published.folder / "more", "quick", "1")
    assert published.repo("add", "--suite", "bookworm", "--publish", package) == 0
    assert 10 < max(waited) < 20
    assert "the last generation is dated ahead of the clock: waiting" in capsys.readouterr().err
    monkeypatch.setattr("repo.publish.time.time", lambda: real() - 3600)
    package = write_deb(published.folder / "more", "quick", "2")
    assert published.repo("add", "--suite", "bookworm", "--publish", package) == ExitCode.REPOSITORY
    assert "behind the newest generation" in capsys.readouterr().err


def test_old_clients_without_by_hash_and_inrelease_are_served_too(published: Made) -> None:
    (published.public / "dists/bookworm/InRelease").unlink()
    for form in ("xz", "gz"):
        options = ('Acquire::By-Hash "no";', f'Acquire::CompressionTypes::Order {{ "{form}"; }};')
        client = published.client(f"old-{form}", options=options)
        answer = client.update()
        assert (answer.status, client.versions()) == (0, list(VERSIONS)), answer.text


def test_the_key_is_private_and_no_agent_stays(published: Made) -> None:
    assert (published.root / "gnupg").stat().st_mode & 0o777 == 0o700
    assert not any(path.name.startswith("private") for path in published.public.rglob("*"))
    assert published.agent_is_gone()


def test_every_published_file_can_be_read_by_a_web_server(tmp_path: Path, template: Made) -> None:
    umask = os.umask(0o077)
    try:
        made = Made(tmp_path / "deep/er/repository", template.packages, tmp_path)
        assert made.repo("init", "--origin", "Other", "--suite", "a", "--suite", "b", "--architecture", "amd64") == 0
        assert made.repo("add", "--suite", "a", "--publish", *made.packages) == 0
    finally:
        os.umask(umask)
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in sorted(made.public.rglob("*"))}
    assert modes == {True: 0o755, False: 0o644}
    assert (made.public / "other.sources").read_text().startswith(f"Types: deb\nURIs: file://{made.public}\nSuites: a\n")


def test_nothing_is_live_before_its_packages_are_durable(published: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    inrelease, waited, seen = published.public / "dists/bookworm/InRelease", threading.Event(), list[bytes]()
    before, really = inrelease.read_bytes(), Transaction.durable

    def durable(opened: Transaction) -> None:
        waited.set()
        really(opened)

    def sync(folder: Path) -> None:
        assert folder == published.public
        assert waited.wait(60)
        seen.append(inrelease.read_bytes())

    monkeypatch.setattr("repo.store.MANY", 1)
    monkeypatch.setattr("repo.store.sync_file_system", sync)
    monkeypatch.setattr(Transaction, "durable", durable)
    assert published.repo("add", "-s", "bookworm", "--publish", write_deb(published.folder / "more", "hello", "1")) == 0
    assert seen == [before]
    assert inrelease.read_bytes() != before


def test_packages_that_cannot_be_made_durable_are_not_published(
    published: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def sync(folder: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder))

    inrelease = published.public / "dists/bookworm/InRelease"
    before = inrelease.read_bytes()
    monkeypatch.setattr("repo.store.MANY", 1)
    monkeypatch.setattr("repo.store.sync_file_system", sync)
    package = write_deb(published.folder / "more", "hello", "1")
    assert published.repo("add", "-s", "bookworm", "--publish", package) == ExitCode.REPOSITORY_STORAGE
    assert "Input/output error" in capsys.readouterr().err
    assert inrelease.read_bytes() == before


def test_a_host_is_told_of_one_suite_and_of_no_unlisted_one(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert published.repo("init", "--origin", "kubedeb", "--suite", "staging", "--unlisted") == 0
    assert published.repo("add", "--suite", "staging", "--publish", published.packages[0]) == 0
    sources = published.public / "kubedeb.sources"
    assert "Suites: bookworm\n" in sources.read_text()
    assert published.client("two", suite="staging").update().clean
    assert published.repo("init", "--origin", "kubedeb", "--suite", "staging", "--listed") == 0
    assert "hosts are told of bookworm alone; of another: kubedeb repo init" in capsys.readouterr().out
    assert published.repo("publish", "staging") == 0
    assert sources.read_text().startswith("# A host follows one suite. Instead of bookworm: staging.\n")
    assert "\nSuites: bookworm\n" in sources.read_text()
    assert published.repo("init", "--origin", "kubedeb", "--suite", "staging", "--default") == 0
    assert published.repo("publish", "staging") == 0
    assert "\nSuites: staging\n" in sources.read_text()
    assert published.repo("verify") == 0


def test_suites_share_the_pool_and_have_drafts_of_their_own(published: Made) -> None:
    assert published.repo("init", "--origin", "kubedeb", "--suite", "trixie") == 0
    assert published.repo("add", "--suite", "trixie", "--publish", published.packages[0]) == 0
    assert published.client("two", suite="trixie").update().clean
    assert published.client("two", suite="trixie").versions() == [VERSIONS[2]]
    assert len(list((published.public / "pool").rglob("*.deb"))) == 3
    assert published.client().update().clean
    assert published.client().versions() == list(VERSIONS)


@pytest.mark.parametrize(
    ("options", "priority"), [(["--not-automatic"], "1"), (["--not-automatic", "--but-automatic-upgrades"], "100"), ([], "500")]
)
def test_apt_takes_from_a_suite_what_it_is_made_for(
    tmp_path: Path, template: Made, options: list[str], priority: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Made(tmp_path / "r", template.packages, tmp_path)
    assert made.repo("init", "--origin", "kubedeb", "--zstd", *options) == 0
    assert made.repo("add", "--suite", "bookworm", "--publish", *made.packages) == 0
    client = made.client(options=('Acquire::CompressionTypes::Order { "zst"; };',))
    assert client.update().clean
    policy = client.run("apt-cache", "policy", "etcd-server").text
    assert re.findall(r"^ +(\d+) file:", policy, re.MULTILINE) == [priority] * len(made.packages)
    assert made.repo("init", "--origin", "kubedeb", "--not-automatic", "--but-automatic-upgrades") == (
        0 if priority == "100" else ExitCode.REPOSITORY
    )
    assert ("cannot change" in capsys.readouterr().err) == (priority != "100")


def test_the_repositorys_folder_may_have_any_name(tmp_path: Path, template: Made) -> None:
    made = Made(tmp_path / 'a b%20 "é;', template.packages, tmp_path)
    assert made.repo("init", "--origin", "kubedeb") == 0
    assert made.repo("add", "--suite", "bookworm", "--publish", *made.packages) == 0
    assert made.repo("verify") == 0
    keyring = tmp_path / "keyring.gpg"
    keyring.write_bytes((made.root / "keyring.gpg").read_bytes())
    client = made.client(uri=made.public.as_uri(), keyring=keyring)
    assert client.update().clean
    assert client.download("etcd-server", VERSIONS[0]).clean


def test_an_empty_suite_and_a_new_architecture_can_be_published(tmp_path: Path, template: Made) -> None:
    made = Made(tmp_path / "r", template.packages, tmp_path)
    assert made.repo("init", "--origin", "kubedeb") == 0
    assert made.repo("publish", "bookworm") == 0
    assert made.client().update().clean
    assert made.repo("init", "--origin", "kubedeb", "--architecture", "arm64") == 0
    both = write_deb(tmp_path / "in", "tools", "1", "all")
    other = write_deb(tmp_path / "in", "etcd-server", "3.4.23-1~deb12u1", "arm64")
    assert made.repo("add", "--suite", "bookworm", "--publish", both, other) == 0
    arm = made.client("arm", options=('APT::Architectures { "amd64"; "arm64"; };',))
    assert arm.update().clean
    assert (arm.versions("tools"), arm.versions("etcd-server:arm64")) == (["1", "1"], ["3.4.23-1~deb12u1"])
    assert made.repo("verify") == 0


def test_a_lost_catalog_is_read_back_from_the_published_tree(published: Made, template: Made) -> None:
    (published.root / "catalog.sqlite").unlink()
    package = write_deb(published.folder / "more", "late", "1")
    assert published.repo("add", "--suite", "bookworm", "--publish", package) == 0
    client = published.client()
    assert client.update().clean
    assert (client.versions(), client.versions("late")) == (list(VERSIONS), ["1"])
    assert "etcd-server late" in (published.public / "kubedeb.pref").read_text()


def test_the_same_version_with_other_bytes_is_refused(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(published.root)
    other = write_deb(published.folder / "other", "etcd-server", VERSIONS[0], salt="!")
    known = _sha256_of_newest(published)
    assert published.repo("add", "--suite", "bookworm", other) == ExitCode.PACKAGE
    message = capsys.readouterr().err
    assert known in message
    assert subprocess.check_output(["sha256sum", other], text=True).split()[0] in message
    after = tree(published.root)
    assert {name: data for name, (_, data) in after.items()} == {name: data for name, (_, data) in before.items()}


def _snapshot(made: Made) -> str:
    live = read_live(made.opened, "bookworm")
    assert live is not None
    return live.snapshot.id


def test_the_client_refuses_and_nothing_is_published(drafted: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip # noqa: E501
    from repo import staging
    from repo.indices import release_text as real

    def broken(*arguments: object) -> str:
        text = real(*arguments)  # type: ignore[arg-type]
        # apt says nothing at all about an index of which the uncompressed digest is missing.
        return "".join(line for line in text.splitlines(keepends=True) if not line.endswith("/Packages\n"))

    inrelease = drafted.public / "dists/bookworm/InRelease"
    before = inrelease.read_bytes()
    monkeypatch.setattr(staging, "release_text", broken)
    assert drafted.repo("publish", "bookworm") == ExitCode.CLIENT
    assert "error: apt did not take the index for amd64" in capsys.readouterr().err
    assert inrelease.read_bytes() == before
    later = format_datetime(datetime.now(UTC) + timedelta(days=3650))
    monkeypatch.setattr(staging, "release_text", lambda *a: re.sub(r"(?m)^Date: .*$", f"Date: {later}", real(*a)))
    assert drafted.repo("publish", "bookworm") == ExitCode.CLIENT
    assert "is not valid yet" in capsys.readouterr().err
    assert inrelease.read_bytes() == before
    monkeypatch.setattr(staging, "release_text", lambda *a: real(*a).replace(": bookworm\n", ": other\n"))
    assert drafted.repo("publish", "bookworm") == ExitCode.CLIENT
    assert "W: Conflicting distribution" in capsys.readouterr().err
    assert inrelease.read_bytes() == before
    monkeypatch.undo()
    assert drafted.repo("publish", "bookworm") == 0


def test_one_writer_at_a_time(drafted: Made, capsys: pytest.CaptureFixture[str]) -> None:
    with FileLock(drafted.root / "lock"):
        assert drafted.repo("publish", "bookworm") == ExitCode.REPOSITORY_BUSY
        assert drafted.repo("list") == 0
    assert "another process writes to the repository" in capsys.readouterr().err
    assert drafted.repo("publish", "bookworm") == 0


def test_a_changes_file_brings_its_packages(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    folder = published.folder / "build"
    package = write_deb(folder, "tools", "2")
    digest = subprocess.check_output(["sha256sum", package], text=True).split()[0]
    changes = folder / "tools_2_amd64.changes"
    note = folder / "tools_2.txt"
    note.write_text("x")

    def write(digest: str, name: str = package.name) -> None:
        rows = f" {digest} {package.stat().st_size} {name}\n {sha256(b'x').hexdigest()} 1 {note.name}\n"
        changes.write_text(f"Format: 1.8\nSource: tools\nChecksums-Sha256:\n{rows}")

    write("0" * 64)
    assert published.repo("add", "--suite", "bookworm", changes) == ExitCode.PACKAGE
    assert f"is not the file that tools_2_amd64.changes lists: sha256 {digest}" in capsys.readouterr().err
    write(digest, "../../etc/x.deb")
    assert published.repo("add", "--suite", "bookworm", changes) == ExitCode.PACKAGE
    assert "which is not a plain file name" in capsys.readouterr().err
    write(digest)
    assert published.repo("add", "--suite", "bookworm", "--publish", changes) == 0
    assert "passed over tools_2.txt: no package, and nothing about one" in capsys.readouterr().out
    assert published.client().update().clean
    assert published.client().versions("tools") == ["2"]


def _sha256_of_newest(made: Made) -> str:
    live = read_live(made.opened, "bookworm")
    assert live is not None
    return named(live.snapshot, chunk_loader(made.opened), "etcd-server")[-1].sha256
