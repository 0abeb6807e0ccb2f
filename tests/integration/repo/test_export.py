"""A suite for a site without network: a tree that apt takes as it is, and that another repository takes after looking at it."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from aptclient import AptClient
from debs import write_deb
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from repositories import VERSIONS, Made

Members = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Made:
    """The repository on the other side."""
    made = Made(tmp_path / "elsewhere/repository", [], tmp_path / "elsewhere")
    assert made.repo("init", "--origin", "site") == 0
    return made


def client_of(tree: Path, made: Made, suite: str = "bookworm") -> AptClient:
    return AptClient(tree.with_name(f"{tree.name}-client"), f"file:{tree}", made.root / "keyring.gpg", suite)


@pytest.mark.parametrize("form", ["folder", "tar"])
def test_an_export_is_a_repository(published: Made, tmp_path: Path, form: str) -> None:
    target = tmp_path / ("site" if form == "folder" else "site.tar")
    assert published.repo("export", "bookworm", "-o", target, "--url", "http://site.example.org/apt/") == 0
    tree = tmp_path / "site"
    if form == "tar":
        with tarfile.open(target) as archive:
            archive.extractall(tree, filter="data")
    shutil.move(published.root, published.folder / "gone")
    key = published.folder / "gone/keyring.gpg"
    client = AptClient(tmp_path / "apt", f"file:{tree}", key)
    assert client.update().clean
    assert client.versions() == list(VERSIONS)
    assert client.download("etcd-server", VERSIONS[1]).clean
    assert published.repo("verify", tree, "--keyring", key, "--suite", "bookworm") == 0
    assert (tree / "kubedeb-archive-keyring.gpg").read_bytes() == key.read_bytes()
    (package,) = tree.glob("kubedeb-archive-keyring_*_all.deb")
    subprocess.run(["dpkg-deb", "-x", package, tmp_path / "installed"], check=True)
    assert (tmp_path / "installed/usr/share/keyrings/kubedeb-archive-keyring.gpg").read_bytes() == key.read_bytes()
    assert "URIs: http://site.example.org/apt/\n" in (tree / "kubedeb.sources").read_text()
    assert "etcd-server" in (tree / "kubedeb.pref").read_text()


def test_what_was_served_before_and_what_has_a_name(published: Made, tmp_path: Path) -> None:
    assert run(["repo", "snapshot", "create", "-r", str(published.root), "first", "bookworm@1"]) == 0
    # The indices of the first generation are not kept any more: they are made again, as they were signed.
    for path in (published.public / "dists/bookworm").rglob("by-hash/SHA256/*"):
        path.unlink()
    for what, suite in (("bookworm@1", "bookworm"), ("first", "snapshots/first")):
        tree = tmp_path / suite.replace("/", "-")
        assert published.repo("export", what, "-o", tree) == 0
        client = client_of(tree, published, suite)
        assert client.update().clean
        assert client.versions() == [VERSIONS[2]]
        assert len(list((tree / "pool").rglob("*.deb"))) == 1
        assert published.repo("verify", tree, "--keyring", published.root / "keyring.gpg", "--suite", suite) == 0


def test_the_other_side_takes_it_with_what_lies_beside(published: Made, elsewhere: Made, tmp_path: Path) -> None:
    package = write_deb(tmp_path / "in", "hello", "1.0")
    package.with_name("hello_1.0_amd64.intoto.jsonl").write_text('{"payload": ""}\n')
    assert published.repo("add", "-s", "bookworm", "--publish", package) == 0
    for number, target in enumerate((tmp_path / "site.tar", tmp_path / "site"), 1):
        assert published.repo("export", "bookworm", "-o", target) == 0
        argv = ("import", "-s", "bookworm", "--keyring", published.root / "keyring.gpg", target, "--publish")
        assert elsewhere.repo(*argv) == 0
        assert elsewhere.client(f"{number}").update().clean
    assert elsewhere.client("1").versions() == list(VERSIONS)
    assert len(list(elsewhere.public.rglob("pool/*/*/*.intoto.jsonl"))) == 1
    assert not list((elsewhere.root / "downloads").iterdir())
    # From one export to the next only what is new is stored; from a mirrored tar too.
    assert published.repo("remove", "-s", "bookworm", "--publish", "etcd-server (<< 3.5)") == 0
    assert published.repo("export", "bookworm", "-o", tmp_path / "site.tar") == 0
    key = published.root / "keyring.gpg"
    assert elsewhere.repo("mirror", "-s", "bookworm", "--keyring", key, tmp_path / "site.tar") == 0
    assert elsewhere.client("1").update().clean
    assert elsewhere.client("1").versions() == [VERSIONS[0]]


def _flip(name: str) -> Callable[[Members], Members]:
    def change(members: Members) -> Members:
        return [(item, data[:-1] + b"!" if name in item.name else data) for item, data in members]

    return change


def _with(name: str, data: bytes = b"x", **fields: object) -> Callable[[Members], Members]:
    item = tarfile.TarInfo(name)
    item.size = len(data)
    for key, value in fields.items():
        setattr(item, key, value)
    return lambda members: [*members, (item, data)]


def _without(name: str) -> Callable[[Members], Members]:
    return lambda members: [one for one in members if name not in one[0].name]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_flip(".deb"), "with other bytes"),
        (_flip("MANIFEST"), "the signature of InRelease is not good"),
        (_without("MANIFEST"), "its first file is not the MANIFEST of an export"),
        (_without(".deb"), "lacks 4 files"),
        (_with("pool/more.deb"), "has 'pool/more.deb', which its MANIFEST does not list so"),
        (_with("../../evil"), "has '../../evil', which its MANIFEST does not list so"),
        (_with("link", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "has 'link', which is no regular file"),
        (_with("fifo", b"", type=tarfile.FIFOTYPE), "has 'fifo', which is no regular file"),
        (lambda members: [*members, members[-1]], "does not list so"),
    ],
)
def test_an_export_that_was_changed_on_its_way(
    exported: Path, key: Path, elsewhere: Made, tmp_path: Path, change: Callable[[Members], Members], message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with tarfile.open(exported) as archive:
        members = [(item, (archive.extractfile(item) or io.BytesIO()).read()) for item in archive]
    changed = tmp_path / "changed.tar"
    with tarfile.open(changed, "w") as archive:
        for item, data in change(members):
            archive.addfile(item, io.BytesIO(data))
    refused(elsewhere, changed, key, message, capsys)


def refused(made: Made, what: Path, key: Path, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert made.repo("import", "-s", "bookworm", "--keyring", key, "--publish", what) == ExitCode.FOREIGN
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("error:") == 1
    assert not list(made.public.rglob("*.deb"))
    assert made.repo("list", "--json") == 0
    assert capsys.readouterr().out.strip() == "[]"


@pytest.fixture
def exported(template: Made, tmp_path: Path) -> Path:
    root = shutil.copytree(template.root, tmp_path / "copy", copy_function=shutil.copy2)
    made = Made(root, template.packages, tmp_path)
    assert made.repo("publish", "bookworm") == 0
    assert made.repo("export", "bookworm", "-o", tmp_path / "site.tar") == 0
    return tmp_path / "site.tar"


@pytest.fixture
def key(template: Made) -> Path:
    return template.root / "keyring.gpg"


def test_an_export_that_is_cut_or_packed_or_a_folder_that_was_touched(
    exported: Path, key: Path, elsewhere: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = exported.read_bytes()
    for length in (700, len(data) // 2, len(data) - 4096):
        exported.write_bytes(data[:length])
        assert elsewhere.repo("import", "-s", "bookworm", "--keyring", key, exported) == ExitCode.FOREIGN
    capsys.readouterr()
    exported.write_bytes(b"\x1f\x8b" + data)
    refused(elsewhere, exported, key, "cannot be read as a tar", capsys)
    exported.write_bytes(data)
    refused(elsewhere, exported, elsewhere.root / "keyring.gpg", "the signature of InRelease is not good", capsys)
    tree = tmp_path / "tree"
    with tarfile.open(exported) as archive:
        archive.extractall(tree, filter="data")
    package = next(tree.rglob("*.deb"))
    good = package.read_bytes()
    package.write_bytes(good[:-1] + b"!")
    refused(elsewhere, tree, key, "with other bytes", capsys)
    package.unlink()
    refused(elsewhere, tree, key, "which its MANIFEST lists", capsys)
    (tmp_path / "outside.deb").write_bytes(good)
    package.symlink_to(tmp_path / "outside.deb")
    refused(elsewhere, tree, key, "which its MANIFEST lists", capsys)


def test_what_cannot_be_exported_leaves_nothing(published: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "there").mkdir()
    assert published.repo("export", "bookworm", "-o", tmp_path / "there") == ExitCode.USAGE
    assert published.repo("export", "nothing", "-o", tmp_path / "x.tar") == ExitCode.REPOSITORY
    package = next(published.public.rglob("*.deb"))
    good = package.read_bytes()
    for damage in (good[:-1] + b"!", b""):
        package.write_bytes(damage)
        for name in ("x.tar", "x"):
            assert published.repo("export", "bookworm", "-o", tmp_path / name) == ExitCode.REPOSITORY
            assert "damaged" in capsys.readouterr().err
    package.write_bytes(good)
    assert published.repo("export", "bookworm", "-o", "/proc/nowhere/x.tar") == ExitCode.REPOSITORY_STORAGE
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "x"))] == []
