"""Tiny Debian packages, laid out in memory: good ones, and any kind of bad one."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import zstandard

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".xz": lambda data: lzma.compress(data, preset=0),
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


def ar(members: Sequence[tuple[str, bytes]]) -> bytes:
    """Return an ar archive."""
    blocks = [b"!<arch>\n"]
    for name, data in members:
        blocks.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2))
    return b"".join(blocks)


@dataclass(frozen=True)
class Item:
    """One entry of a package's data."""

    name: str
    content: bytes = b""
    mode: int = 0o644
    owner: tuple[int, int] = (0, 0)
    kind: bytes = tarfile.REGTYPE
    target: str = ""


def tar_of(items: Sequence[Item]) -> bytes:
    """Return a tar archive of entries of any kind."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for item in items:
            entry = tarfile.TarInfo(item.name)
            entry.size = len(item.content) if item.kind == tarfile.REGTYPE else 0
            entry.mode, entry.type, entry.linkname = item.mode, item.kind, item.target
            entry.uid, entry.gid = item.owner
            archive.addfile(entry, io.BytesIO(item.content))
    return out.getvalue()


def tar(files: Mapping[str, bytes] | Sequence[tuple[str, bytes]]) -> bytes:
    """Return a tar archive of files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in files.items() if isinstance(files, Mapping) else files:
            item = tarfile.TarInfo(name)
            item.size = len(data)
            archive.addfile(item, io.BytesIO(data))
    return out.getvalue()


def control(name: str = "etcd-server", version: str = "3.4.23-1~deb12u1", architecture: str = "amd64", more: str = "") -> str:
    """Return the text of a control file."""
    return (
        f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: nobody <nobody@localhost>\n"
        f"{more}Description: {name} for tests\n a longer text\n .\n in two paragraphs\n"
    )


def deb(
    text: str | bytes | None = None, *, form: str = ".xz", data: Mapping[str, bytes] | Sequence[Item] | None = None,
    about: Mapping[str, str] | None = None,
) -> bytes:  # fmt: skip
    """Return a package with this control file; `about` are more files beside it, `{"postinst": "#!/bin/sh\n"}`."""
    raw = text.encode() if isinstance(text, str) else text if text is not None else control().encode()
    compress = COMPRESS[form]
    more = {f"./{name}": content.encode() for name, content in (about or {}).items()}
    files = data if data is not None else {"./x": b"x" * 10}
    return ar([
        ("debian-binary", b"2.0\n"),
        (f"control.tar{form}", compress(tar({"./control": raw, "./md5sums": b"", **more}))),
        (f"data.tar{form}", compress(tar(files) if isinstance(files, Mapping) else tar_of(files))),
    ])  # fmt: skip


def write_deb(folder: Path, name: str, version: str, architecture: str = "amd64", more: str = "", salt: str = "") -> Path:
    """Write a package into `folder` under its usual name; `salt` makes other bytes of the same package."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}_{version.rpartition(':')[2]}_{architecture}.deb"
    content = f"{name} {version}{salt}\n".encode()
    path.write_bytes(deb(control(name, version, architecture, more), data={f"./{name}.txt": content}))
    return path


def etcd_packages(folder: Path) -> list[Path]:
    """Write the three versions of etcd-server that the thin line knows; tiny, and without a daemon."""
    return [write_deb(folder, "etcd-server", f"{version}-1~deb12u1") for version in ("3.3.25", "3.4.23", "3.5.16")]
