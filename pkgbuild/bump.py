"""A new version's row: digests from upstream's checksum file or signature, or Debian's signed index; else when accepted."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen
from pkgbuild.aptsources import RELEASES
from pkgbuild.checksum import Algorithm, Checksum
from pkgbuild.fetch import Network
from pkgbuild.library import LoadedRecipe
from pkgbuild.recipe import Architecture, Row, Suite, as_upstream
from pkgbuild.recipeedit import with_digest, with_row
from pkgbuild.sources import ArchiveSource, DebSource, DscSource, Source, WheelSource
from pkgbuild.spec import SignaturePin, SourcePin

DIGEST = re.compile(r"(?<![0-9a-f])([0-9a-f]{64}|[0-9a-f]{128})(?![0-9a-f])")

VERSION = re.compile(r"[0-9][A-Za-z0-9.+~]*")
LIKE_THE_LAST = ("build_options", "build_profiles", "without", "suites")
"""Keys of the last row that the new one takes over: how it is built, and of what it consists."""


@frozen
class Found:
    """A source of the new row, as the file says it, and where its digest comes from, for people: `from …`."""

    source: dict[str, Any]
    because: str


@frozen
class Bumped:
    """The recipe file's new text, and a line a source: its digest and who vouches for it."""

    text: str
    said: tuple[str, ...]


def bumped(
    loaded: LoadedRecipe, version: str, net: Network, folder: Path, *, accept: bool
) -> dict[Architecture, tuple[Found, ...]]:
    """Find the sources of a version after the example of the recipe's last row; downloads lie below `folder`, for a while.

    Raises `KubedebError`: RECIPE when upstream says no digest and none is accepted, SOURCE_GONE when the version is nowhere,
    SOURCE_MISMATCH when a signature is not good.
    """
    row = loaded.recipe.versions[-1]
    folder.mkdir(parents=True, exist_ok=True)
    finder = _Finder(loaded, row, version, net, folder, accept=accept)
    return {arch: tuple(finder.find(source, arch) for source in sources) for arch, sources in row.sources.items()}


def unpinned(loaded: LoadedRecipe, version: str) -> list[tuple[Architecture, int, ArchiveSource]]:
    """Return (architecture, place in its list, source) of the archives that have no digest in a version's row."""
    return [
        (architecture, place, source)
        for row in loaded.recipe.versions if row.version == version
        for architecture, place, source in row.unpinned() if isinstance(source, ArchiveSource)
    ]  # fmt: skip


def pinned(
    loaded: LoadedRecipe, version: str, source: ArchiveSource, architecture: Architecture, net: Network, folder: Path, *,
    accept: bool,
) -> Found:  # fmt: skip
    """Find the digest of a source that has none in its row. Raises as `bumped`."""
    folder.mkdir(parents=True, exist_ok=True)
    row = next(row for row in loaded.recipe.versions if row.version == version)
    return _Finder(loaded, row, version, net, folder, accept=accept).archive(source, architecture)


def digest_in(text: str, file: str) -> Checksum | None:
    """Return the digest that a checksum file has for `file`: of its line (`HEX  NAME`, `HEX *./NAME`), or its only one."""
    found = [(match[1], line) for line in text.lower().splitlines() if (match := DIGEST.search(line))]
    name = re.compile(rf"(?:^|[\s*/(]){re.escape(file.lower())}(?:$|[\s)])")
    named = [digest for digest, line in found if name.search(line)]
    alone = [found[0][0]] if len(found) == 1 and found[0][1].strip() == found[0][0] else []
    chosen = sorted(set(named or alone), key=len)
    return checksum_of(chosen[0]) if len(chosen) == 1 else None


def checksum_of(value: str) -> Checksum:
    """Return the checksum of which `value` is the hex; its length says which algorithm."""
    return Checksum(Algorithm.SHA256 if len(value) == 64 else Algorithm.SHA512, value)


class _Finder:
    def __init__(self, loaded: LoadedRecipe, row: Row, version: str, net: Network, folder: Path, *, accept: bool) -> None:
        self._loaded, self._row, self._version = loaded, row, version
        self._net, self._folder, self._accept = net, folder, accept

    def find(self, source: Source, architecture: Architecture) -> Found:
        """Return the new row's source in the place of the old one's."""
        if isinstance(source, ArchiveSource):
            return self.archive(source, architecture)
        if isinstance(source, WheelSource):
            return self._wheel(source, architecture)
        return self._debian(source, architecture)

    def archive(self, source: ArchiveSource, architecture: Architecture) -> Found:
        """Return an archive with the digest that upstream states, else that its signature proves, else the accepted one."""
        version = self._row.part(source.name) if self._row.version == self._version else as_upstream(self._version)
        fill = _filler(version, architecture)
        url = fill(source.url)
        if "{version}" not in source.url:
            raise KubedebError(
                f"the URL of {source.name} does not say where its version stands", details=source.url,
                hint="Write {version} in its place.", code=ExitCode.RECIPE,
            )  # fmt: skip
        found = self._stated_if_any(url, fill) or self._signed(source, url, fill, architecture) or self._accepted(url)
        if found is None:
            raise KubedebError(
                f"nothing that upstream publishes says which bytes {url} has",
                hint="--accept takes what comes now and says so; `upstream:` in the recipe names checksum files.",
                code=ExitCode.RECIPE,
            )
        checksum, because = found
        kept = {"kind": source.kind, "name": source.name, "url": source.url}
        signature = {"signature": asdict(source.signature)} if source.signature else {}
        return Found({**kept, checksum.algorithm.value: checksum.value, **signature}, because)

    def _stated_if_any(self, url: str, fill: Callable[[str], str]) -> tuple[Checksum, str] | None:
        """Return what upstream states; where bytes are accepted anyway, it may have no checksum file."""
        try:
            return self._stated(url, fill)
        except KubedebError as error:
            if error.code is not ExitCode.SOURCE_GONE:
                raise
            if self._accept:
                return None
            raise KubedebError(
                error.brief, details=error.details, code=error.code,
                hint="Is there this version? --accept takes what comes of it now, where upstream has no checksum file.",
            ) from error  # fmt: skip

    def _stated(self, url: str, fill: Callable[[str], str]) -> tuple[Checksum, str] | None:
        upstream = self._loaded.recipe.upstream
        if upstream is None:
            return None
        file = PurePosixPath(url).name
        where = fill(upstream.checksums).replace("{url}", url).replace("{file}", file)
        checksum = digest_in(self._net.downloads.small(where, self._folder).decode(errors="replace"), file)
        if checksum is None:
            raise KubedebError(f"{where} has no digest of {file}", code=ExitCode.RECIPE)
        return checksum, f"from upstream's checksum file {where}"

    def _signed(
        self, source: ArchiveSource, url: str, fill: Callable[[str], str], architecture: Architecture
    ) -> tuple[Checksum, str] | None:
        if source.signature is None:
            return None
        from pkgbuild.signature import verify

        keyring = (self._loaded.folder / "keyring" / source.signature.keyring).read_text()
        where = fill(source.signature.url)
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            file = self._net.downloads.to_file(url, Path(name) / PurePosixPath(url).name, None)
            checksum = Checksum.sha256("").of(file)
            pin = SourcePin(
                source.kind, source.name, self._version, checksum, architecture.value, file=file.name, url=url,
                signature=SignaturePin(where, keyring),
            )  # fmt: skip
            key = verify(file, self._net.downloads.small(where, self._folder), keyring, pin)
        return checksum, f"from the bytes that the key {key} signed ({where})"

    def _accepted(self, url: str) -> tuple[Checksum, str] | None:
        if not self._accept:
            return None
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            file = self._net.downloads.to_file(url, Path(name) / "file", None)
            return Checksum.sha256("").of(file), f"accepted: what {url} sent now, vouched for by nobody"

    def _wheel(self, source: WheelSource, architecture: Architecture) -> Found:
        if not self._accept:
            raise KubedebError(
                f"no signed index says which bytes the wheel {source.package} {self._version} has",
                hint="--accept takes what the machine's own pip brings now, and says so.", code=ExitCode.RECIPE,
            )  # fmt: skip
        from pkgbuild.wheel import download

        file = source.file.replace(f"-{source.version}-", f"-{self._version}-", 1)
        pin = SourcePin(source.kind, source.package, self._version, Checksum.sha256(""), architecture.value, file=file)
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            digest = Checksum.sha256("").of(download(pin, Path(name))).value
        row = {**asdict(source), "version": self._version, "file": file, "sha256": digest}
        del row["unpinned"]
        return Found(row, f"accepted: what pip brought now for {file}, vouched for by nobody")

    def _debian(self, source: DebSource | DscSource, architecture: Architecture) -> Found:
        """Look the version up in the suite of the row before, then in the others that packages are made for, and sid."""
        suites = dict.fromkeys([source.suite, *(suite.value for suite in Suite), "sid"])
        for suite in (suite for suite in suites if suite in RELEASES):
            where = "source" if isinstance(source, DscSource) else architecture.value
            with self._net.archive(suite, where, self._folder) as archive:
                archive.update()
                is_source = isinstance(source, DscSource)
                listed = archive.show_sources(source.package) if is_source else archive.show([source.package])
            if fitting := [entry for entry in listed if upstream_part(entry.version) == self._version]:
                entry = fitting[0]
                row = {**asdict(source), "suite": suite, "version": entry.version, "sha256": entry.sha256}
                return Found(row, f"from the signed index of {suite}: {source.package} {entry.version}")
        raise KubedebError(
            f"no signed index lists {source.package} {self._version}", details=f"Asked: {', '.join(suites)}.",
            code=ExitCode.SOURCE_GONE,
        )  # fmt: skip


def upstream_part(version: str) -> str:
    """Return the upstream version in a Debian version: without epoch, revision, and what repacking added; pure.

    `1.20.5+really1.20.2-1` is 1.20.2: Debian cannot number backwards.
    """
    without_epoch = version.partition(":")[2] or version
    upstream = without_epoch.rpartition("-")[0] or without_epoch
    return re.sub(r"[+~](dfsg|ds|repack).*$", "", upstream.rpartition("+really")[2])


def _filler(version: str, architecture: Architecture) -> Callable[[str], str]:
    return lambda text: text.replace("{version}", version).replace("{architecture}", architecture.value)


def edited(text: str, loaded: LoadedRecipe, version: str, day: date, net: Network, folder: Path, *, accept: bool) -> Bumped:
    """Return the recipe file with a version more, or with the digests that the version's row lacked. Raises as `bumped`."""
    if not VERSION.fullmatch(version):
        raise KubedebError(
            f"{version!r} is no version", hint="As 3.5.17; a candidate is 1.11.0~rc.1, which sorts before 1.11.0.",
            code=ExitCode.RECIPE,
        )  # fmt: skip
    if any(row.version == version for row in loaded.recipe.versions):
        bare = unpinned(loaded, version)
        if not bare:
            raise KubedebError(f"recipe {loaded.recipe.name!r} has version {version} already", code=ExitCode.RECIPE)
        said = []
        for architecture, place, source in bare:
            found = pinned(loaded, version, source, architecture, net, folder, accept=accept)
            algorithm = "sha256" if "sha256" in found.source else "sha512"
            text = with_digest(text, version, architecture.value, place, (algorithm, found.source[algorithm]))
            said.append(_line(architecture, found))
        return Bumped(text, tuple(said))
    rows = bumped(loaded, version, net, folder, accept=accept)
    sources = {architecture.value: [one.source for one in listed] for architecture, listed in rows.items()}
    said = [_line(architecture, one) for architecture, listed in rows.items() for one in listed]
    return Bumped(with_row(text, version, day, sources, LIKE_THE_LAST), tuple(said))


def _line(architecture: Architecture, one: Found) -> str:
    name, digest = one.source.get("name") or one.source.get("package"), one.source.get("sha256") or one.source.get("sha512")
    return f"{architecture} {name}: {digest}, {one.because}"
