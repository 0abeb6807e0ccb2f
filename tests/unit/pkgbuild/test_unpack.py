"""What an archive may hold, what is refused and how it is named; no mutated one writes a file."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from kubedeb.errors import ExitCode, KubedebError
from pkgbuild import unpack
from pkgbuild.checksum import Checksum
from pkgbuild.spec import SourcePin
from pkgbuild.unpack import MemberKind, check, members

Item = tuple[str, bytes, int, str | bytes]
"""Name, tar type, mode, and the target of a link or the content of a file."""
REGULAR, LINK, HARD, FOLDER = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
GOOD: list[Item] = [
    ("./", FOLDER, 0o755, ""),
    ("./etcd-v3.5.17/", FOLDER, 0o755, ""),
    ("./etcd-v3.5.17/etcd", REGULAR, 0o755, b"binary"),
    ("./etcd-v3.5.17/docs/README.md", REGULAR, 0o644, b"text"),
    ("./etcd-v3.5.17/docs/top", LINK, 0o777, "../etcd"),
    ("./etcd-v3.5.17/again", HARD, 0o755, "./etcd-v3.5.17/etcd"),
]


def tar(items: list[Item]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, mode, content in items:
            item = tarfile.TarInfo(name)
            item.type, item.mode = kind, mode
            if isinstance(content, str):
                item.linkname = content
            else:
                item.size = len(content)
            archive.addfile(item, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


def deb(items: list[Item]) -> bytes:
    def member(name: str, data: bytes) -> bytes:
        return f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)

    control = tar([("control", REGULAR, 0o644, b"Package: a\nVersion: 1\nArchitecture: all\n")])
    return b"!<arch>\n" + member("debian-binary", b"2.0\n") + member("control.tar", control) + member("data.tar", tar(items))


def zipped(items: list[Item]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, kind, mode, content in items:
            entry = zipfile.ZipInfo(name)
            form = {LINK: stat.S_IFLNK, FOLDER: stat.S_IFDIR, tarfile.CHRTYPE: stat.S_IFCHR}.get(kind, stat.S_IFREG)
            entry.create_system, entry.external_attr, entry.compress_type = 3, (form | mode) << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return out.getvalue()


PACKED: dict[str, Callable[[list[Item]], bytes]] = {
    "a.tar": tar,
    "a.tar.gz": lambda items: gzip.compress(tar(items)),
    "a.tgz": lambda items: gzip.compress(tar(items)),
    "a.tar.xz": lambda items: lzma.compress(tar(items)),
    "a.tar.bz2": lambda items: bz2.compress(tar(items)),
    "a.tar.zst": lambda items: zstandard.compress(tar(items)),
    "a.deb": deb,
}


def pin(name: str) -> SourcePin:
    return SourcePin("archive", "thing", "1.0", Checksum.sha256("0" * 64), "amd64", file=name)


def read(name: str, data: bytes, folder: Path) -> list[tuple[str, str, int, str, bytes]]:
    (folder / name).write_bytes(data)
    return [
        (one.path, one.kind.value, one.mode, one.link, one.stream.read() if one.stream else b"")
        for one in members(folder / name, pin(name))
    ]


@pytest.mark.parametrize("name", PACKED)
def test_each_way_of_packing_gives_the_same_members(name: str, tmp_path: Path) -> None:
    assert read(name, PACKED[name](GOOD), tmp_path) == [
        (".", "folder", 0o755, "", b""),
        ("etcd-v3.5.17", "folder", 0o755, "", b""),
        ("etcd-v3.5.17/etcd", "file", 0o755, "", b"binary"),
        ("etcd-v3.5.17/docs/README.md", "file", 0o644, "", b"text"),
        ("etcd-v3.5.17/docs/top", "symlink", 0o777, "../etcd", b""),
        ("etcd-v3.5.17/again", "hardlink", 0o755, "etcd-v3.5.17/etcd", b""),
    ]


def test_a_zip_keeps_modes_and_links(tmp_path: Path) -> None:
    items: list[Item] = [("d/", FOLDER, 0o755, ""), ("d/x", REGULAR, 0o755, b"1"), ("d/l", LINK, 0o777, "x")]
    assert read("a.whl", zipped(items), tmp_path) == [
        ("d", "folder", 0o755, "", b""), ("d/x", "file", 0o755, "", b"1"), ("d/l", "symlink", 0o777, "x", b""),
    ]  # fmt: skip


@pytest.mark.parametrize(("data", "mode"), [(b"\x7fELF...", 0o755), (b"#!/bin/sh\n", 0o755), (b"text", 0o644)])
def test_what_is_no_archive_is_one_file(data: bytes, mode: int, tmp_path: Path) -> None:
    assert read("kubectl", data, tmp_path) == [("kubectl", "file", mode, "", data)]


HOSTILE: dict[str, tuple[list[Item], str]] = {
    "absolute": ([("/etc/passwd", REGULAR, 0o644, b"x")], "holds '/etc/passwd', an absolute path"),
    "dots": ([("a/../../b", REGULAR, 0o644, b"x")], "holds 'a/../../b', a path with .."),
    "link out": ([("a/l", LINK, 0o777, "../../x")], "holds 'a/l', a link that leaves it: '../../x'"),
    "absolute link": ([("l", LINK, 0o777, "/etc")], "holds 'l', a link that leaves it: '/etc'"),
    "link by a detour": ([("b/c", FOLDER, 0o755, ""), ("a", LINK, 0o777, "b/c/../../..")], "holds 'a', a link that leaves it"),
    "behind a link": (
        [("l", LINK, 0o777, "d"), ("l/x", REGULAR, 0o644, b"x")], "holds 'l/x' behind 'l', which is no folder",
    ),
    "folder becomes a link": ([("d/x", REGULAR, 0o644, b""), ("d", LINK, 0o777, "e")], "holds 'd' twice"),
    "twice": ([("x", REGULAR, 0o644, b"1"), ("./x", REGULAR, 0o644, b"2")], "holds 'x' twice"),
    "setuid": ([("x", REGULAR, 0o4755, b"1")], "holds 'x', which is setuid or setgid"),
    "setgid": ([("x", REGULAR, 0o2755, b"1")], "holds 'x', which is setuid or setgid"),
    "device": ([("null", tarfile.CHRTYPE, 0o666, "")], "holds 'null', a device, pipe or other special file"),
    "pipe": ([("p", tarfile.FIFOTYPE, 0o666, "")], "holds 'p', a device, pipe or other special file"),
    "hard link out": ([("x", HARD, 0o644, "../x")], "holds 'x', a hard link to '../x', a path with .."),
    "hard link to nothing": ([("x", HARD, 0o644, "y")], "holds 'x', a hard link to 'y', which is no file before it"),
    "control characters": ([("a\nb", REGULAR, 0o644, b"")], "holds 'a\\nb', a name that is too long or has control characters"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_archive_is_refused_and_its_member_named(what: str, tmp_path: Path) -> None:
    items, message = HOSTILE[what]
    with pytest.raises(KubedebError) as raised:
        read("a.tar.gz", PACKED["a.tar.gz"](items), tmp_path)
    assert raised.value.code is ExitCode.SOURCE_REFUSED
    assert raised.value.brief.startswith("source thing 1.0 (amd64) is refused: a.tar.gz " + message)


@pytest.mark.parametrize("what", ["absolute", "dots", "link out", "absolute link", "setuid", "device", "twice"])
def test_a_hostile_zip_is_refused(what: str, tmp_path: Path) -> None:
    items, message = HOSTILE[what]
    data = zipped(items)
    with pytest.raises(KubedebError) as raised:
        read("a.zip", data, tmp_path)
    assert message in raised.value.brief


def test_a_link_of_a_deb_means_the_packages_own_root(tmp_path: Path) -> None:
    items: list[Item] = [("./usr/bin/x", LINK, 0o777, "/usr/lib/x")]
    assert read("a.deb", deb(items), tmp_path) == [("usr/bin/x", "symlink", 0o777, "/usr/lib/x", b"")]


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar.xz", "a.zip"])
def test_a_bomb_is_stopped(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "SMALL", 100_000)
    items: list[Item] = [("zeros", REGULAR, 0o644, bytes(3_000_000))]
    data = zipped(items) if name == "a.zip" else PACKED[name](items)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(KubedebError, match="bomb"):
        check(tmp_path / name, pin(name))


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MAX_MEMBERS", 10)
    with pytest.raises(KubedebError, match="more than 10 members"):
        read("a.tar", tar([(f"f{number}", REGULAR, 0o644, b"") for number in range(11)]), tmp_path)


@contextmanager
def refused() -> Iterator[None]:
    """Let the block end in a refusal that can be printed, and in nothing else that is wrong."""
    try:
        yield
    except KubedebError as error:
        if error.code is not ExitCode.SOURCE_REFUSED:
            raise
        error.render().encode()


MUTATED = {**PACKED, "a.zip": lambda items: zipped(items[:4])}


@settings(max_examples=600, deadline=None)
@given(
    name=st.sampled_from(sorted(MUTATED)),
    cuts=st.lists(st.tuples(st.integers(0, 20_000), st.binary(max_size=8), st.integers(0, 600)), min_size=1, max_size=4),
)
def test_a_mutated_archive_gives_members_or_a_refusal(
    name: str, cuts: list[tuple[int, bytes, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each cut replaces some bytes at a place (taken modulo the length) with others."""
    folder = tmp_path_factory.getbasetemp() / "mutated"
    folder.mkdir(exist_ok=True)
    data = MUTATED[name](GOOD)
    for place, put, gone in cuts:
        at = place % (len(data) + 1)
        data = data[:at] + put + data[at + gone :]
    (folder / name).write_bytes(data)
    with refused():
        for one in members(folder / name, pin(name)):
            assert not one.path.startswith("/")
            assert ".." not in one.path.split("/")
            if one.stream:
                one.stream.read()
    (folder / name).unlink()
    assert list(folder.iterdir()) == []


paths = st.lists(st.sampled_from(["a", "b", "..", ".", "", "c"]), min_size=1, max_size=4).map("/".join)


@settings(max_examples=300, deadline=None)
@given(shapes=st.lists(st.tuples(paths, st.sampled_from([REGULAR, LINK, HARD, FOLDER]), paths), min_size=1, max_size=6))
def test_what_passes_can_be_unpacked_inside(
    shapes: list[tuple[str, bytes, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Unpack, naively, whatever members pass: every name and every link, followed, stays inside."""
    top = tmp_path_factory.mktemp("unpacked")
    name, root = "a.tar", top / "one/two/root"
    root.mkdir(parents=True)
    items: list[Item] = [
        (path, kind, 0o755, to if kind in (LINK, HARD) else b"" if kind == REGULAR else "") for path, kind, to in shapes
    ]
    (top / name).write_bytes(tar(items))
    made = []
    with refused():
        for one in members(top / name, pin(name)):
            place = root / one.path
            if one.kind is MemberKind.FOLDER:
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            made.append(place)
            if one.kind is MemberKind.SYMLINK:
                place.symlink_to(one.link)
            else:
                place.write_bytes(b"")
    for place in made:
        try:
            real = place.resolve(strict=True)
        except (OSError, RuntimeError):  # a link to nothing, or in a circle
            real = root if not place.is_symlink() or not place.exists() else place
        assert real == root or root in real.parents
    assert sorted(path.name for path in top.iterdir()) == ["a.tar", "one"]


def test_the_check_counts_members(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar(GOOD))
    assert check(tmp_path / "a.tar", pin("a.tar")) == len(GOOD)
