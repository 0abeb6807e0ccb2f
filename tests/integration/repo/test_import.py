"""Packages of other repositories: what aptly and reprepro publish and keep, old and flat ones, and all that can be wrong."""

from __future__ import annotations

import json
import lzma
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import foreign
import killing
from debs import write_deb
from foreign import HandMade, Shaky, stanza, write_package
from kubedeb.errors import ExitCode
from repositories import Made
from smalldisk import small_disk
from uploads import Signer, write_source
from waiting import until


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    with Signer(tmp_path_factory.mktemp("theirs")) as found:
        yield found


@pytest.fixture(scope="module")
def keyring(signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "theirs.asc"
    signer.export(path)
    return path


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("packages")
    return [write_package(folder, *one) for one in (("etcd-server", "3.5.16-1"), ("kubelet", "1:1.20.2-1"))]


@pytest.fixture(scope="module")
def published_by_aptly(signer: Signer, packages: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return foreign.aptly(tmp_path_factory.mktemp("aptly"), signer.home, packages)


@pytest.fixture(scope="module")
def published_by_reprepro(signer: Signer, packages: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    return foreign.reprepro(
        tmp_path_factory.mktemp("reprepro"), signer.home, packages, [write_source(folder, "hello", "1.0-1")]
    )


@pytest.fixture
def ours(tmp_path: Path) -> Made:
    made = Made(tmp_path / "repository", [], tmp_path)
    assert made.repo("init", "--origin", "kubedeb") == 0
    return made


@pytest.fixture
def theirs(tmp_path: Path, signer: Signer) -> HandMade:
    return HandMade(tmp_path / "theirs", signer)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A repository into which nothing of what is wrong may come: every case finds it empty, and leaves it so."""
    folder = tmp_path_factory.mktemp("untouched")
    made = Made(folder / "repository", [], folder)
    assert made.repo("init", "--origin", "kubedeb") == 0
    return made


def nothing_came(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    """See that the repository is as it was: no draft, no pool."""
    capsys.readouterr()
    assert made.repo("list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert not list(made.public.rglob("*.deb"))


def test_what_aptly_has_published(
    ours: Made, published_by_aptly: Path, packages: list[Path], keyring: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From aptly's own folder, its public/ and a web server; a query chooses; what is here is not brought again."""
    key = ("--keyring", keyring)
    assert ours.repo("import", "-s", "bookworm", *key, published_by_aptly, "--dry-run", "etcd-* (>= 3.5)") == 0
    printed = capsys.readouterr().out
    assert ("would take etcd-server" in printed, "kubelet" in printed) == (True, False)
    assert ours.repo("import", "-s", "bookworm", *key, published_by_aptly, "etcd-* (>= 3.5)") == 0
    with Shaky(published_by_aptly / "public") as web:
        assert ours.repo("import", "-s", "bookworm", *key, "--publish", web.url, "--json") == 0
        assert [path.rpartition("/")[2] for path, _ in web.asked()] == [packages[1].name]
        assert [path for path, _ in web.asked("Packages")] == []
        assert len(web.asked("/by-hash/SHA256/")) == 1
    client = ours.client()
    assert client.update().clean
    assert (client.versions(), client.versions("kubelet")) == (["3.5.16-1"], ["1:1.20.2-1"])
    assert client.download("kubelet", "1:1.20.2-1").clean
    assert next((client.folder / "work").glob("kubelet*")).read_bytes() == packages[1].read_bytes()
    assert ours.repo("import", "-s", "bookworm", *key, "--publish", published_by_aptly / "public") == 0
    assert "0 bytes brought here" in capsys.readouterr().out
    assert not list((ours.root / "downloads").iterdir())


def test_what_reprepro_has_published_with_its_sources(ours: Made, published_by_reprepro: Path, keyring: Path) -> None:
    assert ours.repo("import", "-s", "bookworm", "--keyring", keyring, "--sources", "--publish", published_by_reprepro) == 0
    client = ours.client(types="deb deb-src")
    assert client.update().clean
    assert (client.versions(), client.versions("kubelet")) == (["3.5.16-1"], ["1:1.20.2-1"])
    assert client.run("apt-get", "source", "--download-only", "hello").status == 0
    assert (client.folder / "work/hello_1.0-1.dsc").exists()
    assert ours.repo("verify") == 0


@pytest.mark.parametrize("tool", ["aptly", "reprepro"])
def test_their_pools_without_indices(ours: Made, tool: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(f"published_by_{tool}")
    assert ours.repo("import", "-s", "bookworm", "--publish", root / "pool", "kube*") == 0
    client = ours.client()
    assert client.update().clean
    assert (client.versions(), client.versions("kubelet")) == ([], ["1:1.20.2-1"])


def test_a_flat_repository_whose_signature_lies_beside(
    ours: Made, theirs: HandMade, packages: list[Path], keyring: Path
) -> None:
    theirs.suite, theirs.detached = "./", True
    epochs = zip(packages, ("3.5.16-1", "1:1.20.2-1"), strict=True)
    theirs.publish("\n".join(stanza(path, Filename=f"./{path.name}", Version=version) for path, version in epochs), packages)
    argv = ("import", "-s", "bookworm", "--keyring", keyring, "--from-suite", "./", theirs.root)
    assert ours.repo(*argv, "--publish") == 0
    client = ours.client()
    assert client.update().clean
    assert client.versions("kubelet") == ["1:1.20.2-1"]
    (theirs.root / "Release").write_text((theirs.root / "Release").read_text().replace("theirs", "others"))
    assert ours.repo(*argv) == ExitCode.FOREIGN


def test_what_lies_beside_packages_comes_with_them(ours: Made, tmp_path: Path) -> None:
    other = Made(tmp_path / "other/repository", [], tmp_path / "other")
    assert other.repo("init", "--origin", "others") == 0
    package = write_deb(tmp_path / "in", "hello", "1:1.0")
    package.with_name("hello_1.0_amd64.intoto.jsonl").write_text('{"payload": ""}\n')
    assert other.repo("add", "-s", "bookworm", "--publish", package, write_source(tmp_path / "in", "hello", "1:1.0-1")) == 0
    argv = ("import", "-s", "bookworm", "--keyring", other.root / "keyring.gpg", "--sources", other.root)
    assert ours.repo(*argv, "--publish") == 0
    assert {path.name: path.read_bytes() for path in ours.public.rglob("pool/*/*/*")} == {
        path.name: path.read_bytes() for path in other.public.rglob("pool/*/*/*")
    }
    assert ours.repo("verify") == 0
    # A verdict that comes later is brought too.
    package.with_name("hello_1.0_amd64.cdx.json").write_text("{}")
    assert other.repo("add", "-s", "bookworm", "--publish", package) == 0
    assert ours.repo(*argv, "--publish") == 0
    assert len(list(ours.public.rglob("pool/*/*/*.cdx.json"))) == 1


BOMB = "Package: hello\nDescription: " + "x" * 8 * 1024 * 1024


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Filename": "../../../etc/passwd"}, "a path leads out of the repository: '../../../etc/passwd'"),
        ({"Filename": "/etc/passwd"}, "a path leads out of the repository: '/etc/passwd'"),
        ({"Filename": None}, "it has no Filename"),
        ({"Filename": "pool/other.deb"}, "pool/other.deb: is missing"),
        ({"SHA256": None}, "it has no SHA256"),
        ({"SHA256": "../../x"}, "its sha256 is not valid: '../../x'"),
        ({"SHA256": "ab" * 32}, ".deb: wrong content"),
        ({"Size": "9999"}, ".deb: wrong size"),
        ({"Size": "1"}, ".deb: wrong size"),
        ({"Size": "-1"}, "its Size is not a number"),
        ({"Size": "9" * 15}, "there is no room for what would be taken"),
        ({"Version": "1;rm -rf"}, "its Version is not valid"),
        ({"Version": "3.5.17-1"}, "is etcd-server 3.5.16-1 amd64, and the index says etcd-server 3.5.17-1 amd64"),
        ({"Package": "Etcd/../x"}, "its Package is not valid"),
        ({"Architecture": "source"}, "its Architecture is not valid"),
        ({"Kubedeb-Beside": f"\n {'ab' * 32} 3 ../../../x.intoto.jsonl"}, "which is not a plain file name"),
    ],
)
def test_a_signed_index_that_lies(
    untouched: Made, theirs: HandMade, packages: list[Path], keyring: Path, change: dict[str, str | None], message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    theirs.publish(stanza(packages[0], **change), packages[:1])
    code = untouched.repo("import", "-s", "bookworm", "--keyring", keyring, "--publish", theirs.root)
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("error:") == 1
    expected = ExitCode.REPOSITORY_STORAGE if "no room" in message else ExitCode.FOREIGN
    assert code == (ExitCode.PACKAGE if "the index says" in message else expected)
    nothing_came(untouched, capsys)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("Package: a\nPackage: a\n", {}, "field Package is there twice"),
        ("not a stanza\n", {}, "not a field"),
        (b"Package: \xff\n", {}, "not an index"),
        (BOMB, {}, "a line of it has more than 4 MiB"),
        ("Package: a\n" * 9, {"plain": 20}, "a decompression bomb"),
        (
            "",
            {"pack": lambda data: lzma.compress(data)[:-9], "suffix": ".xz"},
            "its compressed data is truncated",
        ),
        ("", {"pack": lambda data: b"no gzip" + data}, "not an index"),
    ],
)
def test_an_index_that_is_none(
    untouched: Made, theirs: HandMade, keyring: Path, text: str, options: dict[str, object], message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    theirs.publish(text, **options)  # type: ignore[arg-type]
    assert untouched.repo("import", "-s", "bookworm", "--keyring", keyring, theirs.root) == ExitCode.FOREIGN
    assert message in capsys.readouterr().err
    nothing_came(untouched, capsys)


OLD, LATER, FAR = (f"Mon, 02 Jan {year} 15:04:05 +0000" for year in (2006, 2007, 2099))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"Date": OLD, "Valid-Until": LATER},
            "it has expired: Valid-Until is 2007-01-02 15:04 UTC",
        ),
        ({"Date": FAR}, "ahead of this machine's clock"),
        ({"Date": "soon"}, "not a Release"),
        ({"Date": ""}, "it has no Date"),
        ({"Valid-Until": "never"}, "its Valid-Until is no date"),
    ],
)
def test_a_release_that_apt_refuses(
    ours: Made, theirs: HandMade, packages: list[Path], keyring: Path, fields: dict[str, str], message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    theirs.release = fields
    theirs.publish(stanza(packages[0]), packages[:1])
    argv = ("import", "-s", "bookworm", "--keyring", keyring, theirs.root)
    assert ours.repo(*argv) == ExitCode.FOREIGN
    assert message in capsys.readouterr().err
    assert ours.repo(*argv, "--allow-expired") == (0 if "expired" in message else ExitCode.FOREIGN)


def test_who_signed_and_what_is_there(
    ours: Made, theirs: HandMade, packages: list[Path], keyring: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs.publish(stanza(packages[0]), packages[:1])
    good = (theirs.folder / "InRelease").read_bytes()

    def tried(*options: str | Path, where: Path | str = theirs.root) -> str:
        code = ours.repo("import", "-s", "bookworm", *options, where)
        assert code in (ExitCode.FOREIGN, ExitCode.USAGE)
        return capsys.readouterr().err

    assert "name the key to trust" in tried()
    assert "the signature of InRelease is not good" in tried("--keyring", ours.root / "keyring.gpg")
    assert "has no index of contrib for amd64" in tried("--keyring", keyring, "--component", "contrib")
    assert "has no index of main for riscv64" in tried("--keyring", keyring, "-a", "riscv64")
    assert "dists/trixie/InRelease: is missing" in tried("--keyring", keyring, "--from-suite", "trixie")
    assert "only paths, file: and http: are read" in tried("--keyring", keyring, where="ftp://localhost/x")
    assert "InRelease: cannot be read" in tried("--keyring", keyring, where="http://127.0.0.1:9/")
    assert "there is no package in" in tried(where=keyring.parent)
    (theirs.folder / "InRelease").write_bytes(good.replace(b"Origin: theirs", b"Origin: others"))
    assert "the signature of InRelease is not good" in tried("--keyring", keyring)
    nothing_came(ours, capsys)
    assert ours.repo("add", "-s", "bookworm", "--publish", write_deb(ours.folder / "after", "after", "1")) == 0


def test_a_version_with_other_bytes_is_refused_before_anything_is_brought(
    ours: Made, theirs: HandMade, packages: list[Path], keyring: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ours.repo("add", "-s", "bookworm", write_deb(tmp_path / "in", "etcd-server", "3.5.16-1")) == 0
    theirs.publish(stanza(packages[0]), packages[:1])
    with Shaky(theirs.root) as web:
        assert ours.repo("import", "-s", "bookworm", "--keyring", keyring, web.url) == ExitCode.PACKAGE
        assert web.asked() == []
    assert "a version is never published twice" in capsys.readouterr().err
    twice = stanza(packages[0]) + "\n" + stanza(packages[0], SHA256="ab" * 32, Filename="pool/x.deb")
    theirs.publish(twice, packages[:1])
    assert ours.repo("import", "-s", "bookworm", "--keyring", keyring, theirs.root) == ExitCode.FOREIGN
    assert "is there with two contents" in capsys.readouterr().err


def test_a_connection_that_breaks_off_is_gone_on_with(
    ours: Made, theirs: HandMade, keyring: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = write_package(tmp_path / "in", "large", "1", size=100_000)
    theirs.publish(stanza(large), [large])
    argv = ("import", "-s", "bookworm", "--keyring", keyring)
    with Shaky(theirs.root, cut=2, after=30_000) as web:
        assert ours.repo(*argv, web.url) == 0
        assert [wanted for _, wanted in web.asked()] == ["", "bytes=30000-", "bytes=60000-"]
    other = Made(tmp_path / "second/repository", [], tmp_path / "second")
    assert other.repo("init", "--origin", "second") == 0
    with Shaky(theirs.root, cut=10_000, after=20_000) as web:
        capsys.readouterr()
        assert other.repo(*argv, web.url) == ExitCode.FOREIGN
        assert "large_1_amd64.deb: cannot be read: the answer broke off" in capsys.readouterr().err
        # What came is kept: the next run asks for the rest alone, also where the server knows no ranges.
        (part,) = (other.root / "downloads").glob("*.part")
        assert part.stat().st_size == 60_000
        web.cut, web.ranges = 0, False
        assert other.repo(*argv, web.url, "--publish") == 0
        assert web.asked()[-1][1] == "bytes=60000-"
    assert other.client().update().clean
    assert other.client().download("large", "1").clean


def test_a_server_that_says_nothing_more(
    ours: Made, theirs: HandMade, packages: list[Path], keyring: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("kubedeb.places.TIMEOUT", 0.3)
    theirs.publish(stanza(packages[0]), packages[:1])
    with Shaky(theirs.root, cut=10_000, after=100, hang=0.9) as web:
        assert ours.repo("import", "-s", "bookworm", "--keyring", keyring, web.url) == ExitCode.FOREIGN
    assert "cannot be read" in capsys.readouterr().err


def test_ctrl_c_does_not_wait_for_a_server(ours: Made, theirs: HandMade, packages: list[Path], keyring: Path) -> None:
    theirs.publish(stanza(packages[0]), packages[:1])
    wanted = ("-s", "bookworm", "--keyring", keyring)
    with Shaky(theirs.root, cut=10_000, after=100, hang=6) as web:
        argv = [sys.executable, "-m", "kubedeb", "repo", "import", "-r", ours.root, *wanted, web.url]
        with subprocess.Popen(argv) as importing:
            until(lambda: bool(web.asked()), pause=0.01)
            began = time.monotonic()
            importing.send_signal(signal.SIGINT)
            assert importing.wait(30) == ExitCode.INTERRUPTED
        assert time.monotonic() - began < 4
    with Shaky(theirs.root) as web:
        assert ours.repo("import", *wanted, web.url) == 0


def test_a_part_that_was_damaged_here_is_not_built_upon(
    ours: Made, theirs: HandMade, packages: list[Path], keyring: Path
) -> None:
    theirs.publish(stanza(packages[0]), packages[:1])
    wrong = ours.root / "downloads" / f"{stanza(packages[0]).partition('SHA256: ')[2].strip()}.part"
    wrong.parent.mkdir()
    wrong.write_bytes(b"x" * 500)
    assert ours.repo("import", "-s", "bookworm", "--keyring", keyring, "--publish", theirs.root) == 0
    assert ours.repo("verify") == 0


def test_a_repository_that_changes_while_it_is_read(
    ours: Made, theirs: HandMade, packages: list[Path], keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from repo.downloads import Downloads

    theirs.publish(stanza(packages[0]), packages[:1])
    real, times = Downloads.bring, list[int]()

    def moved(*arguments: object) -> int:
        times.append(1)
        if len(times) == 1:
            shutil.rmtree(theirs.root / "pool")
            theirs.publish(stanza(packages[1], Version="1:1.20.2-1"), packages[1:])
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Downloads, "bring", moved)
    assert ours.repo("import", "-s", "bookworm", "--keyring", keyring, "--publish", theirs.root) == 0
    assert ours.client().update().clean
    assert (ours.client().versions(), ours.client().versions("kubelet")) == ([], ["1:1.20.2-1"])


def test_two_at_once_and_a_suite_that_takes_signed_uploads_alone(
    ours: Made, theirs: HandMade, packages: list[Path], keyring: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from repo.downloads import downloads

    theirs.publish(stanza(packages[0]), packages[:1])
    argv = ("import", "-s", "bookworm", "--keyring", keyring, theirs.root)
    with downloads(ours.opened.layout):
        assert ours.repo(*argv) == ExitCode.REPOSITORY_BUSY
    assert ours.repo("init", "--origin", "kubedeb", "--changes-keyring", str(keyring.parent)) == 0
    assert ours.repo(*argv) == ExitCode.PACKAGE
    assert "takes signed .changes files only" in capsys.readouterr().err


@pytest.fixture
def small(ours: Made, tmp_path: Path) -> Iterator[Made]:
    """A repository on a disk of its own, of 8 MiB."""
    with small_disk(tmp_path, "8m") as disk:
        shutil.copytree(ours.root, disk / "repository")
        yield Made(disk / "repository", [], tmp_path)


def test_a_full_disk(
    small: Made, theirs: HandMade, keyring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    large = write_package(tmp_path / "in", "large", "1", size=1_000_000)
    theirs.publish(stanza(large), [large])
    argv = ("import", "-s", "bookworm", "--keyring", keyring, "--publish", theirs.root)
    ballast = small.root / "ballast"
    for leave in (1_500_000, 900_000, 4096):
        ballast.write_bytes(bytes(shutil.disk_usage(small.root).free - leave))
        assert small.repo(*argv) == ExitCode.REPOSITORY_STORAGE
        printed = capsys.readouterr().err
        assert "there is no room for what would be taken" in printed or leave == 4096
        # The same, met in the middle.
        with monkeypatch.context() as patched:
            patched.setattr("repo.downloads.Downloads.require_room", lambda *_: None)
            assert small.repo(*argv) == ExitCode.REPOSITORY_STORAGE
        printed = capsys.readouterr().err
        assert "No space left on device" in printed or "disk is full" in printed
        ballast.unlink()
        assert not list(small.public.rglob("*.deb"))
    assert small.repo(*argv) == 0
    assert small.client().update().clean
    assert small.client().versions("large") == ["1"]


def kill_everywhere(ours: Made, theirs: HandMade, packages: list[Path], keyring: Path, sample: int | None) -> None:
    """Kill `import --publish` at system calls that write: the old or the new state, and the next run completes it."""
    before = write_package(ours.folder / "before", "before", "1")
    assert ours.repo("add", "-s", "bookworm", "--publish", before) == 0
    theirs.publish("\n".join([stanza(packages[0]), stanza(packages[1], Version="1:1.20.2-1")]), packages)
    tail = ("-s", "bookworm", "--keyring", str(keyring), "--publish", str(theirs.root))
    counted = ours.copy("counted")
    for number, (call, when) in enumerate(killing.chosen(killing.points("import", counted, tail), sample)):
        made = ours.copy(str(number))
        killing.kill("import", made, tail, call, when)
        client = made.client()
        assert client.update().clean
        seen = [client.versions(name) for name in ("before", "etcd-server", "kubelet")]
        assert seen in ([["1"], [], []], [["1"], ["3.5.16-1"], ["1:1.20.2-1"]]), (call, when)
        assert made.repo("import", *tail) == 0
        assert client.update().clean
        assert client.versions("kubelet") == ["1:1.20.2-1"]
        assert made.repo("verify") == 0
        assert not list((made.root / "downloads").iterdir())
        shutil.rmtree(made.root)


@pytest.mark.turn("kills of import, mirror and gc")
def test_a_kill_anywhere_leaves_the_old_or_the_new(ours: Made, theirs: HandMade, packages: list[Path], keyring: Path) -> None:
    kill_everywhere(ours, theirs, packages, keyring, 4)


@pytest.mark.long
def test_a_kill_everywhere_leaves_the_old_or_the_new(ours: Made, theirs: HandMade, packages: list[Path], keyring: Path) -> None:
    kill_everywhere(ours, theirs, packages, keyring, None)
